//! A process for every request.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use cavra::backend::{NativeLimits, NativeRuntime};

use crate::workload::Workload;

/// Starts a program and waits for it, with nothing in its environment; returns its
/// exit status.
pub(crate) fn run(program: &Path, arguments: &[String]) -> Result<Option<i32>> {
    let status = Command::new(program)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    let status = status.with_context(|| format!("{}", program.display()))?;
    Ok(status.code())
}

/// The smallest honest native runtime, which lies beside this program, as the
/// host's native adapter runs it.
pub(crate) fn adapter(supervisor: &Path, workload: &Workload) -> Result<NativeRuntime> {
    let program: PathBuf = std::env::current_exe()?.with_file_name("native_adapter");
    ensure!(
        program.exists(),
        "{} is missing; run `make bench`, or `cargo build --release -p bench`",
        program.display()
    );
    let policy = &workload.policy;
    let runtime = NativeRuntime::open(
        &program,
        supervisor,
        policy.json(),
        policy.digest(),
        None,
        NativeLimits::default(),
    );
    runtime.map_err(|fault| anyhow::anyhow!("{fault}"))
}
