//! The trust policy's file: read with every fault at once, each with its line.
//!
//! ```toml
//! version = 1
//!
//! [[key]]
//! id = "platform-2030"
//! file = "platform-2030.pub.pem"        # or pem = """…"""
//! roles = ["module-publisher"]
//! not_after = 2031-01-01T00:00:00Z
//!
//! [[module]]
//! name = "acme-fastpath"
//! keys = ["platform-2030"]
//! minimum_revision = 7
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{BINDABLE, BackendRole, NamePolicy, Role, SIGNED_BY_DEFAULT, TrustPolicy, TrustedKey};
use crate::digest::sha256_hex;
use crate::gates::DocumentKind;
use crate::signing::{MAX_KEY_BYTES, PublicKey, valid_name};

/// The largest trust policy.
pub const MAX_POLICY_BYTES: u64 = 1024 * 1024;
/// The JSON Schema (2020-12) of a trust policy.
pub const SCHEMA: &str = include_str!("schema.json");

const VERSION: i64 = 1;

/// Something in a trust policy that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {key}: {problem}")]
pub struct PolicyFault {
    /// The line, from 1 on; 0: the file as a whole.
    pub line: usize,
    /// Where: a path of keys.
    pub key: String,
    /// What is wrong there.
    pub problem: String,
}

/// All faults of a trust policy, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFaults(pub Vec<PolicyFault>);

impl fmt::Display for PolicyFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            if fault.line == 0 {
                f.write_str(&fault.problem)?;
            } else {
                fault.fmt(f)?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for PolicyFaults {}

impl TrustPolicy {
    /// Reads the policy at `path`. Files of keys are looked for beside it.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn read(path: &Path) -> Result<Self, PolicyFaults> {
        let whole = |problem: String| {
            PolicyFaults(vec![PolicyFault {
                line: 0,
                key: String::new(),
                problem,
            }])
        };
        let text = read_text(path, MAX_POLICY_BYTES).map_err(whole)?;
        let dir = path.parent().unwrap_or_else(|| Path::new(""));
        Self::parse(&text, dir)
    }

    /// Reads a policy. Files of keys are looked for in `dir`.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn parse(text: &str, dir: &Path) -> Result<Self, PolicyFaults> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut reader = Reader {
            text,
            dir,
            faults: Vec::new(),
            key_files: Vec::new(),
        };
        for error in errors {
            let span = error.span().unwrap_or_default();
            reader.fault(&span, "TOML", error.message().to_owned());
        }
        // What is missing after a fault of syntax is not missing.
        if !reader.faults.is_empty() {
            return Err(PolicyFaults(reader.faults));
        }
        let policy = reader.policy(&table);
        if reader.faults.is_empty() {
            Ok(policy)
        } else {
            reader.faults.sort_by_key(|fault| fault.line);
            Err(PolicyFaults(reader.faults))
        }
    }

    /// The files that the policy at `path` is made of, as far as they can be found.
    pub(crate) fn files(path: &Path) -> Vec<PathBuf> {
        let mut files = vec![path.to_owned()];
        let Ok(text) = read_text(path, MAX_POLICY_BYTES) else {
            return files;
        };
        let (table, _) = DeTable::parse_recoverable(&text);
        let mut reader = Reader {
            text: &text,
            dir: path.parent().unwrap_or_else(|| Path::new("")),
            faults: Vec::new(),
            key_files: Vec::new(),
        };
        reader.policy(&table);
        files.extend(reader.key_files);
        files
    }
}

fn read_text(path: &Path, most: u64) -> Result<String, String> {
    let told = |e: std::io::Error| format!("`{}` cannot be read: {e}", path.display());
    let metadata = std::fs::metadata(path).map_err(told)?;
    if !metadata.is_file() {
        return Err(format!("`{}` is no regular file", path.display()));
    }
    // Who can write it decides what is run here.
    if metadata.mode() & 0o002 != 0 {
        return Err(format!(
            "`{}` can be written by anybody; run `chmod o-w` on it",
            path.display()
        ));
    }
    let mut text = String::new();
    let file = File::open(path).map_err(told)?;
    file.take(most.saturating_add(1))
        .read_to_string(&mut text)
        .map_err(told)?;
    if text.len() as u64 > most {
        return Err(format!("`{}` is larger than {most} bytes", path.display()));
    }
    Ok(text)
}

/// A value with its place.
type Value<'i> = Spanned<DeValue<'i>>;

struct Reader<'t> {
    text: &'t str,
    dir: &'t Path,
    faults: Vec<PolicyFault>,
    key_files: Vec<PathBuf>,
}

