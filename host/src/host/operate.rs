//! What operators do while a host judges: reload what works, roll back.

use std::borrow::Cow;
use std::sync::{Arc, PoisonError};

use super::{Host, HostError, State};
use crate::config::Config;
use crate::fault::FallbackCode;
use crate::model::Request;
use crate::pilot::Mode;
use crate::rollback::RollbackSwitch;

impl Host {
    /// As [`reload`](Self::reload), and refuses a state in which something that is
    /// configured does not work: the reference, the fast path, its policy, the registry.
    /// Both backends decide a probe under every pack in use before they are used.
    ///
    /// Documents are read anew and judged: one that is not valid closes its gate, which
    /// is no reason to go on as if it were.
    ///
    /// # Errors
    /// When something cannot be used. The old state stays.
    pub fn reload_verified(&self, config: Config) -> Result<(), HostError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.replace_if(config, State::verify)
    }

    /// The mode in effect: `disabled` while the pilot is rolled back.
    pub fn mode(&self) -> Mode {
        self.state.load().mode()
    }

    /// The mode of the settings.
    pub fn configured_mode(&self) -> Mode {
        self.state.load().config.mode
    }

    /// Whether the pilot is rolled back, and what rolls it back.
    pub fn rollback(&self) -> &Arc<RollbackSwitch> {
        &self.base.rollback
    }

    /// The fingerprint of the engine.
    pub fn engine_fingerprint(&self) -> &str {
        self.base.loader.engine().fingerprint()
    }
}

impl State {
    /// The mode in effect.
    pub(super) fn mode(&self) -> Mode {
        if self.base.rollback.engaged() {
            Mode::Disabled
        } else {
            self.config.mode
        }
    }

    /// The settings as they are in effect.
    pub(super) fn effective(&self) -> Cow<'_, Config> {
        if !self.base.rollback.engaged() || self.config.mode == Mode::Disabled {
            return Cow::Borrowed(&self.config);
        }
        let mut config = self.config.clone();
        config.mode = Mode::Disabled;
        Cow::Owned(config)
    }

    /// Whether everything that is configured works.
    fn verify(&self) -> Result<(), HostError> {
        let unusable = |part| move |fault| HostError::Unusable { part, fault };
        self.probe().map_err(unusable("the reference module"))?;
        if let Some(Err(fault)) = &self.registry {
            return Err(unusable("the trust registry")(fault.clone()));
        }
        if !self.config.runtime_path.is_empty() {
            self.runtime().map_err(unusable("the fast path"))?;
        }
        if !self.config.policy_path.is_empty() {
            self.source().map_err(unusable("the policy of the fast path"))?;
        }
        let runs = self.config.mode != Mode::Disabled
            && !self.config.runtime_path.is_empty()
            && !self.config.policy_path.is_empty();
        if !runs {
            return Ok(());
        }
        for pack in self.packs.load().values() {
            let attempt = self.fast_path(pack).evaluate(&Request {
                action_type: "read_file".to_owned(),
                target: Some("README.md".to_owned()),
                policy_pack: pack.id.to_string(),
                ..Request::default()
            });
            match attempt.outcome {
                // The fast path need not have every pack's policy.
                Err(fault) if fault.code() != FallbackCode::MissingPolicy => {
                    return Err(unusable("the fast path")(fault));
                }
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }
}
