//! The service's metrics: recorded by atomics, shown when they are asked for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::instruments::{Counter, Counters, Histogram};
use super::names::{Kind, Metric, RULES};
use crate::backend::Usage;
use crate::evidence::Stats;
use crate::fault::FallbackCode;
use crate::model::Verdict;
use crate::pilot::{Evaluation, Mode, SelectedBackend};

const BACKENDS: [SelectedBackend; 3] = [
    SelectedBackend::Python,
    SelectedBackend::Go,
    SelectedBackend::None,
];
const VERDICTS: [Verdict; 4] = [
    Verdict::Allow,
    Verdict::AllowWithAttestation,
    Verdict::RequireApproval,
    Verdict::Block,
];
const MODES: [Mode; 4] = [Mode::Disabled, Mode::Shadow, Mode::Enforce, Mode::Promoted];
const KINDS: [&str; 2] = ["component", "native"];
const METHODS: [&str; 4] = ["GET", "POST", "DELETE", "other"];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
const OTHER: &str = "other";
const UNMATCHED: &str = "unmatched";

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            const WORDS: &[&str] = &[$($word,)*];

            /// The word in metrics and logs.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

words! {
    /// Why a request was refused for who asked.
    AccessReason {
        /// No token where one is needed.
        Missing "missing",
        /// No such token, or not its secret.
        Unknown "unknown",
        /// The token's time is over.
        Expired "expired",
        /// The token was revoked.
        Revoked "revoked",
        /// The token has not the role.
        Role "role",
        /// A browser asks on behalf of another site.
        Origin "origin",
        /// The token asks too often.
        Rate "rate",
    }
}

words! {
    /// What is read anew.
    Reloaded {
        /// Modules, policies, registry, documents.
        State "state",
        /// The token file.
        Tokens "tokens",
        /// Certificate and key.
        Certificate "certificate",
    }
}

/// What only the moment of asking knows.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// The gates by name, and whether each lets the fast path through.
    pub gates: Vec<(&'static str, bool)>,
    /// The mode in effect.
    pub mode: Mode,
    /// Whether the pilot is rolled back.
    pub rolled_back: bool,
    /// Evaluations that are being made.
    pub in_flight: u64,
    /// Evaluations that wait.
    pub queue_depth: u64,
    /// Open connections.
    pub connections: u64,
    /// Evaluations that were not begun because the client had gone.
    pub abandoned: u64,
    /// Log lines that were dropped.
    pub log_lines_dropped: u64,
    /// How the evidence log is sent to a store, if it is.
    pub shipping: Option<Shipping>,
    /// The engine's fingerprint.
    pub engine: String,
    /// What the writer of the evidence log has done; none: there is no log.
    pub evidence: Option<Arc<Stats>>,
}

/// How the evidence log is sent to a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shipping {
    /// Whether the store takes what it is sent.
    pub up: bool,
    /// Entries that are still to be sent.
    pub unsent: u64,
    /// Whether store and files differ.
    pub forked: bool,
}

/// How the metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// Prometheus text 0.0.4.
    Prometheus,
    /// OpenMetrics text 1.0.0.
    OpenMetrics,
}

impl Exposition {
    /// What a client that sends this `Accept` header gets.
    pub fn accepted(accept: Option<&str>) -> Self {
        match accept {
            Some(accept) if accept.contains("application/openmetrics-text") => Self::OpenMetrics,
            _ => Self::Prometheus,
        }
    }

    /// The `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Where a route's numbers are: found once a request, by its template.
#[derive(Clone, Copy, Debug)]
pub struct RoutePlace(usize);

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    routes: Vec<&'static str>,
    evaluations: Counters,
    evaluation_seconds: Histogram,
    backend_seconds: [Histogram; 2],
    fuel: [Histogram; 2],
    instances: Counters,
    fallbacks: Counters,
    parity_matches: Counters,
    parity_mismatches: Counters,
    rejected: Counter,
    http_requests: Counters,
    http_seconds: Vec<Histogram>,
    access_refused: Counters,
    handshakes_failed: Counter,
    reloads: Counters,
}

