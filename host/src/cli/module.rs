//! `cavra module`: a look at a component before it is used.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::settings::SettingsArgs;
use super::{Exit, Failure, output};
use crate::builtin;
use crate::host::read_module;
use crate::sandbox::{Allocation, Description, EVALUATOR, Engine, Module};

#[derive(Debug, Subcommand)]
pub(super) enum ModuleCommand {
    /// Check a component as the host would, and say what it is
    Inspect(InspectArgs),
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
        let Self::Inspect(args) = self;
        let bytes = match builtin::module(&args.module) {
            Some(bytes) => bytes.map_err(Failure::Input)?.to_vec(),
            None => read_module(Path::new(&PathBuf::from(&args.module)))
                .map_err(|e| Failure::Input(format!("`{}`: {e}", args.module)))?,
        };
        let limits = args.settings.config()?.limits;
        let engine = Engine::new(Allocation::OnDemand, limits).map_err(|e| Failure::Internal(e.to_string()))?;
        let module =
            Module::new(&engine, &bytes).map_err(|e| Failure::Input(format!("`{}`: {e}", args.module)))?;
        let inspection = Inspection {
            module: &args.module,
            bytes: bytes.len(),
            sha256: module.sha256(),
            exports: EVALUATOR,
            imports: module.imports(),
            description: module.description(),
            engine_fingerprint: engine.fingerprint(),
        };
        if args.json {
            output::json(&inspection)?;
        } else {
            show(&inspection)?;
        }
        Ok(Exit::Done)
    }
}

fn show(it: &Inspection<'_>) -> Result<(), Failure> {
    let mut table = output::table(&[]);
    let about = it.description;
    table.add_row(vec!["module", &output::short(&format!("{} {}", about.name, about.version), 120)]);
    table.add_row(vec!["semantics", &output::short(&about.semantics_version, 40)]);
    table.add_row(vec!["exports", it.exports]);
    let imports = if it.imports.is_empty() { "nothing".to_owned() } else { it.imports.join("\n") };
    table.add_row(vec!["imports", &imports]);
    table.add_row(vec!["size", &format!("{} bytes", it.bytes)]);
    table.add_row(vec!["sha256", it.sha256]);
    table.add_row(vec!["engine", it.engine_fingerprint]);
    output::text(&table.to_string())
}
