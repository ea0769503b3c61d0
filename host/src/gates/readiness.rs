//! The readiness report: can the fast path be run at all?
//!
//! Implements the governance specification, *Reports*, **readiness**.

use serde::Serialize;

use super::{Check, ReportKind, ReportStatus, checks};
use crate::config::Config;
use crate::fault::{FallbackCode, Fault};
use crate::pilot::Mode;
use crate::signing::trust::Outcome;

use super::checks::{
    GO_BACKEND_OPT_IN as OPT_IN, GO_RUNTIME_BINARY as RUNTIME, GO_RUNTIME_POLICY as POLICY,
    GO_RUNTIME_REGISTRY as REGISTRY, PYTHON_FALLBACK as REFERENCE,
};

/// What was found when the runtime was loaded: the report is a pure function of
/// this and the settings.
#[derive(Clone, Debug)]
pub struct ReadinessSubject {
    /// The fast path: the SHA-256 of its module or binary.
    pub runtime: Result<String, Fault>,
    /// The fast path's policy: the SHA-256 of the one for the default pack.
    pub policy: Result<String, Fault>,
    /// The registry, where one is set: its SHA-256.
    pub registry: Option<Result<String, Fault>>,
    /// The reference: the SHA-256 of its module, if it loads and decided a probe.
    pub reference: Result<String, Fault>,
    /// The engine's fingerprint.
    pub engine_fingerprint: String,
    /// How the trust policy judged what is loaded; none: there is no trust policy.
    pub signatures: Option<Vec<Outcome>>,
}

/// The digests of what is loaded; null where it is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Digests {
    /// The fast path.
    pub runtime_sha256: Option<String>,
    /// Its policy.
    pub policy_sha256: Option<String>,
    /// The trust registry.
    pub registry_sha256: Option<String>,
    /// The reference.
    pub reference_sha256: Option<String>,
    /// The engine's configuration.
    pub engine_fingerprint: String,
}

/// `cavra.go-backend-pilot.readiness.v1`.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct ReadinessReport {
    /// `cavra.go-backend-pilot.readiness.v1`.
    pub schema_version: &'static str,
    /// The pilot's mode.
    #[schema(value_type = String)]
    pub mode: Mode,
    /// `disabled` when the mode is; else ready or needs_attention.
    pub status: ReportStatus,
    /// The setting.
    pub runtime_path: String,
    /// The setting.
    pub policy_path: String,
    /// The setting.
    pub registry_path: String,
    /// The deadline of one evaluation, in seconds.
    pub timeout_seconds: f64,
    /// What is loaded.
    pub digests: Digests,
    /// How the trust policy judged what is loaded; null: there is no trust policy.
    pub signatures: Option<Vec<Outcome>>,
    /// The checks, in the order of the contract.
    pub checks: Vec<Check>,
    /// What to do next.
    pub operator_notes: Vec<String>,
}

