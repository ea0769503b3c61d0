//! Policies and registries are held to the trust policy: the bytes that are read then.

use super::{PackId, PolicyError};
use crate::digest::Hashed;
use crate::signing::trust::{Guard, Slot, Wanted};
use crate::signing::{ArtifactKind, Seals};

/// Asks the trust policy for the compiled policy of this id.
pub(super) fn admit(
    trust: &Guard,
    id: &PackId,
    bytes: &[u8],
    seals: &Seals,
    file: &str,
) -> Result<(), PolicyError> {
    let slot = Slot::Policy(id.to_string());
    ask(
        trust,
        slot,
        ArtifactKind::Policy,
        Some(id.as_str()),
        bytes,
        seals,
        file,
    )
}

/// Asks the trust policy for the pack of this id.
pub(super) fn admit_pack(
    trust: &Guard,
    id: &PackId,
    bytes: &[u8],
    seals: &Seals,
    file: &str,
) -> Result<(), PolicyError> {
    let slot = Slot::Pack(id.to_string());
    ask(
        trust,
        slot,
        ArtifactKind::Pack,
        Some(id.as_str()),
        bytes,
        seals,
        file,
    )
}

/// Asks the trust policy for a registry.
pub(super) fn admit_registry(
    trust: &Guard,
    bytes: &[u8],
    seals: &Seals,
    file: &str,
) -> Result<(), PolicyError> {
    ask(
        trust,
        Slot::Registry,
        ArtifactKind::Registry,
        None,
        bytes,
        seals,
        file,
    )
}

fn ask(
    trust: &Guard,
    slot: Slot,
    kind: ArtifactKind,
    name: Option<&str>,
    bytes: &[u8],
    seals: &Seals,
    file: &str,
) -> Result<(), PolicyError> {
    let wanted = Wanted {
        kind,
        name,
        backend: None,
        document: None,
        world: None,
        bytes: &Hashed::new(bytes),
        seals,
    };
    trust
        .admit(slot, &wanted)
        .map_err(|refusal| PolicyError::Refused {
            file: file.to_owned(),
            refusal,
        })
}
