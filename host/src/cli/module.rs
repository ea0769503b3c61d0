//! `cavra module`: a look at a component before it is used.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::authors::{CheckArgs, NewArgs, TestArgs, source};
use super::registry::{PullArgs, PushArgs};
use super::settings::SettingsArgs;
use super::signing::{AttachArgs, KeygenArgs, SignArgs, VerifyArgs};
use super::{Exit, Failure, archive, output, store};
use crate::authors::{Anatomy, MemorySize};
use crate::backend::Stages;
use crate::builtin;
use crate::config::Config;
use crate::model::{DEFAULT_POLICY_PACK, Request};
use crate::policy::{CompiledPolicy, PackId};
use crate::sandbox::{
    Allocation, Description, EVALUATOR, Evaluator, Limits, Loader, Module, Preparation, WORLD,
};
use crate::signing::trust::BackendRole;
use crate::signing::{ArtifactKind, SealView};

#[derive(Debug, Subcommand)]
pub(super) enum ModuleCommand {
    /// Write a project for a policy module in Rust
    #[command(after_help = "\
Example:
  cavra module new harbor-policy")]
    New(NewArgs),
    /// Check whether a host would run a component, and whether it keeps the contract
    #[command(after_help = "\
Example:
  cavra module check harbor.wasm --cases cases.yaml

Exit status: 0 every check passes; 1 one fails; 3 the file or the cases cannot be read")]
    Check(CheckArgs),
    /// Run a file of cases against a component alone
    #[command(after_help = "\
Example:
  cavra module test harbor.wasm cases.yaml --against-reference

Exit status: 0 every case passes; 1 one fails; 3 the files cannot be read, or no host would run the module")]
    Test(TestArgs),
    /// Check a component as the host would, and say what it is
    Inspect(InspectArgs),
    /// Time a component's evaluations, stage by stage, each in a fresh instance
    #[command(after_help = "\
Example:
  cavra module bench builtin:fastpath --policy-pack cavra-pci-dss --evaluations 10000
  cavra module bench builtin:fastpath --policy-path compiled.json")]
    Bench(BenchArgs),
    /// Make a key that signs: modules, policies, registries or governance documents
    #[command(after_help = "\
Example:
  cavra module keygen --out platform.pem
  cavra module sign fast.wasm --key platform.pem --name acme-fastpath --version 1.4.0 --revision 14
  cavra module verify fast.wasm --key platform.pub.pem")]
    Keygen(KeygenArgs),
    /// Sign a module: the bytes, or a statement of its name and revision
    Sign(Box<SignArgs>),
    /// Verify a module's signature with keys, or by the trust policy
    Verify(Box<ModuleVerifyArgs>),
    /// Put a component into the module store, with the bundles beside it
    #[command(after_help = "\
Example:
  cavra module add fast.wasm --pin prod
  cavra evaluate read_file README.md --mode enforce --policy-path auto --runtime-path sha256:…")]
    Add(store::AddArgs),
    /// What is in the module store
    List(store::ListArgs),
    /// Keep a module of the store when others are collected
    #[command(after_help = "\
Example:
  cavra module pin sha256:… prod
  cavra module pin --remove prod")]
    Pin(store::PinArgs),
    /// Remove a module from the store
    Remove(store::RemoveArgs),
    /// Remove from the store and the compile cache what was not used for long
    Gc(store::GcArgs),
    /// Write modules of the store to one file, with their signatures: an OCI image layout
    Save(archive::SaveArgs),
    /// Put the modules of such a file into the store, if the trust policy takes all of them
    Load(archive::LoadArgs),
    /// Put a signature that was made elsewhere, such as with OpenSSL, beside its file as a bundle
    AttachSignature(AttachArgs),
    /// Put a module and the signatures beside it into a registry
    #[command(after_help = "\
Example:
  cavra module push fast.wasm oci://registry.example.com/acme/fastpath:1.4.0

Credentials are those of docker: `docker login registry.example.com`. A registry on this machine is spoken
to without TLS, any other with it.")]
    Push(PushArgs),
    /// Fetch a module from a registry into the module store, if the trust policy takes it
    #[command(after_help = "\
Example:
  cavra module pull oci://registry.example.com/acme/fastpath:1.4.0 --trust-policy trust.toml

It prints the digest that the tag stands for now, and the runtime path that goes on meaning the same bytes.")]
    Pull(Box<PullArgs>),
}

#[derive(Debug, Args)]
pub(super) struct ModuleVerifyArgs {
    /// What it is to be used as: reference or fastpath; without it, that is not asked
    #[arg(long = "as", value_name = "BACKEND", value_parser = backend)]
    backend: Option<BackendRole>,
    #[command(flatten)]
    verify: VerifyArgs,
}

