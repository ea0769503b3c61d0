//! The deployment report: are the four deployment documents complete, and do they agree?
//!
//! Implements the governance specification, *Reports*, **deployment**.

use std::collections::BTreeSet;

use serde::Serialize;

use super::document::deployment::{CiRunnerBundles, EndpointDeployment, UpdaterPolicy, WorkstationChannels};
use super::document::shape::{Surface, Text};
use super::document::{Documents, Fault, Judged, Loaded, PackageDir, clip_all};
use super::{Check, ReportKind, ReportStatus, checks, notes, setting};
use crate::config::{Config, Setting};
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

/// Everything that is wrong with each of the four documents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct MetadataFaults {
    /// The endpoint deployment document.
    pub endpoint_deployment: Vec<Fault>,
    /// The CI runner bundles.
    pub ci_runner_bundles: Vec<Fault>,
    /// The workstation channels.
    pub channel_manifest: Vec<Fault>,
    /// The updater policy.
    pub updater_policy: Vec<Fault>,
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
    /// Everything that is wrong with each of them.
    pub metadata_faults: MetadataFaults,
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

/// The settings of which one is enough for the documents to be configured.
const PATHS: [Setting; 5] = [
    Setting::PackageDir,
    Setting::EndpointDeployment,
    Setting::CiRunnerBundles,
    Setting::WorkstationChannels,
    Setting::WorkstationUpdaterPolicy,
];

/// The four documents, judged.
struct Four<'a> {
    endpoint: Judged<'a, EndpointDeployment>,
    bundles: Judged<'a, CiRunnerBundles>,
    channels: Judged<'a, WorkstationChannels>,
    updater: Judged<'a, UpdaterPolicy>,
}

impl<'a> Four<'a> {
    fn judge(documents: &'a Documents, loaded: &Loaded<'_>) -> Self {
        let mut four = Self {
            endpoint: documents.endpoint.judge(loaded),
            bundles: documents.bundles.judge(loaded),
            channels: documents.channels.judge(loaded),
            updater: documents.updater.judge(loaded),
        };
        four.relate_bundles();
        four.relate_policies();
        four
    }

    /// A bundle's target is a CI runner of the endpoint deployment.
    fn relate_bundles(&mut self) {
        let Some(bundles) = self.bundles.counting() else {
            return;
        };
        let Some(endpoint) = self.endpoint.counting() else {
            let problem = "refer to targets of the endpoint deployment, which is not valid";
            self.bundles
                .fault("/runner_bundles".to_owned(), problem.to_owned());
            return;
        };
        let runners: BTreeSet<&Text> = endpoint.targets(Surface::CiRunner).collect();
        let given = bundles.runner_bundles.given().map(|bundles| bundles.0.as_slice());
        for (i, bundle) in given.unwrap_or_default().iter().enumerate() {
            let target = bundle.deployment_target.given();
            if !target.is_some_and(|target| runners.contains(target)) {
                self.bundles.fault(
                    format!("/runner_bundles/{i}/deployment_target"),
                    "is no target of the endpoint deployment whose surface is ci-runner".to_owned(),
                );
            }
        }
    }

    /// There is a policy for every channel, and none for another.
    fn relate_policies(&mut self) {
        let Some(updater) = self.updater.counting() else {
            return;
        };
        let Some(channels) = self.channels.counting() else {
            let problem = "refer to the workstation channels, which are not valid";
            self.updater.fault("/policies".to_owned(), problem.to_owned());
            return;
        };
        let channels: BTreeSet<&Text> = channels.names().collect();
        let policies: BTreeSet<&Text> = updater.names().collect();
        let named = |names: Vec<&&Text>| {
            let quoted: Vec<String> = names.iter().map(|name| format!("`{}`", name.0)).collect();
            quoted.join(", ")
        };
        let lacking: Vec<_> = channels.difference(&policies).collect();
        if !lacking.is_empty() {
            let problem = format!("have none for the channel {}", named(lacking));
            self.updater.fault("/policies".to_owned(), problem);
        }
        let unknown: Vec<_> = policies.difference(&channels).collect();
        if !unknown.is_empty() {
            let problem = format!("name what is no channel: {}", named(unknown));
            self.updater.fault("/policies".to_owned(), problem);
        }
    }
}

impl DeploymentReport {
    /// The report about the four documents.
    pub(super) fn new(config: &Config, documents: &Documents, loaded: &Loaded<'_>) -> Self {
        let four = Four::judge(documents, loaded);
        let configured = PATHS.iter().any(|setting| config.documents.contains_key(setting));
        let disabled = config.mode == Mode::Disabled;
        let metadata = match (configured, disabled) {
            (true, _) => Ok("the deployment documents are configured"),
            (false, true) => Ok("the mode is disabled, so nothing needs to be deployed"),
            (false, false) => Err(format!(
                "no deployment document is configured; set {}",
                Setting::PackageDir
            )),
        };
        let package = match documents.package_dir {
            PackageDir::Unset => Ok("no package directory is configured"),
            PackageDir::There => Ok("the package directory is there"),
            PackageDir::NoDirectory => Ok("the path exists, but is no directory, so nothing is found in it"),
            PackageDir::Missing => Err(format!(
                "there is no such directory; mend {}",
                Setting::PackageDir
            )),
        };
        let checks = vec![
            Check::new(checks::GO_DEPLOYMENT_METADATA_CONFIGURED, metadata),
            Check::new(checks::GO_RELEASE_PACKAGE_DIR, package),
            four.endpoint.validity(checks::GO_ENDPOINT_DEPLOYMENT_MANIFEST),
            four.bundles.validity(checks::GO_CI_RUNNER_BUNDLES),
            four.channels.validity(checks::GO_WORKSTATION_CHANNELS),
            four.updater.validity(checks::GO_WORKSTATION_UPDATER_POLICY),
        ];
        let status = match (configured, disabled) {
            (false, true) => ReportStatus::NotConfigured,
            _ if checks.iter().all(Check::passes) => ReportStatus::Ready,
            _ => ReportStatus::NeedsAttention,
        };
        let targets = |surface| {
            let endpoint = four.endpoint.counting();
            clip_all(
                endpoint
                    .into_iter()
                    .flat_map(|endpoint| endpoint.targets(surface)),
            )
        };
        Self {
            schema_version: ReportKind::Deployment.schema_version(),
            mode: config.mode,
            status,
            package_dir: setting(config, Setting::PackageDir),
            metadata_paths: MetadataPaths {
                endpoint_deployment: documents.endpoint.path.clone(),
                ci_runner_bundles: documents.bundles.path.clone(),
                channel_manifest: documents.channels.path.clone(),
                updater_policy: documents.updater.path.clone(),
            },
            metadata_faults: MetadataFaults {
                endpoint_deployment: four.endpoint.faults().to_vec(),
                ci_runner_bundles: four.bundles.faults().to_vec(),
                channel_manifest: four.channels.faults().to_vec(),
                updater_policy: four.updater.faults().to_vec(),
            },
            ci_runner_targets: targets(Surface::CiRunner),
            workstation_targets: targets(Surface::Workstation),
            channels: clip_all(four.channels.counting().into_iter().flat_map(|it| it.names())),
            operator_notes: notes(config, ReportKind::Deployment, status, configured),
            checks,
        }
    }
}
