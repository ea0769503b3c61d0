//! What is loaded is held to the trust policy: the very bytes that are used afterwards.

use std::sync::Arc;

use super::{Base, Fetched, Host, State};
use crate::builtin;
use crate::config::Config;
use crate::digest::Hashed;
use crate::fault::Fault;
use crate::sandbox::{MAX_MODULE_BYTES, Module, is_wasm};
use crate::signing::trust::{BackendRole, Guard, GuardError, Slot, Wanted};
use crate::signing::{ArtifactKind, COMPONENT_WORLD, NATIVE_WORLD, Refusal, RefusalCode};

/// The trust policy of the settings, if there is one.
pub(super) fn open(base: &Base, config: &Config) -> Result<Option<Arc<Guard>>, GuardError> {
    let Some(path) = &config.trust_policy else {
        return Ok(None);
    };
    let guard = Guard::open(path, base.rollback.state_dir(), Arc::clone(&base.clock))?;
    Ok(Some(Arc::new(guard)))
}

/// The world that modules of these bytes are of.
pub fn world_of(bytes: &[u8]) -> &'static str {
    if is_wasm(bytes) {
        COMPONENT_WORLD
    } else {
        NATIVE_WORLD
    }
}

impl Host {
    /// Whether the time has changed what is trusted: a key's time is over, a statement's.
    pub(super) fn trust_is_over(&self) -> bool {
        let state = self.state.load();
        let now = self.base.clock.now();
        state.trust.as_ref().is_some_and(|trust| trust.is_over(now))
    }
}

impl State {
    /// Whether the same word is taken here as there: the policy and the keys that it names.
    pub(super) fn trusts_as(&self, other: &Self) -> bool {
        self.trust.as_deref().map(Guard::policy) == other.trust.as_deref().map(Guard::policy)
    }

    /// Asks the trust policy, if there is one, for a module.
    pub(super) fn admit_module(&self, slot: Slot, setting: &str, fetched: &Fetched) -> Result<(), Fault> {
        let Some(trust) = &self.trust else { return Ok(()) };
        let bytes = &fetched.bytes;
        // What is too large was not read whole, and is refused by the loader.
        if bytes.len() as u64 > MAX_MODULE_BYTES {
            return Err(Fault::MissingRuntime(format!(
                "`{setting}` is larger than {MAX_MODULE_BYTES} bytes"
            )));
        }
        let told = |refusal: Refusal| Fault::MissingRuntime(format!("`{setting}` is {refusal}"));
        if builtin::module(setting).is_some() {
            return trust.admit_builtin(slot, setting, bytes).map_err(told);
        }
        let seals = fetched.seals(setting);
        let backend = match slot {
            Slot::Reference => BackendRole::Reference,
            _ => BackendRole::FastPath,
        };
        let wanted = Wanted {
            kind: ArtifactKind::Module,
            name: None,
            backend: Some(backend),
            document: None,
            world: Some(world_of(bytes)),
            bytes,
            seals: &seals,
        };
        trust.admit(slot, &wanted).map_err(told)
    }

    /// Whether a module is what was signed: what it says of itself is what its publisher said.
    pub(super) fn hold_to_statement(&self, slot: Slot, module: &Module) -> Result<(), Fault> {
        let Some(trust) = &self.trust else { return Ok(()) };
        let said = trust.semantics_version(&slot);
        let is = &module.description().semantics_version;
        match said {
            Some(said) if said != *is => {
                let refusal = Refusal::new(
                    RefusalCode::StatementMismatch,
                    format!("it was signed as of the semantics version {said}, and says {is}"),
                );
                let fault = Fault::MissingRuntime(format!("the {slot} is {refusal}"));
                trust.refuse(slot, refusal);
                Err(fault)
            }
            _ => Ok(()),
        }
    }

    /// Whether a native binary is still the one that was verified.
    pub(super) fn hold_to_bytes(&self, bytes: &Hashed<'_>, sha256: &str) -> Result<(), Fault> {
        if self.trust.is_some() && bytes.sha256_hex() != sha256 {
            return Err(Fault::MissingRuntime(
                "the runtime has changed while it was verified; try again".to_owned(),
            ));
        }
        Ok(())
    }
}
