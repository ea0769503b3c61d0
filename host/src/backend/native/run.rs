//! One run of the supervisor, seen from the host.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::limits::NativeLimits;
use super::pipe::{Capture, Filled, set_nonblocking, wait};
use super::printable;
use super::protocol::{REPORT_LIMIT, Report};
use crate::fault::Fault;

/// The longest document that a runtime may answer with, in bytes.
pub(super) const OUTPUT_LIMIT: usize = 64 * 1024;

/// How long the supervisor may take to clean up; longer than it tries by itself.
const GRACE: Duration = Duration::from_secs(10);

/// How much of the binary's standard error a message quotes, in characters.
const STDERR_QUOTED: usize = 200;

/// Runs `command`, a supervisor with its arguments, and returns what the binary
/// wrote to its standard output.
///
/// When this returns no process of the run is left, whatever it returns.
///
/// # Errors
/// [`Fault::WallClock`] at `started` + the deadline, [`Fault::OutputInvalid`] for
/// more than [`OUTPUT_LIMIT`] bytes, [`Fault::NativeFailed`] otherwise.
pub(super) fn run(
    mut command: Command,
    request: &[u8],
    started: Instant,
    limits: &NativeLimits,
) -> Result<Vec<u8>, Fault> {
    let until = started.checked_add(limits.deadline);
    let mut supervised = Supervised::spawn(&mut command).map_err(|e| not_supervised(&e))?;
    let exchanged = supervised.exchange(request, until);
    let status = supervised.end().map_err(|e| not_supervised(&e))?;
    match exchanged {
        Ok(Exchange { output, report }) => judge(&report.into_bytes(), status).map(|()| output.into_bytes()),
        Err(Interrupted::Failed(error)) => Err(not_supervised(&error)),
        // Its processes outlive the answer: that is worse than how the run went.
        Err(_) if !status.success() => Err(Fault::NativeFailed(format!(
            "not all of its processes could be ended (supervisor: {status})"
        ))),
        Err(Interrupted::Deadline) => Err(Fault::WallClock {
            limit_ms: limits.deadline_ms(),
        }),
        Err(Interrupted::Flood) => Err(Fault::OutputInvalid(format!(
            "more than {OUTPUT_LIMIT} bytes on its standard output"
        ))),
    }
}

fn not_supervised(error: &io::Error) -> Fault {
    Fault::NativeFailed(format!("it could not be supervised: {error}"))
}

/// Whether the report lets the output count.
fn judge(report: &[u8], supervisor_status: ExitStatus) -> Result<(), Fault> {
    let failed = |why: String| Err(Fault::NativeFailed(why));
    let quoting = |why: String, text: &str| match printable(text.trim(), STDERR_QUOTED) {
        said if said.is_empty() => why,
        said => format!("{why}; its standard error: `{said}`"),
    };
    let Ok(report) = serde_json::from_slice(report) else {
        let why = format!("its supervisor ended without a report ({supervisor_status})");
        return failed(quoting(why, &String::from_utf8_lossy(report)));
    };
    match report {
        Report::NotStarted { error } => {
            failed(format!("it could not be started: {}", printable(&error, 400)))
        }
        Report::Ended { all_gone: false, .. } => failed("not all of its processes could be ended".to_owned()),
        Report::Ended {
            wait_status, stderr, ..
        } => {
            let status = ExitStatus::from_raw(wait_status);
            if status.success() {
                return Ok(());
            }
            failed(quoting(status.to_string(), &stderr))
        }
    }
}

/// Why a run did not come to its own end.
enum Interrupted {
    Deadline,
    Flood,
    Failed(io::Error),
}

impl From<io::Error> for Interrupted {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// What came back from a run that has ended by itself.
struct Exchange {
    output: Capture,
    report: Capture,
}

/// A running supervisor. Dropping it ends the run.
struct Supervised {
    child: Child,
    ended: OwnedFd,
    pipes: Option<Pipes>,
}

/// The host's ends; the binary's standard error goes to the supervisor.
struct Pipes {
    request: Option<ChildStdin>,
    output: Option<ChildStdout>,
    report: Option<ChildStderr>,
}

impl Supervised {
    fn spawn(command: &mut Command) -> io::Result<Self> {
        command.env_clear().current_dir("/");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let pipes = Pipes {
            request: child.stdin.take(),
            output: child.stdout.take(),
            report: child.stderr.take(),
        };
        let ended = match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(ended) => ended,
            Err(error) => {
                // It sees the closed pipe, cleans up and exits.
                drop(pipes);
                child.wait()?;
                return Err(error.into());
            }
        };
        Ok(Self {
            child,
            ended,
            pipes: Some(pipes),
        })
    }

    /// Hands over the request, and takes what comes back until both sides have
    /// closed their pipes.
    fn exchange(&mut self, mut request: &[u8], until: Option<Instant>) -> Result<Exchange, Interrupted> {
        let mut output = Capture::new(OUTPUT_LIMIT);
        let mut report = Capture::new(REPORT_LIMIT);
        let Some(pipes) = &mut self.pipes else {
            return Ok(Exchange { output, report });
        };
        pipes.set_nonblocking()?;
        while pipes.output.is_some() || pipes.report.is_some() {
            if !pipes.wait(until)? {
                return Err(Interrupted::Deadline);
            }
            pipes.request = pipes.request.take().filter(|pipe| feed(pipe, &mut request));
            pipes.output = pipes
                .output
                .take()
                .filter(|pipe| output.fill(pipe) != Filled::End);
            pipes.report = pipes
                .report
                .take()
                .filter(|pipe| report.fill(pipe) != Filled::End);
            if output.overflowed() {
                return Err(Interrupted::Flood);
            }
        }
        Ok(Exchange { output, report })
    }

    /// Closes the pipes, which calls off a run that goes on, and waits for the supervisor.
    fn end(&mut self) -> io::Result<ExitStatus> {
        self.pipes = None;
        let until = Instant::now().checked_add(GRACE);
        let ended = wait(&mut [PollFd::new(&self.ended, PollFlags::IN)], until);
        if !matches!(ended, Ok(true)) {
            self.child.kill()?;
        }
        self.child.wait()
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // Ended already, or an error has been returned that matters more.
        let _ = self.end();
    }
}

impl Pipes {
    fn set_nonblocking(&self) -> io::Result<()> {
        self.request.as_ref().map(set_nonblocking).transpose()?;
        self.output.as_ref().map(set_nonblocking).transpose()?;
        self.report.as_ref().map(set_nonblocking).transpose()?;
        Ok(())
    }

    /// Waits until one of the open pipes can be used; returns false at `until`.
    fn wait(&self, until: Option<Instant>) -> io::Result<bool> {
        let mut fds = Vec::with_capacity(3);
        fds.extend(
            self.request
                .as_ref()
                .map(|pipe| PollFd::new(pipe, PollFlags::OUT)),
        );
        fds.extend(self.output.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        fds.extend(self.report.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        wait(&mut fds, until)
    }
}

/// Writes what the pipe takes of `request`; returns whether there is more to write.
fn feed(pipe: &ChildStdin, request: &mut &[u8]) -> bool {
    match rustix::io::write(pipe, request) {
        Ok(written) => *request = request.get(written..).unwrap_or_default(),
        Err(Errno::AGAIN | Errno::INTR) => {}
        // A runtime may answer without reading the request.
        Err(_) => return false,
    }
    !request.is_empty()
}
