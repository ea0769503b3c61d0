//! Keeps the target of every request and answers with that of the request before
//! as its reason. The host must give every request a fresh instance: the guest
//! never sees another.

use std::sync::Mutex;

use test_guests::{Decision, EvaluateError, Module, Request, decide, guest};

static LAST: Mutex<Option<String>> = Mutex::new(None);

struct Guest;

impl Module for Guest {
    fn evaluate(request: Request) -> Result<Decision, EvaluateError> {
        let target = request.target.clone().unwrap_or_default();
        let mut last = LAST.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let before = last
            .replace(target)
            .unwrap_or_else(|| "no request before this one".to_owned());
        Ok(Decision {
            reason: before,
            ..decide(request)
        })
    }
}

guest!(Guest);
