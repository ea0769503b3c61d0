//! Whether a host would run a module, and whether the module keeps the contract: one
//! table of checks, in the order in which a host comes to them.

use std::sync::Arc;

use serde::Serialize;

use super::anatomy::Anatomy;
use super::questions::{Question, QuestionError};
use super::trials::{Findings, Trials};
use crate::digest::Hashed;
use crate::policy::{CompiledPolicy, TrustRegistry};
use crate::sandbox::{
    Description, EVALUATOR, Limits, Loader, MAX_MODULE_BYTES, Module, ModuleError, Preparation,
};

/// The schema of a [`Report`].
pub const SCHEMA_VERSION: &str = "cavra.module-check.v1";

macro_rules! checks {
    ($($variant:ident $word:literal $meaning:literal,)*) => {
        /// What is looked at.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum CheckId {
            $(#[doc = $meaning] $variant,)*
        }

        impl CheckId {
            /// Every check with its word and what passing it means, in their order.
            pub const TABLE: &[(Self, &str, &str)] = &[$((Self::$variant, $word, $meaning),)*];

            /// The word in reports.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

checks! {
    Size "size" "The file is not larger than a host reads.",
    Component "component" "It is a WebAssembly component, and it compiles.",
    World "world" "It exports the evaluator of the world `policy-module`, in this version and with these types.",
    Imports "imports" "It imports nothing outside WASI 0.2.",
    Memory "memory" "Its memories fit into the limit, when it begins and when it is asked.",
    Description "description" "It can be instantiated, says what it is, and implements the host's version of the decision semantics.",
    Policy "policy" "It takes every policy that it is given; the message says whether policies are baked, and why not.",
    Answers "answers" "Every answer keeps the contract and is about what was asked; nothing traps.",
    Determinism "determinism" "The same request in another fresh instance gets the same decision for the same fuel.",
    Fuel "fuel" "Every evaluation ends within its fuel and its time.",
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// As it should be.
    Pass,
    /// Not as it should be.
    Fail,
    /// Not looked at, because of what failed before.
    Skipped,
}

impl CheckStatus {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Skipped => "skipped",
        }
    }
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What was looked at.
    pub id: CheckId,
    /// How it came out.
    pub status: CheckStatus,
    /// One sentence: what was found, or what is wrong.
    pub message: String,
    /// Everything that is wrong, where there is more than one thing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// What came of a module's checks.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`SCHEMA_VERSION`].
    pub schema_version: &'static str,
    /// How the module was named.
    pub module: String,
    /// Fails if one check does.
    pub status: CheckStatus,
    /// The length of the file.
    pub bytes: u64,
    /// SHA-256 of the file; none where it is too large to be read.
    pub sha256: Option<String>,
    /// The engine's configuration: fuel is the same only where this is.
    pub engine_fingerprint: String,
    /// What the module says it is, if it came so far.
    pub description: Option<Description>,
    /// The packs that it was asked by.
    pub packs: Vec<String>,
    /// What the evaluations came to.
    #[serde(flatten)]
    pub cost: Cost,
    /// The checks, each of [`CheckId::TABLE`] once, in its order.
    pub checks: Vec<Check>,
}

/// What evaluations came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// How many evaluations there were.
    pub evaluations: u64,
    /// The least fuel of one; none where none came to an end.
    pub least_fuel: Option<u64>,
    /// The most fuel of one.
    pub most_fuel: Option<u64>,
    /// The most memory of one instance, in bytes.
    pub peak_memory_bytes: u64,
}

/// What a module is checked with.
#[derive(Debug)]
pub struct Given<'a> {
    /// Where it is loaded.
    pub loader: &'a Loader,
    /// What it may use.
    pub limits: Limits,
    /// What it judges by.
    pub policies: &'a [Arc<CompiledPolicy>],
    /// The trust registry that goes with them.
    pub registry: Option<Arc<TrustRegistry>>,
    /// What it is asked, by each policy.
    pub questions: &'a [Question],
}

