//! Whether a file is taken: a pure function of the policy, the file and the time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{BackendRole, NamePolicy, Role, TrustPolicy, TrustedKey};
use crate::digest::Hashed;
use crate::gates::DocumentKind;
use crate::signing::statement::shown;
use crate::signing::{
    Artifact, ArtifactKind, NATIVE_WORLD, PublicKey, Refusal, RefusalCode, Seal, Seals, verify,
};

/// A file, and what it is wanted for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// What kind of file it must be.
    pub kind: ArtifactKind,
    /// The name that it must have; none: any that is trusted.
    pub name: Option<&'a str>,
    /// Of a module: what it is to be used as.
    pub backend: Option<BackendRole>,
    /// Of a document: which.
    pub document: Option<DocumentKind>,
    /// Of a module: the world that it is of.
    pub world: Option<&'a str>,
    /// Its bytes: those that are used afterwards.
    pub bytes: &'a Hashed<'a>,
    /// The signatures beside it.
    pub seals: &'a Seals,
}

/// That a file is taken, and on whose word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// The ids of the keys, in order.
    pub signers: Vec<String>,
    /// Their fingerprints.
    pub fingerprints: BTreeSet<String>,
    /// What they say of it, where they say anything.
    pub artifact: Option<Artifact>,
    /// Until when that holds.
    pub until: Option<Timestamp>,
}

impl TrustPolicy {
    /// Whether a file is taken at this time. Revisions that were used are not asked.
    ///
    /// # Errors
    /// Why it is not.
    pub fn judge(&self, wanted: &Wanted<'_>, now: Timestamp) -> Result<Admission, Refusal> {
        if wanted.seals.is_empty() {
            return Err(Refusal::new(
                RefusalCode::Unsigned,
                "there is no signature beside the file; the trust policy asks for one",
            ));
        }
        let role = Role::of(wanted.kind, wanted.document);
        let mut first = None;
        let mut good: BTreeMap<&str, (&TrustedKey, Option<Artifact>)> = BTreeMap::new();
        for seal in &wanted.seals.0 {
            let judged = seal
                .as_ref()
                .map_err(Clone::clone)
                .and_then(|seal| self.judge_seal(wanted, role, seal, now));
            match judged {
                // The same key twice is one key.
                Ok((key, artifact)) => {
                    good.entry(key.id.as_str()).or_insert((key, artifact));
                }
                Err(refusal) => {
                    first.get_or_insert(refusal);
                }
            }
        }
        let threshold = self.threshold(role);
        if good.is_empty()
            && let Some(refusal) = first
        {
            return Err(refusal);
        }
        if good.len() < threshold {
            let others = first.map(|refusal| format!("; another signature is {refusal}"));
            return Err(Refusal::new(
                RefusalCode::ThresholdNotMet,
                format!(
                    "{threshold} different keys of the role {role} must sign, and there are {}: {}{}",
                    good.len(),
                    good.keys().copied().collect::<Vec<_>>().join(", "),
                    others.unwrap_or_default()
                ),
            ));
        }
        admission(good)
    }

    fn judge_seal(
        &self,
        wanted: &Wanted<'_>,
        role: Role,
        seal: &Seal,
        now: Timestamp,
    ) -> Result<(&TrustedKey, Option<Artifact>), Refusal> {
        let verified = verify(&self.keys, wanted.bytes, seal)?;
        let key = verified.key;
        key.usable(role, now)?;
        let Some(artifact) = verified.artifact else {
            // A document says itself what it is and how long it holds.
            if wanted.kind == ArtifactKind::Document {
                return Ok((key, None));
            }
            return Err(Refusal::new(
                RefusalCode::StatementMissing,
                format!(
                    "a {} must be signed with a statement of its name and revision; sign it with --name and --revision",
                    wanted.kind
                ),
            ));
        };
        artifact.holds(now)?;
        let mismatch = |detail: String| Err(Refusal::new(RefusalCode::StatementMismatch, detail));
        if artifact.kind != wanted.kind {
            return mismatch(format!(
                "it was signed as a {}, not as a {}",
                artifact.kind, wanted.kind
            ));
        }
        if let Some(name) = wanted.name.filter(|name| *name != artifact.name) {
            return mismatch(format!(
                "it was signed as `{}`, not as `{}`",
                artifact.name,
                shown(name)
            ));
        }
        self.judge_name(wanted, &artifact, key)?;
        Ok((key, Some(artifact)))
    }

