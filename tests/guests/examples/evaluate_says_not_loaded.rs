//! Loads a policy and then says that none is loaded. The host knows better: the
//! answer is outside the contract.

use test_guests::{Decision, EvaluateError, Module, Request, guest};

struct Guest;

impl Module for Guest {
    fn evaluate(_: Request) -> Result<Decision, EvaluateError> {
        Err(EvaluateError::NotLoaded)
    }
}

guest!(Guest);
