//! HTTP over the loopback address: the service, what it is compared with, and the
//! clients of both.

pub(crate) mod bare;
pub(crate) mod client;
pub(crate) mod server;
pub(crate) mod turns;
