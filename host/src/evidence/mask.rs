//! Masking: secrets leave a record before it is written, and only the record.
//!
//! A mask is `[masked:<rule>:<16 hex digits>]`. The digits are a keyed hash of what
//! stood there, so that equal secrets have equal masks in one host's records and
//! nobody without the key can try candidates.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use ring::hmac;
use serde_json::{Map, Value};

use super::rules::{NAMES, RULES, VALUE, WORD};
use super::{EvaluationRecord, EvidenceError, Masked};

/// What a mask begins with.
const MARK: &str = "[masked:";

/// A secret that is shorter stands in too much that is none to be looked for by itself.
const SHORTEST: usize = 6;

/// How large compiled patterns may be, in bytes.
const SIZE: usize = 16 * 1024 * 1024;

/// The name of every rule that can stand in a record.
pub fn rules() -> impl Iterator<Item = &'static str> {
    let named = RULES.iter().map(|(name, _)| *name);
    named.chain(["field", "pointer", "repeated"])
}

/// Masks records of one host.
pub struct Masker {
    rules: Vec<(&'static str, Regex)>,
    /// Which rules find anything in a text.
    any: RegexSet,
    /// Whether any rule can find anything in a record, found out in one go: see
    /// [`Self::suspects`].
    some: RegexSet,
    /// Names of fields that hold secrets.
    field: Regex,
    /// JSON pointers into requests.
    pointers: Vec<String>,
    key: hmac::Key,
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Masker").finish_non_exhaustive()
    }
}

/// A record could not be masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("something that was masked stands elsewhere in the record")]
struct Leak;

/// What has been masked so far in one record.
#[derive(Default)]
struct Found {
    masked: BTreeSet<Masked>,
    /// What stood where a mask stands now, with its mask; the longest is replaced first.
    secrets: BTreeMap<(std::cmp::Reverse<usize>, String), String>,
    /// Texts in which no rule finds anything.
    clean: BTreeSet<String>,
}

