//! Executes `unreachable`. The host must report the trap and go on.

use test_guests::{Decision, EvaluateError, Module, Request, guest};

struct Guest;

impl Module for Guest {
    fn evaluate(_: Request) -> Result<Decision, EvaluateError> {
        std::process::abort()
    }
}

guest!(Guest);
