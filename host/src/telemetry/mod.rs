//! What the service tells about itself: metrics, logs, traces.
//!
//! Nothing here is set up outside `cavra serve`.

mod correlation;
pub(crate) mod instruments;
mod log;
mod metrics;
mod names;
mod request_log;
mod trace;

pub use correlation::{CORRELATION_HEADER, Correlation, Parent, TRACEPARENT};
pub use log::{Dropped, Logs};
pub use metrics::{AccessReason, Exposition, Live, Metrics, Reloaded, RoutePlace, Shipping};
pub use names::{Kind, Metric, RULES};
pub use request_log::{RequestLine, RequestLog};
pub use trace::{TraceError, Traces};
