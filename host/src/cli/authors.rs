//! `cavra module new`, `check` and `test`: for those who write modules.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::policy::show_results;
use super::settings::SettingsArgs;
use super::{Exit, Failure, cache, output, store};
use crate::authors::{self, CheckStatus, Given, Name, PACKS, Question, Report};
use crate::backend::Backend;
use crate::config::Config;
use crate::examine::examine;
use crate::model::DEFAULT_POLICY_PACK;
use crate::policy::{
    Catalog, CompiledPolicy, MAX_PACK_BYTES, PackId, PackTests, PolicySource, TrustRegistry,
};
use crate::sandbox::{Allocation, Limits, Loader, MAX_MODULE_BYTES};

#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// Where the project is written: a directory that is empty or not there yet
    directory: PathBuf,
    /// What the module is called [default: the directory's name]
    #[arg(long)]
    name: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// A component, or `builtin:reference` or `builtin:fastpath`
    module: String,
    /// A pack to ask by; may be repeated [default: several that are built in, or the one
    /// that `--policy-path` holds]
    #[arg(long, value_name = "ID")]
    policy_pack: Vec<String>,
    /// A cases file, whose requests are asked too, whatever they expect
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Debug, Args)]
pub(super) struct TestArgs {
    /// A component, or `builtin:reference` or `builtin:fastpath`
    module: String,
    /// The cases: a file like the `tests.yaml` of a pack
    cases: PathBuf,
    /// The pack to judge by: a built-in one or, with `--policy-path`, one that is there
    /// [default: cavra-ai-agent-baseline, or the one that is there]
    #[arg(long, value_name = "ID")]
    policy_pack: Option<String>,
    /// Hold each decision to the reference's too: decision, rule and severity
    #[arg(long)]
    against_reference: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl NewArgs {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let told = |e: authors::TemplateError| Failure::Input(e.to_string());
        let name = match &self.name {
            Some(name) => Name::new(name),
            None => Name::of_directory(&self.directory),
        };
        let name = name.map_err(told)?;
        let files = authors::write(&self.directory, &name).map_err(told)?;
        let mut text = format!("`{name}` is in {}:\n", self.directory.display());
        for file in files {
            text.push_str(&format!("  {file}\n"));
        }
        text.push_str(&format!(
            "\nBuild it there, and look at it as a host would:\n  \
             cargo build --release --target wasm32-wasip2\n  \
             cavra module check target/wasm32-wasip2/release/{}.wasm",
            name.identifier()
        ));
        output::text(&text)?;
        Ok(Exit::Done)
    }
}

impl CheckArgs {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let config = self.settings.config()?;
        let policies = policies(&self.policy_pack, &config)?;
        let mut questions = authors::built_in().map_err(|e| Failure::Internal(e.to_string()))?;
        if let Some(path) = &self.cases {
            questions.extend(cases(path)?);
        }
        let loader = loader(&config)?;
        let given = Given {
            loader: &loader,
            limits: config.limits,
            policies: &policies,
            registry: registry(&config)?,
            questions: &questions,
        };
        let report = match too_long(&self.module) {
            Some(length) => authors::too_large(&self.module, length, &given),
            None => authors::check(&self.module, store::fetch(&self.module, &config)?.bytes, &given)
                .map_err(|e| Failure::Input(e.to_string()))?,
        };
        if self.json {
            output::json(&report)?;
        } else {
            show(&report)?;
        }
        Ok(match report.status {
            CheckStatus::Fail => Exit::Failure,
            CheckStatus::Pass | CheckStatus::Skipped => Exit::Done,
        })
    }
}

fn show(report: &Report) -> Result<(), Failure> {
    let mut table = output::table(&["check", "", "what was found"]);
    for check in &report.checks {
        table.add_row(vec![
            check.id.as_str().into(),
            output::mark(check.status.as_str(), check.status == CheckStatus::Pass),
            output::short(&check.message, 160).into(),
        ]);
    }
    let mut text = table.to_string();
    for check in report.checks.iter().filter(|check| !check.problems.is_empty()) {
        text.push_str(&format!("\n\n{}", check.id.as_str()));
        for problem in &check.problems {
            text.push_str(&format!("\n  {}", output::short(problem, 400)));
        }
    }
    output::text(&text)
}

