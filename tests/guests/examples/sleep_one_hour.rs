//! Sleeps for an hour in one call to the host, where neither fuel nor epochs
//! reach. The host must end it at the deadline or refuse the call, and not hang.

use std::time::Duration;

use test_guests::{Decision, EvaluateError, Module, Request, decide, guest};

struct Guest;

impl Module for Guest {
    fn evaluate(request: Request) -> Result<Decision, EvaluateError> {
        std::thread::sleep(Duration::from_secs(3600));
        Ok(decide(request))
    }
}

guest!(Guest);
