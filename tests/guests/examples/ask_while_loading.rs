//! Asks for randomness while it loads its policy, as a program does that makes a hash
//! map there. A snapshot would freeze the answer, so the host must load the policy
//! in every instance, and say so.

use std::collections::HashMap;
use std::sync::Mutex;

use test_guests::{Decision, EvaluateError, LoadError, Module, Request, decide, guest};

static LOADED: Mutex<Option<HashMap<String, usize>>> = Mutex::new(None);

struct Guest;

impl Module for Guest {
    fn load(policy: String, _registry: Option<String>) -> Result<(), LoadError> {
        if let Ok(mut loaded) = LOADED.lock() {
            *loaded = Some([(policy, 1)].into());
        }
        Ok(())
    }

    fn evaluate(request: Request) -> Result<Decision, EvaluateError> {
        let loaded = LOADED
            .lock()
            .is_ok_and(|loaded| loaded.as_ref().is_some_and(|map| map.len() == 1));
        match loaded {
            true => Ok(decide(request)),
            false => Err(EvaluateError::NotLoaded),
        }
    }
}

guest!(Guest);
