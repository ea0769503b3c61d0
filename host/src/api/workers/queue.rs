//! The queue between the network's threads and those that judge.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Something to be done by a thread that judges.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// Which jobs are done first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Fast paths whose turn has come: others wait for theirs to end.
    Turns,
    /// New requests.
    Requests,
}

/// Jobs in the order in which they came, [`Lane::Turns`] before all others. It has
/// no bound of its own: whoever puts something in holds a permit for it.
#[derive(Default)]
pub(super) struct Queue {
    jobs: Mutex<Jobs>,
    ready: Condvar,
}

#[derive(Default)]
struct Jobs {
    turns: VecDeque<Job>,
    requests: VecDeque<Job>,
    /// Threads that wait: waking one costs a system call, so nobody is woken for nothing.
    idle: usize,
    closed: bool,
}

impl Queue {
    /// Puts a job in. After [`Self::close`] it is dropped.
    pub(super) fn put(&self, lane: Lane, job: Job) {
        let mut jobs = self.lock();
        if jobs.closed {
            return;
        }
        match lane {
            Lane::Turns => jobs.turns.push_back(job),
            Lane::Requests => jobs.requests.push_back(job),
        }
        let wake = jobs.idle > 0;
        drop(jobs);
        if wake {
            self.ready.notify_one();
        }
    }

    /// The next job, as soon as there is one; `None` after [`Self::close`].
    pub(super) fn take(&self) -> Option<Job> {
        let mut jobs = self.lock();
        loop {
            if jobs.closed {
                return None;
            }
            if let Some(job) = jobs.turns.pop_front() {
                return Some(job);
            }
            if let Some(job) = jobs.requests.pop_front() {
                return Some(job);
            }
            jobs.idle = jobs.idle.saturating_add(1);
            jobs = self.ready.wait(jobs).unwrap_or_else(PoisonError::into_inner);
            jobs.idle = jobs.idle.saturating_sub(1);
        }
    }

    /// How many jobs wait.
    pub(super) fn len(&self) -> usize {
        let jobs = self.lock();
        jobs.turns.len().saturating_add(jobs.requests.len())
    }

    /// How many threads wait.
    pub(super) fn idle(&self) -> usize {
        self.lock().idle
    }

    /// Lets every thread end and drops what is in the queue.
    pub(super) fn close(&self) {
        let mut jobs = self.lock();
        jobs.closed = true;
        let dropped = (
            std::mem::take(&mut jobs.turns),
            std::mem::take(&mut jobs.requests),
        );
        drop(jobs);
        drop(dropped);
        self.ready.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn turns_come_before_requests_and_each_in_its_order() {
        let queue = Queue::default();
        let (said, heard) = mpsc::channel();
        for (lane, word) in [
            (Lane::Requests, "a"),
            (Lane::Turns, "x"),
            (Lane::Requests, "b"),
            (Lane::Turns, "y"),
        ] {
            let said = said.clone();
            queue.put(lane, Box::new(move || said.send(word).unwrap()));
        }
        assert_eq!(queue.len(), 4);
        for _ in 0..4 {
            queue.take().unwrap()();
        }
        assert_eq!(heard.try_iter().collect::<String>(), "xyab");
    }

    #[test]
    fn closing_ends_those_that_wait_and_drops_what_waits() {
        let queue = Queue::default();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.take().is_none());
            queue.close();
            assert!(waiting.join().unwrap());
        });
        let (held, dropped) = mpsc::channel::<()>();
        queue.put(Lane::Requests, Box::new(move || drop(held)));
        assert_eq!(dropped.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }
}
