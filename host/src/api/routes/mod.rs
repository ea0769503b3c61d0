//! The routes, one file a group.

pub(super) mod batch;
pub(super) mod evaluate;
pub(super) mod metrics;
pub(super) mod operate;
pub(super) mod probes;
pub(super) mod reports;
