//! Many records at once: read in order, judged on many threads, told in order.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError, mpsc};

/// How many records one thread takes at a time.
const BATCH: usize = 32;
/// How many batches wait for each thread.
const WAITING: usize = 4;

/// Does `work` with every item of `items` on `threads` threads, and gives the results to
/// `tell` in the order of the items. No more than a few hundred items are held at once.
///
/// # Errors
/// The first that `tell` gives; then the rest is left.
pub fn in_order<T: Send, R: Send, E>(
    items: impl Iterator<Item = T> + Send,
    threads: u32,
    work: impl Fn(T) -> R + Sync,
    mut tell: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let waiting = usize::try_from(threads).unwrap_or(1).saturating_mul(WAITING);
    let (give, take) = mpsc::sync_channel::<(u64, Vec<T>)>(waiting);
    let take = Mutex::new(Some(take));
    let (done, results) = mpsc::sync_channel::<(u64, Vec<R>)>(waiting);
    std::thread::scope(|scope| {
        let (take, work) = (&take, &work);
        scope.spawn(move || {
            let mut items = items;
            for number in 0.. {
                let batch: Vec<T> = items.by_ref().take(BATCH).collect();
                // Nobody takes any more once `tell` has failed.
                if batch.is_empty() || give.send((number, batch)).is_err() {
                    return;
                }
            }
        });
        for _ in 0..threads.max(1) {
            let done = done.clone();
            scope.spawn(move || {
                loop {
                    let next = {
                        let take = take.lock().unwrap_or_else(PoisonError::into_inner);
                        take.as_ref().and_then(|take| take.recv().ok())
                    };
                    let Some((number, batch)) = next else { return };
                    let results = batch.into_iter().map(work).collect();
                    if done.send((number, results)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        let told = tell_in_order(&results, &mut tell);
        // Whoever waits to give or to be heard sees that it is over.
        drop(results);
        take.lock().unwrap_or_else(PoisonError::into_inner).take();
        told
    })
}

fn tell_in_order<R, E>(
    results: &mpsc::Receiver<(u64, Vec<R>)>,
    tell: &mut impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let mut early = BTreeMap::new();
    let mut next = 0_u64;
    for (number, batch) in results {
        early.insert(number, batch);
        while let Some(batch) = early.remove(&next) {
            next = next.saturating_add(1);
            for result in batch {
                tell(result)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_told_once_and_in_order() {
        let mut told = Vec::new();
        let slow_first = |n: u64| {
            if n == 0 {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            n * 2
        };
        let tell = |n| {
            told.push(n);
            Ok::<_, ()>(())
        };
        in_order(0..5000, 4, slow_first, tell).unwrap();
        assert_eq!(told, (0..5000).map(|n| n * 2).collect::<Vec<_>>());
    }

    #[test]
    fn a_listener_that_has_enough_ends_it() {
        let mut told = 0;
        let tell = |n: u64| {
            told += 1;
            if n == 100 { Err("enough") } else { Ok(()) }
        };
        // Endless, if it did not end.
        assert_eq!(in_order(0.., 3, |n| n, tell), Err("enough"));
        assert_eq!(told, 101);
    }
}
