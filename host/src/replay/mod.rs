//! Replay: recorded decisions made again, and what became of them.
//!
//! A record of the evidence log names everything that its decision depends on: the request,
//! two modules, policies and a registry by digest, the limits, the time and the ids. A
//! replay brings them together again, in fresh sandboxes, lets the pilot decide as if
//! nothing had happened yet, and compares what comes out with what stands in the record,
//! byte for byte, fuel included.
//!
//! What depends on nothing that could be recorded is taken from the record and named
//! ([`Taken`]): how gates stood, and what was not there or too slow.

mod again;
mod against;
mod bytes;
mod evaluators;
mod material;
mod outcome;
mod recorded;
pub mod source;
mod stream;

pub use again::replay;
pub use against::{Change, Changes, Example, Rejudged, Ruling, rejudge};
pub use bytes::{Departure, departures};
pub use evaluators::{Evaluators, LimitKey, Parts, Role};
pub use material::{Material, MaterialError};
pub use outcome::{Finding, Fuel, Missing, Obstacle, Replayed, Taken, Totals};
pub use recorded::{RecordedClock, RecordedIds};
pub use stream::in_order;
