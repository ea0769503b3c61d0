//! The command line: parses, calls, prints; decides nothing.

mod archive;
mod authors;
mod cache;
mod deployment;
mod evaluate;
mod evidence;
mod exit;
mod fleet;
mod governance;
mod material;
mod module;
mod output;
mod parity;
mod passphrase;
mod policy;
mod recording;
mod registry;
mod replay;
mod rollback;
mod runtime;
mod serve;
mod settings;
mod signing;
mod store;
mod stream;
mod token;
mod tour;
mod trust;
mod verify;

pub use exit::Exit;

use std::ffi::OsString;
use std::sync::Arc;

use clap::{CommandFactory, Parser, Subcommand};

use crate::api::ServeError;
use crate::clock::{RandomIds, SystemClock};
use crate::config::{Config, SettingFaults};
use crate::evidence::EvidenceError;
use crate::evidence::fleet::FleetError;
use crate::host::{Host, HostError, Surroundings};
use crate::policy::PolicyError;
use crate::rollback::RollbackSwitch;
use crate::sandbox::Allocation;

const ABOUT: &str = "Decides what AI agents may do: every decision made twice, in two sandboxes";

const EXAMPLES: &str = "\
Examples:
  cavra evaluate execute_command \"terraform apply\"
  cavra evaluate read_file app/.env --policy-pack cavra-banking-baseline --check
  cavra evaluate - --mode enforce --runtime-path builtin:fastpath --policy-path auto < requests.jsonl
  cavra evidence verify --evidence-dir evidence
  cavra policy compile --policy-pack cavra-ai-agent-baseline > policy.json
  cavra runtime go-pilot-readiness --mode shadow --runtime-path my-module.wasm --policy-path policy.json
  cavra governance scaffold --out promoted
  cavra tour

Exit status:
  0  done; with --check: and ready, or allowed
  1  failure
  2  with --check: the decision is block, or the report is not ready
  3  bad usage, configuration or input
  4  with --check: the decision is require_approval

Every setting is a flag and an environment variable; a flag wins.";

#[derive(Debug, Parser)]
#[command(name = "cavra", version, about = ABOUT, after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Judge one request, or many from standard input
    Evaluate(Box<evaluate::EvaluateArgs>),
    /// The pilot: its reports, and its evaluation under the contract's name
    #[command(subcommand)]
    Runtime(runtime::RuntimeCommand),
    /// Fitness for production
    #[command(subcommand)]
    Deployment(deployment::DeploymentCommand),
    /// The documents of promoted mode: scaffold, check, schema
    #[command(subcommand)]
    Governance(governance::GovernanceCommand),
    /// The evidence log: verify, tail, query, show, export, prove; one, or a fleet's
    #[command(subcommand)]
    Evidence(evidence::EvidenceCommand),
    /// Policy packs: list, compile, validate, test, explain
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Policy modules: begin one, check and test it, sign and verify it, keep and ship it
    #[command(subcommand)]
    Module(module::ModuleCommand),
    /// The trust policy: whose signatures are taken, and which revisions were used
    #[command(subcommand)]
    Trust(trust::TrustCommand),
    /// Make recorded decisions again and compare them to the byte
    Replay(Box<replay::ReplayArgs>),
    /// Disagreements of the two evaluators: shrink one to a test case
    #[command(subcommand)]
    Parity(parity::ParityCommand),
    /// The HTTP service: decisions and reports over HTTP, until it is told to stop
    Serve(Box<serve::ServeArgs>),
    /// Bearer tokens: who may call the service
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Watch an agent's day being judged, and what happens when a fast path misbehaves
    Tour(tour::TourArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// What a command can fail with; each has one [`Exit`].
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Settings(#[from] SettingFaults),
    #[error("{0}")]
    Input(String),
    #[error(transparent)]
    Host(HostError),
    #[error("{0}")]
    Output(#[from] std::io::Error),
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error("{0}")]
    Internal(String),
}

impl From<FleetError> for Failure {
    fn from(error: FleetError) -> Self {
        match error {
            FleetError::Evidence(error) => error.into(),
            FleetError::UnknownLog(_) => Self::Input(error.to_string()),
            other => Self::Internal(other.to_string()),
        }
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Policy(error) => error.into(),
            HostError::Trust(error) => Self::Input(error.to_string()),
            other => Self::Host(other),
        }
    }
}

impl From<crate::host::WatchError> for Failure {
    fn from(error: crate::host::WatchError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<PolicyError> for Failure {
    fn from(error: PolicyError) -> Self {
        Self::Input(error.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        if error.is_io() {
            Self::Output(error.into())
        } else {
            Self::Internal(error.to_string())
        }
    }
}

impl Failure {
    fn exit(&self) -> Exit {
        match self {
            Self::Settings(_) | Self::Input(_) => Exit::Usage,
            // Whoever read our output has seen enough.
            Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::Done,
            Self::Host(_) | Self::Evidence(_) | Self::Output(_) | Self::Serve(_) | Self::Internal(_) => {
                Exit::Failure
            }
        }
    }
}

/// Runs the command line and says how it ended.
pub fn run(args: impl Iterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for and go to standard output.
            let asked = !error.use_stderr();
            let _ = error.print();
            return if asked { Exit::Done } else { Exit::Usage };
        }
    };
    match dispatch(cli.command) {
        Ok(exit) => exit,
        Err(failure) => {
            let exit = failure.exit();
            if exit != Exit::Done {
                output::complain(&failure.to_string());
            }
            exit
        }
    }
}

fn dispatch(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Evaluate(args) => args.run(),
        Command::Runtime(command) => command.run(),
        Command::Deployment(command) => command.run(),
        Command::Governance(command) => command.run(),
        Command::Evidence(command) => command.run(),
        Command::Policy(command) => command.run(),
        Command::Module(command) => command.run(),
        Command::Trust(command) => command.run(),
        Command::Replay(args) => args.run(),
        Command::Parity(command) => command.run(),
        Command::Serve(args) => args.run(),
        Command::Token(command) => command.run(),
        Command::Tour(args) => args.run(),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "cavra", &mut std::io::stdout());
            Ok(Exit::Done)
        }
    }
}

/// Sets up a host that judges nothing that anybody asked, so that it records nothing.
fn open_reporting_host(config: Config) -> Result<Host, Failure> {
    let unrecorded = Config {
        evidence: None,
        evidence_store: None,
        ..config
    };
    open_host(unrecorded, Allocation::OnDemand)
}

/// Sets up a host with the system's clock and fresh ids.
fn open_host(config: Config, allocation: Allocation) -> Result<Host, Failure> {
    let switch = rollback::file(&config)
        .map(RollbackSwitch::open)
        .unwrap_or_default();
    open_host_switched(config, allocation, Arc::new(switch))
}

/// As [`open_host`], with a switch that the caller has too.
fn open_host_switched(
    config: Config,
    allocation: Allocation,
    switch: Arc<RollbackSwitch>,
) -> Result<Host, Failure> {
    let clock = Arc::new(SystemClock);
    let surroundings = Surroundings {
        clock: Arc::<SystemClock>::clone(&clock),
        ids: Arc::new(RandomIds),
        allocation,
        cache: cache::open(&config),
        module_store: store::dir(&config),
        evidence: recording::start(&config, clock)?,
        supervisor: std::env::current_exe().map_err(|e| Failure::Internal(e.to_string()))?,
    };
    Ok(Host::open_switched(config, surroundings, switch)?)
}
