//! The benchmark: what a decision costs, beside what it is compared with, in one
//! run and one table. `docs/performance.md` says how it is read.

mod child;
mod contenders;
mod generate;
mod loopback;
mod machine;
mod measure;
mod packs;
mod report;
mod sections;
mod workload;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};

use cavra::config::Setting;
use cavra::host::Host;
use cavra::pilot::Mode;
use contenders::sandbox::{self, Sandbox};
use workload::Workload;

#[derive(Debug, Parser)]
#[command(
    name = "bench",
    about = "What a decision costs, beside what it is compared with"
)]
struct Cli {
    /// A few seconds instead of a minute: for tests, not for figures
    #[arg(long)]
    quick: bool,
    /// Only sections whose name, and contenders whose name, contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// The page whose figures are replaced; the table is printed in any case
    #[arg(long, value_name = "PAGE")]
    out: Option<PathBuf>,
    #[command(subcommand)]
    child: Option<Child>,
}

const NO_SETTINGS: BTreeMap<Setting, String> = BTreeMap::new();

/// What the benchmark runs itself as.
#[derive(Debug, Subcommand)]
enum Child {
    /// Evaluates once with each of so many packs, then says so and how large it is
    #[command(hide = true)]
    Load {
        /// The policy directory
        policies: PathBuf,
        /// How many of the packs
        count: usize,
    },
    /// Serves answers that were judged before
    #[command(hide = true)]
    Bare {
        /// The policy directory
        policies: PathBuf,
        /// The mode in which they are
        #[arg(long)]
        mode: Mode,
        /// Judges each time all the same
        #[arg(long)]
        judges: bool,
    },
}

/// What every section is given.
pub(crate) struct Context {
    /// A fraction of the time.
    pub(crate) quick: bool,
    /// Only contenders whose name contains this.
    pub(crate) only: Option<String>,
    /// The `cavra` binary as it is shipped.
    pub(crate) cavra: PathBuf,
    /// A folder that is removed in the end.
    pub(crate) scratch: PathBuf,
    /// The policy directory that holds the benchmark's pack.
    pub(crate) policies: PathBuf,
    /// The benchmark's requests under its own policy.
    pub(crate) workload: Workload,
    /// An engine with both modules.
    pub(crate) sandbox: Sandbox,
    /// A host that decides twice.
    pub(crate) host: Host,
}

impl Context {
    /// Whether a contender is wanted.
    pub(crate) fn wants(&self, section: &str, contender: &str) -> bool {
        let wanted = |only: &String| section.contains(only.as_str()) || contender.contains(only.as_str());
        self.only.as_ref().is_none_or(wanted)
    }
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    match cli.child {
        Some(Child::Load { policies, count }) => return child::load(&policies, count),
        Some(Child::Bare {
            policies,
            mode,
            judges,
        }) => return loopback::bare::serve(&policies, mode, judges),
        None => {}
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let cavra = root.join("dist/bin/cavra");
    ensure!(cavra.exists(), "dist/bin/cavra is missing; run `make dist` first");
    let scratch = tempfile::tempdir()?;
    let policies = scratch.path().join("policies");
    packs::write(&policies, workload::PACK, workload::POLICY_YAML)?;
    let context = Context {
        quick: cli.quick,
        only: cli.only,
        cavra: cavra.canonicalize()?,
        scratch: scratch.path().to_owned(),
        workload: Workload::bench(&policies)?,
        sandbox: Sandbox::new()?,
        host: sandbox::host(&policies, &NO_SETTINGS, None)?,
        policies,
    };
    let mut done = Vec::new();
    for (name, section) in sections::ALL {
        let started = Instant::now();
        let written = section(&context).with_context(|| format!("section `{name}`"))?;
        done.extend(written);
        eprintln!("bench: {name}: {:.1} s", started.elapsed().as_secs_f64());
    }
    let table = report::markdown(&machine::describe(), &done)?;
    print!("{table}");
    cli.out.map_or(Ok(()), |page| report::write_into(&page, &table))
}
