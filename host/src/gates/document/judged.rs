//! A document as it is judged: with what is loaded, and at a time.

use serde_json::Value;

use super::{Binding, Content, Document, Fault, Model};
use crate::gates::date::Moment;
use crate::gates::{Check, Digests, Signature};

/// How far ahead of this machine's clock another's may be, in days: five minutes.
pub(crate) const SKEW_DAYS: f64 = 5.0 / (24.0 * 60.0);

/// So many faults are told in the message of a check.
const TOLD: usize = 3;
/// So many characters of a document's string are told in a report.
const MOST_CHARACTERS: usize = 1_000;
/// So many items of a document's list are told in a report.
const MOST_ITEMS: usize = 100;

/// What documents are judged with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loaded<'a> {
    pub(crate) digests: &'a Digests,
    pub(crate) now: Moment,
}

/// A document and all that is wrong with it.
#[derive(Debug)]
pub(crate) struct Judged<'a, T> {
    document: &'a Document<T>,
    faults: Vec<Fault>,
}

impl<T: Model> Document<T> {
    /// Judges the document with what is loaded.
    pub(crate) fn judge(&self, loaded: &Loaded<'_>) -> Judged<'_, T> {
        let mut judged = Judged {
            document: self,
            faults: self.faults(),
        };
        if let Content::Read(read) = &self.content {
            for binding in read.model.bindings() {
                judged.bind(&binding, loaded);
            }
        }
        judged
    }
}

impl<'a, T: Model> Judged<'a, T> {
    fn bind(&mut self, binding: &Binding<'_>, loaded: &Loaded<'_>) {
        let at = &binding.at;
        if let Some(date) = binding
            .issued_at
            .filter(|date| date.moment.days_after(loaded.now) > SKEW_DAYS)
        {
            self.fault(
                format!("{at}/issued_at"),
                format!("is in the future: {}", date.moment),
            );
        }
        if let Some(date) = binding.expires_at.filter(|date| date.moment <= loaded.now) {
            self.fault(format!("{at}/expires_at"), format!("has passed: {}", date.moment));
        }
        let Some(subject) = binding.subject else { return };
        let digests = loaded.digests;
        let members = [
            (
                "runtime_sha256",
                &subject.runtime_sha256,
                digests.runtime_sha256.as_deref(),
            ),
            (
                "policy_sha256",
                &subject.policy_sha256,
                digests.policy_sha256.as_deref(),
            ),
            (
                "reference_sha256",
                &subject.reference_sha256,
                digests.reference_sha256.as_deref(),
            ),
            (
                "engine_fingerprint",
                &subject.engine_fingerprint,
                Some(digests.engine_fingerprint.as_str()),
            ),
        ];
        for (name, wanted, found) in members {
            let Some(wanted) = wanted.given() else { continue };
            let problem = match found {
                Some(found) if found == wanted.0 => continue,
                Some(found) => format!("is not what is loaded: `{found}`"),
                None => "cannot be met: nothing of that kind is loaded".to_owned(),
            };
            self.fault(format!("{at}/subject/{name}"), problem);
        }
    }

    /// Adds what is wrong with the document beside others or at this time.
    pub(crate) fn fault(&mut self, pointer: String, problem: String) {
        self.faults.push(Fault { pointer, problem });
    }

    /// What was read; none if nothing of it can be used.
    pub(crate) fn model(&self) -> Option<&'a T> {
        match &self.document.content {
            Content::Read(read) => Some(&read.model),
            Content::Unset | Content::Unusable { .. } => None,
        }
    }

