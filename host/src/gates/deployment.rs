//! The deployment report: are the four deployment documents complete, and do they agree?
//!
//! Implements the governance specification, *Reports*, **deployment**.

use serde::Serialize;

use super::{Check, ReportStatus};
use crate::pilot::Mode;

/// The paths that the four documents were read from; empty: none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct MetadataPaths {
    /// The endpoint deployment document.
    pub endpoint_deployment: String,
    /// The CI runner bundles.
    pub ci_runner_bundles: String,
    /// The workstation channels.
    pub channel_manifest: String,
    /// The updater policy.
    pub updater_policy: String,
}

/// `cavra.go-backend-pilot.deployment-readiness.v1`.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct DeploymentReport {
    /// `cavra.go-backend-pilot.deployment-readiness.v1`.
    pub schema_version: &'static str,
    /// The pilot's mode.
    #[schema(value_type = String)]
    pub mode: Mode,
    /// `not_configured` when disabled and nothing is set; else ready or needs_attention.
    pub status: ReportStatus,
    /// The setting.
    pub package_dir: String,
    /// Where the documents are read from.
    pub metadata_paths: MetadataPaths,
    /// The ids of the targets that are CI runners.
    pub ci_runner_targets: Vec<String>,
    /// The ids of the targets that are workstations.
    pub workstation_targets: Vec<String>,
    /// The workstation channels.
    pub channels: Vec<String>,
    /// The checks, in the order of the contract.
    pub checks: Vec<Check>,
    /// What to do next.
    pub operator_notes: Vec<String>,
}
