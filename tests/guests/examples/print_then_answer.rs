//! Prints 1 MiB to stdout and to stderr and then answers rightly. The host must
//! discard the text and use the answer.

use std::io::Write;

use test_guests::{Decision, EvaluateError, Module, Request, decide, guest};

struct Guest;

impl Module for Guest {
    fn evaluate(request: Request) -> Result<Decision, EvaluateError> {
        let line = [b'x'; 1024];
        for _ in 0..1024 {
            let _ = std::io::stdout().write_all(&line);
            let _ = std::io::stderr().write_all(&line);
        }
        Ok(decide(request))
    }
}

guest!(Guest);
