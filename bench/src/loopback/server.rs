//! A server in a process of its own, as long as the value lives.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use cavra::pilot::Mode;

use crate::Context;
use crate::child;
use crate::contenders::sandbox::flags;

/// A running server.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) addr: SocketAddr,
}

impl Server {
    /// `cavra serve` in this mode, with these arguments more, and with a log line for
    /// every request, as it is by default.
    pub(crate) fn service(context: &Context, name: &str, mode: Mode, args: &[OsString]) -> Result<Self> {
        let mut command = Command::new(&context.cavra);
        command.env_clear().args(["serve", "--addr", "127.0.0.1:0"]);
        for (setting, value) in flags(&context.policies, mode) {
            command.arg(format!("--{}", setting.flag())).arg(value);
        }
        command.args(args);
        child::keep_cache(&mut command, &context.scratch.join("command-cache"));
        command.stderr(File::create(context.scratch.join(format!("{name}.log")))?);
        Self::start(command)
    }

    /// The handler that the service is compared with.
    pub(crate) fn bare(context: &Context, mode: Mode, judges: bool) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env_clear().arg("bare").arg(&context.policies);
        command.arg("--mode").arg(mode.to_string());
        command.args(judges.then_some("--judges"));
        Self::start(command)
    }

    /// Runs `command` and waits until it says where it listens.
    fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().context("its output is piped")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let addr = line.trim().strip_prefix("listening on http://").map(str::parse);
        let Some(Ok(addr)) = addr else {
            child.kill()?;
            child.wait()?;
            anyhow::bail!("no address in `{line}`");
        };
        Ok(Self { child, addr })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
