//! The trust policy of a running host: what it has taken and refused.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

use super::{Admission, PolicyFaults, Revisions, Seen, TrustPolicy, Wanted};
use crate::clock::Clock;
use crate::digest::Hashed;
use crate::signing::{Refusal, RefusalCode};

/// A trust policy that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the trust policy `{}` cannot be used:\n{faults}", .path.display())]
pub struct GuardError {
    /// The file.
    pub path: PathBuf,
    /// Everything that is wrong with it.
    pub faults: PolicyFaults,
}

/// What is loaded for what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    /// The reference.
    Reference,
    /// The fast path.
    Runtime,
    /// The trust registry of MCP servers.
    Registry,
    /// A compiled policy, by its pack.
    Policy(String),
    /// A pack of the policy directory, by its id.
    Pack(String),
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reference => f.pad("reference"),
            Self::Runtime => f.pad("runtime"),
            Self::Registry => f.pad("registry"),
            Self::Policy(id) => write!(f, "policy {id}"),
            Self::Pack(id) => write!(f, "pack {id}"),
        }
    }
}

/// Whether anybody vouches for what is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignatureStatus {
    /// Keys that may have signed it.
    Verified,
    /// It is built in, and the trust policy names its digest.
    Pinned,
    /// It is not taken.
    Refused,
}

/// How a file was judged: one line of the readiness report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Outcome {
    /// What it is loaded as: `reference`, `runtime`, `registry`, `policy <pack id>` or `pack <pack id>`.
    pub what: String,
    /// verified, pinned or refused.
    pub status: SignatureStatus,
    /// Why it is refused.
    pub code: Option<RefusalCode>,
    /// The same as a sentence; empty where it is not.
    pub message: String,
    /// The ids of the keys that signed it.
    pub signers: Vec<String>,
    /// The name that it was signed as.
    pub name: Option<String>,
    /// The publisher's version.
    pub version: Option<String>,
    /// The revision.
    pub revision: Option<u64>,
}

impl Outcome {
    /// The end of a sentence about what is loaded.
    pub fn told(&self) -> String {
        match self.status {
            SignatureStatus::Pinned => "built in, and named by the trust policy".to_owned(),
            SignatureStatus::Refused => self.message.clone(),
            SignatureStatus::Verified => {
                let revision = self.revision.map(|it| format!(", revision {it}"));
                let name = self.name.as_deref().map(|it| format!("`{it}`"));
                format!(
                    "{}{} signed by {}",
                    name.unwrap_or_default(),
                    revision.unwrap_or_default(),
                    self.signers.join(", ")
                )
            }
        }
    }
}

/// The trust policy in use. Shared by everything that was loaded under it.
pub struct Guard {
    policy: TrustPolicy,
    clock: Arc<dyn Clock>,
    /// None: there is no state directory.
    revisions: Option<Revisions>,
    judged: Mutex<Judged>,
}

#[derive(Default)]
struct Judged {
    outcomes: BTreeMap<Slot, (Outcome, Option<Admission>)>,
    /// When something that was taken ceases to be.
    until: Option<Timestamp>,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guard({})", self.policy.sha256)
    }
}

impl Guard {
    /// Reads the policy at `path`. Revisions are kept in `state_dir`.
    ///
    /// # Errors
    /// Every fault of the policy.
    pub fn open(path: &Path, state_dir: Option<&Path>, clock: Arc<dyn Clock>) -> Result<Self, GuardError> {
        let policy = TrustPolicy::read(path).map_err(|faults| GuardError {
            path: path.to_owned(),
            faults,
        })?;
        let until = policy.next_change(clock.now());
        Ok(Self {
            policy,
            clock,
            revisions: state_dir.map(Revisions::new),
            judged: Mutex::new(Judged {
                outcomes: BTreeMap::new(),
                until,
            }),
        })
    }

    /// The policy.
    pub fn policy(&self) -> &TrustPolicy {
        &self.policy
    }

