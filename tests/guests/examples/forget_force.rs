//! The reference evaluator, but a forced push that a pattern blocks is allowed: what
//! shows it needs both a pattern of its own and a request of its own.

use test_guests::{Decision, EvaluateError, LoadError, Module, Request, Verdict, guest, reference};

struct Guest;

impl Module for Guest {
    fn load(policy: String, registry: Option<String>) -> Result<(), LoadError> {
        reference::load(&policy, registry.as_deref())
    }

    fn evaluate(request: Request) -> Result<Decision, EvaluateError> {
        let mut decision = reference::evaluate(&request)?;
        let by_push = decision
            .matched_pattern
            .as_deref()
            .is_some_and(|it| it.contains("push"));
        if by_push && decision.verdict == Verdict::Block && decision.target.contains("--force") {
            decision.verdict = Verdict::Allow;
        }
        Ok(decision)
    }
}

guest!(Guest);