/// Checks a module.
///
/// # Errors
/// Where a question is no valid request; nothing about the module is an error.
pub fn check(module: &str, bytes: Hashed<'static>, given: &Given<'_>) -> Result<Report, QuestionError> {
    let mut report = Report::new(module, bytes.len() as u64, Some(bytes.sha256_hex()), given);
    match given.loader.module(given.limits, bytes) {
        Ok(module) => run(&mut report, &module, given)?,
        Err(error) => report.refuse(&error),
    }
    if report.checks.iter().any(|it| it.status == CheckStatus::Fail) {
        report.status = CheckStatus::Fail;
    }
    Ok(report)
}

/// What comes of a file that is so long that a host does not read it.
pub fn too_large(module: &str, length: u64, given: &Given<'_>) -> Report {
    let mut report = Report::new(module, length, None, given);
    report.refuse(&ModuleError::TooLarge(length));
    report.status = CheckStatus::Fail;
    report
}

/// The check that a module fails which a host does not load.
fn failed_at(error: &ModuleError) -> CheckId {
    match error {
        ModuleError::TooLarge(_) => CheckId::Size,
        ModuleError::CoreModule | ModuleError::NotAComponent | ModuleError::Compile(_) => CheckId::Component,
        ModuleError::WrongVersion { .. } | ModuleError::WrongWorld { .. } | ModuleError::WrongType(_) => {
            CheckId::World
        }
        ModuleError::RefusedImport(_) => CheckId::Imports,
        ModuleError::TooMuchMemory(_) => CheckId::Memory,
        ModuleError::Instantiate(_) | ModuleError::WrongSemantics(_) => CheckId::Description,
    }
}

impl Report {
    fn new(module: &str, bytes: u64, sha256: Option<String>, given: &Given<'_>) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            module: module.to_owned(),
            status: CheckStatus::Pass,
            bytes,
            sha256,
            engine_fingerprint: given.loader.engine().fingerprint().to_string(),
            description: None,
            packs: given.policies.iter().map(|it| it.pack_id().to_string()).collect(),
            cost: Cost::default(),
            checks: Vec::new(),
        }
    }

    fn refuse(&mut self, error: &ModuleError) {
        let failed = failed_at(error);
        for (id, _, _) in CheckId::TABLE {
            let (status, message) = match id.cmp(&failed) {
                // Types are compared last of all that a host looks at before it asks.
                std::cmp::Ordering::Less if *id == CheckId::World && failed != CheckId::Description => {
                    let message = format!("exports `{EVALUATOR}`; its types were not looked at");
                    (CheckStatus::Skipped, message)
                }
                std::cmp::Ordering::Less => (CheckStatus::Pass, self.passed(*id)),
                std::cmp::Ordering::Equal => (CheckStatus::Fail, error.to_string()),
                std::cmp::Ordering::Greater => (
                    CheckStatus::Skipped,
                    format!("not looked at: the check `{}` failed", failed.as_str()),
                ),
            };
            self.add(*id, status, message);
        }
    }

    /// What passing one of the first checks means, where nothing more is known.
    fn passed(&self, id: CheckId) -> String {
        match id {
            CheckId::Size => format!("{} bytes of at most {MAX_MODULE_BYTES}", self.bytes),
            CheckId::Component => "a component, and it compiles".to_owned(),
            CheckId::World => format!("exports `{EVALUATOR}`"),
            CheckId::Imports => "nothing outside WASI 0.2".to_owned(),
            _ => "as it should be".to_owned(),
        }
    }

    fn add(&mut self, id: CheckId, status: CheckStatus, message: String) {
        self.checks.push(Check {
            id,
            status,
            message,
            problems: Vec::new(),
        });
    }

    /// A check that passes with `message` if there are no problems.
    fn conclude(&mut self, id: CheckId, problems: Vec<String>, message: String) {
        let Some(first) = problems.first() else {
            return self.add(id, CheckStatus::Pass, message);
        };
        let more = problems.len().saturating_sub(1);
        let message = match more {
            0 => first.clone(),
            more => format!("{first} (and {more} more)"),
        };
        self.checks.push(Check {
            id,
            status: CheckStatus::Fail,
            message,
            problems: if more == 0 { Vec::new() } else { problems },
        });
    }
}

