//! The settings' names, flags and variables, and where their values are read from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

macro_rules! settings {
    ($($variant:ident $env:literal $flag:literal $value:literal $default:literal $help:literal;)*) => {
        /// One setting of the host.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Setting {
            $(#[doc = $help] $variant,)*
        }

        impl Setting {
            /// Every setting, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its environment variable.
            pub const fn env(self) -> &'static str {
                match self { $(Self::$variant => $env,)* }
            }

            /// Its flag, without the dashes.
            pub const fn flag(self) -> &'static str {
                match self { $(Self::$variant => $flag,)* }
            }

            /// What stands for its value in help texts.
            pub const fn value_name(self) -> &'static str {
                match self { $(Self::$variant => $value,)* }
            }

            /// Its default; empty: unset.
            pub const fn default(self) -> &'static str {
                match self { $(Self::$variant => $default,)* }
            }

            /// What it means.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help,)* }
            }
        }
    };
}

settings! {
    Mode "CAVRA_GO_BACKEND_MODE" "mode" "MODE" "disabled"
        "What the fast path may do: disabled, shadow (compare only), enforce (use it where it agrees), promoted (also only when every governance gate is ready).";
    RuntimePath "CAVRA_GO_RUNTIME_PATH" "runtime-path" "PATH" ""
        "The fast path: a component, a native binary, `oci://host/repository@sha256:<hex>` (a module of a registry, from the module store if it is there), `sha256:<hex>` (of the module store), or `builtin:fastpath`.";
    PolicyPath "CAVRA_GO_RUNTIME_POLICY" "policy-path" "PATH" ""
        "The fast path's policy: a compiled policy, a directory of `<pack id>.json`, or `auto` (compile the pack that is asked for).";
    RegistryPath "CAVRA_GO_RUNTIME_REGISTRY" "registry-path" "FILE" ""
        "A trust registry of MCP servers, for both backends.";
    PackageDir "CAVRA_GO_RUNTIME_PACKAGE_DIR" "package-dir" "DIR" ""
        "Where the four deployment documents lie.";
    EndpointDeployment "CAVRA_GO_ENDPOINT_DEPLOYMENT_MANIFEST" "endpoint-deployment-path" "FILE" ""
        "The endpoint deployment document, if not in the package directory.";
    CiRunnerBundles "CAVRA_GO_CI_RUNNER_BUNDLES" "ci-runner-bundles-path" "FILE" ""
        "The CI runner bundles document, if not in the package directory.";
    WorkstationChannels "CAVRA_GO_WORKSTATION_CHANNELS" "channel-manifest-path" "FILE" ""
        "The workstation channels document, if not in the package directory.";
    WorkstationUpdaterPolicy "CAVRA_GO_WORKSTATION_UPDATER_POLICY" "updater-policy-path" "FILE" ""
        "The updater policy document, if not in the package directory.";
    PromotionEvidence "CAVRA_GO_PROMOTION_EVIDENCE" "promotion-evidence-path" "FILE" ""
        "The promotion evidence document.";
    RollbackPlan "CAVRA_GO_ROLLBACK_PLAN" "rollback-plan-path" "FILE" ""
        "The rollback plan document.";
    RollbackRehearsal "CAVRA_GO_ROLLBACK_REHEARSAL_EVIDENCE" "rollback-rehearsal-path" "FILE" ""
        "The rollback rehearsal document.";
    RollbackDrillHistory "CAVRA_GO_ROLLBACK_DRILL_HISTORY" "rollback-drill-history-path" "FILE" ""
        "The rollback drill history document.";
    RollbackDrillSchedule "CAVRA_GO_ROLLBACK_DRILL_SCHEDULE" "rollback-drill-schedule-path" "FILE" ""
        "The rollback drill schedule document.";
    RollbackDrillMaxAgeDays "CAVRA_GO_ROLLBACK_DRILL_MAX_AGE_DAYS" "rollback-drill-max-age-days" "DAYS" "90"
        "How old the latest rollback drill may be, in days.";
    RollbackDrillDueSoonDays "CAVRA_GO_ROLLBACK_DRILL_DUE_SOON_DAYS" "rollback-drill-due-soon-days" "DAYS" "14"
        "How many days ahead the next drill counts as due soon.";
    TimeoutSeconds "CAVRA_GO_RUNTIME_TIMEOUT_SECONDS" "timeout-seconds" "SECONDS" "5"
        "The wall-clock deadline of one evaluation of the fast path, in seconds. The reference has as long, and never less than 5 seconds.";
    ReferenceModule "CAVRA_REFERENCE_MODULE" "reference-module" "PATH" "builtin:reference"
        "The authoritative evaluator: a component, `sha256:<hex>` of the module store, or `builtin:reference`.";
    PolicyDir "CAVRA_POLICY_DIR" "policy-dir" "DIR" ""
        "A directory of `<pack id>/policy.yaml`, which adds to the built-in packs and overrides them.";
    TrustPolicy "CAVRA_TRUST_POLICY" "trust-policy" "FILE" ""
        "The trust policy, TOML: whose signatures are taken, for what. With it nothing is used that is not signed, the built-in modules included; without it no signature is asked for.";
    EvaluateFuel "CAVRA_EVALUATE_FUEL" "evaluate-fuel" "FUEL" "50000000"
        "Fuel for one evaluation of the fast path, about one a WebAssembly instruction. The reference has as much, and never less than 10,000,000,000.";
    LoadFuel "CAVRA_LOAD_FUEL" "load-fuel" "FUEL" "5000000000"
        "Fuel for instantiating the fast path and loading its policy. The reference has as much, and never less than 50,000,000,000.";
    MemoryBytes "CAVRA_MEMORY_BYTES" "memory-bytes" "BYTES" "67108864"
        "Linear memory of all memories of one instance of the fast path together, in bytes. The reference has as much, and never less than 268,435,456.";
    CacheDir "CAVRA_CACHE_DIR" "cache-dir" "DIR" "auto"
        "Where compiled modules and baked policies are kept for the next process: a directory, `auto` (the user's cache directory), or `off`.";
    CacheKey "CAVRA_CACHE_KEY" "cache-key" "FILE" "auto"
        "The key that what is in the cache is authenticated with, made when it is missing: a file, or `auto` (in the user's state directory).";
    ModuleStore "CAVRA_MODULE_STORE" "module-store" "DIR" "auto"
        "Where modules are kept by their digest, for settings such as `sha256:<hex>`: a directory that nobody else can write to, or `auto` (in the user's data directory).";
    StateDir "CAVRA_STATE_DIR" "state-dir" "DIR" "auto"
        "Where a rollback is kept over restarts, and which revisions of signed files were used: a directory that nobody else can write to, or `auto` (in the user's state directory).";
    EvidenceDir "CAVRA_EVIDENCE_DIR" "evidence-dir" "DIR" ""
        "Where every evaluation is recorded; without it, nowhere. Processes may share it.";
    EvidenceKey "CAVRA_EVIDENCE_KEY" "evidence-key" "FILE" "auto"
        "The key that signs the evidence log and hashes what is masked in it, made when it is missing: a file, or `auto` (in the user's state directory).";
    EvidenceDurability "CAVRA_EVIDENCE_DURABILITY" "evidence-durability" "WHEN" "flush"
        "When a decision is answered: once its record waits to be written (async), once it is handed to the operating system (flush), or once it is on the disk (fsync).";
    OnEvidenceFailure "CAVRA_ON_EVIDENCE_FAILURE" "on-evidence-failure" "WHAT" "refuse"
        "What becomes of a decision whose record cannot be written: refuse (it is not answered), or continue (it is; the gap is recorded later).";
    EvidenceMask "CAVRA_EVIDENCE_MASK" "evidence-mask" "POINTERS" ""
        "JSON pointers into requests, separated by commas: what stands there is masked in the evidence log, beside what is masked by rule.";
    EvidenceSealRecipient "CAVRA_EVIDENCE_SEAL_RECIPIENT" "evidence-seal-recipient" "KEY" ""
        "An auditor's public key of age (`age1…`): what is masked in the evidence log is kept beside it as it was, encrypted to this key.";
    EvidenceSegmentBytes "CAVRA_EVIDENCE_SEGMENT_BYTES" "evidence-segment-bytes" "BYTES" "67108864"
        "How long a segment of the evidence log becomes before the next is begun, in bytes.";
    EvidenceSegmentHours "CAVRA_EVIDENCE_SEGMENT_HOURS" "evidence-segment-hours" "HOURS" "24"
        "How old a segment of the evidence log becomes before the next is begun, in hours.";
    EvidenceRetentionDays "CAVRA_EVIDENCE_RETENTION_DAYS" "evidence-retention-days" "DAYS" ""
        "How long segments of the evidence log are kept, in days; without it, for ever. What is removed leaves its hashes.";
    EvidenceCheckpointRecords "CAVRA_EVIDENCE_CHECKPOINT_RECORDS" "evidence-checkpoint-records" "COUNT" "1000"
        "After how many records the evidence log is signed.";
    EvidenceCheckpointSeconds "CAVRA_EVIDENCE_CHECKPOINT_SECONDS" "evidence-checkpoint-seconds" "SECONDS" "10"
        "How long a record waits at most until the evidence log is signed, in seconds.";
    EvidenceStore "CAVRA_EVIDENCE_STORE" "evidence-store" "URL" ""
        "The PostgreSQL database in which the evidence of many hosts comes together, such as postgres://user@host/database; the service sends its log there.";
    EvidenceStorePasswordFile "CAVRA_EVIDENCE_STORE_PASSWORD_FILE" "evidence-store-password-file" "FILE" ""
        "The file with the password of the evidence store, read anew for every connection.";
    Addr "CAVRA_ADDR" "addr" "ADDR" "127.0.0.1:8000"
        "`cavra serve`: the address and port to listen on; port 0 takes a free one.";
    Workers "CAVRA_WORKERS" "workers" "COUNT" "auto"
        "`cavra serve`: how many evaluations by the fast path run at once, beside as many threads for the reference; `auto`: one for each processor.";
    QueueLength "CAVRA_QUEUE_LENGTH" "queue-length" "COUNT" "1024"
        "`cavra serve`: how many requests wait for a thread (more are refused), and how many evaluations wait for the fast path (more are decided by the reference alone).";
    MaxConnections "CAVRA_MAX_CONNECTIONS" "max-connections" "COUNT" "512"
        "`cavra serve`: how many connections are open at once; more wait until one is closed.";
    DrainSeconds "CAVRA_DRAIN_SECONDS" "drain-seconds" "SECONDS" "10"
        "`cavra serve`: how long requests in flight may take after the service was told to stop, in seconds.";
    Tokens "CAVRA_TOKENS" "tokens" "FILE" ""
        "`cavra serve`, `cavra token`: the file of the bearer tokens. When it is set, every call needs a token but those of probes.";
    RateLimit "CAVRA_RATE_LIMIT" "rate-limit" "COUNT" "2000"
        "`cavra serve`: how many evaluations and other requests a second each token may have; as many, or 1,000 where that is more, may come at once.";
    TlsCert "CAVRA_TLS_CERT" "tls-cert" "FILE" ""
        "`cavra serve`: the certificate chain, PEM, the service's own first. Needs `--tls-key`.";
    TlsKey "CAVRA_TLS_KEY" "tls-key" "FILE" ""
        "`cavra serve`: the private key of the certificate, PEM.";
    InsecurePlaintext "CAVRA_INSECURE_PLAINTEXT" "insecure-plaintext" "BOOL" "false"
        "`cavra serve`: listen beyond loopback without TLS: tokens and requests can be read on the way. For a service behind a proxy that ends TLS.";
    LogFormat "CAVRA_LOG_FORMAT" "log-format" "FORMAT" "json"
        "`cavra serve`: how log lines are written to standard error: json or text.";
    LogLevel "CAVRA_LOG_LEVEL" "log-level" "LEVEL" "info"
        "`cavra serve`: the least that is logged: error, warn, info (one line a request), debug, or off.";
    OtlpEndpoint "OTEL_EXPORTER_OTLP_ENDPOINT" "otlp-endpoint" "URL" ""
        "`cavra serve`: where traces are sent, OTLP over HTTP, such as http://127.0.0.1:4318; none are made when it is unset.";
}