impl Masker {
    /// Masks by the built-in rules, and what stands at these JSON pointers in requests.
    ///
    /// # Errors
    /// When a rule is no pattern, which is a defect.
    pub fn new(seed: &[u8; 32], pointers: &[String]) -> Result<Self, EvidenceError> {
        let full = |pattern: &str| {
            let pattern = pattern
                .replace("NAMES", NAMES)
                .replace("VALUE", VALUE)
                .replace("WORD", WORD);
            // Boundaries of all of Unicode make every search slow, and no name of a
            // secret asks for them.
            pattern.replace(r"\b", r"(?-u:\b)")
        };
        let regex = |pattern: &str| {
            RegexBuilder::new(&full(pattern))
                .case_insensitive(true)
                .size_limit(SIZE)
                .build()
        };
        let rules = RULES.iter().map(|(name, pattern)| Ok((*name, regex(pattern)?)));
        let set = |patterns: &mut dyn Iterator<Item = String>| {
            RegexSetBuilder::new(patterns)
                .case_insensitive(true)
                .size_limit(SIZE)
                .dfa_size_limit(SIZE)
                .build()
        };
        let mut patterns = RULES.iter().map(|(_, pattern)| full(pattern));
        let any = set(&mut patterns)?;
        let ends = full(r"(?:NAMES|auth|authorization|pwd|cookies?|bearer)\n");
        let patterns = RULES.iter().map(|(_, pattern)| full(pattern));
        let some = set(&mut patterns.chain([ends]))?;
        let signing = hmac::Key::new(hmac::HMAC_SHA256, seed);
        // Not the key that signs: whoever knows one does not know the other.
        let key = hmac::sign(&signing, b"cavra evidence masking v1");
        Ok(Self {
            rules: rules.collect::<Result<_, regex::Error>>()?,
            any,
            some,
            field: regex(r"(?:^|[a-z0-9_.-])?(?:NAMES|^auth|authorization|^pwd|^cookies?|^bearer)$")?,
            pointers: pointers.to_vec(),
            key: hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()),
        })
    }

    /// Whether something of a record may have to be masked: false only where nothing is.
    /// Most records hold no secret, and this is all that masking costs them: every
    /// text and key is looked at once, all together, each with an end of line on both
    /// sides. That an end of line is a blank for all rules, and that whatever a rule
    /// finds at an end of a text it finds beside a blank too, is what makes it right.
    pub fn suspects(&self, record: &EvaluationRecord) -> bool {
        if !self.pointers.is_empty() {
            return true;
        }
        let mut all = Together::default();
        if let Some(request) = &record.request {
            all.members(request);
        }
        all.text(&record.identity.session_id);
        all.text(&record.identity.agent_id);
        all.text(&record.identity.actor);
        let outcome = &record.outcome;
        all.text(&outcome.fallback_reason);
        let decisions = [&outcome.python_decision, &outcome.go_decision];
        for it in decisions
            .into_iter()
            .flatten()
            .chain([&outcome.effective_decision])
        {
            let texts = [
                &it.action_type,
                &it.target,
                &it.requested_operation,
                &it.reason,
                &it.policy_pack,
            ];
            texts
                .into_iter()
                .chain(&it.matched_pattern)
                .for_each(|text| all.text(text));
        }
        for difference in outcome.parity_diff.iter().flatten() {
            all.value(&difference.python);
            all.value(&difference.go);
        }
        self.some.is_match(&all.joined)
    }

    /// Masks a record. Its masking section says what and whether it can be replayed.
    pub fn mask(&self, record: &mut EvaluationRecord) {
        let mut found = Found::default();
        if let Some(request) = &mut record.request {
            self.pointers(request, &mut found);
            self.members(request, "/request", &mut found);
        }
        self.decided(record, &mut found);
        let request_changed = found.masked.iter().any(|it| it.pointer.starts_with("/request"));
        record.masking.masked = found.masked.iter().cloned().collect();
        record.masking.replayable = !request_changed;
        if found.leaks(record).is_err() {
            withhold(record);
        }
    }

    /// Masks what stands at the pointers of the settings, whatever it is.
    fn pointers(&self, request: &mut Map<String, Value>, found: &mut Found) {
        // `pointer_mut` is of values, not of maps.
        let mut whole = Value::Object(std::mem::take(request));
        for pointer in &self.pointers {
            let Some(value) = whole.pointer_mut(pointer).filter(|value| !value.is_null()) else {
                continue;
            };
            self.replace(value, "pointer", &["/request", pointer].concat(), found);
        }
        if let Value::Object(map) = whole {
            *request = map;
        }
    }

    /// Puts a mask in the place of a value; all texts in it are secrets.
    fn replace(&self, value: &mut Value, rule: &str, pointer: &str, found: &mut Found) {
        let text = match &*value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        if text.starts_with(MARK) {
            return;
        }
        let mask = self.stand_in(rule, &text);
        texts(value, &mut |text| found.secret(text, &mask));
        found.secret(&text, &mask);
        found.note(pointer, rule);
        *value = Value::String(mask);
    }

    fn members(&self, members: &mut Map<String, Value>, at: &str, found: &mut Found) {
        for (key, mut value) in std::mem::take(members) {
            let shown = self.text(&key, at, found).into_owned();
            let pointer = format!("{at}/{}", shown.replace('~', "~0").replace('/', "~1"));
            if self.field.is_match(&key) && !matches!(value, Value::Null | Value::Bool(_)) {
                self.replace(&mut value, "field", &pointer, found);
            } else {
                self.value(&mut value, &pointer, found);
            }
            members.insert(shown, value);
        }
    }

    fn value(&self, value: &mut Value, at: &str, found: &mut Found) {
        match value {
            Value::String(text) => self.line(text, at, found),
            Value::Array(items) => {
                for (i, item) in items.iter_mut().enumerate() {
                    self.value(item, &format!("{at}/{i}"), found);
                }
            }
            Value::Object(members) => self.members(members, at, found),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn line(&self, text: &mut String, at: &str, found: &mut Found) {
        if let Cow::Owned(masked) = self.text(text, at, found) {
            *text = masked;
        }
    }

    /// Masks what the rules find in a text.
    fn text<'a>(&self, text: &'a str, at: &str, found: &mut Found) -> Cow<'a, str> {
        // Most texts stand in a record more than once.
        if found.clean.contains(text) {
            return Cow::Borrowed(text);
        }
        let mut spans: Vec<(std::ops::Range<usize>, &str)> = Vec::new();
        for i in self.any.matches(text) {
            let Some((rule, pattern)) = self.rules.get(i) else {
                continue;
            };
            let mut at = 0;
            while let Some(groups) = pattern.captures_at(text, at) {
                let whole = groups.get(0).map_or(0..0, |it| it.range());
                let secret = groups.iter().flatten().last();
                // What is taken for a value may itself be an option with one: the blank
                // before it may begin the next match.
                let again = secret.map_or(whole.end, |it| before(text, it.start()));
                at = if again > whole.start { again } else { whole.end };
                if whole.is_empty() || at >= text.len() {
                    at = text.len().saturating_add(1);
                }
                let secret = secret.filter(|it| !it.is_empty() && !it.as_str().starts_with(MARK));
                if let Some(secret) = secret {
                    spans.push((secret.range(), rule));
                }
                if at > text.len() {
                    break;
                }
            }
        }
        if spans.is_empty() {
            found.clean.insert(text.to_owned());
            return Cow::Borrowed(text);
        }
        spans.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
        let mut masked = String::with_capacity(text.len());
        let mut done = 0;
        let mut spans = spans.into_iter().peekable();
        while let Some((mut range, rule)) = spans.next() {
            while let Some((next, _)) = spans.next_if(|(next, _)| next.start <= range.end) {
                range.end = range.end.max(next.end);
            }
            let secret = text.get(range.clone()).unwrap_or_default();
            // `"x"` and `x` are the same secret.
            let bare = secret.trim_matches(['"', '\'', '\\']);
            let mask = self.stand_in(rule, bare);
            masked.push_str(text.get(done..range.start).unwrap_or_default());
            masked.push_str(&mask);
            found.secret(bare, &mask);
            found.note(at, rule);
            done = range.end;
        }
        masked.push_str(text.get(done..).unwrap_or_default());
        Cow::Owned(masked)
    }

    fn stand_in(&self, rule: &str, secret: &str) -> String {
        let tag = hmac::sign(&self.key, secret.as_bytes());
        let digits: String = tag
            .as_ref()
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("{MARK}{rule}:{digits}]")
    }

    /// Masks the texts that repeat something of the request.
    fn decided(&self, record: &mut EvaluationRecord, found: &mut Found) {
        let identity = &mut record.identity;
        let outcome = &mut record.outcome;
        let mut places: Vec<(String, &mut String)> = vec![
            ("/identity/session_id".to_owned(), &mut identity.session_id),
            ("/identity/agent_id".to_owned(), &mut identity.agent_id),
            ("/identity/actor".to_owned(), &mut identity.actor),
            (
                "/outcome/fallback_reason".to_owned(),
                &mut outcome.fallback_reason,
            ),
        ];
        let decisions = [
            ("python_decision", outcome.python_decision.as_mut()),
            ("go_decision", outcome.go_decision.as_mut()),
            ("effective_decision", Some(&mut outcome.effective_decision)),
        ];
        for (name, decision) in decisions {
            let Some(it) = decision else { continue };
            let texts = [
                ("action_type", &mut it.action_type),
                ("target", &mut it.target),
                ("requested_operation", &mut it.requested_operation),
                ("reason", &mut it.reason),
                ("policy_pack", &mut it.policy_pack),
            ];
            places.extend(texts.map(|(field, text)| (format!("/outcome/{name}/{field}"), text)));
            let pattern = it.matched_pattern.as_mut();
            places.extend(pattern.map(|text| (format!("/outcome/{name}/matched_pattern"), text)));
        }
        for (pointer, text) in places {
            self.line(text, &pointer, found);
            found.erase(text, &pointer);
        }
        if let Some(request) = &mut record.request {
            // A secret of one field may stand in another that no rule knows.
            erase_members(request, "/request", found);
        }
        for (i, difference) in outcome.parity_diff.iter_mut().flatten().enumerate() {
            for (side, value) in [("python", &mut difference.python), ("go", &mut difference.go)] {
                let at = format!("/outcome/parity_diff/{i}/{side}");
                self.value(value, &at, found);
                erase_value(value, &at, found);
            }
        }
    }
}

