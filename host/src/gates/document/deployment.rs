//! The four deployment documents.

use super::Model;
use super::shape::{
    At, ChannelsName, EndpointDeploymentName, False, NonEmpty, Reader, RunnerControls, Surface, Text, True,
    object,
};

/// What a CI runner's outputs must hold: the last segment of one of their paths.
const VERIFICATION: &str = "release-governance-evidence-verification.json";

object! {
    /// Where the runtime is deployed.
    pub(crate) EndpointDeployment (document) {
        /// Every machine, or kind of machine, that gets the runtime.
        required deployment_targets: Vec<Target>,
    }
}

object! {
    /// A machine, or a kind of machine, that gets the runtime.
    pub(crate) Target {
        /// Its id, which the other documents refer to.
        required id: Text,
        /// What it is: a CI runner or a workstation.
        required surface: Surface,
        /// Its platform.
        required platform: Text,
        /// The runtime's file for it.
        required binary: Text,
    }
}

impl Model for EndpointDeployment {
    const SCHEMA: &'static str = "cavra.go-runtime.endpoint-deployment.v1";
}

impl EndpointDeployment {
    /// The ids of the targets of one surface.
    pub(crate) fn targets(&self, surface: Surface) -> impl Iterator<Item = &Text> {
        let targets = self.deployment_targets.given().into_iter().flatten();
        targets
            .filter(move |target| target.surface.given() == Some(&surface))
            .filter_map(|target| target.id.given())
    }
}

object! {
    /// What CI runners are given.
    pub(crate) CiRunnerBundles (document) {
        /// The endpoint deployment document that this was made from.
        required source_metadata: EndpointDeploymentName,
        /// What is controlled.
        required controls: RunnerControls,
        /// A bundle for every platform.
        required runner_bundles: NonEmpty<RunnerBundle>,
    }
}

object! {
    /// What the runners of one platform are given.
    pub(crate) RunnerBundle {
        /// The platform.
        required platform: Text,
        /// The id of a target of the endpoint deployment that is a CI runner.
        required deployment_target: Text,
        /// The runtime's file.
        required runtime_binary: Text,
        /// The files that every run must leave.
        required required_outputs: RequiredOutputs,
    }
}

/// The files that a run must leave, one of which is the verification of its evidence.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(crate) struct RequiredOutputs(pub(crate) Vec<Text>);

impl super::Shape for RequiredOutputs {
    fn read(value: &serde_json::Value, at: &At<'_>, reader: &mut Reader) -> Option<Self> {
        let outputs = Self(Vec::read(value, at, reader)?);
        let last = |output: &Text| output.0.rsplit('/').next() == Some(VERIFICATION);
        if !outputs.0.iter().any(last) {
            reader.fault(at, format!("has no path that ends in `{VERIFICATION}`"));
        }
        Some(outputs)
    }
}

impl schemars::JsonSchema for RequiredOutputs {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RequiredOutputs".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let pattern = format!("(^|/){}$", VERIFICATION.replace('.', "\\."));
        schemars::json_schema!({
            "type": "array",
            "items": generator.subschema_for::<Text>(),
            "contains": { "type": "string", "pattern": pattern },
        })
    }
}

impl Model for CiRunnerBundles {
    const SCHEMA: &'static str = "cavra.go-runtime.ci-runner-bundles.v1";
}

object! {
    /// The channels by which workstations get the runtime.
    pub(crate) WorkstationChannels (document) {
        /// The endpoint deployment document that this was made from.
        required source_metadata: EndpointDeploymentName,
        /// The channels.
        required channels: NonEmpty<Channel>,
    }
}

object! {
    /// One channel.
    pub(crate) Channel {
        /// Its name.
        required channel: Text,
        /// Nothing is updated by itself.
        required auto_update: False,
        /// Somebody approves every update.
        required approval_required: True,
        /// Who is on the channel.
        required workstation_targets: NonEmpty<WorkstationTarget>,
    }
}

object! {
    /// A workstation, or a kind of workstation, on a channel.
    pub(crate) WorkstationTarget {
        /// Its id.
        required id: Text,
        /// Its platform.
        required platform: Text,
        /// The channel of the management tool.
        required deployment_channel: Text,
        /// The management tool.
        required management_tool: Text,
        /// The runtime's file for it.
        optional binary: Text,
    }
}

impl Model for WorkstationChannels {
    const SCHEMA: &'static str = "cavra.go-runtime.channels.v1";
}

impl WorkstationChannels {
    /// The names of the channels.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Text> {
        let channels = self.channels.given().map(|channels| channels.0.as_slice());
        channels
            .unwrap_or_default()
            .iter()
            .filter_map(|channel| channel.channel.given())
    }
}

object! {
    /// How workstations are updated.
    pub(crate) UpdaterPolicy (document) {
        /// The workstation channels document that this was made from.
        required source_channel_manifest: ChannelsName,
        /// Nothing is updated by itself.
        required default_auto_update: False,
        /// A policy for every channel.
        required policies: NonEmpty<ChannelPolicy>,
    }
}

object! {
    /// How the workstations of one channel are updated.
    pub(crate) ChannelPolicy {
        /// The channel.
        required channel: Text,
        /// Nothing is updated by itself.
        optional auto_update: False,
        /// Somebody approves every update.
        optional approval_required: True,
    }
}

impl Model for UpdaterPolicy {
    const SCHEMA: &'static str = "cavra.go-runtime.updater-policy.v1";
}

impl UpdaterPolicy {
    /// The names of the channels that there is a policy for.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Text> {
        let policies = self.policies.given().map(|policies| policies.0.as_slice());
        policies
            .unwrap_or_default()
            .iter()
            .filter_map(|policy| policy.channel.given())
    }
}