    /// What may be told of it: nothing of a document that holds a secret.
    pub(crate) fn told(&self) -> Option<&'a T> {
        match &self.document.content {
            Content::Read(read) if read.public_safe => Some(&read.model),
            _ => None,
        }
    }

    /// Whether nothing is wrong with it.
    pub(crate) fn is_valid(&self) -> bool {
        self.model().is_some() && self.faults.is_empty()
    }

    /// What of it counts for another document: all of a valid one.
    pub(crate) fn counting(&self) -> Option<&'a T> {
        self.model().filter(|_| self.faults.is_empty())
    }

    /// The `schema_version` that it has.
    pub(crate) fn schema_version(&self) -> String {
        match &self.document.content {
            Content::Unset => String::new(),
            Content::Unusable { schema_version, .. } => schema_version.clone(),
            Content::Read(_) => T::SCHEMA.to_owned(),
        }
    }

    /// Who vouches for it.
    pub(crate) fn signature(&self) -> Signature {
        match self.document.content {
            Content::Unset => Signature::None,
            // Verifying signatures has its place here: whoever signed would be found
            // beside the document, and trust would be asked for.
            Content::Unusable { .. } | Content::Read(_) => Signature::Unsigned,
        }
    }

    /// Why nothing of it can be used.
    pub(crate) fn unusable(&self) -> Option<String> {
        let what = self.document.kind.meaning();
        match &self.document.content {
            Content::Unset => Some(format!(
                "{what} is not configured; set {}",
                self.document.kind.setting()
            )),
            Content::Unusable { fault, .. } => Some(format!("{what} cannot be used: {fault}")),
            Content::Read(_) => None,
        }
    }

    /// What is wrong with it anywhere.
    pub(crate) fn anywhere(&self) -> Result<(), String> {
        self.problem(|_| true)
    }

    /// What is wrong with it at these pointers, or below them.
    pub(crate) fn at(&self, pointers: &[&str]) -> Result<(), String> {
        self.problem(|fault| {
            pointers.iter().any(|pointer| {
                let below = fault.pointer.strip_prefix(pointer);
                below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        })
    }

    /// What is wrong with it at this pointer, and not below.
    pub(crate) fn exactly_at(&self, pointer: &str) -> Result<(), String> {
        self.problem(|fault| fault.pointer == pointer)
    }

    fn problem(&self, wanted: impl Fn(&Fault) -> bool) -> Result<(), String> {
        if let Some(unusable) = self.unusable() {
            return Err(unusable);
        }
        let faults: Vec<String> = self
            .faults
            .iter()
            .filter(|fault| wanted(fault))
            .map(Fault::to_string)
            .collect();
        if faults.is_empty() {
            return Ok(());
        }
        let more = match faults.len().saturating_sub(TOLD) {
            0 => String::new(),
            more => format!("; and {more} more, which `cavra governance check` lists"),
        };
        let told: Vec<String> = faults.into_iter().take(TOLD).collect();
        Err(format!(
            "in {}: {}{more}",
            self.document.kind.meaning(),
            told.join("; ")
        ))
    }

    /// The check that the whole document is valid.
    pub(crate) fn validity(&self, id: &'static str) -> Check {
        Check::new(id, self.anywhere().map(|()| self.message()))
    }

    /// Why it is valid, or why not.
    pub(crate) fn message(&self) -> String {
        match self.anywhere() {
            Ok(()) => format!(
                "{} is valid; it is unsigned and judged on its content",
                self.document.kind.meaning()
            ),
            Err(problem) => problem,
        }
    }

    /// Every fault, for whoever mends the document: also why nothing of it can be used.
    pub(crate) fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// A string that stands at a member, whether it is what it must be or not.
    pub(crate) fn text(&self, member: &str) -> String {
        self.text_at(&format!("/{member}"))
    }

    /// A string that stands at a pointer, whether it is what it must be or not.
    pub(crate) fn text_at(&self, pointer: &str) -> String {
        let value = self.raw().and_then(|raw| raw.pointer(pointer));
        value.and_then(Value::as_str).map(clip).unwrap_or_default()
    }

    /// What stands at a member, if it is no larger than `most` bytes of JSON.
    pub(crate) fn value(&self, member: &str, most: usize) -> Option<Value> {
        let value = self.raw()?.get(member)?;
        (value.to_string().len() <= most).then(|| value.clone())
    }

    fn raw(&self) -> Option<&'a Value> {
        match &self.document.content {
            Content::Read(read) if read.public_safe => Some(&read.raw),
            _ => None,
        }
    }
}

/// A string of a document as a report tells it.
pub(crate) fn clip(text: &str) -> String {
    let mut told: String = text.chars().take(MOST_CHARACTERS).collect();
    if told.len() < text.len() {
        told.push('…');
    }
    told
}

/// A list of strings of a document as a report tells it.
pub(crate) fn clip_all<'t>(texts: impl IntoIterator<Item = &'t super::shape::Text>) -> Vec<String> {
    texts
        .into_iter()
        .take(MOST_ITEMS)
        .map(|text| clip(&text.0))
        .collect()
}