impl Setting {
    /// Whether only `cavra serve` has it.
    pub fn is_of_service(self) -> bool {
        SERVICE.contains(&self)
    }

    /// Whether its value may hold a password, so that it is never shown.
    pub fn is_secret(self) -> bool {
        self == Self::EvidenceStore
    }

    /// Whether its flag alone, without a value, means `true`.
    pub fn is_switch(self) -> bool {
        self == Self::InsecurePlaintext
    }
}

const SERVICE: [Setting; 13] = [
    Setting::Addr,
    Setting::Workers,
    Setting::QueueLength,
    Setting::MaxConnections,
    Setting::DrainSeconds,
    Setting::Tokens,
    Setting::RateLimit,
    Setting::TlsCert,
    Setting::TlsKey,
    Setting::InsecurePlaintext,
    Setting::LogFormat,
    Setting::LogLevel,
    Setting::OtlpEndpoint,
];

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--{} ({})", self.flag(), self.env())
    }
}

/// Where settings are read from: flags, the environment, a map in a test.
pub trait Source {
    /// The value of `setting`, if it is given here; it may be empty.
    fn get(&self, setting: Setting) -> Option<OsString>;
}

impl Source for BTreeMap<Setting, String> {
    fn get(&self, setting: Setting) -> Option<OsString> {
        BTreeMap::get(self, &setting).map(OsString::from)
    }
}

/// The process's environment.
#[derive(Clone, Copy, Debug)]
pub struct Environment;

impl Source for Environment {
    #[expect(clippy::disallowed_methods, reason = "this is where settings read variables")]
    fn get(&self, setting: Setting) -> Option<OsString> {
        std::env::var_os(setting.env())
    }
}

/// One variable of the process's environment: for commands that must not fail for
/// another's value.
#[derive(Clone, Copy, Debug)]
pub struct OneVariable(pub Setting);

impl Source for OneVariable {
    fn get(&self, setting: Setting) -> Option<OsString> {
        Some(setting)
            .filter(|it| *it == self.0)
            .and_then(|it| Environment.get(it))
    }
}

/// A setting with a value that it cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting} is `{value}`: {problem}")]
pub struct SettingFault {
    /// Which setting.
    pub setting: Setting,
    /// The value that it had.
    pub value: String,
    /// What it must be.
    pub problem: String,
}

/// All settings that have values that they cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct SettingFaults(pub Vec<SettingFault>);
