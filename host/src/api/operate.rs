//! What operators do while the service runs: reload.
//!
//! Everything is read and verified beside what is in use, and then all of it is used,
//! or none of it. The flags and variables of the process stay what they were.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::access::Access;
use super::tls::{Tls, TlsError};
use crate::access::TokenFileError;
use crate::config::Config;
use crate::host::{Host, HostError};
use crate::telemetry::{Metrics, Reloaded};

/// A reload was refused; everything is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The token file.
    #[error(transparent)]
    Tokens(#[from] TokenFileError),
    /// The certificate or its key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Modules, policies or the registry.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl ReloadError {
    /// What was refused, without a word about where it lies.
    pub fn part(&self) -> &'static str {
        match self {
            Self::Tokens(_) => "the token file",
            Self::Tls(_) => "the certificate or its key",
            Self::Host(HostError::Unusable { part, .. }) => part,
            Self::Host(HostError::Trust(_)) => "the trust policy",
            Self::Host(HostError::Policy(_)) => "the policy directory or a pack",
            Self::Host(_) => "the settings",
        }
    }

    fn what(&self) -> Reloaded {
        match self {
            Self::Tokens(_) => Reloaded::Tokens,
            Self::Tls(_) => Reloaded::Certificate,
            Self::Host(_) => Reloaded::State,
        }
    }
}

/// Reloads, one at a time.
pub struct Operations {
    host: Arc<Host>,
    config: Config,
    access: Arc<Access>,
    tls: Option<Arc<Tls>>,
    metrics: Arc<Metrics>,
    turn: Mutex<()>,
}

impl Operations {
    /// Operations on a service that was started with `config`.
    pub fn new(
        host: Arc<Host>,
        config: Config,
        access: Arc<Access>,
        tls: Option<Arc<Tls>>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            host,
            config,
            access,
            tls,
            metrics,
            turn: Mutex::default(),
        }
    }

    /// Reads modules, policies, registry, documents, tokens and certificate anew. Takes
    /// up to seconds; requests go on meanwhile.
    ///
    /// # Errors
    /// When anything that is configured cannot be used. Nothing is changed then.
    pub fn reload(&self, why: &'static str) -> Result<(), ReloadError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = Instant::now();
        let done = self.reload_all();
        let milliseconds = begun.elapsed().as_secs_f64() * 1000.0;
        match &done {
            Ok(()) => {
                self.metrics.reloaded(Reloaded::State, true);
                tracing::info!(why, duration_ms = milliseconds, "reloaded");
            }
            Err(error) => {
                self.metrics.reloaded(error.what(), false);
                tracing::error!(why, duration_ms = milliseconds, %error, "the reload was refused; everything is as it was");
            }
        }
        done
    }

    fn reload_all(&self) -> Result<(), ReloadError> {
        let keyring = self.access.read()?;
        let certificate = self.tls.as_ref().map(|tls| tls.read()).transpose()?;
        // The last that can fail is the one that changes something.
        self.host.reload_verified(self.config.clone())?;
        if let Some(keyring) = keyring {
            self.access.replace(keyring);
            self.metrics.reloaded(Reloaded::Tokens, true);
        }
        if let (Some(tls), Some(certificate)) = (&self.tls, certificate) {
            tls.replace(certificate);
            self.metrics.reloaded(Reloaded::Certificate, true);
        }
        Ok(())
    }

    /// Reads the tokens anew, because their file has changed.
    pub(super) fn tokens_changed(&self) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let read = self.access.read();
        self.metrics.reloaded(Reloaded::Tokens, read.is_ok());
        match read {
            Ok(keyring) => {
                self.access.replace(keyring.unwrap_or_default());
                tracing::info!(
                    tokens = self.access.count(),
                    "the token file has changed and is used"
                );
            }
            Err(error) => {
                tracing::error!(%error, "the token file has changed and cannot be used; the old tokens stay");
            }
        }
    }

    /// Reads certificate and key anew, because a file has changed.
    pub(super) fn certificate_changed(&self) {
        let Some(tls) = &self.tls else { return };
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let read = tls.read();
        self.metrics.reloaded(Reloaded::Certificate, read.is_ok());
        match read {
            Ok(config) => {
                tls.replace(config);
                tracing::info!("the certificate has changed and is used for new connections");
            }
            Err(error) => {
                tracing::error!(%error, "the certificate has changed and cannot be used; the old one stays");
            }
        }
    }
}
