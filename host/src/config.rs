//! Every setting once: its name, environment variable, flag, default and check.
//!
//! Implements the wire contract, *Settings*, and the flags of the sandbox
//! specification, *Limits*.

mod setting;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

pub use setting::{Environment, OneVariable, Setting, SettingFault, SettingFaults, Source};

use crate::evidence::fleet::{AddressError, Credentials, StoreAddress};
use crate::evidence::sealed::{NoRecipient, Sealer};
use crate::evidence::{Durability, OnFailure, UnknownWord};
use crate::pilot::Mode;
use crate::sandbox::Limits;

/// Where `cavra serve` listens by default.
const DEFAULT_ADDR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8000);

/// The settings, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What the fast path may do.
    pub mode: Mode,
    /// The fast path; empty: none.
    pub runtime_path: String,
    /// The fast path's policy; empty: none.
    pub policy_path: String,
    /// The trust registry; empty: none.
    pub registry_path: String,
    /// The reference evaluator.
    pub reference_module: String,
    /// The policy directory.
    pub policy_dir: Option<PathBuf>,
    /// The trust policy; none: no signature is asked for.
    pub trust_policy: Option<PathBuf>,
    /// The limits of the fast path's sandbox; its wall clock is the pilot's timeout.
    pub limits: Limits,
    /// Where compiled code is kept: a directory, `auto` or `off`.
    pub cache_dir: String,
    /// The file with the key of the cache, or `auto`.
    pub cache_key: String,
    /// Where modules are kept by their digest: a directory or `auto`.
    pub module_store: String,
    /// The documents of the governance gates, by setting; only those that are set.
    pub documents: BTreeMap<Setting, PathBuf>,
    /// How old the latest rollback drill may be, in days.
    pub drill_max_age_days: f64,
    /// How many days ahead the next drill counts as due soon.
    pub drill_due_soon_days: f64,
    /// Where a rollback is kept: a directory or `auto`.
    pub state_dir: String,
    /// The evidence log; none: nothing is recorded.
    pub evidence: Option<EvidenceConfig>,
    /// Where the evidence of many hosts comes together; none: nowhere.
    pub evidence_store: Option<Credentials>,
    /// What only the service has.
    pub service: ServiceConfig,
}

/// The settings of the evidence log.
#[derive(Clone, Debug, PartialEq)]
pub struct EvidenceConfig {
    /// Where it is.
    pub dir: PathBuf,
    /// The file with its key, or `auto`.
    pub key: String,
    /// When a decision is answered.
    pub durability: Durability,
    /// What becomes of a decision whose record cannot be written.
    pub on_failure: OnFailure,
    /// JSON pointers into requests: what stands there is masked.
    pub mask: Vec<String>,
    /// Whose key masked records are sealed to; none: they are not.
    pub seal: Option<Sealer>,
    /// How long a segment becomes, in bytes.
    pub segment_bytes: u64,
    /// How old a segment becomes.
    pub segment_age: Duration,
    /// How long segments are kept; none: for ever.
    pub retention: Option<Duration>,
    /// After how many records the log is signed.
    pub checkpoint_records: u64,
    /// How long a record waits at most until the log is signed.
    pub checkpoint_interval: Duration,
}

/// The settings of `cavra serve`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceConfig {
    /// Where it listens.
    pub addr: SocketAddr,
    /// How many evaluations by the fast path run at once; none: one for each processor.
    pub workers: Option<NonZeroU64>,
    /// How many requests wait for a thread.
    pub queue_length: u64,
    /// How many connections are open at once.
    pub max_connections: u64,
    /// How long requests in flight may take at the end.
    pub drain: Duration,
    /// The file of the tokens; none: whoever can reach the service may call.
    pub tokens: Option<PathBuf>,
    /// How many requests a second each token may have.
    pub rate_limit: NonZeroU32,
    /// Certificate and key; none: no TLS.
    pub tls: Option<TlsFiles>,
    /// Whether it may listen beyond loopback without TLS.
    pub insecure_plaintext: bool,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// The least that is logged.
    pub log_level: LogLevel,
    /// Where traces are sent; none: nowhere. Checked by the service alone: the variable
    /// is not this program's own.
    pub otlp_endpoint: Option<String>,
}

/// What TLS needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, PEM.
    pub cert: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $problem:literal, { $($(#[$variant_doc:meta])* $variant:ident $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            fn read(text: &str) -> Result<Self, String> {
                match text.trim().to_ascii_lowercase().as_str() {
                    $($word => Ok(Self::$variant),)*
                    _ => Err($problem.to_owned()),
                }
            }
        }
    };
}

words! {
    /// How log lines are written.
    LogFormat, "it must be json or text", {
        /// One JSON object a line.
        #[default]
        Json "json",
        /// For people.
        Text "text",
    }
}

words! {
    /// The least that is logged.
    LogLevel, "it must be one of error, warn, info, debug, off", {
        /// What failed.
        Error "error",
        /// And what is not as it should be.
        Warn "warn",
        /// And every request.
        #[default]
        Info "info",
        /// And what else may help.
        Debug "debug",
        /// Nothing.
        Off "off",
    }
}

