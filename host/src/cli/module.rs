//! `cavra module`: a look at a component before it is used.

use std::path::Path;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::settings::SettingsArgs;
use super::{Exit, Failure, output};
use crate::backend::{Backend, ComponentBackend, Stages};
use crate::builtin;
use crate::host::read_module;
use crate::model::{DEFAULT_POLICY_PACK, Request};
use crate::policy::{Catalog, PackId};
use crate::sandbox::{Allocation, Description, EVALUATOR, Engine, Module};

#[derive(Debug, Subcommand)]
pub(super) enum ModuleCommand {
    /// Check a component as the host would, and say what it is
    Inspect(InspectArgs),
    /// Time a component's evaluations, stage by stage, each in a fresh instance
    #[command(after_help = "\
Example:
  cavra module bench builtin:fastpath --policy-pack cavra-pci-dss --evaluations 10000")]
    Bench(BenchArgs),
}

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// A component, or `builtin:reference` or `builtin:fastpath`
    module: String,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// A component, or `builtin:reference` or `builtin:fastpath`
    module: String,
    /// The pack to judge by
    #[arg(long, value_name = "ID", default_value = DEFAULT_POLICY_PACK)]
    policy_pack: String,
    /// The command line to judge
    #[arg(long, default_value = "npm test 2>&1 | tail -20")]
    command: String,
    /// How often
    #[arg(long, default_value = "2000", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    evaluations: u32,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Serialize)]
struct Inspection<'a> {
    module: &'a str,
    bytes: usize,
    sha256: &'a str,
    exports: &'a str,
    imports: &'a [String],
    description: &'a Description,
    engine_fingerprint: &'a str,
}

impl ModuleCommand {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::Inspect(args) => inspect(&args),
            Self::Bench(args) => bench(args),
        }
    }
}

/// The module that `name` stands for, and its size in bytes.
fn open(name: &str, allocation: Allocation, settings: &SettingsArgs) -> Result<(Module, usize), Failure> {
    let told = |problem: String| Failure::Input(format!("`{name}`: {problem}"));
    let bytes = match builtin::module(name) {
        Some(bytes) => bytes.map_err(Failure::Input)?.to_vec(),
        None => read_module(Path::new(name)).map_err(told)?,
    };
    let limits = settings.config()?.limits;
    let engine = Engine::new(allocation, limits).map_err(|e| Failure::Internal(e.to_string()))?;
    let module = Module::new(&engine, &bytes).map_err(|e| told(e.to_string()))?;
    Ok((module, bytes.len()))
}

fn inspect(args: &InspectArgs) -> Result<Exit, Failure> {
    let (module, bytes) = open(&args.module, Allocation::OnDemand, &args.settings)?;
    let inspection = Inspection {
        module: &args.module,
        bytes,
        sha256: module.sha256(),
        exports: EVALUATOR,
        imports: module.imports(),
        description: module.description(),
        engine_fingerprint: module.engine().fingerprint(),
    };
    if args.json {
        output::json(&inspection)?;
    } else {
        show(&inspection)?;
    }
    Ok(Exit::Done)
}

fn show(it: &Inspection<'_>) -> Result<(), Failure> {
    let mut table = output::table(&[]);
    let about = it.description;
    table.add_row(vec![
        "module",
        &output::short(&format!("{} {}", about.name, about.version), 120),
    ]);
    table.add_row(vec!["semantics", &output::short(&about.semantics_version, 40)]);
    table.add_row(vec!["exports", it.exports]);
    let imports = if it.imports.is_empty() {
        "nothing".to_owned()
    } else {
        it.imports.join("\n")
    };
    table.add_row(vec!["imports", &imports]);
    table.add_row(vec!["size", &format!("{} bytes", it.bytes)]);
    table.add_row(vec!["sha256", it.sha256]);
    table.add_row(vec!["engine", it.engine_fingerprint]);
    output::text(&table.to_string())
}

fn bench(args: BenchArgs) -> Result<Exit, Failure> {
    let (module, _) = open(&args.module, Allocation::Pooled(2), &args.settings)?;
    let id = PackId::new(&args.policy_pack).map_err(|e| Failure::Input(e.to_string()))?;
    let policy = Catalog::builtin().compile(&id, &[])?;
    let backend = ComponentBackend::new(module, Arc::new(policy), None);
    let request = Request {
        action_type: "execute_command".to_owned(),
        target: Some(args.command),
        policy_pack: args.policy_pack,
        ..Request::default()
    };
    let mut taken = Vec::new();
    for _ in 0..args.evaluations {
        let attempt = backend.evaluate(&request);
        attempt
            .outcome
            .map_err(|fault| Failure::Internal(fault.to_string()))?;
        taken.extend(attempt.usage.stages);
    }
    let mut table = output::table(&["stage", "p50 µs", "p99 µs"]);
    type Stage = fn(&Stages) -> u64;
    let stages: [(&str, Stage); 5] = [
        ("instantiate", |it| it.instantiate_ns),
        ("load", |it| it.load_ns),
        ("evaluate", |it| it.evaluate_ns),
        ("drop", |it| it.drop_ns),
        ("together", |it| {
            it.instantiate_ns
                .saturating_add(it.load_ns)
                .saturating_add(it.evaluate_ns)
                .saturating_add(it.drop_ns)
        }),
    ];
    for (name, stage) in stages {
        let mut sorted: Vec<u64> = taken.iter().map(stage).collect();
        sorted.sort_unstable();
        let micros = |percent| format!("{:.1}", output::percentile(&sorted, percent) as f64 / 1000.0);
        table.add_row(vec![name.to_owned(), micros(50), micros(99)]);
    }
    output::text(&format!(
        "{} evaluations, each in a fresh instance\n{table}",
        taken.len()
    ))?;
    Ok(Exit::Done)
}
