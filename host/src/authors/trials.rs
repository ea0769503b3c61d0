//! The evaluations of a check: every question twice, each time in a fresh instance, and
//! what was found wrong.

use super::check::Cost;
use super::questions::{Question, QuestionError};
use crate::backend::{Attempt, Backend};
use crate::fault::Fault;
use crate::model::Request;
use crate::pilot::{Strictness, compare, off_subject};
use crate::policy::PackId;

/// After so many problems no more is asked: a module that spins would be waited for each
/// time.
const MAX_PROBLEMS: usize = 8;
/// How much of a request or an answer is told.
const TOLD: usize = 80;

/// What was found, by the check that it belongs to.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) policy: Vec<String>,
    pub(super) memory: Vec<String>,
    pub(super) answers: Vec<String>,
    pub(super) determinism: Vec<String>,
    pub(super) fuel: Vec<String>,
    pub(super) cost: Cost,
}

/// Evaluations and what they found.
#[derive(Debug, Default)]
pub(super) struct Trials(Findings);

impl Trials {
    /// The module does not take a policy.
    pub(super) fn refused(&mut self, pack: &PackId, fault: &Fault) {
        self.0.policy.push(format!("`{pack}`: {fault}"));
    }

    pub(super) fn into_findings(self) -> Findings {
        self.0
    }

    /// Asks everything, and then everything again in the opposite order, so that what one
    /// request left behind would show in another.
    pub(super) fn run(
        &mut self,
        backend: &dyn Backend,
        pack: &PackId,
        questions: &[Question],
    ) -> Result<(), QuestionError> {
        let mut asked = Vec::new();
        for question in questions {
            if self.is_enough() {
                break;
            }
            let request = question.of(pack)?;
            let attempt = self.ask(backend, &request);
            let name = format!("`{}` by `{pack}`", short(&question.name));
            if let Err(fault) = &attempt.outcome {
                self.fault(&name, fault);
            }
            asked.push((name, request, attempt));
        }
        for (name, request, first) in asked.iter().rev() {
            // What a clock has ended may end elsewhere the next time, and that is told already.
            if matches!(first.outcome, Err(Fault::WallClock { .. })) {
                continue;
            }
            if self.is_enough() {
                break;
            }
            let second = self.ask(backend, request);
            if let Some(what) = differs(first, &second) {
                self.0.determinism.push(format!("{name}: {what}"));
            }
        }
        Ok(())
    }

    fn is_enough(&self) -> bool {
        let it = &self.0;
        [&it.policy, &it.memory, &it.answers, &it.determinism, &it.fuel]
            .iter()
            .any(|found| found.len() >= MAX_PROBLEMS)
    }

    fn ask(&mut self, backend: &dyn Backend, request: &Request) -> Attempt {
        let mut attempt = backend.evaluate(request);
        let cost = &mut self.0.cost;
        cost.evaluations = cost.evaluations.saturating_add(1);
        let usage = &attempt.usage;
        cost.peak_memory_bytes = cost
            .peak_memory_bytes
            .max(usage.peak_memory_bytes.unwrap_or_default());
        if let Some(fuel) = usage.fuel_used {
            cost.least_fuel = Some(cost.least_fuel.map_or(fuel, |least| least.min(fuel)));
            cost.most_fuel = Some(cost.most_fuel.map_or(fuel, |most| most.max(fuel)));
        }
        if let Ok(decision) = &attempt.outcome
            && let Some(what) = off_subject(decision, request)
        {
            attempt.outcome = Err(Fault::OutputInvalid(what));
        }
        attempt
    }

    fn fault(&mut self, name: &str, fault: &Fault) {
        let found = &mut self.0;
        let problems = match fault {
            Fault::MissingRuntime(_) | Fault::MissingPolicy(_) => &mut found.policy,
            Fault::OutOfFuel { .. } | Fault::WallClock { .. } | Fault::NoTurn { .. } => &mut found.fuel,
            Fault::MemoryLimit { .. } => &mut found.memory,
            Fault::Trap(_) | Fault::OutputInvalid(_) | Fault::NativeFailed(_) => &mut found.answers,
        };
        problems.push(format!("{name}: {fault}"));
    }
}

/// What is not the same in two attempts at the same request.
fn differs(first: &Attempt, second: &Attempt) -> Option<String> {
    match (&first.outcome, &second.outcome) {
        (Ok(one), Ok(other)) if one != other => {
            let differences = compare(one, other, Strictness::Full);
            Some(differences.first().map_or_else(
                || {
                    format!(
                        "the reason was `{}` and then `{}`",
                        short(&one.reason),
                        short(&other.reason)
                    )
                },
                |it| format!("`{}` was {} and then {}", it.field, it.python, it.go),
            ))
        }
        (Ok(_), Ok(_)) => fuel_differs(first, second),
        (Err(one), Err(other)) if one == other => fuel_differs(first, second),
        (one, other) => {
            let told = |outcome: &Result<_, Fault>| match outcome {
                Ok(_) => "decided".to_owned(),
                Err(fault) => fault.to_string(),
            };
            Some(format!("it was: {}; and then: {}", told(one), told(other)))
        }
    }
}

