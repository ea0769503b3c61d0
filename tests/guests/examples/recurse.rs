//! Calls itself until the call stack is used up. It keeps nothing in its own
//! memory, so that it is the engine's stack that ends. The host must report the
//! trap and keep its own stack.

use test_guests::{Decision, EvaluateError, Module, Request, decide, guest};

/// Not tail-recursive and, as far as a compiler can tell, not endless.
#[inline(never)]
fn descend(depth: u64) -> u64 {
    if depth == u64::MAX {
        return 0;
    }
    descend(depth + 1).rotate_left(7) ^ depth
}

struct Guest;

impl Module for Guest {
    fn evaluate(request: Request) -> Result<Decision, EvaluateError> {
        let bottom = descend(request.action_type.len() as u64);
        Ok(Decision {
            reason: bottom.to_string(),
            ..decide(request)
        })
    }
}

guest!(Guest);
