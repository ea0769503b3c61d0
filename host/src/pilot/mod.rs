//! The pilot: which of two decisions is used, and why.
//!
//! A pure function of the mode, two backends, the gates and the request.
//! Implements the wire contract, *Modes*.

mod evaluation;
mod mode;
mod parity;

#[cfg(test)]
mod tests;

pub use evaluation::{Evaluation, Reports, Sandbox, SelectedBackend, Stamps};
pub use mode::{Mode, UnknownMode};
pub use parity::{Difference, Strictness, compare};

use std::sync::Arc;

use crate::backend::{Attempt, Backend, Usage};
use crate::fault::{FallbackCode, Fault};
use crate::gates::{ReadinessReport, Report, ReportKind};
use crate::model::{Decision, IssuedDecision, Request, Severity, Verdict};

/// The rule of the decision that stands where there is no authority left.
pub const REFERENCE_UNAVAILABLE: &str = "runtime.reference.unavailable";

/// What must be ready, beside the runtime, before a promoted fast path is used, in order.
pub const PROMOTED_GATES: [PromotedGate; 5] = [
    PromotedGate {
        key: "promotion_readiness",
        report: ReportKind::Promotion,
        code: FallbackCode::PromotionNotReady,
        reason: "go backend promotion readiness check failed",
    },
    PromotedGate {
        key: "rollback_readiness",
        report: ReportKind::Rollback,
        code: FallbackCode::RollbackNotReady,
        reason: "go backend rollback readiness check failed",
    },
    PromotedGate {
        key: "rollback_rehearsal",
        report: ReportKind::Rehearsal,
        code: FallbackCode::RehearsalNotReady,
        reason: "go backend rollback rehearsal check failed",
    },
    PromotedGate {
        key: "rollback_drill_history",
        report: ReportKind::DrillHistory,
        code: FallbackCode::DrillHistoryNotReady,
        reason: "go backend rollback drill history check failed",
    },
    PromotedGate {
        key: "rollback_drill_schedule",
        report: ReportKind::DrillSchedule,
        code: FallbackCode::DrillScheduleNotReady,
        reason: "go backend rollback drill schedule check failed",
    },
];

/// A gate of promoted mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromotedGate {
    /// The key of the report in an answer.
    pub key: &'static str,
    /// The report that opens it.
    pub report: ReportKind,
    /// The fallback code while it is closed.
    pub code: FallbackCode,
    /// The fallback reason while it is closed.
    pub reason: &'static str,
}

/// What the pilot asks before it runs the fast path. Whatever it is asked during one
/// evaluation, it answers from one snapshot.
pub trait Gates {
    /// The readiness report.
    fn readiness(&self) -> &Arc<ReadinessReport>;

    /// A report of [`PROMOTED_GATES`]. `None`, where nothing can report, is not ready.
    fn promoted(&self, kind: ReportKind) -> Option<&Arc<Report>>;
}

/// Judges one request: the reference first, always; then, as far as mode and
/// gates allow, the fast path; and decides which decision is used.
pub fn evaluate(
    mode: Mode,
    reference: &dyn Backend,
    fast_path: &dyn Backend,
    gates: &dyn Gates,
    request: &Request,
    stamps: Stamps,
) -> Evaluation {
    match begin(mode, reference.evaluate(request), gates, request, stamps) {
        Begun::Decided(answer) => answer,
        Begun::Open(open) => open.conclude(request, fast_path.evaluate(request)),
    }
}

/// How far an evaluation came without the fast path.
#[derive(Debug)]
pub enum Begun {
    /// To its end: the fast path is not to be asked.
    Decided(Evaluation),
    /// The fast path is to be asked.
    Open(Open),
}

/// The first half of [`evaluate`]: what the reference's attempt at `request` comes to,
/// mode and gates. A caller that cannot let one thread wait for the fast path asks it in
/// its own time.
pub fn begin(mode: Mode, reference: Attempt, gates: &dyn Gates, request: &Request, stamps: Stamps) -> Begun {
    let pass = |answer: &mut Evaluation| gates_open(answer, gates);
    begin_at(mode, reference, pass, request, stamps)
}

/// As [`begin`], with gates that stand as it was recorded: open, or closed with a code
/// and a reason. What they stood on - documents, a time - is not looked at again.
pub fn begin_again(
    mode: Mode,
    reference: Attempt,
    closed: Option<(FallbackCode, &str)>,
    request: &Request,
    stamps: Stamps,
) -> Begun {
    let pass = |answer: &mut Evaluation| match closed {
        None => true,
        Some((code, reason)) => {
            answer.fall_back(code, reason);
            false
        }
    };
    begin_at(mode, reference, pass, request, stamps)
}

fn begin_at(
    mode: Mode,
    reference: Attempt,
    pass: impl FnOnce(&mut Evaluation) -> bool,
    request: &Request,
    mut stamps: Stamps,
) -> Begun {
    let Attempt { outcome, usage } = reference;
    let decision = match outcome.and_then(|decision| checked(decision, request)) {
        Ok(decision) => decision,
        Err(fault) => return Begun::Decided(no_authority(mode, &fault, usage, request, stamps)),
    };
    let reference = stamps.issue(decision, request);
    let mut answer = Evaluation::new(mode, &stamps, SelectedBackend::Python, Arc::clone(&reference));
    answer.python_decision = Some(Arc::clone(&reference));
    answer.sandbox.reference = Some(usage);
    if mode == Mode::Disabled {
        answer.fallback_code = Some(FallbackCode::Disabled);
        "go backend pilot is disabled".clone_into(&mut answer.fallback_reason);
        return Begun::Decided(answer);
    }
    if !pass(&mut answer) {
        return Begun::Decided(answer);
    }
    Begun::Open(Open {
        stamps,
        reference,
        answer,
    })
}

