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
///
/// As long as enough threads are awake, nobody is woken for a new job: one of them
/// takes it next. More threads than processors would only take turns, each with cold
/// memory, and waking costs a system call. Where those that are awake are held up, whoever
/// waits for a job calls [`Self::nudge`].
pub(super) struct Queue {
    jobs: Mutex<Jobs>,
    ready: Condvar,
    /// How many threads there are.
    threads: usize,
    /// How many awake are enough.
    enough: usize,
}

#[derive(Default)]
struct Jobs {
    turns: VecDeque<Job>,
    requests: VecDeque<Job>,
    /// How many jobs were taken so far.
    taken: u64,
    /// Threads that wait.
    idle: usize,
    closed: bool,
}

impl Queue {
    /// A queue for so many threads, of which `enough` awake at once are enough.
    pub(super) fn new(threads: usize, enough: usize) -> Self {
        Self {
            jobs: Mutex::default(),
            ready: Condvar::new(),
            threads,
            enough,
        }
    }

    /// Puts a job in, and returns how many jobs were taken so far. After
    /// [`Self::close`] it is dropped.
    pub(super) fn put(&self, lane: Lane, job: Job) -> u64 {
        let mut jobs = self.lock();
        let taken = jobs.taken;
        if jobs.closed {
            return taken;
        }
        match lane {
            Lane::Turns => jobs.turns.push_back(job),
            Lane::Requests => jobs.requests.push_back(job),
        }
        let wake = jobs.idle > 0 && self.threads.saturating_sub(jobs.idle) < self.enough;
        drop(jobs);
        if wake {
            self.ready.notify_one();
        }
        taken
    }

    /// Wakes another thread, if there is something to do and nothing was taken since
    /// `taken` jobs were: those that are awake are held up. Returns how many were taken
    /// by now.
    pub(super) fn nudge(&self, taken: u64) -> u64 {
        let jobs = self.lock();
        let waits = !jobs.turns.is_empty() || !jobs.requests.is_empty();
        let wake = jobs.idle > 0 && waits && jobs.taken == taken;
        let taken = jobs.taken;
        drop(jobs);
        if wake {
            self.ready.notify_one();
        }
        taken
    }

    /// The next job, as soon as there is one; `None` after [`Self::close`].
    pub(super) fn take(&self) -> Option<Job> {
        let mut jobs = self.lock();
        loop {
            if jobs.closed {
                return None;
            }
            let turn = jobs.turns.pop_front();
            if let Some(job) = turn.or_else(|| jobs.requests.pop_front()) {
                jobs.taken = jobs.taken.wrapping_add(1);
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
        let queue = Queue::new(1, 1);
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
        let queue = Queue::new(1, 1);
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
