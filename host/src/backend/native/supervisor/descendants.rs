//! Ending every process that a run has left.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, setpriority_process, wait};

/// How long to wait for killed processes to end before looking again.
const PAUSE: Duration = Duration::from_micros(500);

/// The `nice` value that gives the largest share of the processor.
const HIGHEST_PRIORITY: i32 = -20;

/// Whether the kernel tells a process its children, without which none is found.
///
/// # Errors
/// It was built without `CONFIG_PROC_CHILDREN`, or `/proc` is not mounted.
pub(super) fn check() -> io::Result<()> {
    let thread = PathBuf::from("/proc/thread-self/children");
    fs::read_to_string(thread).map(drop).map_err(|e| {
        io::Error::new(
            e.kind(),
            format!("the kernel does not list child processes in `/proc`: {e}"),
        )
    })
}

/// Kills and reaps descendants until there are none; returns whether it came to that.
///
/// Nothing is reaped while new ones are still found: the dead count towards the
/// limit of processes, so that a run that forks faster than it is killed comes to
/// that limit, and is killed to the last process before it has room again.
pub(super) fn end_all(patience: Duration) -> bool {
    let until = Instant::now().checked_add(patience);
    // Where it is allowed: hundreds of processes may want the processor too.
    let _ = setpriority_process(None, HIGHEST_PRIORITY);
    while reap() {
        let mut killed = HashSet::new();
        loop {
            if until.is_none_or(|until| Instant::now() >= until) {
                return false;
            }
            if !kill_new(&mut killed) {
                break;
            }
        }
        thread::sleep(PAUSE);
    }
    true
}

/// Kills the descendants that are not in `killed`; returns whether there were any.
///
/// They are killed from the oldest down. A killed process neither forks nor reaps,
/// so that the children it had then are all it will have, and their ids stay
/// theirs; and when it ends they become children of this process.
fn kill_new(killed: &mut HashSet<Pid>) -> bool {
    let before = killed.len();
    let mut pending = children_of("self");
    while let Some(id) = pending.pop() {
        if killed.insert(id) {
            // One that has ended by itself is no error.
            let _ = kill_process(id, Signal::KILL);
            pending.extend(children_of(&id.to_string()));
        }
    }
    killed.len() > before
}

/// The children of all threads of a process, none if it has ended. Those of one
/// that has ended are this process's, which adopts orphans.
fn children_of(process: &str) -> Vec<Pid> {
    let threads = fs::read_dir(format!("/proc/{process}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let ids = lists.flat_map(|list| list.split_ascii_whitespace().map(str::parse).collect::<Vec<_>>());
    ids.filter_map(|id| Pid::from_raw(id.ok()?)).collect()
}

/// Reaps the children that have ended; returns whether others are left.
fn reap() -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}
