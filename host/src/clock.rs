//! The one way by which time and ids enter: the caller passes them in, so that
//! a replay can pass recorded ones.

use jiff::Timestamp;

/// What time it is.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Where ids come from.
pub trait IdSource: Send + Sync {
    /// The 32 hex digits of a new UUIDv7.
    fn next_id(&self) -> String;
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Fresh, time-ordered ids.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomIds;

impl IdSource for RandomIds {
    #[expect(clippy::disallowed_methods, reason = "this is the IdSource")]
    fn next_id(&self) -> String {
        uuid::Uuid::now_v7().simple().to_string()
    }
}
