//! The promotion report: is promotion evidenced and approved?
//!
//! Implements the governance specification, *Reports*, **promotion**.

use serde::Serialize;

use super::document::promotion::{Approved, PromotionEvidence, approval_id};
use super::document::{Fault, Judged, Model, clip, clip_all};
use super::{
    Check, DeploymentReport, ReadinessReport, ReportKind, ReportStatus, Vouched, checks, conclude, notes,
    requested, setting,
};
use crate::config::{Config, Setting};
use crate::pilot::Mode;

/// What the promotion evidence says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct EvidenceSummary {
    /// Whether the document is valid.
    pub valid: bool,
    /// Whether it says that promotion is approved.
    pub approved: bool,
    /// Its schema; empty if it has none.
    pub schema_version: String,
    /// The id of the approval; empty if it has none.
    pub approval_id: String,
    /// Why it is valid or not.
    pub message: String,
    /// Why it is approved or not.
    pub approval_message: String,
    /// What it refers to.
    pub evidence_refs: Vec<String>,
    /// What it says of parity.
    pub parity_status: String,
    /// What it says of the deployment.
    pub deployment_status: String,
    /// Whether anybody vouches for the document.
    #[serde(flatten)]
    pub vouched: Vouched,
    /// Everything that is wrong with it.
    pub faults: Vec<Fault>,
}

/// `cavra.go-backend-pilot.promotion-readiness.v1`.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct PromotionReport {
    /// `cavra.go-backend-pilot.promotion-readiness.v1`.
    pub schema_version: &'static str,
    /// The pilot's mode.
    #[schema(value_type = String)]
    pub mode: Mode,
    /// not_requested, ready or needs_attention.
    pub status: ReportStatus,
    /// The setting.
    pub promotion_evidence_path: String,
    /// The status of the readiness report.
    pub backend_status: ReportStatus,
    /// The status of the deployment report.
    pub deployment_status: ReportStatus,
    /// What the document says.
    pub evidence: EvidenceSummary,
    /// The checks, in the order of the contract.
    pub checks: Vec<Check>,
    /// What to do next.
    pub operator_notes: Vec<String>,
}

impl PromotionReport {
    /// The report about the evidence, beside what is loaded and deployed.
    pub(super) fn new(
        config: &Config,
        readiness: &ReadinessReport,
        deployment: &DeploymentReport,
        evidence: &Judged<'_, PromotionEvidence>,
    ) -> Self {
        let asked = requested(config, Setting::PromotionEvidence);
        let approval = approval(evidence, |it| Approved::of(&it.approved, &it.approval));
        let other = |what: &str, status: ReportStatus, command: &str| {
            if status == ReportStatus::Ready {
                Ok(format!("{what} is ready"))
            } else {
                Err(format!(
                    "{what} is {}; see `cavra runtime {command}`",
                    status.as_str()
                ))
            }
        };
        let checks = vec![
            asked.check(checks::GO_PROMOTION_REQUESTED),
            Check::new(
                checks::GO_RUNTIME_READY,
                other("the fast path", readiness.status, ReportKind::Readiness.command()),
            ),
            Check::new(
                checks::GO_DEPLOYMENT_READY,
                other(
                    "the deployment",
                    deployment.status,
                    ReportKind::Deployment.command(),
                ),
            ),
            evidence.validity(checks::GO_PARITY_EVIDENCE),
            Check::new(checks::GO_PROMOTION_APPROVAL, approval.clone()),
        ];
        let status = conclude(&asked, &checks);
        let told = evidence.told();
        let (parity_status, deployment_status) = told.map(PromotionEvidence::statuses).unwrap_or_default();
        let id = told.and_then(|it| approval_id(&it.approval_id, &it.approval));
        Self {
            schema_version: ReportKind::Promotion.schema_version(),
            mode: config.mode,
            status,
            promotion_evidence_path: setting(config, Setting::PromotionEvidence),
            backend_status: readiness.status,
            deployment_status: deployment.status,
            evidence: EvidenceSummary {
                valid: evidence.is_valid(),
                approved: approval.is_ok(),
                schema_version: evidence.schema_version(),
                approval_id: id.map(|id| clip(&id.0)).unwrap_or_default(),
                message: evidence.message(),
                approval_message: approval.unwrap_or_else(|problem| problem),
                evidence_refs: clip_all(told.into_iter().flat_map(|it| it.evidence_refs.given()).flatten()),
                parity_status,
                deployment_status,
                vouched: evidence.vouched(),
                faults: evidence.faults().to_vec(),
            },
            operator_notes: notes(config, ReportKind::Promotion, status, asked.path_is_set),
            checks,
        }
    }
}

/// Whether a document says that it is approved, and that nobody denies it.
pub(super) fn approval<T: Model>(
    document: &Judged<'_, T>,
    of: impl Fn(&T) -> Approved,
) -> Result<String, String> {
    document.trusted()?;
    document.at(&Approved::POINTERS)?;
    document.exactly_at("/approval")?;
    match document.model().map_or(Approved::No, of) {
        Approved::Yes => Ok("it says that it is approved".to_owned()),
        Approved::No => Err(
            "nobody says that it is approved: `/approved` is not true, `/approval/status` not `approved`"
                .to_owned(),
        ),
        Approved::Denied => Err("it says that it is not approved, and a denial wins".to_owned()),
    }
}
