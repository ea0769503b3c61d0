//! The native adapter: an external runtime binary, run once a request under a
//! supervisor process.
//!
//! Implements the sandbox specification, *The native adapter*. The binary is
//! called `<path> --policy <file> [--registry <file>]`, is given the request as
//! JSON on its standard input, and answers with one decision as a JSON object on
//! its standard output and exit status 0.
//!
//! ```text
//! host ── spawns ──> supervisor ── spawns, confines ──> binary ──> its children
//!   │  <── report ──    │   subreaper: every orphan comes back to it
//!   ├── request ────────┼──────────────────────────────> stdin
//!   └── decision <──────┼──────────────────────────────  stdout
//! ```
//!
//! Killing the binary's process group does not reach a child that made a session
//! of its own, and a host that is killed kills nobody: both are why the
//! supervisor is a process and not a thread.

mod decision;
mod limits;
mod pinned;
mod pipe;
mod protocol;
mod run;
pub mod supervisor;
mod workspace;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

pub use limits::NativeLimits;

use crate::backend::{Attempt, Backend, Usage};
use crate::fault::Fault;
use crate::model::{Decision, Request};
use pinned::PinnedFile;
use workspace::Workspace;

/// A native runtime binary, opened for one policy and at most one registry.
///
/// Opening starts no process. Every evaluation starts a new one, so that nothing
/// in memory passes from one request to the next. Dropping the runtime removes
/// the private files made for it.
#[derive(Debug)]
pub struct NativeRuntime {
    program: PinnedFile,
    program_sha256: String,
    supervisor: PathBuf,
    workspace: Workspace,
    policy_sha256: String,
    limits: NativeLimits,
}

impl NativeRuntime {
    /// Opens the binary at `program` to judge by `policy_json` and `registry_json`.
    ///
    /// The two texts are handed to the binary as private files: it judges by the
    /// bytes that the caller has verified, not by what lies at the operator's
    /// paths when it runs. The binary itself is started by its path: whoever can write
    /// its directory can exchange it between the check and the start.
    /// `policy_sha256` is what [`Usage::policy_sha256`] reports.
    /// `supervisor` is a program whose `native-supervisor` subcommand calls
    /// [`supervisor::run`]: the `cavra` binary itself.
    ///
    /// # Errors
    /// [`Fault::MissingRuntime`] if `program` does not exist, is not a regular
    /// file, or may not be read and executed; [`Fault::MissingPolicy`] if the
    /// private files cannot be written; [`Fault::NativeFailed`] if `supervisor` is empty.
    pub fn open(
        program: &Path,
        supervisor: &Path,
        policy_json: &str,
        policy_sha256: &str,
        registry_json: Option<&str>,
        limits: NativeLimits,
    ) -> Result<Self, Fault> {
        let supervisor = std::path::absolute(supervisor)
            .map_err(|e| Fault::NativeFailed(format!("`{}` is not a path: {e}", supervisor.display())))?;
        let (program, program_sha256) = PinnedFile::open_program(program)?;
        Ok(Self {
            program,
            program_sha256,
            supervisor,
            workspace: Workspace::create(policy_json, registry_json)?,
            policy_sha256: policy_sha256.to_owned(),
            limits,
        })
    }

    /// The SHA-256 of the binary at `program`, if it can be run at all.
    ///
    /// # Errors
    /// [`Fault::MissingRuntime`] as for [`Self::open`].
    pub fn inspect(program: &Path) -> Result<String, Fault> {
        PinnedFile::open_program(program).map(|(_, sha256)| sha256)
    }

    /// The SHA-256 of the binary that is run, in hex.
    pub fn sha256(&self) -> &str {
        &self.program_sha256
    }

    fn decide(&self, request: &Request, started: Instant) -> Result<Decision, Fault> {
        let body = serde_json::to_vec(request)
            .map_err(|e| Fault::NativeFailed(format!("the request could not be written as JSON: {e}")))?;
        self.check_unchanged()?;
        let document = run::run(self.command()?, &body, started, &self.limits)?;
        // A file that was exchanged for the time of the run alone may show here, when it has
        // already run; a directory that was exchanged and put back leaves no trace. Hence
        // where the binary lies is trusted (docs/native-adapter.md).
        self.check_unchanged()?;
        decision::parse(&document)
    }

    fn check_unchanged(&self) -> Result<(), Fault> {
        if !self.program.is_unchanged() {
            let path = self.program.path().display();
            return Err(Fault::MissingRuntime(format!(
                "`{path}` has changed since it was opened; load it again"
            )));
        }
        if !self.workspace.is_unchanged() {
            return Err(Fault::MissingPolicy(
                "the private copy of the policy or registry was changed; load the runtime again".to_owned(),
            ));
        }
        Ok(())
    }

    /// The supervisor's command line, which ends with the binary's.
    fn command(&self) -> Result<Command, Fault> {
        let confinement = serde_json::to_string(&self.limits.confinement())
            .map_err(|e| Fault::NativeFailed(format!("its limits could not be written as JSON: {e}")))?;
        let mut command = Command::new(&self.supervisor);
        command
            .arg(supervisor::SUBCOMMAND)
            .arg(confinement)
            .arg(self.program.path());
        command.arg("--policy").arg(self.workspace.policy());
        if let Some(registry) = self.workspace.registry() {
            command.arg("--registry").arg(registry);
        }
        Ok(command)
    }
}

impl Backend for NativeRuntime {
    fn evaluate(&self, request: &Request) -> Attempt {
        let started = Instant::now();
        let outcome = self.decide(request, started);
        let mut usage = Usage {
            kind: "native",
            module_sha256: self.program_sha256.as_str().into(),
            policy_sha256: self.policy_sha256.as_str().into(),
            ..Usage::default()
        };
        usage.took(started.elapsed());
        Attempt { outcome, usage }
    }
}

/// The first `limit` characters of `text`, as they can stand in a message: text
/// of foreign origin must not be able to move a cursor or forge a log line.
fn printable(text: &str, limit: usize) -> String {
    let mut shown: String = text.chars().take(limit).flat_map(char::escape_debug).collect();
    if text.chars().nth(limit).is_some() {
        shown.push('…');
    }
    shown
}
