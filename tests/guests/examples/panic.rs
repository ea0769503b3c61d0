//! Panics with a message on stderr. The host must report the trap, and the message
//! must not reach an answer: it is a foreign text.

use test_guests::{Decision, EvaluateError, Module, Request, guest};

struct Guest;

impl Module for Guest {
    #[expect(clippy::panic, reason = "panicking is what this guest does")]
    fn evaluate(_: Request) -> Result<Decision, EvaluateError> {
        panic!("message of the panicking guest");
    }
}

guest!(Guest);
