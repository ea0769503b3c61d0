//! The reference evaluator, unchanged, as an ordinary program with a standard
//! library, which imports WASI. The host must select its decisions: the imports
//! need no capability behind them.

use test_guests::{Decision, EvaluateError, LoadError, Module, Request, guest, reference};

struct Guest;

impl Module for Guest {
    fn load(policy: String, registry: Option<String>) -> Result<(), LoadError> {
        reference::load(&policy, registry.as_deref())
    }

    fn evaluate(request: Request) -> Result<Decision, EvaluateError> {
        reference::evaluate(&request)
    }
}

guest!(Guest);