fn backend(word: &str) -> Result<BackendRole, String> {
    let found = [BackendRole::Reference, BackendRole::FastPath]
        .into_iter()
        .find(|backend| backend.as_str() == word);
    found.ok_or_else(|| "it must be reference or fastpath".to_owned())
}

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// A component, `sha256:<hex>` of the module store, `builtin:reference` or `builtin:fastpath`
    module: String,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// A component, `sha256:<hex>` of the module store, `builtin:reference` or `builtin:fastpath`
    module: String,
    /// The pack to judge by: a built-in one or, with `--policy-path`, one that is there
    /// [default: cavra-ai-agent-baseline, or the one that is there]
    #[arg(long, value_name = "ID")]
    policy_pack: Option<String>,
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
    world: &'a str,
    imports: &'a [String],
    /// What its bytes tell.
    #[serde(flatten)]
    anatomy: Made,
    description: &'a Description,
    engine_fingerprint: &'a str,
    /// What the signatures beside the file say; nobody has verified it.
    signatures: Vec<SealView>,
    /// What becomes of a policy: it is baked, loaded each time, or refused.
    policy: Fate,
}

/// What a component is made of.
#[derive(Serialize)]
struct Made {
    /// Everything that it exports, the evaluator among it.
    all_exports: Vec<String>,
    producers: BTreeMap<String, BTreeMap<String, String>>,
    memories: Vec<MemorySize>,
    core_modules: usize,
}

impl From<Anatomy> for Made {
    fn from(anatomy: Anatomy) -> Self {
        Self {
            all_exports: anatomy.exports,
            producers: anatomy.producers,
            memories: anatomy.memories,
            core_modules: anatomy.core_modules,
        }
    }
}

/// How the module and a policy come together.
#[derive(Serialize)]
struct Fate {
    baked: bool,
    why_not: Option<String>,
}

impl Fate {
    fn of(evaluator: &Evaluator) -> Self {
        let why_not = match evaluator.preparation() {
            Preparation::Baked => None,
            Preparation::LoadsEachTime(why) => Some(why.unwrap_or_default()),
            Preparation::Refused(fault) => Some(fault.to_string()),
        };
        Self {
            baked: why_not.is_none(),
            why_not,
        }
    }

    fn told(&self) -> String {
        match &self.why_not {
            None => "baked into a snapshot; instances begin with it".to_owned(),
            Some(why) => format!("loaded in every instance: {}", output::short(why, 200)),
        }
    }
}

impl ModuleCommand {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::New(args) => args.run(),
            Self::Check(args) => args.run(),
            Self::Test(args) => args.run(),
            Self::Inspect(args) => inspect(&args),
            Self::Bench(args) => bench(args),
            Self::Keygen(args) => args.run(),
            Self::Sign(args) => args.run(ArtifactKind::Module),
            Self::Verify(args) => args.verify.run(ArtifactKind::Module, args.backend),
            Self::Add(args) => args.run(),
            Self::List(args) => args.run(),
            Self::Pin(args) => args.run(),
            Self::Remove(args) => args.run(),
            Self::Gc(args) => args.run(),
            Self::Save(args) => args.run(),
            Self::Load(args) => args.run(),
            Self::AttachSignature(args) => args.run(),
            Self::Push(args) => args.run(),
            Self::Pull(args) => args.run(),
        }
    }
}

/// What a command about a module works with.
struct Subject {
    module: Module,
    bytes: usize,
    signatures: Vec<SealView>,
    /// The pack that it judges by.
    pack: PackId,
    /// The module with that pack.
    evaluator: Evaluator,
}

/// The pack that is asked for, or else any: of the policy setting, where it is set, or one that
/// there is.
fn policy(pack: Option<&str>, config: &Config) -> Result<CompiledPolicy, Failure> {
    let source = source(config)?;
    let id = PackId::new(pack.unwrap_or(DEFAULT_POLICY_PACK)).map_err(|e| Failure::Input(e.to_string()))?;
    Ok(match pack {
        Some(_) => source.policy_for(&id)?,
        None => source.sample(&id)?,
    })
}

/// The module that `name` stands for, with a pack, under `limits`. Everything is made
/// anew, for what is asked is what the module does.
fn open(name: &str, pack: Option<&str>, config: &Config, limits: Limits) -> Result<Subject, Failure> {
    let told = |problem: String| Failure::Input(format!("`{name}`: {problem}"));
    let fetched = store::fetch(name, config)?;
    let length = fetched.bytes.len();
    let signatures = match builtin::module(name) {
        Some(_) => Vec::new(),
        None => fetched.seals(name).views(&fetched.bytes),
    };
    // Room enough for either backend, as a host has.
    let loader = Loader::new(Allocation::Pooled(1), limits.for_reference(), None);
    let loader = loader.map_err(|e| Failure::Internal(e.to_string()))?;
    let module = loader
        .module(limits, fetched.bytes)
        .map_err(|e| told(e.to_string()))?;
    let policy = Arc::new(policy(pack, config)?);
    Ok(Subject {
        bytes: length,
        signatures,
        pack: policy.pack_id().clone(),
        evaluator: loader.evaluator(&module, &policy, None),
        module,
    })
}