impl Config {
    /// Reads all settings: a flag wins over the environment, and an empty value
    /// is the default.
    ///
    /// # Errors
    /// Every fault at once, each with the setting and the value it had.
    pub fn read(flags: &dyn Source, env: &dyn Source) -> Result<Self, SettingFaults> {
        let mut read = Reader {
            flags,
            env,
            faults: Vec::new(),
        };
        let config = Self {
            mode: read.parsed(Setting::Mode, |text| {
                text.parse::<Mode>().map_err(|e| e.to_string())
            }),
            runtime_path: read.text(Setting::RuntimePath),
            policy_path: read.text(Setting::PolicyPath),
            registry_path: read.text(Setting::RegistryPath),
            reference_module: read.text(Setting::ReferenceModule),
            policy_dir: read.path(Setting::PolicyDir),
            trust_policy: read.path(Setting::TrustPolicy),
            limits: Limits {
                evaluate_fuel: read.count(Setting::EvaluateFuel),
                load_fuel: read.count(Setting::LoadFuel),
                wall_clock: read.seconds(Setting::TimeoutSeconds),
                memory_bytes: read.count(Setting::MemoryBytes),
            },
            cache_dir: read.text(Setting::CacheDir),
            cache_key: read.text(Setting::CacheKey),
            module_store: read.text(Setting::ModuleStore),
            documents: DOCUMENTS
                .iter()
                .filter_map(|it| Some((*it, read.path(*it)?)))
                .collect(),
            drill_max_age_days: read.positive(Setting::RollbackDrillMaxAgeDays),
            drill_due_soon_days: read.positive(Setting::RollbackDrillDueSoonDays),
            state_dir: read.text(Setting::StateDir),
            evidence: read.evidence(),
            evidence_store: read.evidence_store(),
            service: ServiceConfig {
                addr: read.addr(Setting::Addr),
                workers: read.automatic(Setting::Workers),
                queue_length: read.count(Setting::QueueLength),
                max_connections: read.count(Setting::MaxConnections),
                drain: read.seconds(Setting::DrainSeconds),
                tokens: read.path(Setting::Tokens),
                rate_limit: read
                    .parsed(Setting::RateLimit, |text| {
                        let number = text.trim().parse::<NonZeroU32>().map(Some);
                        number.map_err(|_| "it must be a whole number from 1 to 4294967295".to_owned())
                    })
                    .unwrap_or(NonZeroU32::MIN),
                tls: read.tls(),
                insecure_plaintext: read.parsed(Setting::InsecurePlaintext, |text| match text.trim() {
                    "true" => Ok(true),
                    "false" => Ok(false),
                    _ => Err("it must be true or false".to_owned()),
                }),
                log_format: read.parsed(Setting::LogFormat, LogFormat::read),
                log_level: read.parsed(Setting::LogLevel, LogLevel::read),
                otlp_endpoint: Some(read.text(Setting::OtlpEndpoint)).filter(|it| !it.is_empty()),
            },
        };
        if read.faults.is_empty() {
            Ok(config)
        } else {
            Err(SettingFaults(read.faults))
        }
    }

    /// The limits of the reference's sandbox.
    pub fn reference_limits(&self) -> Limits {
        self.limits.for_reference()
    }
}

const DOCUMENTS: [Setting; 10] = [
    Setting::PackageDir,
    Setting::EndpointDeployment,
    Setting::CiRunnerBundles,
    Setting::WorkstationChannels,
    Setting::WorkstationUpdaterPolicy,
    Setting::PromotionEvidence,
    Setting::RollbackPlan,
    Setting::RollbackRehearsal,
    Setting::RollbackDrillHistory,
    Setting::RollbackDrillSchedule,
];

struct Reader<'a> {
    flags: &'a dyn Source,
    env: &'a dyn Source,
    faults: Vec<SettingFault>,
}

