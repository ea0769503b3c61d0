//! Time and ids as they were: what makes a replay exact.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::clock::{Clock, IdSource};

/// What an id is that the record does not hold, because nothing was issued under it.
const NO_ID: &str = "00000000000000000000000000000000";

/// A clock that stands at a recorded time.
#[derive(Clone, Copy, Debug)]
pub struct RecordedClock(pub Timestamp);

impl Clock for RecordedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// The ids of one recorded evaluation, in the order in which they were drawn: of the
/// evaluation, its correlation, the reference's decision, the fast path's.
#[derive(Debug, Default)]
pub struct RecordedIds(Mutex<VecDeque<String>>);

impl RecordedIds {
    /// The ids as documents write them: with their prefix, `eval_` and so on.
    pub fn new<'a>(ids: impl IntoIterator<Item = &'a str>) -> Self {
        let bare = |id: &str| id.split_once('_').map_or(id, |(_, bare)| bare).to_owned();
        Self(Mutex::new(ids.into_iter().map(bare).collect()))
    }
}

impl IdSource for RecordedIds {
    fn next_id(&self) -> String {
        let mut ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ids.pop_front().unwrap_or_else(|| NO_ID.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pilot::Stamps;

    #[test]
    fn an_evaluation_draws_what_was_recorded() {
        let time: Timestamp = "2026-03-04T05:06:07.123456789Z".parse().unwrap();
        let ids = RecordedIds::new(["eval_a1", "corr_b2", "dec_c3"]);
        let stamps = Stamps::draw(&RecordedClock(time), &ids);
        assert_eq!(stamps.now(), time);
        let told = format!("{stamps:?}");
        for id in [
            "eval_a1",
            "corr_b2",
            "dec_c3",
            &format!("dec_{NO_ID}"),
            "2026-03-04T05:06:07.123456789Z",
        ] {
            assert!(told.contains(&format!("\"{id}\"")), "{id}: {told}");
        }
    }
}
