//! One report of seven, and all seven together.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::deployment::DeploymentReport;
use super::document::{DocumentKind, Documents, Fault, Loaded, Trusting};
use super::drill_history::DrillHistoryReport;
use super::drill_schedule::DrillScheduleReport;
use super::promotion::PromotionReport;
use super::rehearsal::RehearsalReport;
use super::rollback::RollbackReport;
use super::{Check, Digests, ReadinessReport, ReportKind, ReportStatus};
use crate::config::Config;

/// One of the seven reports.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are seven, and each is shared behind an Arc"
)]
pub enum Report {
    /// Whether the fast path can be run at all.
    Readiness(Arc<ReadinessReport>),
    /// The deployment documents.
    Deployment(DeploymentReport),
    /// Evidence and approval of the promotion.
    Promotion(PromotionReport),
    /// The way back.
    Rollback(RollbackReport),
    /// Its rehearsal.
    Rehearsal(RehearsalReport),
    /// The drills that were made.
    DrillHistory(DrillHistoryReport),
    /// The drills that are to be made.
    DrillSchedule(DrillScheduleReport),
}

impl Report {
    /// Which one.
    pub fn kind(&self) -> ReportKind {
        match self {
            Self::Readiness(_) => ReportKind::Readiness,
            Self::Deployment(_) => ReportKind::Deployment,
            Self::Promotion(_) => ReportKind::Promotion,
            Self::Rollback(_) => ReportKind::Rollback,
            Self::Rehearsal(_) => ReportKind::Rehearsal,
            Self::DrillHistory(_) => ReportKind::DrillHistory,
            Self::DrillSchedule(_) => ReportKind::DrillSchedule,
        }
    }

    /// What it comes to.
    pub fn status(&self) -> ReportStatus {
        match self {
            Self::Readiness(it) => it.status,
            Self::Deployment(it) => it.status,
            Self::Promotion(it) => it.status,
            Self::Rollback(it) => it.status,
            Self::Rehearsal(it) => it.status,
            Self::DrillHistory(it) => it.status,
            Self::DrillSchedule(it) => it.status,
        }
    }

    /// Its checks, in the order of the contract.
    pub fn checks(&self) -> &[Check] {
        match self {
            Self::Readiness(it) => &it.checks,
            Self::Deployment(it) => &it.checks,
            Self::Promotion(it) => &it.checks,
            Self::Rollback(it) => &it.checks,
            Self::Rehearsal(it) => &it.checks,
            Self::DrillHistory(it) => &it.checks,
            Self::DrillSchedule(it) => &it.checks,
        }
    }

    /// What to do next.
    pub fn operator_notes(&self) -> &[String] {
        match self {
            Self::Readiness(it) => &it.operator_notes,
            Self::Deployment(it) => &it.operator_notes,
            Self::Promotion(it) => &it.operator_notes,
            Self::Rollback(it) => &it.operator_notes,
            Self::Rehearsal(it) => &it.operator_notes,
            Self::DrillHistory(it) => &it.operator_notes,
            Self::DrillSchedule(it) => &it.operator_notes,
        }
    }
}

/// A document, and all that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentFaults {
    /// Which document.
    pub kind: DocumentKind,
    /// Where it is read from; empty: nowhere.
    pub path: String,
    /// Everything that is wrong with it.
    pub faults: Vec<Fault>,
}

/// All seven reports, computed from one snapshot of settings, files and clock.
#[derive(Clone, Debug)]
pub struct Reports {
    made_at: Timestamp,
    readiness: Arc<Report>,
    deployment: Arc<Report>,
    promotion: Arc<Report>,
    rollback: Arc<Report>,
    rehearsal: Arc<Report>,
    drill_history: Arc<Report>,
    drill_schedule: Arc<Report>,
}

