//! What is asked and what is answered: the typed request and decision.
//!
//! Implements the *Request* and *Decision* sections of the decision semantics.

mod decision;
mod request;

pub use decision::{Decision, Identity, IssuedDecision, Severity, Stamp, Verdict};
pub use request::{ActionType, MAX_REQUEST_BYTES, REQUEST_FIELDS, Request, RequestError};

/// The pack that a request without `policy_pack` is judged by.
pub const DEFAULT_POLICY_PACK: &str = "cavra-ai-agent-baseline";

/// Removes Unicode White_Space and U+001C–U+001F from both ends: the *trim* of
/// the decision semantics.
pub fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}
