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
    EvidenceRecords Counter "cavra_evidence_records_total" []
        "Evaluations that stand in the evidence log.";
    EvidenceLost Counter "cavra_evidence_lost_total" []
        "Evaluations that were answered without a record, because the evidence log could not be written.";
    EvidenceGaps Counter "cavra_evidence_gaps_total" []
        "Gaps that were recorded once the evidence log could be written again.";
    EvidenceSealed Counter "cavra_evidence_sealed_total" []
        "Masked records that were sealed to the auditor's key.";
    EvidenceFailures Counter "cavra_evidence_write_failures_total" []
        "Writes of the evidence log that failed.";
    EvidenceFailing Gauge "cavra_evidence_failing" []
        "1 while the evidence log cannot be written, else 0.";
    EvidenceQueueDepth Gauge "cavra_evidence_queue_depth" []
        "Records that wait to be written.";
    EvidenceBytes Counter "cavra_evidence_written_bytes_total" []
        "Bytes that were written into segments of the evidence log.";
    EvidenceUnsigned Gauge "cavra_evidence_unsigned_records" []
        "Entries of the evidence log that no checkpoint is about yet.";
    EvidenceSignedAt Gauge "cavra_evidence_last_checkpoint_timestamp_seconds" []
        "When the last checkpoint was signed or, before the first, the evidence log opened; seconds since 1970.";
    EvidenceWriteSeconds Histogram "cavra_evidence_write_duration_seconds" []
        "How long writes of the evidence log took, each of all records that waited.";
    EvidenceStoreUp Gauge "cavra_evidence_store_up" []
        "1 while the evidence store takes what it is sent, else 0; absent where there is no store.";
    EvidenceUnsent Gauge "cavra_evidence_unsent_entries" []
        "Entries of the evidence log that the evidence store has not got yet; all of them until it has been reached.";
    EvidenceStoreForked Gauge "cavra_evidence_store_forked" []
        "1 while nothing is sent to the evidence store because its log and the files differ, else 0.";
    BuildInfo Gauge "cavra_build_info" ["version", "engine"]
        "1; the labels name the release and the engine's fingerprint.";
}

impl Metric {
    /// Whether it is there only where evidence is sent to a store: a gauge that nobody
    /// moves would be an alarm that never ends.
    pub fn is_of_store(self) -> bool {
        matches!(
            self,
            Self::EvidenceStoreUp | Self::EvidenceUnsent | Self::EvidenceStoreForked
        )
    }
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