    /// Whether a file may be used, and that it is from now on.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, slot: Slot, wanted: &Wanted<'_>) -> Result<(), Refusal> {
        let judged = self.look(wanted, true);
        self.note(slot, judged.clone(), None);
        judged.map(drop)
    }

    /// Whether a file could be used. Keeps nothing.
    ///
    /// # Errors
    /// Why not.
    pub fn peek(&self, wanted: &Wanted<'_>) -> Result<Admission, Refusal> {
        self.look(wanted, false)
    }

    fn look(&self, wanted: &Wanted<'_>, keep: bool) -> Result<Admission, Refusal> {
        let now = self.clock.now();
        let admission = self.policy.judge(wanted, now)?;
        if let Some(artifact) = &admission.artifact
            && wanted.document.is_none()
        {
            let revisions = self.revisions.as_ref().ok_or_else(|| {
                Refusal::new(
                    RefusalCode::RevisionStateUnusable,
                    "no state directory can be found; set --state-dir",
                )
            })?;
            let seen = Seen {
                kind: artifact.kind,
                name: artifact.name.clone(),
                revision: artifact.revision,
                sha256: wanted.bytes.sha256_hex(),
                at: now,
            };
            revisions.admit(seen, keep)?;
        }
        Ok(admission)
    }

    /// Whether a built-in module may be used.
    ///
    /// # Errors
    /// `builtin_not_pinned`.
    pub fn admit_builtin(&self, slot: Slot, setting: &str, bytes: &Hashed<'_>) -> Result<(), Refusal> {
        let sha256 = bytes.sha256_hex();
        if self.policy.builtins.contains(&sha256) {
            self.note(
                slot,
                Err(Refusal::new(RefusalCode::BuiltinNotPinned, "")),
                Some(()),
            );
            return Ok(());
        }
        let refusal = Refusal::new(
            RefusalCode::BuiltinNotPinned,
            format!(
                "the trust policy does not name the built-in module `{setting}` with SHA-256 {sha256}; `cavra trust builtin` prints what to add"
            ),
        );
        self.note(slot, Err(refusal.clone()), None);
        Err(refusal)
    }

    /// That something else is wrong with what was taken.
    pub fn refuse(&self, slot: Slot, refusal: Refusal) {
        self.note(slot, Err(refusal), None);
    }

    fn note(&self, slot: Slot, judged: Result<Admission, Refusal>, pinned: Option<()>) {
        let what = slot.to_string();
        let empty = Outcome {
            what,
            status: SignatureStatus::Refused,
            code: None,
            message: String::new(),
            signers: Vec::new(),
            name: None,
            version: None,
            revision: None,
        };
        let (outcome, admission) = match (judged, pinned) {
            (_, Some(())) => (
                Outcome {
                    status: SignatureStatus::Pinned,
                    ..empty
                },
                None,
            ),
            (Ok(admission), None) => {
                let artifact = admission.artifact.as_ref();
                let outcome = Outcome {
                    status: SignatureStatus::Verified,
                    signers: admission.signers.clone(),
                    name: artifact.map(|it| it.name.clone()),
                    version: artifact.and_then(|it| it.version.clone()),
                    revision: artifact.map(|it| it.revision),
                    ..empty
                };
                (outcome, Some(admission))
            }
            (Err(refusal), None) => (
                Outcome {
                    code: Some(refusal.code),
                    message: refusal.to_string(),
                    ..empty
                },
                None,
            ),
        };
        let mut judged = self.judged();
        let until = admission.as_ref().and_then(|it| it.until);
        judged.until = judged.until.into_iter().chain(until).min();
        judged.outcomes.insert(slot, (outcome, admission));
    }

    /// How everything was judged that was asked for.
    pub fn outcomes(&self) -> Vec<Outcome> {
        let judged = self.judged();
        judged
            .outcomes
            .values()
            .map(|(outcome, _)| outcome.clone())
            .collect()
    }

    /// How what is in this slot was judged.
    pub fn outcome(&self, slot: &Slot) -> Option<Outcome> {
        self.judged()
            .outcomes
            .get(slot)
            .map(|(outcome, _)| outcome.clone())
    }

    /// The semantics version that was signed for what is in this slot.
    pub fn semantics_version(&self, slot: &Slot) -> Option<String> {
        let judged = self.judged();
        let (_, admission) = judged.outcomes.get(slot)?;
        admission.as_ref()?.artifact.as_ref()?.semantics_version.clone()
    }

    /// The fingerprints of the keys that signed the fast path.
    pub fn publishers(&self) -> std::collections::BTreeSet<String> {
        let judged = self.judged();
        let runtime = judged.outcomes.get(&Slot::Runtime);
        runtime
            .and_then(|(_, admission)| admission.as_ref())
            .map(|admission| admission.fingerprints.clone())
            .unwrap_or_default()
    }

    /// Whether what was taken or refused may be judged otherwise by now.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.judged().until.is_some_and(|until| now >= until)
    }

    fn judged(&self) -> MutexGuard<'_, Judged> {
        self.judged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
