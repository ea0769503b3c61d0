//! The rollback plan and its rehearsal.

use super::promotion::{Approval, approval_id};
use super::shape::{
    Date, Disabled, Flag, NonEmpty, Pass, Positive, Ready, RollbackControls, Text, True, object,
};
use super::{Binding, Model, Subject};

object! {
    /// How to go back to the reference.
    pub(crate) RollbackPlan (document) {
        /// Whether the plan is ready.
        required status: Ready,
        /// The mode to go back to.
        required target_mode: Disabled,
        /// What is controlled.
        required controls: RollbackControls,
        /// What is to be done, step by step.
        required rollback_steps: NonEmpty<Text>,
        /// Where the evidence is.
        optional evidence_refs: Vec<Text>,
        /// How long going back may take, in minutes.
        required max_recovery_minutes: Positive,
        /// Whether the plan is approved; false denies it, whatever else is said.
        optional approved: Flag,
        /// The approval.
        optional approval: Approval,
        /// The id of the approval.
        optional approval_id: Text,
        /// What it is about.
        optional subject: Subject,
        /// When it was issued.
        optional issued_at: Date,
        /// When it stops holding.
        optional expires_at: Date,
    }
}

impl Model for RollbackPlan {
    const SCHEMA: &'static str = "cavra.go-backend-rollback-plan.v1";

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![Binding {
            at: String::new(),
            subject: self.subject.given(),
            issued_at: self.issued_at.given(),
            expires_at: self.expires_at.given(),
        }]
    }
}

impl RollbackPlan {
    /// The id of its approval.
    pub(crate) fn approval_id(&self) -> Option<&Text> {
        approval_id(&self.approval_id, &self.approval)
    }
}

object! {
    /// A rehearsal of the rollback plan.
    pub(crate) RollbackRehearsal (document) {
        /// How it went.
        required status: Pass,
        /// The id of the approval of the plan that was rehearsed.
        optional plan_approval_id: Text,
        /// The same; read where `plan_approval_id` is absent.
        optional approval_id: Text,
        /// A failure was simulated.
        required simulated: True,
        /// The fallback was seen to work.
        required fallback_verified: True,
        /// How long going back took, in minutes.
        required recovery_minutes: Positive,
        /// How long it may take; the plan may say less.
        optional max_recovery_minutes: Positive,
        /// The runbook.
        required runbook_ref: Text,
        /// Where the evidence is.
        required evidence_refs: NonEmpty<Text>,
        /// What it is about.
        optional subject: Subject,
        /// When it was issued.
        optional issued_at: Date,
        /// When it stops holding.
        optional expires_at: Date,
    }
}

impl Model for RollbackRehearsal {
    const SCHEMA: &'static str = "cavra.go-backend-rollback-rehearsal.v1";

    fn bindings(&self) -> Vec<Binding<'_>> {
        vec![Binding {
            at: String::new(),
            subject: self.subject.given(),
            issued_at: self.issued_at.given(),
            expires_at: self.expires_at.given(),
        }]
    }
}

impl RollbackRehearsal {
    /// The id of the approval of the plan that was rehearsed.
    pub(crate) fn plan_approval_id(&self) -> Option<&Text> {
        if self.plan_approval_id.is_absent() {
            self.approval_id.given()
        } else {
            self.plan_approval_id.given()
        }
    }
}
