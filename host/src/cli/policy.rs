//! `cavra policy`: packs for people who write them.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::settings::PolicyDirArgs;
use super::signing::{SignArgs, VerifyArgs};
use super::{Exit, Failure, output};
use crate::examine::{Examiner, PackResult};
use crate::model::{DEFAULT_POLICY_PACK, Request};
use crate::policy::{Catalog, Origin, Overlay, PackId, ValidationReport, validate};
use crate::signing::ArtifactKind;

#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// The packs that there are
    List(ListArgs),
    /// Merge a pack with what it inherits and print it as canonical JSON with a digest
    #[command(
        after_help = "Example:\n  cavra policy compile --policy-pack cavra-pci-dss --overlay team.yaml > policy.json"
    )]
    Compile(CompileArgs),
    /// Check a pack, a file or a folder of packs, and say what is carried but not evaluated
    Validate(ValidateArgs),
    /// Run the tests beside packs with both evaluators
    Test(TestArgs),
    /// Say what a pack decides about an action, and which rule and pattern decided
    #[command(after_help = "Example:\n  cavra policy explain execute_command \"git push origin main\"")]
    Explain(ExplainArgs),
    /// Sign a compiled policy, a pack's policy.yaml or, with --registry, a trust registry
    Sign(Box<PolicySignArgs>),
    /// Verify the signature of one with keys, or by the trust policy
    Verify(Box<PolicyVerifyArgs>),
}

#[derive(Debug, Args)]
pub(super) struct PolicySignArgs {
    /// The file is a trust registry of MCP servers
    #[arg(long)]
    registry: bool,
    #[command(flatten)]
    sign: SignArgs,
}

#[derive(Debug, Args)]
pub(super) struct PolicyVerifyArgs {
    /// The file is a trust registry of MCP servers
    #[arg(long)]
    registry: bool,
    #[command(flatten)]
    verify: VerifyArgs,
}

/// What kind of file it is: nothing but a pack is called `policy.yaml`.
fn artifact(registry: bool, file: &Path) -> ArtifactKind {
    if registry {
        ArtifactKind::Registry
    } else if file.file_name().is_some_and(|name| name == "policy.yaml") {
        ArtifactKind::Pack
    } else {
        ArtifactKind::Policy
    }
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    packs: PolicyDirArgs,
}

#[derive(Debug, Args)]
pub(super) struct CompileArgs {
    /// The pack
    #[arg(long, value_name = "ID", default_value = DEFAULT_POLICY_PACK)]
    policy_pack: String,
    /// A file laid over the pack, after what it inherits; may be repeated
    #[arg(long, value_name = "FILE")]
    overlay: Vec<PathBuf>,
    #[command(flatten)]
    packs: PolicyDirArgs,
}

#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    /// A policy.yaml, a pack's folder, or a folder of packs
    path: PathBuf,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct TestArgs {
    /// The packs to test [default: all]
    packs: Vec<String>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    catalog: PolicyDirArgs,
}

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The action type
    action_type: String,
    /// The target
    target: String,
    /// The pack to judge by
    #[arg(long, value_name = "ID", default_value = DEFAULT_POLICY_PACK)]
    policy_pack: String,
    /// What is asked of the target
    #[arg(long)]
    operation: Option<String>,
    /// The MCP tool
    #[arg(long)]
    tool: Option<String>,
    /// The absolute path of the agent's workspace
    #[arg(long, value_name = "DIR")]
    workspace: Option<String>,
    #[command(flatten)]
    packs: PolicyDirArgs,
}

impl PolicyCommand {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::List(args) => list(&args),
            Self::Compile(args) => compile(&args),
            Self::Validate(args) => validate_path(&args),
            Self::Test(args) => test(&args),
            Self::Explain(args) => explain(args),
            Self::Sign(args) => {
                let kind = artifact(args.registry, args.sign.file());
                args.sign.run(kind)
            }
            Self::Verify(args) => {
                let kind = artifact(args.registry, args.verify.file());
                args.verify.run(kind, None)
            }
        }
    }
}

fn pack_id(text: &str) -> Result<PackId, Failure> {
    PackId::new(text).map_err(|e| Failure::Input(e.to_string()))
}

fn examiner() -> Result<Examiner, Failure> {
    Examiner::new().map_err(|e| Failure::Internal(e.to_string()))
}

fn list(args: &ListArgs) -> Result<Exit, Failure> {
    let packs = args.packs.catalog()?.list()?;
    if args.json {
        output::json(&packs)?;
        return Ok(Exit::Done);
    }
    let mut table = output::table(&["pack", "version", "from", "title"]);
    for pack in &packs {
        let origin = match pack.origin {
            Origin::BuiltIn => "built in",
            Origin::Directory => "directory",
        };
        let about = pack.error.as_deref().unwrap_or(&pack.title);
        table.add_row(vec![
            pack.id.as_str(),
            &pack.version,
            origin,
            &output::short(about, 100),
        ]);
    }
    output::text(&table.to_string())?;
    Ok(Exit::Done)
}

