//! The one way by which time and ids enter: the caller passes them in, so that
//! a replay can pass recorded ones.

use jiff::Timestamp;
use uuid::ContextV7;
use uuid::timestamp::context::ThreadLocalContext;

thread_local! {
    /// What keeps the ids of one thread in order. One for all threads would make
    /// them wait for each other.
    static CONTEXT: ContextV7 = const { ContextV7::new() };
}

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
    fn next_id(&self) -> String {
        let context = ThreadLocalContext::new(&CONTEXT);
        uuid::Uuid::new_v7(uuid::Timestamp::now(context))
            .simple()
            .to_string()
    }
}
