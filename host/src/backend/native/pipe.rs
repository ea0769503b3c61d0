//! Pipes whose other end is not trusted: never blocking, always bounded.

use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use rustix::event::{PollFd, Timespec, poll};
use rustix::io::Errno;

/// The beginning of what a pipe has carried.
#[derive(Debug)]
pub(super) struct Capture {
    kept: Vec<u8>,
    limit: usize,
    overflowed: bool,
}

/// What one read of a pipe came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filled {
    /// There was something to take, and there may be more.
    Some,
    /// There is nothing at the moment.
    Nothing,
    /// The other end is closed, and everything was taken.
    End,
}

impl Capture {
    /// Keeps at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            kept: Vec::new(),
            limit,
            overflowed: false,
        }
    }

    /// Takes what can be had from `pipe` in one read.
    pub(super) fn fill(&mut self, pipe: impl AsFd) -> Filled {
        let mut buffer = [0; 8 * 1024];
        let read = match rustix::io::read(pipe, &mut buffer) {
            Ok(0) => return Filled::End,
            Ok(read) => buffer.get(..read).unwrap_or_default(),
            Err(Errno::AGAIN | Errno::INTR) => return Filled::Nothing,
            Err(_) => return Filled::End,
        };
        let room = self.limit.saturating_sub(self.kept.len());
        self.overflowed |= read.len() > room;
        self.kept.extend(read.iter().take(room));
        Filled::Some
    }

    /// Whether there was more than could be kept.
    pub(super) fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// What was kept.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.kept
    }
}

/// Makes reads and writes of this end return at once.
pub(super) fn set_nonblocking(pipe: impl AsFd) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(pipe, true)?)
}

/// Waits for one of `fds`, but not past `until`; returns whether it is still time.
pub(super) fn wait(fds: &mut [PollFd<'_>], until: Option<Instant>) -> io::Result<bool> {
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        // Asked first: a pipe that always has something to say must not outlast the deadline.
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(false);
        }
        let timeout = left
            .map(Timespec::try_from)
            .transpose()
            .map_err(io::Error::other)?;
        match poll(fds, timeout.as_ref()) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