impl ReadinessReport {
    /// The report about `subject` under `config`.
    pub fn new(config: &Config, subject: &ReadinessSubject) -> Self {
        let said = |fault: &Fault| fault.to_string();
        let signed = |what: &str| {
            let outcomes = subject.signatures.iter().flatten();
            let mut outcomes = outcomes.filter(|it| {
                let slot = it.what.split(' ').next();
                // Where no compiled policy is loaded, the fast path's is made from the pack.
                slot == Some(what) || (what == "policy" && slot == Some("pack"))
            });
            outcomes
                .next()
                .map(|it| format!("; {}", it.told()))
                .unwrap_or_default()
        };
        let loaded = |what: &'static str, slot: &'static str| {
            move |digest: &String| format!("{what} sha256:{digest}{}", signed(slot))
        };
        let opt_in = match config.mode {
            Mode::Disabled => Err("the mode is disabled; set it to shadow to compare"),
            _ => Ok(format!("the mode is {}", config.mode)),
        };
        let registry = match &subject.registry {
            None => Ok("no registry is configured".to_owned()),
            Some(Ok(digest)) => Ok(loaded("the registry is", "registry")(digest)),
            Some(Err(fault)) => Err(said(fault)),
        };
        let checks = vec![
            Check::new(OPT_IN, opt_in),
            Check::new(
                RUNTIME,
                subject
                    .runtime
                    .as_ref()
                    .map(loaded("the fast path is", "runtime"))
                    .map_err(said),
            ),
            Check::new(
                POLICY,
                subject
                    .policy
                    .as_ref()
                    .map(loaded("the policy is", "policy"))
                    .map_err(said),
            ),
            Check::new(REGISTRY, registry),
            Check::new(
                REFERENCE,
                subject
                    .reference
                    .as_ref()
                    .map(loaded("the reference decided a probe; it is", "reference"))
                    .map_err(said),
            ),
            Check::new(
                checks::PARITY_GATE,
                Ok::<_, String>(
                    "decision, rule_id and severity of both backends are compared for every request",
                ),
            ),
        ];
        let status = match config.mode {
            Mode::Disabled => ReportStatus::Disabled,
            _ if checks.iter().all(Check::passes) => ReportStatus::Ready,
            _ => ReportStatus::NeedsAttention,
        };
        Self {
            schema_version: ReportKind::Readiness.schema_version(),
            mode: config.mode,
            status,
            runtime_path: config.runtime_path.clone(),
            policy_path: config.policy_path.clone(),
            registry_path: config.registry_path.clone(),
            timeout_seconds: config.limits.wall_clock.as_secs_f64(),
            digests: Digests {
                runtime_sha256: subject.runtime.clone().ok(),
                policy_sha256: subject.policy.clone().ok(),
                registry_sha256: subject.registry.clone().and_then(Result::ok),
                reference_sha256: subject.reference.clone().ok(),
                engine_fingerprint: subject.engine_fingerprint.clone(),
            },
            signatures: subject.signatures.clone(),
            operator_notes: notes(&checks),
            checks,
        }
    }

    /// Whether the reference loads and has decided a probe.
    pub fn reference_decided(&self) -> bool {
        self.digests.reference_sha256.is_some()
    }

    /// Whether the reference can be fallen back to.
    pub(super) fn reference(&self) -> Result<String, String> {
        let check = self.checks.iter().find(|check| check.id == REFERENCE);
        match check {
            Some(check) if check.passes() => Ok(check.message.clone()),
            Some(check) => Err(check.message.clone()),
            None => Err("the reference was not asked".to_owned()),
        }
    }

    /// The code of the first check, other than the opt-in, that does not pass.
    pub fn obstacle(&self) -> Option<FallbackCode> {
        let check = self
            .checks
            .iter()
            .find(|check| !check.passes() && check.id != OPT_IN)?;
        Some(match check.id {
            RUNTIME => FallbackCode::MissingRuntime,
            POLICY | REGISTRY => FallbackCode::MissingPolicy,
            _ => FallbackCode::NotReady,
        })
    }
}

fn notes(checks: &[Check]) -> Vec<String> {
    let failing = checks.iter().filter(|check| !check.passes());
    let mut notes: Vec<String> = failing
        .map(|check| match check.id {
            OPT_IN => "Set CAVRA_GO_BACKEND_MODE=shadow to compare the fast path with the reference.",
            RUNTIME => "Set CAVRA_GO_RUNTIME_PATH to a component or binary, or to builtin:fastpath.",
            POLICY => "Set CAVRA_GO_RUNTIME_POLICY to a compiled policy, or to auto.",
            REGISTRY => "Mend the trust registry, or unset CAVRA_GO_RUNTIME_REGISTRY.",
            _ => "Mend CAVRA_REFERENCE_MODULE: without the reference every action is blocked.",
        })
        .map(str::to_owned)
        .collect();
    if notes.is_empty() {
        notes.push(
            "The reference decides first, always; whatever the fast path does, its decision stands."
                .to_owned(),
        );
    }
    notes
}
