//! A try of what documents are about: do both backends agree, and does going back work?

use std::sync::PoisonError;
use std::time::Instant;

use jiff::Timestamp;

use super::{Host, HostError};
use crate::gates::Digests;
use crate::model::Request;
use crate::pilot::{Mode, SelectedBackend};

/// What is judged: something of each kind.
const REQUESTS: [&str; 6] = [
    r#"{"action_type":"read_file","target":"README.md"}"#,
    r#"{"action_type":"write_file","target":"src/main.rs"}"#,
    r#"{"action_type":"execute_command","target":"npm test"}"#,
    r#"{"action_type":"execute_command","target":"terraform apply"}"#,
    r#"{"action_type":"git_operation","operation":"push","target":"main"}"#,
    r#"{"action_type":"mcp_tool_call","target":"example-mcp","tool":"read"}"#,
];

/// What a try found.
#[derive(Clone, Debug)]
pub struct Probe {
    /// When it was made.
    pub now: Timestamp,
    /// What was loaded.
    pub digests: Digests,
    /// So many requests were judged, alike by both backends.
    pub requests: usize,
    /// How long going back to the reference took, in minutes; at least a second.
    pub recovery_minutes: f64,
}

/// A try that failed.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The host cannot judge.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The fast path cannot be used, or does not agree.
    #[error("the fast path cannot be promoted: {0}")]
    FastPath(String),
    /// Going back did not lead to the reference.
    #[error("going back to the reference failed: {0}")]
    Rollback(String),
}

impl Host {
    /// Judges some requests with both backends, then goes back to the reference for
    /// real: afterwards the mode is `disabled`.
    ///
    /// # Errors
    /// When the backends do not agree, or the reference is not what decides afterwards.
    pub fn probe(&self) -> Result<Probe, ProbeError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let digests = self.readiness().digests.clone();
        for request in REQUESTS {
            let answer = self.evaluate(&parsed(request)?)?;
            if answer.parity_match != Some(true) {
                let why = match answer.fallback_reason.as_str() {
                    "" => "the backends were not compared",
                    reason => reason,
                };
                return Err(ProbeError::FastPath(format!("{why} ({request})")));
            }
        }
        let began = Instant::now();
        let mut config = self.state.load().config.clone();
        config.mode = Mode::Disabled;
        self.replace(config)?;
        for request in REQUESTS {
            let answer = self.evaluate(&parsed(request)?)?;
            if answer.selected_backend != SelectedBackend::Python {
                return Err(ProbeError::Rollback(answer.fallback_reason));
            }
        }
        Ok(Probe {
            now: self.base.clock.now(),
            digests,
            requests: REQUESTS.len(),
            // Whole seconds: nobody can repeat it to the millisecond.
            recovery_minutes: began.elapsed().as_secs_f64().ceil().max(1.0) / 60.0,
        })
    }
}

fn parsed(request: &str) -> Result<Request, ProbeError> {
    Request::from_json(request.as_bytes()).map_err(|e| ProbeError::FastPath(e.to_string()))
}
