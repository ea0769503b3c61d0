//! Says that the policy it loaded is of another pack than the request asks for.
//! The host must fall back, and never try another policy.

use test_guests::{Decision, EvaluateError, Module, Request, guest};

struct Guest;

impl Module for Guest {
    fn evaluate(_: Request) -> Result<Decision, EvaluateError> {
        Err(EvaluateError::WrongPack("another-pack".to_owned()))
    }
}

guest!(Guest);
