//! Never returns from `evaluate`. The host must end it when the fuel is used up,
//! or at the deadline if there is fuel enough.

use test_guests::{Decision, EvaluateError, Module, Request, guest};

struct Guest;

impl Module for Guest {
    fn evaluate(_: Request) -> Result<Decision, EvaluateError> {
        loop {
            std::hint::spin_loop();
        }
    }
}

guest!(Guest);
