//! A disagreement of two modules, shrunk to a smallest pack and request that still show it.
//!
//! Delta debugging: whatever can be taken away - sections, lists, patterns, fields of the
//! request, characters - is taken away as long as the two modules, in their sandboxes,
//! still disagree in the same way.

mod case;
mod court;
mod reduce;
mod yaml;

pub use case::{Case, CaseError, Story};
pub use court::{Court, CourtError, Disagreement, Judgement, Subject};

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::reduce::{Search, replaced};

/// The id of a shrunk pack.
const SHRUNK: &str = "shrunk";
/// Where a subject holds what people read of a pack.
const METADATA: &str = "/policy/metadata";

/// The modules do not disagree, so that there is nothing to shrink.
#[derive(Debug, thiserror::Error)]
pub enum ShrinkError {
    /// They agree.
    #[error("the two modules agree on this request under this policy, so there is nothing to shrink")]
    Agreement,
    /// Nothing is decided.
    #[error("the reference gives no decision about this request under this policy")]
    NoReference,
}

/// The smallest subject that was found.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The subject.
    pub subject: Subject,
    /// What both modules say about it.
    pub judgement: Judgement,
    /// How they disagree, about it as about what it comes from.
    pub disagreement: Disagreement,
    /// How many subjects were judged.
    pub trials: u64,
    /// Whether nothing more can be taken away; false where the time was up.
    pub minimal: bool,
}

/// Shrinks `subject`, for as long as `limit` at most.
///
/// # Errors
/// When the modules do not disagree about `subject` to begin with.
pub fn shrink(court: &Court, subject: Subject, limit: Duration) -> Result<Shrunk, ShrinkError> {
    let judgement = court.judge(&subject).ok_or(ShrinkError::NoReference)?;
    let disagreement = judgement.disagreement().ok_or(ShrinkError::Agreement)?;
    let began = Instant::now();
    let mut trials = 0_u64;
    let mut in_time = true;
    // Many a step leads to what was judged before.
    let mut known: BTreeMap<[u8; 32], bool> = BTreeMap::new();
    let mut holds = |document: &Value| {
        let name = blake3::hash(document.to_string().as_bytes());
        if let Some(known) = known.get(name.as_bytes()) {
            return *known;
        }
        in_time &= began.elapsed() < limit;
        if !in_time {
            return false;
        }
        trials = trials.saturating_add(1);
        let judged = court.judge(&Subject(document.clone()));
        let same = judged.and_then(|it| it.disagreement()).as_ref() == Some(&disagreement);
        known.insert(*name.as_bytes(), same);
        same
    };
    let metadata = json!({"id": SHRUNK, "title": "A shrunk disagreement", "version": "1"});
    let renamed = replaced(&subject.0, METADATA, metadata);
    // A module may look at the pack's name; then that stays.
    let mut start = if holds(&renamed) { renamed } else { subject.0 };
    // The name and the title of the pack are for people, and not shrunk.
    let metadata = start.pointer(METADATA).cloned().unwrap_or_default();
    if let Some(Value::Object(policy)) = start.get_mut("policy") {
        policy.remove("metadata");
    }
    let whole = |document: &Value| {
        let mut document = document.clone();
        if let Some(Value::Object(policy)) = document.get_mut("policy") {
            policy.insert("metadata".to_owned(), metadata.clone());
        }
        document
    };
    let found = Search::new(start, |document: &Value| holds(&whole(document))).run(
        &["/policy", "/registry", "/request"],
        "/request",
        &["/policy", "/registry"],
    );
    let subject = Subject(whole(&found));
    let judgement = court.judge(&subject).ok_or(ShrinkError::NoReference)?;
    Ok(Shrunk {
        subject,
        judgement,
        disagreement,
        trials,
        minimal: in_time,
    })
}
