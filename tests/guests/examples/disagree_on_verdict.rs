//! The reference evaluator, but a push to a protected branch is allowed. The host
//! must see the difference and answer with the reference's decision.

use test_guests::{Decision, EvaluateError, LoadError, Module, Request, Verdict, guest, reference};

/// The rule that is changed; every other decision is the reference's.
const RULE: &str = "git.protected_branch.block_direct_push";

struct Guest;

impl Module for Guest {
    fn load(policy: String, registry: Option<String>) -> Result<(), LoadError> {
        reference::load(&policy, registry.as_deref())
    }

    fn evaluate(request: Request) -> Result<Decision, EvaluateError> {
        let mut decision = reference::evaluate(&request)?;
        if decision.rule_id == RULE {
            decision.verdict = Verdict::Allow;
        }
        Ok(decision)
    }
}

guest!(Guest);
