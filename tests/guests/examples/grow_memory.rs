//! Allocates ever more memory in `evaluate` until the allocator aborts. The host
//! must name the memory limit, not the abort that the refusal leads to.

use test_guests::{Decision, EvaluateError, Module, Request, guest};

struct Guest;

impl Module for Guest {
    fn evaluate(_: Request) -> Result<Decision, EvaluateError> {
        // Not written to: filling 64 MiB would use up the fuel first.
        let mut held: Vec<Vec<u8>> = Vec::new();
        loop {
            held.push(Vec::with_capacity(1 << 20));
            std::hint::black_box(&held);
        }
    }
}

guest!(Guest);