    /// What is asked of files of this name.
    fn judge_name(&self, wanted: &Wanted<'_>, artifact: &Artifact, key: &TrustedKey) -> Result<(), Refusal> {
        let name = artifact.name.as_str();
        let listed = match wanted.kind {
            ArtifactKind::Module => &self.modules,
            ArtifactKind::Policy | ArtifactKind::Pack => &self.policies,
            ArtifactKind::Registry => &self.registries,
            ArtifactKind::Document => return Ok(()),
        };
        let unlisted = NamePolicy::default();
        // A registry's name is what its publisher says it is: once names are listed, another
        // one would be a way around what is asked of them.
        let listed_only = match wanted.kind {
            ArtifactKind::Module => true,
            ArtifactKind::Registry => !listed.is_empty(),
            ArtifactKind::Policy | ArtifactKind::Pack | ArtifactKind::Document => false,
        };
        let policy = match listed.get(name) {
            Some(policy) => policy,
            None if listed_only => {
                return Err(Refusal::new(
                    RefusalCode::NameNotTrusted,
                    format!("the trust policy lists no {} `{name}`", wanted.kind),
                ));
            }
            None => &unlisted,
        };
        if policy.keys.as_ref().is_some_and(|keys| !keys.contains(&key.id)) {
            return Err(Refusal::new(
                RefusalCode::KeyNotAllowed,
                format!("`{name}` may not be signed with the key `{}`", key.id),
            ));
        }
        if artifact.revision < policy.minimum_revision {
            return Err(Refusal::new(
                RefusalCode::RevisionTooLow,
                format!(
                    "`{name}` has revision {}; the trust policy asks for {} at least",
                    artifact.revision, policy.minimum_revision
                ),
            ));
        }
        if wanted.kind == ArtifactKind::Module {
            return policy.module(wanted, artifact);
        }
        Ok(())
    }
}

impl NamePolicy {
    fn module(&self, wanted: &Wanted<'_>, artifact: &Artifact) -> Result<(), Refusal> {
        let name = artifact.name.as_str();
        if let (Some(said), Some(world)) = (artifact.world.as_deref(), wanted.world)
            && said != world
        {
            return Err(Refusal::new(
                RefusalCode::StatementMismatch,
                format!(
                    "it was signed as of the world `{}`, and is of `{world}`",
                    shown(said)
                ),
            ));
        }
        if let Some(world) = wanted.world {
            let allowed = match &self.worlds {
                Some(worlds) => worlds.contains(world),
                None => world != NATIVE_WORLD,
            };
            if !allowed {
                return Err(Refusal::new(
                    RefusalCode::WorldNotAllowed,
                    format!("`{name}` may not be of the world `{world}`"),
                ));
            }
        }
        let Some(backend) = wanted.backend else {
            return Ok(());
        };
        let allowed = match &self.backends {
            Some(backends) => backends.contains(&backend),
            None => backend == BackendRole::FastPath,
        };
        if !allowed {
            return Err(Refusal::new(
                RefusalCode::BackendNotAllowed,
                format!(
                    "`{name}` may not be used as the {}; the trust policy would say `backends`",
                    backend.as_str()
                ),
            ));
        }
        Ok(())
    }
}

impl TrustPolicy {
    /// Whether a log whose checkpoints are signed with this key is one of our hosts'.
    ///
    /// # Errors
    /// Why not: `unknown_key`, `wrong_role`, or the key's time.
    pub fn evidence_host(&self, key: &PublicKey, now: Timestamp) -> Result<(), Refusal> {
        // A key is there once: twice is a fault of the policy.
        let known = self.keys.iter().find(|it| it.key == *key);
        let known = known.ok_or_else(|| {
            Refusal::new(
                RefusalCode::UnknownKey,
                format!(
                    "the trust policy has no key with the fingerprint {}",
                    key.fingerprint()
                ),
            )
        })?;
        known.usable(Role::EvidenceHost, now)
    }
}

impl TrustedKey {
    /// Whether its signatures count for a role at this time.
    fn usable(&self, role: Role, now: Timestamp) -> Result<(), Refusal> {
        let id = &self.id;
        let refused = |code, detail| Err(Refusal::new(code, detail));
        if let Some((at, reason)) = self.revoked.as_ref().filter(|(at, _)| *at <= now) {
            return refused(
                RefusalCode::KeyRevoked,
                format!("the key `{id}` is revoked since {at}: {reason}"),
            );
        }
        if let Some(from) = self.not_before.filter(|from| now < *from) {
            return refused(
                RefusalCode::KeyNotYetValid,
                format!("the key `{id}` is trusted from {from} on"),
            );
        }
        if let Some(until) = self.not_after.filter(|until| now >= *until) {
            return refused(
                RefusalCode::KeyExpired,
                format!("the key `{id}` was trusted until {until}"),
            );
        }
        if !self.roles.contains(&role) {
            return refused(
                RefusalCode::WrongRole,
                format!("the key `{id}` has not the role {role}, which signs this kind of file"),
            );
        }
        Ok(())
    }
}

/// What the good signatures come to.
fn admission(good: BTreeMap<&str, (&TrustedKey, Option<Artifact>)>) -> Result<Admission, Refusal> {
    let mut admission = Admission {
        signers: Vec::new(),
        fingerprints: BTreeSet::new(),
        artifact: None,
        until: None,
    };
    for (id, (key, artifact)) in good {
        admission.signers.push(id.to_owned());
        admission.fingerprints.insert(key.key.fingerprint());
        let until = artifact.as_ref().and_then(|it| it.not_after);
        admission.until = admission.until.into_iter().chain(until).min();
        match (&admission.artifact, artifact) {
            (Some(one), Some(other)) if (&one.name, one.revision) != (&other.name, other.revision) => {
                return Err(Refusal::new(
                    RefusalCode::StatementMismatch,
                    format!(
                        "one signature says `{}` revision {}, another `{}` revision {}",
                        one.name, one.revision, other.name, other.revision
                    ),
                ));
            }
            (None, Some(artifact)) => admission.artifact = Some(artifact),
            _ => {}
        }
    }
    Ok(admission)
}