fn run(report: &mut Report, module: &Module, given: &Given<'_>) -> Result<(), QuestionError> {
    let mut trials = Trials::default();
    let mut ways = Vec::new();
    for policy in given.policies {
        let evaluator = given.loader.evaluator(module, policy, given.registry.as_ref());
        let pack = policy.pack_id();
        match evaluator.preparation() {
            Preparation::Refused(fault) => trials.refused(pack, &fault),
            way => {
                ways.push(way);
                trials.run(&evaluator, pack, given.questions)?;
            }
        }
    }
    let Findings {
        policy,
        memory,
        answers,
        determinism,
        fuel,
        cost,
    } = trials.into_findings();
    for id in [CheckId::Size, CheckId::Component, CheckId::World] {
        let message = report.passed(id);
        report.add(id, CheckStatus::Pass, message);
    }
    report.add(CheckId::Imports, CheckStatus::Pass, imports(module.imports()));
    report.conclude(
        CheckId::Memory,
        memory,
        memory_told(module, given.limits, cost.peak_memory_bytes),
    );
    let about = module.description();
    let described = format!(
        "`{}` {}, decision semantics {}",
        about.name, about.version, about.semantics_version
    );
    report.add(CheckId::Description, CheckStatus::Pass, described);
    report.description = Some(about.clone());
    report.conclude(CheckId::Policy, policy, way_told(&ways));
    if cost.evaluations == 0 {
        for id in [CheckId::Answers, CheckId::Determinism, CheckId::Fuel] {
            let message = "not looked at: there was no evaluation".to_owned();
            report.add(id, CheckStatus::Skipped, message);
        }
        return Ok(());
    }
    let asked = cost.evaluations;
    let about_answers = format!("{asked} evaluations; every answer that was given keeps the contract");
    report.conclude(CheckId::Answers, answers, about_answers);
    report.conclude(
        CheckId::Determinism,
        determinism,
        "what was asked twice, in fresh instances, got the same decision for the same fuel".to_owned(),
    );
    let burned = format!(
        "from {} to {} of {}",
        cost.least_fuel.unwrap_or_default(),
        cost.most_fuel.unwrap_or_default(),
        given.limits.evaluate_fuel
    );
    report.conclude(CheckId::Fuel, fuel, burned);
    report.cost = cost;
    Ok(())
}

fn imports(names: &[String]) -> String {
    match names {
        [] => "nothing".to_owned(),
        names => format!("WASI 0.2 alone, with nothing behind it: {}", names.join(", ")),
    }
}

fn memory_told(module: &Module, limits: Limits, peak: u64) -> String {
    let memories = Anatomy::read(module.bytes()).map_or(0, |it| it.memories.len());
    let kib = |bytes: u64| bytes / 1024;
    format!(
        "{memories} declared; at most {} KiB of {} KiB were used",
        kib(peak),
        kib(limits.memory_bytes)
    )
}

/// What becomes of policies. Whether they are baked depends on what the module does while
/// it loads; the first reason stands for the others.
fn way_told(ways: &[Preparation]) -> String {
    let why = ways.iter().find_map(|way| match way {
        Preparation::LoadsEachTime(why) => Some(why.clone().unwrap_or_default()),
        Preparation::Baked | Preparation::Refused(_) => None,
    });
    match why {
        None => format!("{} policies, baked into snapshots", ways.len()),
        Some(why) => format!("{} policies, loaded in every instance: {why}", ways.len()),
    }
}
