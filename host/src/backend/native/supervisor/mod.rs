//! The process between the host and a native runtime binary.
//!
//! It starts the binary confined, waits until the binary has ended or the host
//! calls the run off, and then ends every process that the run has left. The host
//! calls off by closing the pipe that is this process's standard error, which the
//! kernel also does when the host dies, however it dies: no signal is needed.

mod confine;
mod descendants;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, Command, ExitCode, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal};
use rustix::process::{getpid, kill_process_group, pidfd_open, set_child_subreaper, setsid};
use rustix::thread::set_no_new_privs;

use super::pipe::{Capture, Filled, set_nonblocking, wait};
use super::protocol::{Confinement, Report, STDERR_KEPT};

/// The hidden subcommand under which a program calls [`run`].
pub const SUBCOMMAND: &str = "native-supervisor";

/// How long the killing of what is left may take; less than the host waits for it.
const PATIENCE: Duration = Duration::from_secs(8);

/// The status for arguments that the host does not give: bad usage.
const BAD_USAGE: u8 = 3;

/// Supervises one run; `args` are the arguments after [`SUBCOMMAND`].
///
/// To be called first thing in `main`, while the process has one thread, by a
/// program that [`NativeRuntime::open`](super::NativeRuntime::open) was given as
/// the supervisor; of no use to people. The exit status is 0 when no process of
/// the run is left, 1 when some could not be ended.
pub fn run(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let confinement = args
        .next()
        .and_then(|text| serde_json::from_str(text.to_str()?).ok());
    let (Some(confinement), Some(program)) = (confinement, args.next()) else {
        let _ = writeln!(
            io::stderr(),
            "`{SUBCOMMAND}` is started by the host alone; use `evaluate`"
        );
        return ExitCode::from(BAD_USAGE);
    };
    let mut command = Command::new(program);
    command.args(args);
    let report = supervise(command, &confinement).unwrap_or_else(|e| Report::NotStarted {
        error: format!("cannot supervise: {e}"),
    });
    let text = serde_json::to_vec(&report).unwrap_or_default();
    // The host may be gone, or no longer want to know.
    let _ = io::stderr().write_all(&text);
    match report {
        Report::Ended { all_gone: false, .. } => ExitCode::FAILURE,
        Report::Ended { .. } | Report::NotStarted { .. } => ExitCode::SUCCESS,
    }
}

fn supervise(mut command: Command, confinement: &Confinement) -> io::Result<Report> {
    // Away from the host's terminal: neither its Ctrl-C nor the binary's writing reaches across.
    setsid()?;
    set_child_subreaper(Some(getpid()))?;
    // A set-user-id program among the descendants could not be killed.
    set_no_new_privs(true)?;
    // Without this list no descendant would be found: better to know before there are any.
    descendants::check()?;
    hand_over_pipes(&mut command)?;
    command.env_clear().current_dir("/");
    confine::confine(&mut command, confinement)?;
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            return Ok(Report::NotStarted {
                error: error.to_string(),
            });
        }
    };
    // The pipes and the rules are the binary's alone now.
    drop(command);

    let mut stderr = Stderr {
        pipe: child.stderr.take(),
        capture: Capture::new(STDERR_KEPT),
    };
    let watched = watch(&child, &mut stderr);
    // Before the binary is waited for: until then its id, which is its group's, is not given away.
    let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    let status = child.wait();
    let all_gone = descendants::end_all(PATIENCE);
    if all_gone {
        watched?;
    }
    Ok(Report::Ended {
        wait_status: status?.into_raw(),
        stderr: stderr.finish(),
        all_gone,
    })
}

/// Gives the request's and the answer's pipe to the binary and keeps neither, so
/// that they close when the last process of the run closes them.
fn hand_over_pipes(command: &mut Command) -> io::Result<()> {
    command.stdin(io::stdin().as_fd().try_clone_to_owned()?);
    command.stdout(io::stdout().as_fd().try_clone_to_owned()?);
    command.stderr(Stdio::piped());
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok(())
}

/// Waits until the binary has ended or the host calls off, and meanwhile drains
/// the binary's standard error.
fn watch(child: &Child, stderr: &mut Stderr) -> io::Result<()> {
    let ended = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let host = io::stderr();
    stderr.pipe.as_ref().map(set_nonblocking).transpose()?;
    loop {
        let mut fds = Vec::with_capacity(3);
        fds.push(PollFd::new(&ended, PollFlags::IN));
        // Nothing is asked for: that the other end was closed is always reported.
        fds.push(PollFd::new(&host, PollFlags::empty()));
        fds.extend(stderr.pipe.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        wait(&mut fds, None)?;
        if fds.iter().take(2).any(|fd| !fd.revents().is_empty()) {
            return Ok(());
        }
        stderr.fill();
    }
}

/// The binary's standard error: its beginning kept, the rest drained.
struct Stderr {
    pipe: Option<ChildStderr>,
    capture: Capture,
}

impl Stderr {
    fn fill(&mut self) -> Filled {
        let filled = self
            .pipe
            .as_ref()
            .map_or(Filled::End, |pipe| self.capture.fill(pipe));
        if filled == Filled::End {
            self.pipe = None;
        }
        filled
    }

    /// What was kept, with what the pipe still holds.
    fn finish(mut self) -> String {
        while !self.capture.overflowed() && self.fill() == Filled::Some {}
        String::from_utf8_lossy(&self.capture.into_bytes()).into_owned()
    }
}
