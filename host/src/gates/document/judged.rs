//! A document as it is judged: with what is loaded, and at a time.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::{Binding, Content, Document, DocumentKind, Fault, Model, Subject};
use crate::digest::Hashed;
use crate::gates::date::Moment;
use crate::gates::{Check, Digests, Signature, Vouched};
use crate::signing::trust::{Guard, TrustPolicy, Wanted};
use crate::signing::{ArtifactKind, Refusal, RefusalCode, Seals};

/// How far ahead of this machine's clock another's may be, in days: five minutes.
pub(crate) const SKEW_DAYS: f64 = 5.0 / (24.0 * 60.0);

/// So many faults are told in the message of a check.
const TOLD: usize = 3;
/// So many characters of a document's string are told in a report.
const MOST_CHARACTERS: usize = 1_000;
/// So many items of a document's list are told in a report.
const MOST_ITEMS: usize = 100;

/// What documents are judged with.
#[derive(Clone, Debug)]
pub(crate) struct Loaded<'a> {
    pub(crate) digests: &'a Digests,
    pub(crate) now: Moment,
    /// None: no trust policy is set.
    pub(crate) trust: Option<Trusting<'a>>,
}

/// Whose word is taken for documents, at a time.
#[derive(Clone, Debug)]
pub(crate) struct Trusting<'a> {
    policy: &'a TrustPolicy,
    now: Timestamp,
    /// The fingerprints of the keys that signed the fast path: they approve nothing.
    publishers: BTreeSet<String>,
}

impl<'a> Trusting<'a> {
    pub(crate) fn new(guard: &'a Guard, now: Timestamp) -> Self {
        Self {
            policy: guard.policy(),
            now,
            publishers: guard.publishers(),
        }
    }

    /// Who vouches for a document.
    fn judge(&self, kind: DocumentKind, bytes: &[u8], seals: &Seals) -> Result<Vec<String>, Refusal> {
        let wanted = Wanted {
            kind: ArtifactKind::Document,
            name: Some(kind.name()),
            backend: None,
            document: Some(kind),
            world: None,
            bytes: &Hashed::new(bytes),
            seals,
        };
        let admission = self.policy.judge(&wanted, self.now)?;
        let approves = matches!(kind, DocumentKind::PromotionEvidence | DocumentKind::RollbackPlan);
        if approves && !admission.fingerprints.is_disjoint(&self.publishers) {
            return Err(Refusal::new(
                RefusalCode::ApproverIsPublisher,
                format!(
                    "{} has a signature of a key that signed the fast path's module; somebody else must approve",
                    kind.meaning()
                ),
            ));
        }
        Ok(admission.signers)
    }
}

/// A document and all that is wrong with it.
#[derive(Debug)]
pub(crate) struct Judged<'a, T> {
    document: &'a Document<T>,
    faults: Vec<Fault>,
    vouched: Vouched,
    /// Why the trust policy does not take it, as a sentence.
    refusal: Option<String>,
}

impl<T: Model> Document<T> {
    /// Judges the document with what is loaded.
    pub(crate) fn judge(&self, loaded: &Loaded<'_>) -> Judged<'_, T> {
        let mut judged = Judged {
            document: self,
            faults: self.faults(),
            vouched: Vouched::default(),
            refusal: None,
        };
        judged.vouch(loaded);
        if let Content::Read(read) = &self.content {
            for binding in read.model.bindings() {
                judged.bind(&binding, loaded);
            }
        }
        judged
    }
}

impl<T> Document<T> {
    /// Why nothing of it can be used, where it is configured: whatever would have been
    /// compared with it cannot be.
    pub(crate) fn broken(&self) -> Option<String> {
        match &self.content {
            Content::Unusable { fault, .. } => {
                Some(format!("{} cannot be used: {fault}", self.kind.meaning()))
            }
            Content::Unset | Content::Read(_) => None,
        }
    }
}

impl<'a, T: Model> Judged<'a, T> {
    /// Finds out who vouches for the document, and holds it to what the trust policy asks.
    fn vouch(&mut self, loaded: &Loaded<'_>) {
        let document = self.document;
        if matches!(document.content, Content::Unset) {
            return;
        }
        self.vouched.signature = Signature::Unsigned;
        let Some(trust) = &loaded.trust else { return };
        let (bytes, seals) = &*document.signed;
        let must = trust.policy.signed_documents.contains(&document.kind);
        // What could not be read has nothing that anybody could have signed.
        if document.sha256.is_some() && (must || !seals.is_empty()) {
            match trust.judge(document.kind, bytes, seals) {
                Ok(signers) => {
                    self.vouched.signature = Signature::Verified;
                    self.vouched.signed_by = signers;
                }
                Err(refusal) => {
                    self.vouched.signature = Signature::Refused;
                    self.vouched.signature_refusal = Some(refusal.code);
                    self.refusal = Some(refusal.to_string());
                    self.fault(String::new(), format!("is {refusal}"));
                }
            }
        }
        if trust.policy.bound_documents.contains(&document.kind) {
            self.bound();
        }
    }

    /// Whether the document says what it is about and how long it holds, as the trust
    /// policy asks.
    fn bound(&mut self) {
        let Content::Read(read) = &self.document.content else {
            return;
        };
        let bindings = read.model.bindings();
        let said = |of: &dyn Fn(&Binding<'_>) -> bool| bindings.iter().any(of);
        let subject =
            |of: fn(&Subject) -> bool| said(&|binding: &Binding<'_>| binding.subject.is_some_and(of));
        let asked = [
            ("issued_at", said(&|it| it.issued_at.is_some())),
            ("expires_at", said(&|it| it.expires_at.is_some())),
            (
                "subject/runtime_sha256",
                subject(|it| it.runtime_sha256.given().is_some()),
            ),
            (
                "subject/policy_sha256",
                subject(|it| it.policy_sha256.given().is_some()),
            ),
            (
                "subject/reference_sha256",
                subject(|it| it.reference_sha256.given().is_some()),
            ),
            (
                "subject/engine_fingerprint",
                subject(|it| it.engine_fingerprint.given().is_some()),
            ),
        ];
        for (name, _) in asked.into_iter().filter(|(_, said)| !said) {
            self.fault(
                format!("/{name}"),
                "is missing; the trust policy asks for it".to_owned(),
            );
        }
    }

    /// Why the trust policy does not take the document.
    pub(crate) fn trusted(&self) -> Result<(), String> {
        match &self.refusal {
            None => Ok(()),
            Some(refusal) => Err(format!("{} is {refusal}", self.document.kind.meaning())),
        }
    }

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
    pub(crate) fn vouched(&self) -> Vouched {
        self.vouched.clone()
    }

    /// Why nothing of it can be used.
    pub(crate) fn unusable(&self) -> Option<String> {
        match &self.document.content {
            Content::Unset => Some(format!(
                "{} is not configured; set {}",
                self.document.kind.meaning(),
                self.document.kind.setting()
            )),
            Content::Unusable { .. } | Content::Read(_) => self.document.broken(),
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
            Ok(()) if self.vouched.signature == Signature::Verified => format!(
                "{} is valid; it is signed by {}",
                self.document.kind.meaning(),
                self.vouched.signed_by.join(", ")
            ),
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
