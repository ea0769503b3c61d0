//! A set-up whose gates are all open, and ways to change it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::super::*;

/// A set-up that was scaffolded at a time, in a folder of its own.
pub(super) struct SetUp {
    pub(super) dir: tempfile::TempDir,
    pub(super) flags: BTreeMap<Setting, String>,
    pub(super) subject: ReadinessSubject,
    pub(super) now: Timestamp,
}

fn subject() -> ReadinessSubject {
    ReadinessSubject {
        runtime: Ok("aa".repeat(32)),
        policy: Ok("bb".repeat(32)),
        registry: None,
        reference: Ok("cc".repeat(32)),
        engine_fingerprint: "sha256:dd".to_owned(),
        signatures: None,
    }
}

impl SetUp {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut set_up = Self {
            dir,
            flags: BTreeMap::from([(Setting::Mode, "promoted".to_owned())]),
            subject: subject(),
            now: "2030-06-01T12:00:00Z".parse().unwrap(),
        };
        let digests = set_up.readiness().digests.clone();
        for kind in DocumentKind::ALL {
            let text = Scaffold {
                digests: &digests,
                now: set_up.now,
                recovery_minutes: 2.0,
                approved: true,
            }
            .document(kind)
            .unwrap();
            let path = set_up.path(kind);
            fs::write(&path, text).unwrap();
            set_up.flags.insert(kind.setting(), path.display().to_string());
        }
        set_up
    }

    pub(super) fn path(&self, kind: DocumentKind) -> PathBuf {
        self.dir.path().join(kind.file())
    }

    fn config(&self) -> Config {
        Config::read(&self.flags, &BTreeMap::new()).unwrap()
    }

    fn readiness(&self) -> Arc<ReadinessReport> {
        Arc::new(ReadinessReport::new(&self.config(), &self.subject))
    }

    pub(super) fn reports(&self) -> Reports {
        let (config, readiness) = (self.config(), self.readiness());
        let digests = readiness.digests.clone();
        Reports::new(&config, readiness, &digests, &Documents::read(&config), self.now)
    }

    pub(super) fn later(&mut self, hours: i64) {
        self.now += SignedDuration::from_hours(hours);
    }

    pub(super) fn change(&self, kind: DocumentKind, change: impl Fn(&mut Value)) {
        let path = self.path(kind);
        let mut document: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut document);
        fs::write(&path, document.to_string()).unwrap();
    }

    pub(super) fn set(&self, kind: DocumentKind, pointer: &str, value: Value) {
        self.change(kind, |document| put(document, pointer, value.clone()));
    }

    pub(super) fn remove(&self, kind: DocumentKind, field: &str) {
        self.change(kind, |document| {
            document.as_object_mut().unwrap().remove(field).unwrap();
        });
    }
}

/// Sets what a pointer points to, making the last member if there is none.
fn put(document: &mut Value, pointer: &str, value: Value) {
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Object(object) => {
            object.insert(last.to_owned(), value);
        }
        Value::Array(items) => items[last.parse::<usize>().unwrap()] = value,
        other => panic!("{other} has no members"),
    }
}

/// The checks of a report that do not pass.
pub(super) fn warnings(reports: &Reports, kind: ReportKind) -> Vec<&'static str> {
    let checks = reports.get(kind).checks().iter();
    checks
        .filter(|check| !check.passes())
        .map(|check| check.id)
        .collect()
}

pub(super) fn status(reports: &Reports, kind: ReportKind) -> ReportStatus {
    reports.get(kind).status()
}

/// One change: of which document, where, to what, and the checks that then fail.
pub(super) type Change = (DocumentKind, &'static str, Value, &'static [&'static str]);

/// Makes each change alone and looks at one report: the checks that fail are those that
/// read what was changed, and no others.
pub(super) fn each_alone(report: ReportKind, changes: Vec<Change>) {
    for (document, pointer, value, expected) in changes {
        let set_up = SetUp::new();
        set_up.set(document, pointer, value.clone());
        let reports = set_up.reports();
        assert_eq!(
            warnings(&reports, report),
            expected,
            "{document} {pointer} = {value}"
        );
        let wanted = if expected.is_empty() {
            ReportStatus::Ready
        } else {
            ReportStatus::NeedsAttention
        };
        assert_eq!(status(&reports, report), wanted, "{document} {pointer} = {value}");
    }
}
