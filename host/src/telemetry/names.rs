//! Every metric once: its name, kind, labels and meaning.

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations in buckets.
    Histogram,
}

impl Kind {
    /// The word in the exposition and the documentation.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

macro_rules! metrics {
    ($($variant:ident $kind:ident $name:literal [$($label:literal),*] $meaning:literal;)*) => {
        /// One metric of the service.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Metric {
            $(#[doc = $meaning] $variant,)*
        }

        impl Metric {
            /// Every metric, in the order of the documentation and the exposition.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it is.
            pub const fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind,)* }
            }

            /// Its labels.
            pub const fn labels(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$($label),*],)* }
            }

            /// What it means.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

metrics! {
    Evaluations Counter "cavra_evaluations_total" ["backend", "decision"]
        "Evaluations, by the backend whose decision counts (python, go, none) and the decision.";
    EvaluationSeconds Histogram "cavra_evaluation_duration_seconds" []
        "How long evaluations took: reference, gates, fast path and comparison.";
    BackendSeconds Histogram "cavra_backend_duration_seconds" ["backend"]
        "How long one backend took for one decision, its instance included.";
    Fuel Histogram "cavra_fuel_used" ["backend"]
        "Fuel that one decision of a sandboxed backend used.";
    Instances Counter "cavra_instances_total" ["backend", "kind"]
        "Fresh instances (component) and processes (native) that decisions were asked of.";
    Fallbacks Counter "cavra_fallbacks_total" ["code"]
        "Evaluations in which the fast path's answer was not used, by fallback code.";
    ParityMatches Counter "cavra_parity_matches_total" ["rule"]
        "Decisions of both backends that agree, by the reference's rule; `other` for rules that are not the built-in reference's.";
    ParityMismatches Counter "cavra_parity_mismatches_total" ["rule"]
        "Decisions of both backends that differ, by the reference's rule.";
    GateReady Gauge "cavra_gate_ready" ["gate"]
        "1 while the gate lets the fast path through, else 0.";
    PilotMode Gauge "cavra_pilot_mode" ["mode"]
        "1 for the mode in effect, else 0; disabled while rolled back.";
    RolledBack Gauge "cavra_rolled_back" []
        "1 while the pilot is rolled back, else 0.";
    InFlight Gauge "cavra_evaluations_in_flight" []
        "Evaluations that are being made.";
    QueueDepth Gauge "cavra_queue_depth" []
        "Evaluations that wait for a worker.";
    Rejected Counter "cavra_evaluations_rejected_total" []
        "Evaluations that were refused with 503 because too many were waiting.";
    Abandoned Counter "cavra_evaluations_abandoned_total" []
        "Evaluations that were not begun because the client had gone.";
    HttpRequests Counter "cavra_http_requests_total" ["route", "method", "status"]
        "HTTP requests by route template, method and class of status; `unmatched` where there is no such route.";
    HttpSeconds Histogram "cavra_http_request_duration_seconds" ["route"]
        "How long HTTP requests took, from their head to their answer.";
    AccessRefused Counter "cavra_access_refused_total" ["reason"]
        "Requests that were refused for who asked: 401 (missing, unknown, expired, revoked), 403 (role, origin), 429 (rate).";
    Connections Gauge "cavra_connections" []
        "Open connections.";
    HandshakesFailed Counter "cavra_tls_handshakes_failed_total" []
        "Connections that were closed because no TLS came about, or not in time.";
    Reloads Counter "cavra_reloads_total" ["what", "outcome"]
        "Reloads of the state (modules, policies, registry, documents), the tokens and the certificate: applied, or refused and the old kept.";
    LogLinesDropped Counter "cavra_log_lines_dropped_total" []
        "Log lines that were not written because standard error took them too slowly.";
    BuildInfo Gauge "cavra_build_info" ["version", "engine"]
        "1; the labels name the release and the engine's fingerprint.";
}

/// The rules of the built-in evaluators: the only values of the label `rule` beside
/// `other`, however many names another module comes up with. Sorted.
pub const RULES: &[&str] = &[
    "commands.allow",
    "commands.block",
    "commands.default.require_approval",
    "commands.opaque.require_approval",
    "commands.require_approval",
    "commands.sensitive_path.require_approval",
    "filesystem.read.allow",
    "filesystem.read.block",
    "filesystem.read.empty_target",
    "filesystem.write.allow",
    "filesystem.write.block",
    "filesystem.write.empty_target",
    "filesystem.write.require_approval",
    "filesystem.write.sensitive_path",
    "git.allow",
    "git.protected_branch.block_direct_push",
    "git.pull_request.allow_with_attestation",
    "git.push.unresolved_target",
    "mcp.registry.allow",
    "mcp.registry.blocked",
    "mcp.registry.capability_scope",
    "mcp.registry.requires_approval",
    "mcp.registry.tool_scope",
    "mcp.registry.unknown",
    "mcp.server.trust.allow",
    "mcp.server.trust.block_unknown",
    "runtime.default.require_approval",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_they_are() {
        for metric in Metric::ALL {
            let name = metric.name();
            assert!(name.starts_with("cavra_"), "{name}");
            assert_eq!(name.ends_with("_total"), metric.kind() == Kind::Counter, "{name}");
        }
        assert!(RULES.is_sorted());
    }
}
