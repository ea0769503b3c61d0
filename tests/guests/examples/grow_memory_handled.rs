//! Grows its memory with the bare instruction until it is refused, takes that in
//! its stride and answers rightly. A host that merely answers -1 would use the
//! decision; it must not, because the limit was reached.
#![cfg(target_family = "wasm")]

use test_guests::{Decision, EvaluateError, Module, Request, decide, guest};

/// The most that is asked for, in pages of 64 KiB: 4 GiB, all that there is.
const ALL: usize = 1 << 16;

struct Guest;

impl Module for Guest {
    fn evaluate(request: Request) -> Result<Decision, EvaluateError> {
        for _ in 0..ALL {
            if core::arch::wasm32::memory_grow::<0>(1) == usize::MAX {
                break;
            }
        }
        Ok(decide(request))
    }
}

guest!(Guest);
