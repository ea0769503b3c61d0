//! Replay: recorded decisions made again, and what became of them.

mod bytes;
mod material;
mod recorded;

pub use bytes::{Departure, departures};
pub use material::{Material, MaterialError};
pub use recorded::{RecordedClock, RecordedIds};
