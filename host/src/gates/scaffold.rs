//! A complete set-up of promoted mode, to begin from.
//!
//! What is written here nobody has decided: it says so in every document, is about
//! exactly what is loaded now, and stops holding after a week.

use jiff::{SignedDuration, Timestamp};

use super::Digests;
use super::date::Moment;
use super::document::deployment::{
    Channel, ChannelPolicy, CiRunnerBundles, EndpointDeployment, RequiredOutputs, RunnerBundle, Target,
    UpdaterPolicy, WorkstationChannels, WorkstationTarget,
};
use super::document::drills::{Drill, DrillHistory, DrillSchedule, Drills};
use super::document::promotion::{Approval, PromotionEvidence};
use super::document::rollback::{RollbackPlan, RollbackRehearsal};
use super::document::shape::{
    Active, AnyList, AnyObject, Anything, ChannelsName, Date, Disabled, EndpointDeploymentName, False, Field,
    Flag, NonEmpty, ObjectOrList, Pass, Positive, Ready, RollbackControls, RunnerControls, Surface, Text,
    True,
};
use super::document::{DocumentKind, Subject};

/// How long scaffolded documents hold.
const HOLDS: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How many days apart drills are.
const INTERVAL_DAYS: f64 = 30.0;
/// How long going back may take, in minutes.
const MAX_RECOVERY_MINUTES: f64 = 15.0;

/// What scaffolded documents are about.
#[derive(Clone, Copy, Debug)]
pub struct Scaffold<'a> {
    /// What is loaded.
    pub digests: &'a Digests,
    /// The time from which they hold.
    pub now: Timestamp,
    /// How long going back took when it was tried, in minutes.
    pub recovery_minutes: f64,
    /// Whether the approvals are written as given, for trying out; else people must.
    pub approved: bool,
}

impl Scaffold<'_> {
    /// A document of a kind, as indented JSON.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn document(&self, kind: DocumentKind) -> Result<String, serde_json::Error> {
        let mut text = match kind {
            DocumentKind::EndpointDeployment => serde_json::to_string_pretty(&endpoint()),
            DocumentKind::CiRunnerBundles => serde_json::to_string_pretty(&bundles()),
            DocumentKind::WorkstationChannels => serde_json::to_string_pretty(&channels()),
            DocumentKind::UpdaterPolicy => serde_json::to_string_pretty(&updater()),
            DocumentKind::PromotionEvidence => serde_json::to_string_pretty(&self.evidence()),
            DocumentKind::RollbackPlan => serde_json::to_string_pretty(&self.plan()),
            DocumentKind::RollbackRehearsal => serde_json::to_string_pretty(&self.rehearsal()),
            DocumentKind::DrillHistory => serde_json::to_string_pretty(&self.history()),
            DocumentKind::DrillSchedule => serde_json::to_string_pretty(&self.schedule()),
        }?;
        text.push('\n');
        Ok(text)
    }

    fn subject(&self) -> Field<Subject> {
        let text = |digest: &Option<String>| digest.clone().map_or(Field::Absent, |it| Text(it).into());
        Subject {
            runtime_sha256: text(&self.digests.runtime_sha256),
            policy_sha256: text(&self.digests.policy_sha256),
            reference_sha256: text(&self.digests.reference_sha256),
            engine_fingerprint: Text(self.digests.engine_fingerprint.clone()).into(),
        }
        .into()
    }

    fn issued_at(&self) -> Date {
        // Whole seconds are what people write.
        let whole = Timestamp::from_second(self.now.as_second()).unwrap_or(self.now);
        Moment::from(whole).into()
    }

    fn expires_at(&self) -> Field<Date> {
        let whole = Timestamp::from_second(self.now.as_second()).unwrap_or(self.now);
        let later = whole.checked_add(HOLDS).unwrap_or(whole);
        Date::from(Moment::from(later)).into()
    }

    fn approval(&self, id: &str) -> (Field<Flag>, Field<Approval>) {
        if !self.approved {
            return (Flag::No.into(), Field::Absent);
        }
        let approval = Approval {
            status: Text::from("approved").into(),
            approval_id: Text::from(id).into(),
        };
        (Field::Absent, approval.into())
    }

    fn evidence(&self) -> PromotionEvidence {
        let (approved, approval) = self.approval("scaffold-promotion-approved-by-nobody");
        PromotionEvidence {
            parity_status: Pass::Only.into(),
            deployment_status: Ready::Only.into(),
            evidence_refs: texts(&["scaffold://parity-probe", "scaffold://package"]).into(),
            approved,
            approval,
            subject: self.subject(),
            issued_at: self.issued_at().into(),
            expires_at: self.expires_at(),
            ..PromotionEvidence::default()
        }
    }

    fn plan(&self) -> RollbackPlan {
        let (approved, approval) = self.approval(PLAN_APPROVAL);
        RollbackPlan {
            status: Ready::Only.into(),
            target_mode: Disabled::Only.into(),
            controls: RollbackControls(texts(RollbackControls::REQUIRED)).into(),
            rollback_steps: NonEmpty(texts(&[
                "Set CAVRA_GO_BACKEND_MODE=disabled.",
                "Restart or reload the service.",
                "Evaluate one action and see that selected_backend is python.",
            ]))
            .into(),
            evidence_refs: texts(&["scaffold://runbook"]).into(),
            max_recovery_minutes: Positive(MAX_RECOVERY_MINUTES).into(),
            approved,
            approval,
            subject: self.subject(),
            issued_at: self.issued_at().into(),
            expires_at: self.expires_at(),
            ..RollbackPlan::default()
        }
    }

    fn rehearsal(&self) -> RollbackRehearsal {
        RollbackRehearsal {
            status: Pass::Only.into(),
            plan_approval_id: if self.approved {
                Text::from(PLAN_APPROVAL).into()
            } else {
                Field::Absent
            },
            simulated: True::Only.into(),
            fallback_verified: True::Only.into(),
            recovery_minutes: Positive(self.recovery_minutes).into(),
            max_recovery_minutes: Positive(MAX_RECOVERY_MINUTES).into(),
            runbook_ref: Text::from("scaffold://runbook").into(),
            evidence_refs: NonEmpty(texts(&["scaffold://rollback-probe"])).into(),
            subject: self.subject(),
            issued_at: self.issued_at().into(),
            expires_at: self.expires_at(),
            ..RollbackRehearsal::default()
        }
    }

    fn history(&self) -> DrillHistory {
        let at = self.issued_at();
        let drill = Drill {
            drill_id: anything("scaffold-drill-1"),
            executed_at: at.clone().into(),
            actor: anything("cavra governance scaffold"),
            source_mode: anything("promoted"),
            target_mode: Disabled::Only.into(),
            status: Pass::Only.into(),
            fallback_verified: True::Only.into(),
            recovery_minutes: Positive(self.recovery_minutes).into(),
            max_recovery_minutes: Positive(MAX_RECOVERY_MINUTES).into(),
            evidence_refs: NonEmpty(texts(&["scaffold://rollback-probe"])).into(),
            runbook_ref: Text::from("scaffold://runbook").into(),
            subject: self.subject(),
            ..Drill::default()
        };
        DrillHistory {
            environment: Text::from("example").into(),
            drills: Drills::one(at, drill).into(),
            expires_at: self.expires_at(),
            ..DrillHistory::default()
        }
    }

    fn schedule(&self) -> DrillSchedule {
        let due = self.issued_at().moment.plus_days(INTERVAL_DAYS);
        DrillSchedule {
            schedule_id: Text::from("scaffold-schedule-1").into(),
            environment: anything("example"),
            status: Active::Only.into(),
            interval_days: Positive(INTERVAL_DAYS).into(),
            next_due_at: due.map_or(Field::Absent, |due| Date::from(due).into()),
            owners: NonEmpty(texts(&["release-owners"])).into(),
            notification_providers: NonEmpty(texts(&["mail"])).into(),
            runbook_ref: Text::from("scaffold://runbook").into(),
            owner_routes: ObjectOrList(serde_json::json!({
                "release-owners": { "providers": ["mail"], "acknowledgement_minutes": 30 }
            }))
            .into(),
            maintenance_windows: AnyList(serde_json::json!([])).into(),
            owner_calendars: AnyObject(serde_json::json!({})).into(),
            ..DrillSchedule::default()
        }
    }
}