fn inspect(args: &InspectArgs) -> Result<Exit, Failure> {
    let config = args.settings.config()?;
    let Subject {
        module,
        bytes,
        signatures,
        evaluator,
        ..
    } = open(&args.module, None, &config, config.limits)?;
    let inspection = Inspection {
        module: &args.module,
        bytes,
        sha256: module.sha256(),
        exports: EVALUATOR,
        world: WORLD,
        anatomy: Anatomy::read(module.bytes())
            .map_err(|e| Failure::Input(format!("`{}`: {e}", args.module)))?
            .into(),
        imports: module.imports(),
        description: module.description(),
        engine_fingerprint: module.engine().fingerprint(),
        signatures,
        policy: Fate::of(&evaluator),
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
    table.add_row(vec!["world", it.world]);
    table.add_row(vec!["exports", &lines(&it.anatomy.all_exports)]);
    table.add_row(vec!["imports", &lines(it.imports)]);
    table.add_row(vec!["made by", &producers(&it.anatomy.producers)]);
    table.add_row(vec!["memories", &memories(&it.anatomy.memories)]);
    table.add_row(vec!["size", &format!("{} bytes", it.bytes)]);
    table.add_row(vec!["sha256", it.sha256]);
    table.add_row(vec!["engine", it.engine_fingerprint]);
    table.add_row(vec!["policy", &it.policy.told()]);
    table.add_row(vec!["signatures", &signatures(&it.signatures)]);
    output::text(&table.to_string())
}

/// Names, one a line.
fn lines(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    let shown: Vec<String> = names.iter().map(|name| output::short(name, 120)).collect();
    shown.join("\n")
}

/// What a component was made by, one field a line.
fn producers(fields: &BTreeMap<String, BTreeMap<String, String>>) -> String {
    if fields.is_empty() {
        return "it does not say".to_owned();
    }
    let lines = fields.iter().map(|(field, values)| {
        let values: Vec<String> = values
            .iter()
            .map(|(name, version)| format!("{name} {version}").trim().to_owned())
            .collect();
        output::short(&format!("{field}: {}", values.join(", ")), 160)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The sizes of memories, one a line.
fn memories(sizes: &[MemorySize]) -> String {
    if sizes.is_empty() {
        return "none".to_owned();
    }
    let lines = sizes.iter().map(|size| {
        let kib = |pages: u64| pages.saturating_mul(size.page_bytes) / 1024;
        let most = match size.maximum_pages {
            Some(pages) => format!("at most {pages} ({} KiB)", kib(pages)),
            None => "no maximum of its own".to_owned(),
        };
        let initial = size.initial_pages;
        format!("{initial} pages ({} KiB) to begin with, {most}", kib(initial))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What signatures say, one a line.
fn signatures(views: &[SealView]) -> String {
    if views.is_empty() {
        return "none beside the file".to_owned();
    }
    let lines = views.iter().map(|it| {
        let name = it
            .name
            .as_deref()
            .map(|name| format!(", as `{}`", output::short(name, 80)));
        let version = it
            .version
            .as_deref()
            .map(|it| format!(" {}", output::short(it, 40)));
        let revision = it.revision.map(|revision| format!(", revision {revision}"));
        let problem = it
            .problem
            .as_deref()
            .map(|it| format!(": {}", output::short(it, 200)));
        format!(
            "{} of the key {}{}{}{}{}",
            it.form,
            if it.key.is_empty() {
                "(none named)"
            } else {
                it.key.as_str()
            },
            name.unwrap_or_default(),
            version.unwrap_or_default(),
            revision.unwrap_or_default(),
            problem.unwrap_or_default()
        )
    });
    let mut lines: Vec<String> = lines.collect();
    lines.push("unverified; `cavra module verify` says whose they are".to_owned());
    lines.join("\n")
}

fn bench(args: BenchArgs) -> Result<Exit, Failure> {
    let config = args.settings.config()?;
    // Those of the reference are the wider ones, and bound no figure.
    let limits = config.reference_limits();
    let Subject { evaluator, pack, .. } = open(&args.module, args.policy_pack.as_deref(), &config, limits)?;
    let request = Request {
        action_type: "execute_command".to_owned(),
        target: Some(args.command),
        policy_pack: pack.to_string(),
        ..Request::default()
    };
    let mut taken = Vec::new();
    let mut memory = 0;
    for _ in 0..args.evaluations {
        let attempt = evaluator.evaluate(&request);
        attempt
            .outcome
            .map_err(|fault| Failure::Internal(fault.to_string()))?;
        taken.extend(attempt.usage.stages);
        memory = memory.max(attempt.usage.peak_memory_bytes.unwrap_or_default());
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
        "{} evaluations by `{pack}`, each in a fresh instance of {} KiB of memory; policy {}\n{table}",
        taken.len(),
        memory / 1024,
        Fate::of(&evaluator).told()
    ))?;
    Ok(Exit::Done)
}
