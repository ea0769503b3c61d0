//! The trust policy: whose signatures an operator takes, for what.
//!
//! With a trust policy nothing is run that nobody who may has signed, wherever it comes
//! from. Without one nothing is asked.

mod guard;
mod judge;
mod read;
mod revisions;

pub use guard::{Guard, GuardError, Outcome, SignatureStatus, Slot};
pub use judge::{Admission, Wanted};
pub use read::{MAX_POLICY_BYTES, PolicyFault, PolicyFaults, SCHEMA};
pub use revisions::{Allowance, RevisionError, Revisions, Seen};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;

use super::{ArtifactKind, HasKey, PublicKey};
use crate::gates::DocumentKind;

macro_rules! roles {
    ($($variant:ident $word:literal $meaning:literal,)*) => {
        /// What the signatures of a key count for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Role {
            $(#[doc = $meaning] $variant,)*
        }

        impl Role {
            /// Every role with its word and meaning, in the order of the documentation.
            pub const TABLE: &[(Self, &str, &str)] = &[$((Self::$variant, $word, $meaning),)*];

            /// The word in trust policies.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

roles! {
    ModulePublisher "module-publisher" "Policy modules: the reference and the fast path.",
    PolicyPublisher "policy-publisher" "Compiled policies, packs of the policy directory, and trust registries of MCP servers.",
    ReleaseApprover "release-approver" "Promotion evidence, rollback plans and the four deployment documents.",
    DrillOperator "drill-operator" "Rollback rehearsals, drill histories and drill schedules.",
    EvidenceHost "evidence-host" "Evidence logs: `cavra evidence verify --trust-policy` asks for it.",
}

impl Role {
    /// The role that signs files of this kind; of documents it depends on which.
    fn of(kind: ArtifactKind, document: Option<DocumentKind>) -> Self {
        match (kind, document) {
            (ArtifactKind::Module, _) => Self::ModulePublisher,
            (ArtifactKind::Policy | ArtifactKind::Pack | ArtifactKind::Registry, _) => Self::PolicyPublisher,
            (
                ArtifactKind::Document,
                Some(
                    DocumentKind::RollbackRehearsal
                    | DocumentKind::DrillHistory
                    | DocumentKind::DrillSchedule,
                ),
            ) => Self::DrillOperator,
            (ArtifactKind::Document, _) => Self::ReleaseApprover,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a module is used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BackendRole {
    /// The authoritative evaluator.
    Reference,
    /// The fast path.
    FastPath,
}

impl BackendRole {
    /// The word in trust policies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::FastPath => "fastpath",
        }
    }
}

/// A key that is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    /// What people call it.
    pub id: String,
    /// The key.
    pub key: PublicKey,
    /// What its signatures count for.
    pub roles: BTreeSet<Role>,
    /// From when on.
    pub not_before: Option<Timestamp>,
    /// Until when.
    pub not_after: Option<Timestamp>,
    /// From when on it is revoked, and why.
    pub revoked: Option<(Timestamp, String)>,
}

impl HasKey for TrustedKey {
    fn key(&self) -> &PublicKey {
        &self.key
    }

    fn name(&self) -> String {
        self.id.clone()
    }
}

/// What is asked of files of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamePolicy {
    /// The ids of the keys whose signatures count; none: all that have the role.
    pub keys: Option<BTreeSet<String>>,
    /// The least revision.
    pub minimum_revision: u64,
    /// The worlds that a module may be of; none: that of this host, no native binary.
    pub worlds: Option<BTreeSet<String>>,
    /// What a module may be used as; none: the fast path.
    pub backends: Option<BTreeSet<BackendRole>>,
}

/// Whose signatures are taken, for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustPolicy {
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// The keys.
    pub keys: Vec<TrustedKey>,
    /// How many different keys of a role must sign; where nothing is said, one.
    pub thresholds: BTreeMap<Role, usize>,
    /// The modules, by name. One that is not listed is not trusted.
    pub modules: BTreeMap<String, NamePolicy>,
    /// What is asked of some packs and of the policies that are compiled from them; of one
    /// that is not listed nothing more.
    pub policies: BTreeMap<String, NamePolicy>,
    /// What is asked of registries of some names. Once one is listed, others are not trusted.
    pub registries: BTreeMap<String, NamePolicy>,
    /// SHA-256 of built-in modules that are taken, in hex.
    pub builtins: BTreeSet<String>,
    /// The documents that must be signed.
    pub signed_documents: BTreeSet<DocumentKind>,
    /// The documents that must say what they are about and how long they hold.
    pub bound_documents: BTreeSet<DocumentKind>,
    /// The files of keys that the policy names.
    pub key_files: Vec<PathBuf>,
}

/// The documents that can say what they are about.
pub(crate) const BINDABLE: [DocumentKind; 4] = [
    DocumentKind::PromotionEvidence,
    DocumentKind::RollbackPlan,
    DocumentKind::RollbackRehearsal,
    DocumentKind::DrillHistory,
];

/// The documents that must be signed where nothing is said: those of promoted mode.
pub(crate) const SIGNED_BY_DEFAULT: [DocumentKind; 5] = [
    DocumentKind::PromotionEvidence,
    DocumentKind::RollbackPlan,
    DocumentKind::RollbackRehearsal,
    DocumentKind::DrillHistory,
    DocumentKind::DrillSchedule,
];

impl TrustPolicy {
    /// How many different keys must sign.
    pub fn threshold(&self, role: Role) -> usize {
        self.thresholds.get(&role).copied().unwrap_or(1)
    }

    /// The next time at which a key begins or ceases to be trusted.
    pub(super) fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let times = self.keys.iter().flat_map(|key| {
            let revoked = key.revoked.as_ref().map(|(at, _)| *at);
            [key.not_before, key.not_after, revoked].into_iter().flatten()
        });
        times.filter(|at| *at > now).min()
    }
}
