//! `cavra serve`: the real binary on a real socket.

mod batch;
mod http2;
mod load;
mod openapi;
mod problems;
mod routes;
mod shutdown;

use integration_tests::service::Service;
use integration_tests::{cavra, fast_path};

const EVALUATE: &str = "/runtime/go-pilot/evaluate";

/// A service whose fast path is `runtime`, in mode `enforce`.
fn with_fast_path(runtime: &str, more: &[&str]) -> Service {
    Service::ready(cavra(["serve"]).args(fast_path("enforce", runtime)).args(more))
}

/// One that does what it should.
fn usual() -> Service {
    with_fast_path("builtin:fastpath", &[])
}
