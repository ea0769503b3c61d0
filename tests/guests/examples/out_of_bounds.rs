//! Reads from beyond the end of its memory. The host must report the trap.

use test_guests::{Decision, EvaluateError, Module, Request, decide, guest};

/// An address that is four bytes short of 4 GiB.
const NOWHERE: usize = 0xffff_fffc;

struct Guest;

impl Module for Guest {
    #[expect(unsafe_code, reason = "reading where nothing is is what this guest does")]
    fn evaluate(request: Request) -> Result<Decision, EvaluateError> {
        // SAFETY: none; the sandbox must end the guest here.
        let read = unsafe { std::ptr::with_exposed_provenance::<u32>(NOWHERE).read_volatile() };
        Ok(Decision {
            reason: read.to_string(),
            ..decide(request)
        })
    }
}

guest!(Guest);