impl Metrics {
    /// Metrics of a service with these route templates.
    pub fn new(routes: impl IntoIterator<Item = &'static str>) -> Self {
        let mut routes: Vec<&str> = routes.into_iter().collect();
        routes.sort_unstable();
        routes.dedup();
        routes.push(UNMATCHED);
        let rules = RULES.len().saturating_add(1);
        let cells = routes.len().saturating_mul(METHODS.len() * CLASSES.len());
        Self {
            evaluations: Counters::new(BACKENDS.len() * VERDICTS.len()),
            evaluation_seconds: Histogram::seconds(),
            backend_seconds: [(); 2].map(|()| Histogram::seconds()),
            fuel: [(); 2].map(|()| Histogram::fuel()),
            instances: Counters::new(2 * KINDS.len()),
            fallbacks: Counters::new(FallbackCode::TABLE.len()),
            parity_matches: Counters::new(rules),
            parity_mismatches: Counters::new(rules),
            rejected: Counter::default(),
            http_requests: Counters::new(cells),
            http_seconds: routes.iter().map(|_| Histogram::seconds()).collect(),
            access_refused: Counters::new(AccessReason::WORDS.len()),
            handshakes_failed: Counter::default(),
            reloads: Counters::new(2 * Reloaded::WORDS.len()),
            routes,
        }
    }

    /// Counts an evaluation that took this long.
    pub fn evaluated(&self, answer: &Evaluation, took: Duration) {
        let decision = &answer.effective_decision.decision;
        let backend = answer.selected_backend as usize;
        let cell = backend
            .saturating_mul(VERDICTS.len())
            .saturating_add(decision.verdict as usize);
        self.evaluations.count(cell);
        self.evaluation_seconds.took(took);
        let usages = [&answer.sandbox.reference, &answer.sandbox.fastpath];
        for (place, usage) in usages.into_iter().enumerate() {
            if let Some(usage) = usage {
                self.used(place, usage);
            }
        }
        if let Some(code) = answer.fallback_code {
            self.fallbacks.count(code as usize);
        }
        if let Some(agree) = answer.parity_match {
            let rule = answer
                .python_decision
                .as_ref()
                .map_or("", |it| it.decision.rule_id.as_str());
            let place = RULES.binary_search(&rule).unwrap_or(RULES.len());
            let parity = if agree {
                &self.parity_matches
            } else {
                &self.parity_mismatches
            };
            parity.count(place);
        }
    }

    fn used(&self, backend: usize, usage: &Usage) {
        let kind = usize::from(usage.kind == "native");
        self.instances
            .count(backend.saturating_mul(KINDS.len()).saturating_add(kind));
        if let Some(histogram) = self.backend_seconds.get(backend) {
            histogram.took(Duration::from_micros(usage.microseconds));
        }
        if let (Some(histogram), Some(fuel)) = (self.fuel.get(backend), usage.fuel_used) {
            histogram.observe(fuel);
        }
    }

    /// Where the numbers of a route are; of no route where `template` is none.
    pub fn route(&self, template: Option<&str>) -> RoutePlace {
        let unmatched = self.routes.len().saturating_sub(1);
        let known = self.routes.get(..unmatched).unwrap_or_default();
        let place = template.and_then(|it| known.binary_search(&it).ok());
        RoutePlace(place.unwrap_or(unmatched))
    }

    /// Counts an HTTP request that was answered.
    pub fn request(&self, RoutePlace(route): RoutePlace, method: &str, status: u16, took: Duration) {
        let last = METHODS.len() - 1;
        let method = METHODS.iter().position(|it| *it == method).unwrap_or(last);
        let class = usize::from(status / 100)
            .clamp(1, CLASSES.len())
            .saturating_sub(1);
        let cell = route
            .saturating_mul(METHODS.len())
            .saturating_add(method)
            .saturating_mul(CLASSES.len())
            .saturating_add(class);
        self.http_requests.count(cell);
        if let Some(histogram) = self.http_seconds.get(route) {
            histogram.took(took);
        }
    }

