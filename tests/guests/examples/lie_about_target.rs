//! Answers rightly, but about another target than was asked. The host must not
//! use the decision: it is about something else.

use test_guests::{Decision, EvaluateError, Module, Request, decide, guest};

struct Guest;

impl Module for Guest {
    fn evaluate(request: Request) -> Result<Decision, EvaluateError> {
        Ok(Decision {
            target: "something-else".to_owned(),
            ..decide(request)
        })
    }
}

guest!(Guest);