fn compile(args: &CompileArgs) -> Result<Exit, Failure> {
    let overlays = args
        .overlay
        .iter()
        .map(|path| Overlay::read(path))
        .collect::<Result<Vec<_>, _>>()?;
    let policy = args
        .packs
        .catalog()?
        .compile(&pack_id(&args.policy_pack)?, &overlays)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", policy.json())?;
    out.flush()?;
    Ok(Exit::Done)
}

fn validate_path(args: &ValidateArgs) -> Result<Exit, Failure> {
    let report = validate(&args.path)?;
    if args.json {
        output::json(&report)?;
    } else {
        show_report(&report)?;
    }
    Ok(if report.is_valid() {
        Exit::Done
    } else {
        Exit::Usage
    })
}

fn show_report(report: &ValidationReport) -> Result<(), Failure> {
    let mut text = String::new();
    for file in &report.files {
        let state = if file.errors.is_empty() {
            "valid"
        } else {
            "not valid"
        };
        text.push_str(&format!("{}: {state}\n", file.file));
        for error in &file.errors {
            text.push_str(&format!("  error: {error}\n"));
        }
        for warning in &file.warnings {
            text.push_str(&format!("  note: {warning}\n"));
        }
    }
    output::text(text.trim_end())
}

fn test(args: &TestArgs) -> Result<Exit, Failure> {
    let catalog = args.catalog.catalog()?;
    let ids = match args.packs.as_slice() {
        [] => catalog.ids()?,
        packs => packs.iter().map(|id| pack_id(id)).collect::<Result<_, _>>()?,
    };
    let examiner = examiner()?;
    let mut results = Vec::new();
    for id in &ids {
        match examiner.run(&catalog, id)? {
            Some(result) => results.push(result),
            None if args.packs.is_empty() => {}
            None => return Err(Failure::Input(format!("the pack `{id}` has no tests.yaml"))),
        }
    }
    if args.json {
        output::json(&results)?;
    } else {
        show_results(&results)?;
    }
    let failed = results.iter().any(|result| result.failed() > 0);
    Ok(if failed { Exit::Failure } else { Exit::Done })
}

pub(super) fn show_results(results: &[PackResult]) -> Result<(), Failure> {
    let mut table = output::table(&["pack", "passed", "failed"]);
    for result in results {
        let failed = result.failed();
        table.add_row(vec![
            result.pack.as_str().into(),
            result.cases.len().saturating_sub(failed).to_string().into(),
            output::mark(&failed.to_string(), failed == 0),
        ]);
    }
    let mut text = table.to_string();
    for result in results {
        for case in result.cases.iter().filter(|case| !case.problems.is_empty()) {
            text.push_str(&format!("\n\n{}: {}", result.pack, case.name));
            for problem in &case.problems {
                text.push_str(&format!("\n  {problem}"));
            }
        }
    }
    output::text(&text)
}

fn explain(args: ExplainArgs) -> Result<Exit, Failure> {
    let catalog = args.packs.catalog()?;
    let id = pack_id(&args.policy_pack)?;
    let described = Request {
        action_type: args.action_type,
        target: Some(args.target),
        operation: args.operation,
        tool: args.tool,
        workspace: args.workspace,
        policy_pack: args.policy_pack,
        ..Request::default()
    };
    let request =
        Request::from_json(&serde_json::to_vec(&described)?).map_err(|e| Failure::Input(e.to_string()))?;
    let pair = examiner()?.pair(catalog.compile(&id, &[])?, None);
    let (it, differences) = pair
        .judge(&request)
        .map_err(|e| Failure::Internal(e.to_string()))?;
    let mut table = output::table(&[]);
    table.add_row(vec!["decision".into(), output::verdict(it.verdict)]);
    table.add_row(vec!["rule", &format!("{} ({})", it.rule_id, it.severity)]);
    if let Some(pattern) = &it.matched_pattern {
        table.add_row(vec![
            "pattern",
            &format!("`{pattern}`{}", origin(&catalog, &id, pattern)?),
        ]);
    }
    if let Some(group) = &it.approver_group {
        table.add_row(vec!["approver", group]);
    }
    table.add_row(vec!["reason", &output::short(&it.reason, 400)]);
    let agree = if differences.is_empty() {
        "both evaluators agree".to_owned()
    } else {
        differences.join("\n")
    };
    table.add_row(vec!["parity", &agree]);
    output::text(&table.to_string())?;
    Ok(Exit::Done)
}

/// Which of the packs that were merged has the pattern in its own file.
fn origin(catalog: &Catalog, id: &PackId, pattern: &str) -> Result<String, Failure> {
    for ancestor in catalog.resolve(id)?.lineage() {
        if catalog.pack(ancestor)?.has_pattern(pattern) {
            return Ok(format!(" from the pack `{ancestor}`"));
        }
    }
    Ok(String::new())
}