impl Reader<'_> {
    fn fault(&mut self, setting: Setting, value: &str, problem: impl Into<String>) {
        let value = if setting.is_secret() { "[hidden]" } else { value };
        self.faults.push(SettingFault {
            setting,
            value: value.to_owned(),
            problem: problem.into(),
        });
    }

    fn text(&mut self, setting: Setting) -> String {
        let given = self
            .flags
            .get(setting)
            .or_else(|| self.env.get(setting))
            .unwrap_or_default();
        match given.into_string() {
            Ok(text) if text.trim().is_empty() => setting.default().to_owned(),
            Ok(text) => text,
            Err(raw) => {
                self.fault(setting, &raw.to_string_lossy(), "it must be UTF-8");
                setting.default().to_owned()
            }
        }
    }

    fn path(&mut self, setting: Setting) -> Option<PathBuf> {
        Some(self.text(setting))
            .filter(|text| !text.is_empty())
            .map(PathBuf::from)
    }

    /// A value that is not accepted is recorded, and the default, which always
    /// is accepted, stands in so that the next setting can be read.
    fn parsed<T: Default>(&mut self, setting: Setting, parse: impl Fn(&str) -> Result<T, String>) -> T {
        let text = self.text(setting);
        parse(&text).unwrap_or_else(|problem| {
            self.fault(setting, &text, problem);
            T::default()
        })
    }

    fn positive(&mut self, setting: Setting) -> f64 {
        self.parsed(setting, |text| match text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
            _ => Err("it must be a finite number greater than 0".to_owned()),
        })
    }

    fn tls(&mut self) -> Option<TlsFiles> {
        match (self.path(Setting::TlsCert), self.path(Setting::TlsKey)) {
            (Some(cert), Some(key)) => return Some(TlsFiles { cert, key }),
            (None, None) => {}
            (Some(_), None) => self.fault(Setting::TlsKey, "", "it must be set where --tls-cert is"),
            (None, Some(_)) => self.fault(Setting::TlsCert, "", "it must be set where --tls-key is"),
        }
        None
    }

    fn seconds(&mut self, setting: Setting) -> Duration {
        Duration::try_from_secs_f64(self.positive(setting)).unwrap_or(Duration::MAX)
    }

    /// Every setting is read, so that a bad one is told even where there is no log.
    fn evidence(&mut self) -> Option<EvidenceConfig> {
        const HOUR: f64 = 3600.0;
        let dir = self.path(Setting::EvidenceDir);
        let read = EvidenceConfig {
            dir: dir.clone().unwrap_or_default(),
            key: self.text(Setting::EvidenceKey),
            durability: self.parsed(Setting::EvidenceDurability, |text| {
                text.parse().map_err(|e: UnknownWord| e.to_string())
            }),
            on_failure: self.parsed(Setting::OnEvidenceFailure, |text| {
                text.parse().map_err(|e: UnknownWord| e.to_string())
            }),
            mask: self.parsed(Setting::EvidenceMask, pointers),
            seal: self.seal(),
            segment_bytes: self.count(Setting::EvidenceSegmentBytes),
            segment_age: long(self.positive(Setting::EvidenceSegmentHours) * HOUR),
            retention: self.parsed(Setting::EvidenceRetentionDays, |text| match text.trim() {
                "" => Ok(None),
                text => match text.parse::<f64>() {
                    Ok(days) if days.is_finite() && days > 0.0 => Ok(Some(long(days * 24.0 * HOUR))),
                    _ => Err("it must be a finite number greater than 0".to_owned()),
                },
            }),
            checkpoint_records: self.count(Setting::EvidenceCheckpointRecords),
            checkpoint_interval: self.seconds(Setting::EvidenceCheckpointSeconds),
        };
        dir.map(|_| read)
    }

    /// A secret key that was taken for the public one is not told.
    fn seal(&mut self) -> Option<Sealer> {
        let text = self.text(Setting::EvidenceSealRecipient);
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        match text.parse() {
            Ok(sealer) => Some(sealer),
            Err(problem) => {
                let secret = text.to_ascii_uppercase().contains("SECRET");
                let problem: NoRecipient = problem;
                let shown = if secret { "(a secret)" } else { text };
                self.fault(Setting::EvidenceSealRecipient, shown, problem.to_string());
                None
            }
        }
    }

    fn evidence_store(&mut self) -> Option<Credentials> {
        let address = self.parsed(Setting::EvidenceStore, |text| match text {
            "" => Ok(None),
            text => text
                .parse::<StoreAddress>()
                .map(Some)
                .map_err(|e: AddressError| e.to_string()),
        });
        let password_file = self.path(Setting::EvidenceStorePasswordFile);
        address.map(|address| Credentials {
            address,
            password_file,
        })
    }

    fn addr(&mut self, setting: Setting) -> SocketAddr {
        let given = self.parsed(setting, |text| match text.trim().parse::<SocketAddr>() {
            Ok(addr) => Ok(Some(addr)),
            Err(_) => Err("it must be an IP address and a port such as 127.0.0.1:8000".to_owned()),
        });
        given.unwrap_or(DEFAULT_ADDR)
    }

    fn automatic(&mut self, setting: Setting) -> Option<NonZeroU64> {
        self.parsed(setting, |text| match text.trim() {
            "auto" => Ok(None),
            text => match text.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err("it must be a whole number greater than 0, or `auto`".to_owned()),
            },
        })
    }

    fn count(&mut self, setting: Setting) -> u64 {
        self.parsed(setting, |text| {
            let number = text.trim().parse::<NonZeroU64>().map(NonZeroU64::get);
            number.map_err(|_| "it must be a whole number greater than 0".to_owned())
        })
    }
}

/// A duration that may be longer than any clock goes.
fn long(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

fn pointers(text: &str) -> Result<Vec<String>, String> {
    let pointers = text.split(',').map(str::trim).filter(|it| !it.is_empty());
    pointers
        .map(|pointer| match pointer.starts_with('/') {
            true => Ok(pointer.to_owned()),
            false => Err("it must be JSON pointers such as /context/token, separated by commas".to_owned()),
        })
        .collect()
}