const PLAN_APPROVAL: &str = "scaffold-rollback-approved-by-nobody";
const CI_TARGET: &str = "example-ci-linux";
const WORKSTATION: &str = "example-workstation-linux";
const CHANNEL: &str = "stable";
const PLATFORM: &str = "linux/amd64";
const BINARY: &str = "bin/cavra-runtime";

fn endpoint() -> EndpointDeployment {
    let target = |id: &str, surface: Surface| Target {
        id: Text::from(id).into(),
        surface: surface.into(),
        platform: Text::from(PLATFORM).into(),
        binary: Text::from(BINARY).into(),
    };
    EndpointDeployment {
        deployment_targets: vec![
            target(CI_TARGET, Surface::CiRunner),
            target(WORKSTATION, Surface::Workstation),
        ]
        .into(),
    }
}

fn bundles() -> CiRunnerBundles {
    CiRunnerBundles {
        source_metadata: EndpointDeploymentName::Only.into(),
        controls: RunnerControls(texts(RunnerControls::REQUIRED)).into(),
        runner_bundles: NonEmpty(vec![RunnerBundle {
            platform: Text::from(PLATFORM).into(),
            deployment_target: Text::from(CI_TARGET).into(),
            runtime_binary: Text::from(BINARY).into(),
            required_outputs: RequiredOutputs(texts(&["out/release-governance-evidence-verification.json"]))
                .into(),
        }])
        .into(),
    }
}

fn channels() -> WorkstationChannels {
    WorkstationChannels {
        source_metadata: EndpointDeploymentName::Only.into(),
        channels: NonEmpty(vec![Channel {
            channel: Text::from(CHANNEL).into(),
            auto_update: False::Only.into(),
            approval_required: True::Only.into(),
            workstation_targets: NonEmpty(vec![WorkstationTarget {
                id: Text::from(WORKSTATION).into(),
                platform: Text::from(PLATFORM).into(),
                deployment_channel: Text::from(CHANNEL).into(),
                management_tool: Text::from("example-mdm").into(),
                binary: Text::from(BINARY).into(),
            }])
            .into(),
        }])
        .into(),
    }
}

fn updater() -> UpdaterPolicy {
    UpdaterPolicy {
        source_channel_manifest: ChannelsName::Only.into(),
        default_auto_update: False::Only.into(),
        policies: NonEmpty(vec![ChannelPolicy {
            channel: Text::from(CHANNEL).into(),
            auto_update: False::Only.into(),
            approval_required: True::Only.into(),
        }])
        .into(),
    }
}

fn texts(texts: &[&str]) -> Vec<Text> {
    texts.iter().map(|text| Text::from(*text)).collect()
}

fn anything(text: &str) -> Field<Anything> {
    Anything(text.into()).into()
}
