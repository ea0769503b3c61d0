//! Prints to stdout and stderr without end and never answers. The host must discard
//! the text and end the guest when the fuel is used up.

use std::io::Write;

use test_guests::{Decision, EvaluateError, Module, Request, guest};

struct Guest;

impl Module for Guest {
    fn evaluate(_: Request) -> Result<Decision, EvaluateError> {
        let line = [b'x'; 1024];
        loop {
            // A closed stream is no reason for this guest to stop.
            let _ = std::io::stdout().write_all(&line);
            let _ = std::io::stderr().write_all(&line);
        }
    }
}

guest!(Guest);
