//! The promotion report: is promotion evidenced and approved?
//!
//! Implements the governance specification, *Reports*, **promotion**.

use serde::Serialize;

use super::{Check, ReportStatus, Signature};
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
    pub signature: Signature,
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