/// A table whose keys are asked for one by one; those that nobody asks for are faults.
struct Section<'v, 'i> {
    at: String,
    span: Range<usize>,
    left: BTreeMap<&'v str, (Range<usize>, &'v Value<'i>)>,
}

impl<'v, 'i> Section<'v, 'i> {
    fn new(at: String, span: Range<usize>, table: &'v DeTable<'i>) -> Self {
        let entries = table.iter();
        Self {
            at,
            span,
            left: entries
                .map(|(key, value)| (key.get_ref().as_ref(), (key.span(), value)))
                .collect(),
        }
    }

    fn key(&self, name: &str) -> String {
        if self.at.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.at)
        }
    }

    fn take(&mut self, name: &str) -> Option<&'v Value<'i>> {
        self.left.remove(name).map(|(_, value)| value)
    }
}

impl Reader<'_> {
    fn fault(&mut self, span: &Range<usize>, key: &str, problem: impl Into<String>) {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        self.faults.push(PolicyFault {
            line: before.matches('\n').count().saturating_add(1),
            key: key.to_owned(),
            problem: problem.into(),
        });
    }

    /// Every key that nobody has asked for.
    fn end(&mut self, section: Section<'_, '_>) {
        for (name, (span, _)) in &section.left {
            let key = section.key(name);
            self.fault(span, &key, "there is no such key");
        }
    }

    fn string<'v>(&mut self, value: &'v Value<'_>, key: &str) -> Option<&'v str> {
        match value.get_ref() {
            DeValue::String(text) if !text.trim().is_empty() => Some(text.as_ref()),
            DeValue::String(_) => {
                self.fault(&value.span(), key, "is empty");
                None
            }
            _ => {
                self.fault(&value.span(), key, "must be a string");
                None
            }
        }
    }

    fn text<'v>(&mut self, section: &mut Section<'v, '_>, name: &str) -> Option<&'v str> {
        let key = section.key(name);
        self.string(section.take(name)?, &key)
    }

    fn required<'v, 'i>(&mut self, section: &mut Section<'v, 'i>, name: &str) -> Option<&'v Value<'i>> {
        let value = section.take(name);
        if value.is_none() {
            let key = section.key(name);
            self.fault(&section.span.clone(), &key, "is missing");
        }
        value
    }

    fn whole(&mut self, value: &Value<'_>, key: &str, least: u64) -> Option<u64> {
        let number = match value.get_ref() {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        let number = number.filter(|number| *number >= least);
        if number.is_none() {
            self.fault(
                &value.span(),
                key,
                format!("must be a whole number of {least} at least"),
            );
        }
        number
    }

    fn time(&mut self, section: &mut Section<'_, '_>, name: &str) -> Option<Timestamp> {
        let key = section.key(name);
        let value = section.take(name)?;
        let text = match value.get_ref() {
            DeValue::Datetime(time) => time.to_string(),
            DeValue::String(text) => text.to_string(),
            _ => String::new(),
        };
        let time = text.parse().ok();
        if time.is_none() {
            self.fault(
                &value.span(),
                &key,
                "must be a time with a zone, such as 2030-01-31T00:00:00Z",
            );
        }
        time
    }

    fn items<'v, 'i>(&mut self, value: &'v Value<'i>, key: &str) -> Vec<&'v Value<'i>> {
        match value.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            _ => {
                self.fault(&value.span(), key, "must be a list");
                Vec::new()
            }
        }
    }

    /// A list of different words, each of which `parse` knows.
    fn words<T: Ord>(
        &mut self,
        section: &mut Section<'_, '_>,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<BTreeSet<T>> {
        let key = section.key(name);
        let value = section.take(name)?;
        let mut words = BTreeSet::new();
        for (i, item) in self.items(value, &key).into_iter().enumerate() {
            let at = format!("{key}[{i}]");
            let Some(text) = self.string(item, &at) else {
                continue;
            };
            match parse(text) {
                Ok(word) => {
                    if !words.insert(word) {
                        self.fault(&item.span(), &at, format!("`{text}` is given twice"));
                    }
                }
                Err(problem) => self.fault(&item.span(), &at, problem),
            }
        }
        Some(words)
    }

    /// The tables of an array of tables.
    fn tables<'v, 'i>(&mut self, section: &mut Section<'v, 'i>, name: &str) -> Vec<Section<'v, 'i>> {
        let key = section.key(name);
        let Some(value) = section.take(name) else {
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (i, item) in self.items(value, &key).into_iter().enumerate() {
            let at = format!("{key}[{i}]");
            match item.get_ref() {
                DeValue::Table(table) => tables.push(Section::new(at, item.span(), table)),
                _ => self.fault(&item.span(), &at, format!("must be a table [[{key}]]")),
            }
        }
        tables
    }

    fn policy(&mut self, table: &Spanned<DeTable<'_>>) -> TrustPolicy {
        let mut top = Section::new(String::new(), 0..0, table.get_ref());
        if let Some(version) = self.required(&mut top, "version")
            && !matches!(version.get_ref(), DeValue::Integer(it) if it.as_str().parse() == Ok(VERSION))
        {
            self.fault(&version.span(), "version", format!("must be {VERSION}"));
        }
        let mut policy = TrustPolicy {
            sha256: sha256_hex(self.text.as_bytes()),
            keys: Vec::new(),
            thresholds: BTreeMap::new(),
            modules: BTreeMap::new(),
            policies: BTreeMap::new(),
            registries: BTreeMap::new(),
            builtins: BTreeSet::new(),
            signed_documents: SIGNED_BY_DEFAULT.into(),
            bound_documents: BTreeSet::new(),
            key_files: Vec::new(),
        };
        for section in self.tables(&mut top, "key") {
            self.key(section, &mut policy.keys);
        }
        self.thresholds(&mut top, &mut policy);
        policy.modules = self.names(&mut top, "module", &policy.keys);
        policy.policies = self.names(&mut top, "policy", &policy.keys);
        policy.registries = self.names(&mut top, "registry", &policy.keys);
        for section in self.tables(&mut top, "builtin") {
            self.builtin(section, &mut policy.builtins);
        }
        self.documents(&mut top, &mut policy);
        self.end(top);
        policy.key_files.clone_from(&self.key_files);
        policy
    }

    fn key(&mut self, mut section: Section<'_, '_>, keys: &mut Vec<TrustedKey>) {
        let span = section.span.clone();
        let at = section.at.clone();
        let id = match self.required(&mut section, "id") {
            Some(value) => self.name(value, &section.key("id")),
            None => None,
        };
        if let Some(id) = id.filter(|id| keys.iter().any(|key| key.id == *id)) {
            self.fault(&span, &section.key("id"), format!("`{id}` is given twice"));
        }
        let key = self.public_key(&mut section);
        if let Some(other) = keys.iter().find(|other| Some(&other.key) == key.as_ref()) {
            // Else one key could be two approvers.
            let problem = format!("it is the key `{}` again", other.id);
            self.fault(&span, &at, problem);
        }
        let roles = self.words(&mut section, "roles", |word| {
            let found = Role::TABLE.iter().find(|(_, known, _)| *known == word);
            found.map(|(role, _, _)| *role).ok_or_else(|| {
                let known: Vec<&str> = Role::TABLE.iter().map(|(_, word, _)| *word).collect();
                format!("`{word}` is no role; the roles are {}", known.join(", "))
            })
        });
        if roles.as_ref().is_none_or(BTreeSet::is_empty) {
            self.fault(&span, &section.key("roles"), "names no role");
        }
        let not_before = self.time(&mut section, "not_before");
        let not_after = self.time(&mut section, "not_after");
        if let (Some(from), Some(until)) = (not_before, not_after)
            && from >= until
        {
            self.fault(&span, &at, "not_before is not before not_after");
        }
        let revoked_at = self.time(&mut section, "revoked_at");
        let reason = self.text(&mut section, "revoked_reason");
        match (revoked_at, reason) {
            (None, Some(_)) => self.fault(&span, &at, "revoked_reason needs revoked_at"),
            (Some(_), None) => self.fault(&span, &at, "revoked_at needs revoked_reason"),
            _ => {}
        }
        self.text(&mut section, "note");
        self.end(section);
        if let (Some(id), Some(key), Some(roles)) = (id, key, roles) {
            keys.push(TrustedKey {
                id: id.to_owned(),
                key,
                roles,
                not_before,
                not_after,
                revoked: revoked_at.zip(reason.map(str::to_owned)),
            });
        }
    }

    fn public_key(&mut self, section: &mut Section<'_, '_>) -> Option<PublicKey> {
        let span = section.span.clone();
        let at = section.at.clone();
        let pem = self.text(section, "pem");
        let file = self.text(section, "file");
        let (key, text) = match (pem, file) {
            (Some(pem), None) => ("pem", Ok(pem.to_owned())),
            (None, Some(file)) => {
                let path = self.dir.join(file);
                self.key_files.push(path.clone());
                ("file", read_text(&path, MAX_KEY_BYTES))
            }
            _ => {
                self.fault(&span, &at, "needs either pem or file");
                return None;
            }
        };
        let read = text.and_then(|text| PublicKey::from_pem(&text).map_err(|e| e.to_string()));
        match read {
            Ok(key) => Some(key),
            Err(problem) => {
                self.fault(&span, &format!("{at}.{key}"), problem);
                None
            }
        }
    }

    fn name<'v>(&mut self, value: &'v Value<'_>, key: &str) -> Option<&'v str> {
        let text = self.string(value, key)?;
        if valid_name(text) {
            return Some(text);
        }
        self.fault(
            &value.span(),
            key,
            "must be lower-case letters, digits, `-`, `_` and `.`, the first a letter or digit",
        );
        None
    }

    fn thresholds(&mut self, top: &mut Section<'_, '_>, policy: &mut TrustPolicy) {
        let Some(value) = top.take("threshold") else {
            return;
        };
        let DeValue::Table(table) = value.get_ref() else {
            return self.fault(&value.span(), "threshold", "must be a table");
        };
        let mut section = Section::new("threshold".to_owned(), value.span(), table);
        for (role, word, _) in Role::TABLE {
            let Some(value) = section.take(word) else { continue };
            let key = section.key(word);
            let Some(least) = self.whole(value, &key, 1) else {
                continue;
            };
            let having = policy.keys.iter().filter(|key| key.roles.contains(role)).count();
            let least = usize::try_from(least).unwrap_or(usize::MAX);
            if having < least {
                let problem = format!("asks for {least} keys; {having} have the role");
                self.fault(&value.span(), &key, problem);
            }
            policy.thresholds.insert(*role, least);
        }
        self.end(section);
    }

    fn names(
        &mut self,
        top: &mut Section<'_, '_>,
        what: &str,
        keys: &[TrustedKey],
    ) -> BTreeMap<String, NamePolicy> {
        let mut names = BTreeMap::new();
        for mut section in self.tables(top, what) {
            let span = section.span.clone();
            let name = match self.required(&mut section, "name") {
                Some(value) => self.name(value, &section.key("name")),
                None => None,
            };
            let allowed = self.words(&mut section, "keys", |id| {
                let known = keys.iter().any(|key| key.id == id);
                let problem = || format!("there is no key `{id}`");
                known.then(|| id.to_owned()).ok_or_else(problem)
            });
            if allowed.as_ref().is_some_and(BTreeSet::is_empty) {
                self.fault(&span, &section.key("keys"), "lists no key");
            }
            let mut policy = NamePolicy {
                keys: allowed,
                ..NamePolicy::default()
            };
            if let Some(value) = section.take("minimum_revision") {
                let key = section.key("minimum_revision");
                policy.minimum_revision = self.whole(value, &key, 0).unwrap_or_default();
            }
            if what == "module" {
                policy.worlds = self.words(&mut section, "worlds", |it| Ok(it.to_owned()));
                policy.backends = self.words(&mut section, "backends", |word| match word {
                    "reference" => Ok(BackendRole::Reference),
                    "fastpath" => Ok(BackendRole::FastPath),
                    _ => Err(format!("`{word}` is none of reference, fastpath")),
                });
            }
            self.text(&mut section, "note");
            if let Some(name) = name {
                if names.contains_key(name) {
                    self.fault(&span, &section.key("name"), format!("`{name}` is given twice"));
                }
                names.insert(name.to_owned(), policy);
            }
            self.end(section);
        }
        names
    }

    fn builtin(&mut self, mut section: Section<'_, '_>, builtins: &mut BTreeSet<String>) {
        if let Some(value) = self.required(&mut section, "sha256") {
            let key = section.key("sha256");
            if let Some(text) = self.string(value, &key) {
                let hex = text.strip_prefix("sha256:").unwrap_or(text);
                let plain = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
                if hex.len() == 64 && hex.chars().all(plain) {
                    builtins.insert(hex.to_owned());
                } else {
                    self.fault(&value.span(), &key, "must be 64 lower-case hex digits");
                }
            }
        }
        self.text(&mut section, "note");
        self.end(section);
    }

    fn documents(&mut self, top: &mut Section<'_, '_>, policy: &mut TrustPolicy) {
        let Some(value) = top.take("documents") else {
            return;
        };
        let DeValue::Table(table) = value.get_ref() else {
            return self.fault(&value.span(), "documents", "must be a table");
        };
        let mut section = Section::new("documents".to_owned(), value.span(), table);
        let kind = |word: &str| word.parse::<DocumentKind>().map_err(|e| e.to_string());
        if let Some(signed) = self.words(&mut section, "signed", kind) {
            policy.signed_documents = signed;
        }
        if let Some(bound) = self.words(&mut section, "bound", |word| {
            let kind = kind(word)?;
            let problem = || format!("`{word}` cannot say what it is about");
            BINDABLE.contains(&kind).then_some(kind).ok_or_else(problem)
        }) {
            policy.bound_documents = bound;
        }
        self.end(section);
    }
}