/// The decision, if it is about what was asked.
fn checked(decision: Decision, request: &Request) -> Result<Decision, Fault> {
    match off_subject(&decision, request) {
        Some(what) => Err(Fault::OutputInvalid(what)),
        None => Ok(decision),
    }
}

/// What in a decision is about something else than was asked.
pub(crate) fn off_subject(decision: &Decision, request: &Request) -> Option<String> {
    let field = if decision.action_type != request.action_type {
        "action_type"
    } else if decision.target != request.judged_target() {
        "target"
    } else if decision.policy_pack != request.policy_pack {
        "policy_pack"
    } else {
        return None;
    };
    Some(format!("the decision is about another {field} than was asked"))
}

/// The reference failed: nothing may happen.
fn no_authority(
    mode: Mode,
    fault: &Fault,
    usage: Usage,
    request: &Request,
    mut stamps: Stamps,
) -> Evaluation {
    let decision = Decision {
        verdict: Verdict::Block,
        rule_id: REFERENCE_UNAVAILABLE.to_owned(),
        severity: Severity::Critical,
        reason: "The reference evaluator failed, so there is no authority to allow this action.".to_owned(),
        action_type: request.action_type.clone(),
        target: request.judged_target().into_owned(),
        requested_operation: String::new(),
        policy_pack: request.policy_pack.clone(),
        approver_group: None,
        matched_pattern: None,
    };
    let issued = stamps.issue(decision, request);
    let mut answer = Evaluation::new(mode, &stamps, SelectedBackend::None, issued);
    answer.sandbox.reference = Some(usage);
    answer.fall_back(fault.code(), format!("reference evaluator failed: {fault}"));
    answer
}

fn gates_open(answer: &mut Evaluation, gates: &dyn Gates) -> bool {
    let readiness = gates.readiness();
    if let Some(code) = readiness.obstacle() {
        answer.reports.readiness = Some(Arc::clone(readiness));
        answer.fall_back(code, "go backend readiness check failed");
        return false;
    }
    if answer.backend_mode != Mode::Promoted {
        return true;
    }
    let open = |gate: &PromotedGate| {
        let report = gates.promoted(gate.report);
        report.is_some_and(|report| report.status().is_ready())
    };
    let Some(stop) = PROMOTED_GATES.iter().position(|gate| !open(gate)) else {
        return true;
    };
    // Every report made so far is attached.
    answer.reports.readiness = Some(Arc::clone(readiness));
    for gate in PROMOTED_GATES.iter().take(stop.saturating_add(1)) {
        if let Some(report) = gates.promoted(gate.report) {
            answer.reports.promoted.insert(gate.key, Arc::clone(report));
        }
        // The last that is told is the one that stops.
        answer.fall_back(gate.code, gate.reason);
    }
    false
}

/// An evaluation in which the reference has decided and the fast path is to be asked.
#[derive(Debug)]
pub struct Open {
    stamps: Stamps,
    reference: Arc<IssuedDecision>,
    answer: Evaluation,
}

impl Open {
    /// The second half of [`evaluate`]: what the fast path's attempt at `request`
    /// comes to.
    pub fn conclude(mut self, request: &Request, attempt: Attempt) -> Evaluation {
        let Attempt { outcome, usage } = attempt;
        self.answer.sandbox.fastpath = Some(usage);
        match outcome {
            Ok(fast) => self.compare(request, fast),
            Err(fault) => self.fail(&fault),
        }
        self.answer
    }

    /// The answer where the fast path was not asked in the end.
    pub fn give_up(mut self, fault: &Fault) -> Evaluation {
        self.fail(fault);
        self.answer
    }

    fn fail(&mut self, fault: &Fault) {
        self.answer
            .fall_back(fault.code(), format!("go runtime failed: {fault}"));
    }

    fn compare(&mut self, request: &Request, fast: Decision) {
        const DIVERGED: &str = "go decision diverged from Python parity gate";
        let differences = compare(&self.reference.decision, &fast, Strictness::Gate);
        let elsewhere = off_subject(&fast, request);
        let agree = differences.is_empty() && elsewhere.is_none();
        self.answer.parity_match = Some(agree);
        self.answer.parity_diff = Some(differences);
        let issued = self.stamps.issue(fast, request);
        self.answer.go_decision = Some(Arc::clone(&issued));
        if elsewhere.is_some() {
            self.answer.fall_back(FallbackCode::OutputInvalid, DIVERGED);
        } else if !agree {
            self.answer.fall_back(FallbackCode::ParityMismatch, DIVERGED);
        } else if self.answer.backend_mode != Mode::Shadow {
            self.answer.selected_backend = SelectedBackend::Go;
            self.answer.effective_decision = issued;
        }
    }
}
