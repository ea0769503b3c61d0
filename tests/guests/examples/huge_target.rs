//! Answers with a target of 1 MiB. The texts of a decision together may hold 64 KiB:
//! the host must refuse the answer.

use test_guests::{Decision, EvaluateError, Module, Request, decide, guest};

struct Guest;

impl Module for Guest {
    fn evaluate(request: Request) -> Result<Decision, EvaluateError> {
        Ok(Decision {
            target: "x".repeat(1 << 20),
            ..decide(request)
        })
    }
}

guest!(Guest);