impl TestArgs {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let config = self.settings.config()?;
        let name = file_name(&self.cases);
        let tests = PackTests::parse(&read_cases(&self.cases)?, &name)?;
        // What the file brings along is what its cases are about.
        let registry = match &tests.registry {
            Some(registry) => Some(Arc::new(registry.clone())),
            None => registry(&config)?,
        };
        let source = source(&config)?;
        let policy = Arc::new(match &self.policy_pack {
            None => source.sample(&pack_id(DEFAULT_POLICY_PACK)?)?,
            Some(pack) => source.policy_for(&pack_id(pack)?)?,
        });
        let loader = loader(&config)?;
        let evaluator = |name: &str, limits: Limits| {
            let bytes = store::fetch(name, &config)?.bytes;
            let module = loader.module(limits, bytes);
            let module = module.map_err(|e| Failure::Input(format!("`{name}`: {e}")))?;
            Ok::<_, Failure>(loader.evaluator(&module, &policy, registry.as_ref()))
        };
        let asked = evaluator(&self.module, config.limits)?;
        let reference = if self.against_reference {
            Some(evaluator(&config.reference_module, config.reference_limits())?)
        } else {
            None
        };
        let reference = reference.as_ref().map(|it| it as &dyn Backend);
        let result = examine(&asked, reference, policy.pack_id(), &tests);
        let failed = result.failed() > 0;
        let results = [result];
        if self.json {
            output::json(&results)?;
        } else {
            show_results(&results)?;
        }
        Ok(if failed { Exit::Failure } else { Exit::Done })
    }
}

fn pack_id(text: &str) -> Result<PackId, Failure> {
    PackId::new(text).map_err(|e| Failure::Input(e.to_string()))
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The length of a file that is too long to be a module.
fn too_long(name: &str) -> Option<u64> {
    let metadata = std::fs::metadata(name).ok()?;
    Some(metadata.len()).filter(|length| metadata.is_file() && *length > MAX_MODULE_BYTES)
}

fn read_cases(path: &Path) -> Result<Vec<u8>, Failure> {
    use std::io::Read;
    let told = |e: std::io::Error| Failure::Input(format!("`{}`: {e}", path.display()));
    let file = std::fs::File::open(path).map_err(told)?;
    let mut bytes = Vec::new();
    // One more than is read, so that more is seen.
    file.take(MAX_PACK_BYTES.saturating_add(1) as u64)
        .read_to_end(&mut bytes)
        .map_err(told)?;
    Ok(bytes)
}

fn cases(path: &Path) -> Result<Vec<Question>, Failure> {
    Ok(authors::of_cases(&read_cases(path)?, &file_name(path))?)
}

/// Room enough for either backend, as a host has. What was compiled is kept: a component of
/// some languages takes half a minute, and whether it is the same is known by its digest.
fn loader(config: &Config) -> Result<Loader, Failure> {
    let limits = config.limits.for_reference();
    Loader::new(Allocation::Pooled(1), limits, cache::open(config))
        .map_err(|e| Failure::Internal(e.to_string()))
}

/// Where policies come from: the setting, or the packs that there are.
pub(super) fn source(config: &Config) -> Result<PolicySource, Failure> {
    let catalog = match &config.policy_dir {
        Some(dir) => Catalog::open(dir)?,
        None => Catalog::builtin(),
    };
    let setting = match config.policy_path.as_str() {
        "" => "auto",
        path => path,
    };
    Ok(PolicySource::open(setting, &catalog)?)
}

fn registry(config: &Config) -> Result<Option<Arc<TrustRegistry>>, Failure> {
    match config.registry_path.as_str() {
        "" => Ok(None),
        path => Ok(Some(Arc::new(TrustRegistry::read(Path::new(path))?))),
    }
}

/// The policies of the packs that are named; else several, or the one that is there.
fn policies(packs: &[String], config: &Config) -> Result<Vec<Arc<CompiledPolicy>>, Failure> {
    let source = source(config)?;
    let several = PACKS.map(str::to_owned);
    let packs = match (packs, &source) {
        ([], PolicySource::Auto(_)) => several.as_slice(),
        (packs, _) => packs,
    };
    if packs.is_empty() {
        return Ok(vec![Arc::new(source.sample(&pack_id(DEFAULT_POLICY_PACK)?)?)]);
    }
    packs
        .iter()
        .map(|pack| Ok(Arc::new(source.policy_for(&pack_id(pack)?)?)))
        .collect()
}