    /// Counts an evaluation that was refused because too many were waiting.
    pub fn rejected(&self) {
        self.rejected.add(1);
    }

    /// Counts a request that was refused for who asked.
    pub fn access_refused(&self, reason: AccessReason) {
        self.access_refused.count(reason as usize);
    }

    /// Counts a connection that was closed because no TLS came about.
    pub fn handshake_failed(&self) {
        self.handshakes_failed.add(1);
    }

    /// Counts a reload: applied, or refused and the old kept.
    pub fn reloaded(&self, what: Reloaded, applied: bool) {
        let place = (what as usize)
            .saturating_mul(2)
            .saturating_add(usize::from(!applied));
        self.reloads.count(place);
    }

    /// All metrics as text.
    pub fn render(self: &Arc<Self>, live: Live, exposition: Exposition) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Snapshot {
            metrics: Arc::clone(self),
            live,
        }));
        let mut out = String::with_capacity(32 * 1024);
        // Writing to a string cannot fail.
        let _ = match exposition {
            Exposition::Prometheus => prometheus_text::encode(&mut out, &registry),
            Exposition::OpenMetrics => text::encode(&mut out, &registry),
        };
        out
    }
}

#[derive(Debug)]
struct Snapshot {
    metrics: Arc<Metrics>,
    live: Live,
}

/// Labels beside their values.
type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

/// One metric of the exposition being written.
struct Series<'a> {
    labels: &'static [&'static str],
    encoder: MetricEncoder<'a>,
}

impl Series<'_> {
    fn named<'v, const N: usize>(&self, values: [&'v str; N]) -> Labels<'v, N> {
        let mut names = self.labels.iter();
        values.map(|value| (names.next().copied().unwrap_or_default(), value))
    }

    fn counter<const N: usize>(&mut self, values: [&str; N], value: u64) -> fmt::Result {
        let labels = self.named(values);
        let mut family = self.encoder.encode_family(&labels)?;
        family.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    fn gauge<const N: usize>(&mut self, values: [&str; N], value: u64) -> fmt::Result {
        let labels = self.named(values);
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.encoder.encode_family(&labels)?.encode_gauge(&value)
    }

    fn histogram<const N: usize>(&mut self, values: [&str; N], histogram: &Histogram) -> fmt::Result {
        let labels = self.named(values);
        let (sum, count, buckets) = histogram.read();
        let mut family = self.encoder.encode_family(&labels)?;
        family.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    /// A counter for every member of a list.
    fn list<'v>(&mut self, counters: &Counters, values: impl Iterator<Item = &'v str>) -> fmt::Result {
        for (value, count) in values.zip(counters.iter()) {
            self.counter([value], count)?;
        }
        Ok(())
    }

    /// A counter for every pair of two lists.
    fn grid(
        &mut self,
        counters: &Counters,
        rows: impl Iterator<Item = &'static str>,
        columns: &[&'static str],
    ) -> fmt::Result {
        let mut counts = counters.iter();
        for row in rows {
            for (column, count) in columns.iter().copied().zip(counts.by_ref()) {
                self.counter([row, column], count)?;
            }
        }
        Ok(())
    }
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for metric in Metric::ALL {
            if metric.is_of_store() && self.live.shipping.is_none() {
                continue;
            }
            let kind = match metric.kind() {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
            };
            // The encoder adds what counters end in.
            let name = metric.name().trim_end_matches("_total");
            self.series(
                *metric,
                Series {
                    labels: metric.labels(),
                    encoder: encoder.encode_descriptor(name, metric.meaning(), None, kind)?,
                },
            )?;
        }
        Ok(())
    }
}