impl Reports {
    /// The reports under `config`, about what is loaded and what documents say, at `now`.
    ///
    /// Documents are held to `digests`: those of what is loaded, or of what is about to be.
    pub fn new(
        config: &Config,
        readiness: Arc<ReadinessReport>,
        digests: &Digests,
        documents: &Documents,
        now: Timestamp,
    ) -> Self {
        let loaded = Loaded {
            digests,
            now: now.into(),
            trust: documents.trust.as_deref().map(|guard| Trusting::new(guard, now)),
        };
        let plan = documents.plan.judge(&loaded);
        let deployment = DeploymentReport::new(config, documents, &loaded);
        let promotion = PromotionReport::new(
            config,
            &readiness,
            &deployment,
            &documents.promotion.judge(&loaded),
        );
        let rollback = RollbackReport::new(config, &readiness, &plan);
        let rehearsal = RehearsalReport::new(
            config,
            &plan,
            documents.plan.broken().as_deref(),
            documents.rehearsal.judge(&loaded),
        );
        let (history, latest) = DrillHistoryReport::new(config, documents.history.judge(&loaded), &loaded);
        let drills = (history.history.clone(), latest);
        let schedule = DrillScheduleReport::new(
            config,
            documents.schedule.judge(&loaded),
            drills,
            documents.history.broken().as_deref(),
            &loaded,
        );
        Self {
            made_at: now,
            readiness: Arc::new(Report::Readiness(readiness)),
            deployment: Arc::new(Report::Deployment(deployment)),
            promotion: Arc::new(Report::Promotion(promotion)),
            rollback: Arc::new(Report::Rollback(rollback)),
            rehearsal: Arc::new(Report::Rehearsal(rehearsal)),
            drill_history: Arc::new(Report::DrillHistory(history)),
            drill_schedule: Arc::new(Report::DrillSchedule(schedule)),
        }
    }

    /// One of them.
    pub fn get(&self, kind: ReportKind) -> &Arc<Report> {
        match kind {
            ReportKind::Readiness => &self.readiness,
            ReportKind::Deployment => &self.deployment,
            ReportKind::Promotion => &self.promotion,
            ReportKind::Rollback => &self.rollback,
            ReportKind::Rehearsal => &self.rehearsal,
            ReportKind::DrillHistory => &self.drill_history,
            ReportKind::DrillSchedule => &self.drill_schedule,
        }
    }

    /// The nine documents: where each is read from, and all that is wrong with it.
    pub fn documents(&self) -> Vec<DocumentFaults> {
        let of = |kind, path: &str, faults: &[Fault]| DocumentFaults {
            kind,
            path: path.to_owned(),
            faults: faults.to_vec(),
        };
        let mut documents = Vec::new();
        for report in ReportKind::ALL.map(|kind| self.get(kind)) {
            match &**report {
                Report::Readiness(_) => {}
                Report::Deployment(it) => {
                    let (paths, faults) = (&it.metadata_paths, &it.metadata_faults);
                    documents.extend([
                        of(
                            DocumentKind::EndpointDeployment,
                            &paths.endpoint_deployment,
                            &faults.endpoint_deployment,
                        ),
                        of(
                            DocumentKind::CiRunnerBundles,
                            &paths.ci_runner_bundles,
                            &faults.ci_runner_bundles,
                        ),
                        of(
                            DocumentKind::WorkstationChannels,
                            &paths.channel_manifest,
                            &faults.channel_manifest,
                        ),
                        of(
                            DocumentKind::UpdaterPolicy,
                            &paths.updater_policy,
                            &faults.updater_policy,
                        ),
                    ]);
                }
                Report::Promotion(it) => {
                    let path = &it.promotion_evidence_path;
                    documents.push(of(DocumentKind::PromotionEvidence, path, &it.evidence.faults));
                }
                Report::Rollback(it) => {
                    documents.push(of(
                        DocumentKind::RollbackPlan,
                        &it.rollback_plan_path,
                        &it.rollback.faults,
                    ));
                }
                Report::Rehearsal(it) => {
                    let path = &it.rollback_rehearsal_path;
                    documents.push(of(DocumentKind::RollbackRehearsal, path, &it.rehearsal.faults));
                }
                Report::DrillHistory(it) => {
                    let path = &it.rollback_drill_history_path;
                    documents.push(of(DocumentKind::DrillHistory, path, &it.history.faults));
                }
                Report::DrillSchedule(it) => {
                    let path = &it.rollback_drill_schedule_path;
                    documents.push(of(DocumentKind::DrillSchedule, path, &it.schedule.faults));
                }
            }
        }
        documents
    }

    /// When they were computed.
    pub fn made_at(&self) -> Timestamp {
        self.made_at
    }
}
