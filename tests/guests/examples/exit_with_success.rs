//! Ends the program with status 0 in the middle of `evaluate`. The host must not
//! take that for success: there is no decision.

use test_guests::{Decision, EvaluateError, Module, Request, guest};

struct Guest;

impl Module for Guest {
    fn evaluate(_: Request) -> Result<Decision, EvaluateError> {
        std::process::exit(0)
    }
}

guest!(Guest);
