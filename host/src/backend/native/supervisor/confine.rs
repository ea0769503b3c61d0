//! What the binary is held to, from its first instruction on.

use std::ffi::{CString, OsStr};
use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use landlock::{Ruleset, RulesetAttr, RulesetCreated, Scope};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, getpid, getppid, getrlimit, set_parent_process_death_signal, setrlimit,
};

use super::super::protocol::Confinement;

/// Makes `command` start its program in a process group of its own, under
/// resource limits, without this process's descriptors, unable to signal a
/// process outside its run, and to be killed if this process dies. It gets no
/// environment.
///
/// # Errors
/// The limits cannot be worked out.
pub(super) fn confine(command: &mut Command, confinement: &Confinement) -> io::Result<()> {
    command.process_group(0);
    let preparation = Preparation {
        supervisor: getpid(),
        limits: resource_limits(confinement)?,
        domain: Some(own_signal_domain()?),
        program: Program::of(command)?,
    };
    before_exec(command, inherited_descriptors()?, preparation);
    Ok(())
}

/// The limits, lowered to what this process may raise them to.
fn resource_limits(confinement: &Confinement) -> io::Result<Vec<(Resource, Rlimit)>> {
    let processes = running_tasks()?.saturating_add(confinement.processes);
    let wanted = [
        (Resource::Cpu, confinement.cpu_seconds),
        (Resource::As, confinement.address_space_bytes),
        (Resource::Fsize, confinement.file_size_bytes),
        (Resource::Nofile, confinement.open_files),
        (Resource::Nproc, processes),
        (Resource::Core, 0),
    ];
    let lowered = |(resource, wanted)| {
        let limit = getrlimit(resource)
            .maximum
            .map_or(wanted, |maximum| maximum.min(wanted));
        (
            resource,
            Rlimit {
                current: Some(limit),
                maximum: Some(limit),
            },
        )
    };
    Ok(wanted.map(lowered).to_vec())
}

/// How many processes and threads there are, whoever's: the process limit counts
/// all of a user's, so that it must allow for what runs already.
fn running_tasks() -> io::Result<u64> {
    let load = fs::read_to_string("/proc/loadavg")?;
    let tasks = load
        .split_ascii_whitespace()
        .nth(3)
        .and_then(|field| field.split_once('/')?.1.parse().ok());
    tasks.ok_or_else(|| io::Error::other("`/proc/loadavg` has another form than expected"))
}

/// Rules under which a process can signal only what is in the same run: it must
/// not end its supervisor, which would then end nothing. Where the kernel has no
/// such rules (before Linux 6.12) they have no effect.
fn own_signal_domain() -> io::Result<RulesetCreated> {
    Ruleset::default()
        .scope(Scope::Signal)
        .and_then(Ruleset::create)
        .map_err(io::Error::other)
}

/// The descriptors that are open, but for the three that the program is given.
fn inherited_descriptors() -> io::Result<Vec<RawFd>> {
    let mut descriptors = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let number = entry?.file_name().to_str().and_then(|name| name.parse().ok());
        descriptors.extend(number.filter(|&number: &RawFd| number > 2));
    }
    Ok(descriptors)
}

/// What the new process does to itself before it becomes the program.
struct Preparation {
    supervisor: Pid,
    limits: Vec<(Resource, Rlimit)>,
    domain: Option<RulesetCreated>,
    program: Program,
}

/// A program with its arguments, as the kernel takes them.
struct Program {
    path: CString,
    arguments: Vec<CString>,
}

impl Program {
    fn of(command: &Command) -> io::Result<Self> {
        let text = |text: &OsStr| CString::new(text.as_bytes()).map_err(io::Error::other);
        let all = std::iter::once(command.get_program()).chain(command.get_args());
        Ok(Self {
            path: text(command.get_program())?,
            arguments: all.map(text).collect::<io::Result<_>>()?,
        })
    }

    /// Becomes the program; returns why it cannot.
    ///
    /// What the standard library would call gives a file that the kernel takes for no
    /// program to the shell, which would run whatever a damaged binary happens to hold.
    #[expect(unsafe_code, reason = "no safe interface does without the shell")]
    fn exec(&self) -> io::Error {
        let end = std::iter::once(std::ptr::null());
        let arguments: Vec<_> = self.arguments.iter().map(|it| it.as_ptr()).chain(end).collect();
        let environment = [std::ptr::null()];
        // SAFETY: the path and every argument end with a NUL, both lists with a null
        // pointer, and all of them live until the call returns, if it does.
        unsafe { libc::execve(self.path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
        io::Error::last_os_error()
    }
}

impl Preparation {
    fn make(&mut self) -> io::Result<()> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The signal is not sent for a death before the call.
        if getppid() != Some(self.supervisor) {
            return Err(Errno::SRCH.into());
        }
        for (resource, limit) in self.limits.drain(..) {
            setrlimit(resource, limit)?;
        }
        let restricted = self.domain.take().map(RulesetCreated::restrict_self).transpose();
        restricted.map_err(|_| io::Error::from(Errno::PERM))?;
        Err(self.program.exec())
    }
}

#[expect(
    unsafe_code,
    reason = "limits for the program alone can only be set between fork and exec"
)]
fn before_exec(command: &mut Command, inherited: Vec<RawFd>, mut preparation: Preparation) {
    let prepare = move || {
        for &number in &inherited {
            // SAFETY: the borrow lasts for one call, which closes nothing. Should the
            // number have been closed or given away since it was listed, the call
            // fails or marks a descriptor that the program was not to have either.
            let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
            let _ = fcntl_setfd(descriptor, FdFlags::CLOEXEC);
        }
        preparation.make()
    };
    // SAFETY: after the fork of a process with several threads only async-signal-safe
    // functions may be called. The supervisor has one thread, so no lock can be held by
    // another one; and all that is called are system calls, and the allocator.
    unsafe { command.pre_exec(prepare) };
}