impl Snapshot {
    fn series(&self, metric: Metric, mut out: Series<'_>) -> fmt::Result {
        let (it, live) = (&*self.metrics, &self.live);
        let of_rules = || RULES.iter().copied().chain([OTHER]);
        let both = [SelectedBackend::Python.as_str(), SelectedBackend::Go.as_str()];
        match metric {
            Metric::Evaluations => out.grid(
                &it.evaluations,
                BACKENDS.iter().map(|backend| backend.as_str()),
                &VERDICTS.map(Verdict::as_str),
            ),
            Metric::EvaluationSeconds => out.histogram([], &it.evaluation_seconds),
            Metric::BackendSeconds => (both.into_iter().zip(&it.backend_seconds))
                .try_for_each(|(backend, histogram)| out.histogram([backend], histogram)),
            Metric::Fuel => (both.into_iter().zip(&it.fuel))
                .try_for_each(|(backend, histogram)| out.histogram([backend], histogram)),
            Metric::Instances => out.grid(&it.instances, both.into_iter(), &KINDS),
            Metric::Fallbacks => out.list(
                &it.fallbacks,
                FallbackCode::TABLE.iter().map(|(_, word, _)| *word),
            ),
            Metric::ParityMatches => out.list(&it.parity_matches, of_rules()),
            Metric::ParityMismatches => out.list(&it.parity_mismatches, of_rules()),
            Metric::GateReady => {
                (live.gates.iter()).try_for_each(|(gate, ready)| out.gauge([gate], u64::from(*ready)))
            }
            Metric::PilotMode => {
                (MODES.iter()).try_for_each(|mode| out.gauge([mode.as_str()], u64::from(*mode == live.mode)))
            }
            Metric::RolledBack => out.gauge([], u64::from(live.rolled_back)),
            Metric::InFlight => out.gauge([], live.in_flight),
            Metric::QueueDepth => out.gauge([], live.queue_depth),
            Metric::Rejected => out.counter([], it.rejected.get()),
            Metric::Abandoned => out.counter([], live.abandoned),
            Metric::HttpRequests => self.http_requests(&mut out),
            Metric::HttpSeconds => (it.routes.iter().zip(&it.http_seconds))
                .try_for_each(|(route, histogram)| out.histogram([route], histogram)),
            Metric::AccessRefused => out.list(&it.access_refused, AccessReason::WORDS.iter().copied()),
            Metric::Connections => out.gauge([], live.connections),
            Metric::HandshakesFailed => out.counter([], it.handshakes_failed.get()),
            Metric::Reloads => out.grid(
                &it.reloads,
                Reloaded::WORDS.iter().copied(),
                &["applied", "refused"],
            ),
            Metric::LogLinesDropped => out.counter([], live.log_lines_dropped),
            Metric::EvidenceRecords
            | Metric::EvidenceLost
            | Metric::EvidenceGaps
            | Metric::EvidenceSealed
            | Metric::EvidenceFailures
            | Metric::EvidenceFailing
            | Metric::EvidenceQueueDepth
            | Metric::EvidenceBytes
            | Metric::EvidenceUnsigned
            | Metric::EvidenceSignedAt
            | Metric::EvidenceWriteSeconds => {
                let none = Stats::default();
                evidence_series(metric, live.evidence.as_deref().unwrap_or(&none), &mut out)
            }
            Metric::EvidenceStoreUp => {
                (live.shipping.iter()).try_for_each(|it| out.gauge([], u64::from(it.up)))
            }
            Metric::EvidenceUnsent => (live.shipping.iter()).try_for_each(|it| out.gauge([], it.unsent)),
            Metric::EvidenceStoreForked => {
                (live.shipping.iter()).try_for_each(|it| out.gauge([], u64::from(it.forked)))
            }
            Metric::BuildInfo => out.gauge([env!("CARGO_PKG_VERSION"), &live.engine], 1),
        }
    }