fn fuel_differs(first: &Attempt, second: &Attempt) -> Option<String> {
    let told = |attempt: &Attempt| attempt.usage.fuel_used.unwrap_or_default();
    let (one, other) = (told(first), told(second));
    (one != other).then(|| format!("it took {one} of fuel and then {other}"))
}

fn short(text: &str) -> String {
    let shown = text.chars().take(TOLD);
    let mut shown: String = shown
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(TOLD).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{Findings, MAX_PROBLEMS, Trials};
    use crate::authors::{PACKS, built_in};
    use crate::backend::{Attempt, Backend, Usage};
    use crate::fault::Fault;
    use crate::model::{Decision, Request, Severity, Verdict};
    use crate::policy::PackId;

    /// What no component can be: a module whose answers depend on how often it was asked.
    struct Fickle {
        asked: AtomicU64,
        what: fn(u64, &mut Attempt),
    }

    impl Backend for Fickle {
        fn evaluate(&self, request: &Request) -> Attempt {
            let mut attempt = Attempt {
                outcome: Ok(Decision {
                    verdict: Verdict::Allow,
                    rule_id: "example".to_owned(),
                    severity: Severity::Low,
                    reason: "it is an example".to_owned(),
                    action_type: request.action_type.clone(),
                    target: request.judged_target().into_owned(),
                    requested_operation: String::new(),
                    policy_pack: request.policy_pack.clone(),
                    approver_group: None,
                    matched_pattern: None,
                }),
                usage: Usage {
                    fuel_used: Some(1000),
                    ..Usage::default()
                },
            };
            (self.what)(self.asked.fetch_add(1, Ordering::Relaxed), &mut attempt);
            attempt
        }
    }

    fn found(what: fn(u64, &mut Attempt)) -> Findings {
        let backend = Fickle {
            asked: AtomicU64::new(0),
            what,
        };
        let mut trials = Trials::default();
        let pack = PackId::new(PACKS[0]).unwrap();
        trials.run(&backend, &pack, &built_in().unwrap()).unwrap();
        trials.into_findings()
    }

    #[test]
    fn what_is_always_the_same_has_no_problems() {
        let found = found(|_, _| {});
        assert!(found.determinism.is_empty() && found.answers.is_empty() && found.fuel.is_empty());
        assert_eq!(found.cost.evaluations, 2 * built_in().unwrap().len() as u64);
        assert_eq!(
            (found.cost.least_fuel, found.cost.most_fuel),
            (Some(1000), Some(1000))
        );
    }

    #[test]
    fn fuel_that_changes_is_no_determinism() {
        let found = found(|asked, attempt| attempt.usage.fuel_used = Some(asked));
        assert!(
            found.determinism[0].contains("of fuel and then"),
            "{:?}",
            found.determinism
        );
        assert!(found.answers.is_empty());
    }

    #[test]
    fn a_decision_or_a_reason_that_changes_is_no_determinism() {
        let rule = found(|asked, attempt| {
            if let Ok(decision) = &mut attempt.outcome {
                decision.rule_id = asked.to_string();
            }
        });
        assert!(
            rule.determinism[0].contains("`rule_id` was"),
            "{:?}",
            rule.determinism
        );
        let reason = found(|asked, attempt| {
            if let Ok(decision) = &mut attempt.outcome {
                decision.reason = asked.to_string();
            }
        });
        assert!(
            reason.determinism[0].contains("the reason was"),
            "{:?}",
            reason.determinism
        );
    }

    #[test]
    fn a_fault_that_comes_once_is_no_determinism() {
        let count = built_in().unwrap().len() as u64;
        assert_eq!(count, 31, "the number below");
        let found = found(|asked, attempt| {
            if asked >= 31 {
                attempt.outcome = Err(Fault::Trap("unreachable".to_owned()));
            }
        });
        assert_eq!(found.determinism.len(), MAX_PROBLEMS);
        assert!(found.determinism[0].contains("it was: decided; and then:"));
    }

    #[test]
    fn a_module_that_always_fails_is_not_asked_for_ever() {
        let found = found(|_, attempt| attempt.outcome = Err(Fault::WallClock { limit_ms: 5000 }));
        assert_eq!(found.fuel.len(), MAX_PROBLEMS);
        assert_eq!(found.cost.evaluations, MAX_PROBLEMS as u64);
    }
}