/// The texts of a record, each but once, with an end of line before, between and after.
#[derive(Default)]
struct Together<'a> {
    joined: String,
    seen: Vec<&'a str>,
}

impl<'a> Together<'a> {
    fn text(&mut self, text: &'a str) {
        // The same few stand in a request and in every decision about it.
        if self.seen.contains(&text) {
            return;
        }
        if self.seen.len() < 32 {
            self.seen.push(text);
        }
        if self.joined.is_empty() {
            self.joined.reserve(2048);
            self.joined.push('\n');
        }
        self.joined.push_str(text);
        self.joined.push('\n');
    }

    fn members(&mut self, members: &'a Map<String, Value>) {
        for (key, value) in members {
            self.text(key);
            self.value(value);
        }
    }

    fn value(&mut self, value: &'a Value) {
        match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => items.iter().for_each(|item| self.value(item)),
            Value::Object(members) => self.members(members),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

impl Found {
    fn note(&mut self, pointer: &str, rule: &str) {
        self.masked.insert(Masked {
            pointer: pointer.to_owned(),
            rule: rule.to_owned(),
        });
    }

    fn secret(&mut self, text: &str, mask: &str) {
        for text in [text, crate::model::trim(text)] {
            if text.len() >= SHORTEST {
                let key = (std::cmp::Reverse(text.len()), text.to_owned());
                self.secrets.entry(key).or_insert_with(|| mask.to_owned());
            }
        }
    }

    /// Puts masks where known secrets stand.
    fn erase(&mut self, text: &mut String, at: &str) {
        let mut erased = false;
        for ((_, secret), mask) in &self.secrets {
            if text.contains(secret.as_str()) {
                *text = text.replace(secret.as_str(), mask);
                erased = true;
            }
        }
        if erased {
            self.note(at, "repeated");
        }
    }

    /// Looks for what was masked in all that is about to be written.
    fn leaks(&self, record: &EvaluationRecord) -> Result<(), Leak> {
        if self.secrets.is_empty() {
            return Ok(());
        }
        let mut all = serde_json::to_value(record).map_err(|_| Leak)?;
        let mut leak = false;
        texts(&mut all, &mut |text| {
            leak = leak
                || self
                    .secrets
                    .keys()
                    .any(|(_, secret)| text.contains(secret.as_str()));
        });
        if leak { Err(Leak) } else { Ok(()) }
    }
}

/// Where the character before `at` begins.
fn before(text: &str, at: usize) -> usize {
    let before = text.get(..at).and_then(|text| text.char_indices().next_back());
    before.map_or(at, |(begin, _)| begin)
}

/// Nothing that came with the request stays.
fn withhold(record: &mut EvaluationRecord) {
    const WITHHELD: &str = "[masked:withheld]";
    record.request = None;
    // The caller may have brought the second; the others are the host's own.
    if let Some(correlation) = record.drawn_ids.get_mut(1) {
        WITHHELD.clone_into(correlation);
    }
    record.masking.failed = true;
    record.masking.replayable = false;
    record.masking.masked.clear();
    record.outcome.parity_diff = record.outcome.parity_diff.as_ref().map(|_| Vec::new());
    let identity = &mut record.identity;
    let outcome = &mut record.outcome;
    let mut texts = vec![
        &mut identity.session_id,
        &mut identity.agent_id,
        &mut identity.actor,
        &mut outcome.fallback_reason,
    ];
    let decisions = [
        outcome.python_decision.as_mut(),
        outcome.go_decision.as_mut(),
        Some(&mut outcome.effective_decision),
    ];
    for it in decisions.into_iter().flatten() {
        it.matched_pattern = None;
        texts.extend([
            &mut it.action_type,
            &mut it.target,
            &mut it.requested_operation,
            &mut it.reason,
            &mut it.policy_pack,
        ]);
    }
    for text in texts {
        WITHHELD.clone_into(text);
    }
}

/// Calls `see` with every text in a value, keys included.
fn texts(value: &mut Value, see: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => see(text),
        Value::Array(items) => items.iter_mut().for_each(|item| texts(item, see)),
        Value::Object(members) => {
            for (key, value) in members.iter_mut() {
                see(key);
                texts(value, see);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn erase_members(members: &mut Map<String, Value>, at: &str, found: &mut Found) {
    if found.secrets.is_empty() {
        return;
    }
    for (key, value) in members.iter_mut() {
        erase_value(
            value,
            &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")),
            found,
        );
    }
}

fn erase_value(value: &mut Value, at: &str, found: &mut Found) {
    match value {
        Value::String(text) => found.erase(text, at),
        Value::Array(items) => {
            for (i, item) in items.iter_mut().enumerate() {
                erase_value(item, &format!("{at}/{i}"), found);
            }
        }
        Value::Object(members) => erase_members(members, at, found),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests;
