//! Who writes what a thread hands over that others wait for.

use super::*;
use crate::clock::SystemClock;
use crate::evidence::testing::sparse;

fn recorder(dir: &std::path::Path, durability: Durability) -> Recorder {
    let options = Options {
        dir: dir.join("log"),
        key: dir.join("key"),
        log: log::Options {
            segment_bytes: 1 << 30,
            segment_age: jiff::SignedDuration::from_hours(24),
            retention: None,
            checkpoint_entries: 1 << 20,
            sync: durability == Durability::Fsync,
        },
        checkpoint_interval: Duration::from_secs(60),
        durability,
        on_failure: OnFailure::Refuse,
        mask: Vec::new(),
        seal: None,
        sent: None,
    };
    Recorder::start(options, Arc::new(SystemClock)).unwrap()
}

#[test]
fn after_a_slow_write_another_thread_writes_until_one_is_quick() {
    let scratch = tempfile::tempdir().unwrap();
    let recorder = recorder(scratch.path(), Durability::Flush);
    let written = recorder.prepare(sparse()).send_briefly();
    written.unwrap().wait().unwrap();
    assert_eq!(recorder.stats().written(), 1, "here, before the call is back");

    recorder.stats().wrote(Duration::from_secs(1));
    let waits = recorder.prepare(sparse()).send_briefly().unwrap_err();
    assert_eq!(recorder.stats().written(), 1);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let written = runtime.block_on(async { waits.handed_over().await.written().await });
    written.unwrap();
    assert_eq!(recorder.stats().written(), 2, "elsewhere");

    recorder.stats().wrote(Duration::ZERO);
    assert!(recorder.prepare(sparse()).send_briefly().is_ok());
}

#[test]
fn nobody_waits_for_room_where_others_wait() {
    for durability in [Durability::Async, Durability::Flush, Durability::Fsync] {
        let scratch = tempfile::tempdir().unwrap();
        let recorder = recorder(scratch.path(), durability);
        // Whoever writes is at it, and does not come to an end.
        let writer = recorder.shared.writer();
        let mut tickets = Vec::new();
        // What the log's thread has taken already is not in the queue any more.
        for _ in 0..QUEUE + BATCH {
            match recorder.prepare(sparse()).send_briefly() {
                Ok(ticket) => tickets.push(ticket),
                Err(_) => break,
            }
        }
        assert_eq!(tickets.len(), QUEUE, "{durability:?}");
        drop(writer);
        recorder.close();
        for ticket in tickets {
            ticket.wait().unwrap();
        }
        assert_eq!(recorder.stats().written(), QUEUE as u64, "{durability:?}");
        let late = recorder.prepare(sparse()).send_briefly().unwrap().wait();
        assert!(late.is_err(), "{durability:?}: the log is closed");
    }
}