    /// Only what was asked: of all routes, methods and classes most never meet.
    fn http_requests(&self, out: &mut Series<'_>) -> fmt::Result {
        let mut counts = self.metrics.http_requests.iter();
        for route in &self.metrics.routes {
            for method in METHODS {
                for (class, count) in CLASSES.iter().copied().zip(counts.by_ref()) {
                    if count > 0 {
                        out.counter([route, method, class], count)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// What is counted of the evidence log.
fn evidence_series(metric: Metric, of: &Stats, out: &mut Series<'_>) -> fmt::Result {
    match metric {
        Metric::EvidenceRecords => out.counter([], of.written()),
        Metric::EvidenceLost => out.counter([], of.lost()),
        Metric::EvidenceGaps => out.counter([], of.gaps()),
        Metric::EvidenceSealed => out.counter([], of.sealed()),
        Metric::EvidenceFailures => out.counter([], of.failures()),
        Metric::EvidenceFailing => out.gauge([], u64::from(of.failing())),
        Metric::EvidenceQueueDepth => out.gauge([], of.waiting()),
        Metric::EvidenceBytes => out.counter([], of.bytes()),
        Metric::EvidenceUnsigned => out.gauge([], of.unsigned()),
        Metric::EvidenceSignedAt => out.gauge([], of.signed_at()),
        Metric::EvidenceWriteSeconds => out.histogram([], of.write_seconds()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_shown_with_its_labels_in_both_forms() {
        let metrics = Arc::new(Metrics::new(["/b", "/a", "/b"]));
        metrics.request(metrics.route(Some("/b")), "GET", 204, Duration::from_millis(3));
        metrics.request(metrics.route(Some("/c")), "BREW", 418, Duration::from_millis(3));
        metrics.reloaded(Reloaded::Tokens, false);
        metrics.access_refused(AccessReason::Role);
        let live = Live {
            gates: vec![("promotion", true)],
            mode: Mode::Shadow,
            evidence: Some(Arc::default()),
            shipping: Some(Shipping::default()),
            engine: "sha256:\"\\\n".to_owned(),
            ..Live::default()
        };
        for exposition in [Exposition::Prometheus, Exposition::OpenMetrics] {
            let text = metrics.render(live.clone(), exposition);
            for metric in Metric::ALL {
                let name = metric.name();
                assert!(
                    text.lines()
                        .any(|line| !line.starts_with('#') && line.starts_with(name)),
                    "{name}: {text}"
                );
                for label in metric.labels() {
                    assert!(text.contains(&format!("{label}=\"")), "{name} {label}");
                }
            }
            for line in [
                "cavra_http_requests_total{route=\"/b\",method=\"GET\",status=\"2xx\"} 1",
                "cavra_http_requests_total{route=\"unmatched\",method=\"other\",status=\"4xx\"} 1",
                "cavra_reloads_total{what=\"tokens\",outcome=\"refused\"} 1",
                "cavra_reloads_total{what=\"tokens\",outcome=\"applied\"} 0",
                "cavra_access_refused_total{reason=\"role\"} 1",
                "cavra_access_refused_total{reason=\"rate\"} 0",
                "cavra_gate_ready{gate=\"promotion\"} 1",
                "cavra_pilot_mode{mode=\"shadow\"} 1",
                "cavra_pilot_mode{mode=\"disabled\"} 0",
            ] {
                assert!(text.lines().any(|it| it == line), "{line}: {text}");
            }
            assert!(text.contains(r#"engine="sha256:\"\\\n""#), "{text}");
        }
    }

    #[test]
    fn the_places_of_closed_lists_are_their_members() {
        for (place, backend) in BACKENDS.iter().enumerate() {
            assert_eq!(*backend as usize, place);
        }
        for (place, verdict) in VERDICTS.iter().enumerate() {
            assert_eq!(*verdict as usize, place);
        }
        for (place, (code, _, _)) in FallbackCode::TABLE.iter().enumerate() {
            assert_eq!(*code as usize, place);
        }
    }
}
