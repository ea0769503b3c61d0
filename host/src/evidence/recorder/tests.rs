//! Who writes what a thread hands over that others wait for.

use super::*;
use crate::clock::SystemClock;
use crate::evidence::Event;
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

/// Hands a record over as a thread does that others wait for.
fn briefly(recorder: &Recorder) -> Ticket {
    let sent = recorder.prepare(sparse()).send_briefly();
    sent.unwrap_or_else(|_| panic!("there is room"))
}

fn is_written(ticket: &mut Ticket) -> bool {
    match &mut ticket.0 {
        Told::Later(told) => told.try_recv().is_ok(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_quick_is_written_here() {
    let scratch = tempfile::tempdir().unwrap();
    let recorder = recorder(scratch.path(), Durability::Flush);
    assert!(is_written(&mut briefly(&recorder)), "before the call is back");
}

#[test]
fn after_a_slow_write_another_thread_writes_until_many_were_quick() {
    let scratch = tempfile::tempdir().unwrap();
    let recorder = recorder(scratch.path(), Durability::Flush);
    recorder.stats().wrote(Duration::from_secs(1));
    for _ in 0..8 {
        // It is the log's thread that holds the writer meanwhile.
        briefly(&recorder).wait().unwrap();
    }
    assert!(!recorder.stats().writes_quickly());
    for _ in 0..64 {
        recorder.stats().wrote(Duration::ZERO);
    }
    assert!(recorder.stats().writes_quickly());
    assert_eq!(recorder.stats().written(), 8);
}

#[test]
fn a_log_that_another_process_holds_is_not_waited_for() {
    let scratch = tempfile::tempdir().unwrap();
    let recorder = recorder(scratch.path(), Durability::Flush);
    // Another open file is another holder, in another process or not.
    let lock = std::fs::File::open(scratch.path().join("log/lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let mut tickets: Vec<Ticket> = (0..3).map(|_| briefly(&recorder)).collect();
    assert!(!tickets.iter_mut().any(is_written));
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::Unlock).unwrap();
    for ticket in tickets {
        ticket.wait().unwrap();
    }
    assert_eq!(recorder.stats().written(), 3);
}

#[test]
fn a_segment_at_its_end_is_left_to_the_logs_thread() {
    let scratch = tempfile::tempdir().unwrap();
    let mut log = Log::open(
        &scratch.path().join("log"),
        &[7; 32],
        log::Options {
            segment_bytes: 1,
            segment_age: jiff::SignedDuration::from_hours(24),
            retention: None,
            checkpoint_entries: 1 << 20,
            sync: false,
        },
    )
    .unwrap();
    let now = SystemClock.now();
    assert!(log.at_hand(now).is_some(), "the first entry begins no other");
    let event = Written::new(&Event::Evaluation(Box::new(sparse()))).unwrap();
    log.append(&[&event], now).unwrap();
    assert!(log.at_hand(now).is_none());
}

#[test]
fn nobody_waits_for_room_where_others_wait() {
    for durability in [Durability::Async, Durability::Flush, Durability::Fsync] {
        let scratch = tempfile::tempdir().unwrap();
        let recorder = recorder(scratch.path(), durability);
        // Whoever writes is at it, and does not come to an end.
        let writer = recorder.shared.writer();
        let tickets: Vec<Ticket> = (0..QUEUE).map(|_| briefly(&recorder)).collect();
        assert!(
            recorder.prepare(sparse()).send_briefly().is_err(),
            "{durability:?}"
        );
        drop(writer);
        recorder.close();
        for ticket in tickets {
            ticket.wait().unwrap();
        }
        assert_eq!(recorder.stats().written(), QUEUE as u64, "{durability:?}");
        assert!(
            briefly(&recorder).wait().is_err(),
            "{durability:?}: the log is closed"
        );
    }
}
