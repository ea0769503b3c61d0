//! Why a file is not taken: one closed list of words.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! refusal_codes {
    ($($variant:ident $word:literal $meaning:literal,)*) => {
        /// Why a file is not taken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum RefusalCode {
            $(#[doc = $meaning] $variant,)*
        }

        impl RefusalCode {
            /// Every code with its word and meaning, in the order of the documentation.
            pub const TABLE: &[(Self, &str, &str)] = &[$((Self::$variant, $word, $meaning),)*];

            /// The word in every document.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

refusal_codes! {
    Unsigned "unsigned" "There is no signature beside the file.",
    BundleInvalid "bundle_invalid" "What lies beside the file is no Sigstore bundle of version 0.3 with a pinned key, no DSSE envelope and no signature.",
    SignatureInvalid "signature_invalid" "The signature names a key that is trusted and was not made with it, or not over this.",
    DigestMismatch "digest_mismatch" "The signature is good, and is about other bytes than those of this file.",
    UnknownKey "unknown_key" "No key that is trusted has made the signature.",
    WrongRole "wrong_role" "The key that signed is trusted, and not for this kind of file.",
    KeyNotYetValid "key_not_yet_valid" "The time of the key that signed has not come.",
    KeyExpired "key_expired" "The time of the key that signed is over.",
    KeyRevoked "key_revoked" "The key that signed was revoked; whatever it signed is refused, whenever it did.",
    KeyNotAllowed "key_not_allowed" "The trust policy lists other keys for a file of this name.",
    ThresholdNotMet "threshold_not_met" "Fewer different keys have signed than the role asks for.",
    ApproverIsPublisher "approver_is_publisher" "A key that signed the fast path's module also approves its promotion.",
    StatementMissing "statement_missing" "The signature is over the bytes alone and says neither name nor revision, which this kind of file needs.",
    StatementInvalid "statement_invalid" "The statement is not of the type that is accepted here, or says what cannot be.",
    StatementMismatch "statement_mismatch" "The statement says of the file what is not so: its kind, name, world or semantics version; or two statements differ.",
    StatementNotYetValid "statement_not_yet_valid" "The statement holds from a later time on.",
    StatementExpired "statement_expired" "The statement's time is over.",
    NameNotTrusted "name_not_trusted" "The trust policy lists files of this kind by name, and none of this name.",
    BackendNotAllowed "backend_not_allowed" "The module of this name may not be what it is to be used as: the reference or the fast path.",
    WorldNotAllowed "world_not_allowed" "The module of this name may not be of this world.",
    RevisionTooLow "revision_too_low" "The revision is below the least that the trust policy asks for.",
    RevisionRollback "revision_rollback" "This host has used a higher revision of the same name, and nobody has allowed this one.",
    RevisionReused "revision_reused" "This host has used other bytes of the same name and revision.",
    RevisionStateUnusable "revision_state_unusable" "Which revisions were used cannot be read or kept, so that a rollback could not be told.",
    BuiltinNotPinned "builtin_not_pinned" "The trust policy does not name the digest of this built-in module.",
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// That a file is not taken, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refused (`{code}`): {detail}")]
pub struct Refusal {
    /// The word.
    pub code: RefusalCode,
    /// The sentence for people: what, and what to do.
    pub detail: String,
}

impl Refusal {
    pub(crate) fn new(code: RefusalCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }
}
