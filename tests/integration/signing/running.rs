//! Keys are rotated and revoked while a host runs.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cavra::clock::{Clock, RandomIds};
use cavra::config::{Config, Setting};
use cavra::host::{Host, Surroundings};
use cavra::model::Request;
use cavra::rollback::{RollbackFile, RollbackSwitch};
use cavra::sandbox::Allocation;
use jiff::{SignedDuration, Timestamp};

use super::{MODULE, NAME, Shop};

/// Far more than it takes, for machines that are busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A clock that is turned by hand.
struct HandClock(Mutex<SignedDuration>);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::now() + *self.0.lock().unwrap()
    }
}

fn open(it: &Shop) -> (Arc<Host>, Arc<HandClock>) {
    open_with(it, None)
}

fn open_with(it: &Shop, packs: Option<String>) -> (Arc<Host>, Arc<HandClock>) {
    let clock = Arc::new(HandClock(Mutex::default()));
    let mut flags: BTreeMap<Setting, String> = [
        (Setting::Mode, "enforce".to_owned()),
        (Setting::RuntimePath, it.text(MODULE)),
        (Setting::PolicyPath, "auto".to_owned()),
        (Setting::TrustPolicy, it.text("trust.toml")),
    ]
    .into();
    flags.extend(packs.map(|packs| (Setting::PolicyDir, packs)));
    let config = Config::read(&flags, &BTreeMap::new()).unwrap();
    let surroundings = Surroundings {
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        ids: Arc::new(RandomIds),
        allocation: Allocation::Pooled(2),
        cache: None,
        module_store: None,
        evidence: None,
        supervisor: integration_tests::binary(),
    };
    let switch = RollbackSwitch::open(RollbackFile::new(it.path("state")));
    let host = Host::open_switched(config, surroundings, Arc::new(switch)).unwrap();
    (Arc::new(host), clock)
}

/// Waits until the fast path is used (none), or readiness tells this word.
fn until(host: &Host, code: Option<&str>) {
    let request =
        Request::from_json(br#"{"action_type":"execute_command","target":"terraform plan"}"#).unwrap();
    let began = Instant::now();
    loop {
        let answer = host.evaluate(&request).unwrap();
        let answer = serde_json::to_value(&answer).unwrap();
        let found = answer["fallback_code"].as_str();
        let told = answer["readiness"]["signatures"].to_string();
        match code {
            None if found.is_none() => return,
            Some(code) if found == Some("missing_runtime") && told.contains(&format!("\"{code}\"")) => return,
            _ => {}
        }
        assert!(began.elapsed() < PATIENCE, "not {code:?}: {answer:#}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_revoked_key_stops_what_it_signed_and_a_new_key_takes_over() {
    let it = Shop::new();
    let (host, _) = open(&it);
    let _watcher = host.watch().unwrap();
    until(&host, None);
    let roles = "roles = [\"module-publisher\"]";
    let policy = it.policy();
    let revoked = policy.replace(
        roles,
        &format!("{roles}\nrevoked_at = 2020-01-01T00:00:00Z\nrevoked_reason = \"lost\""),
    );
    it.trust(&revoked);
    until(&host, Some("key_revoked"));
    // The successor.
    it.keygen("successor");
    let successor = format!("\n[[key]]\nid = \"successor\"\nfile = \"keys/successor.pub.pem\"\n{roles}\n");
    it.trust(&(revoked + &successor));
    it.sign_module("successor", 11);
    until(&host, None);
    // A key file that is exchanged.
    fs::copy(it.public("stranger"), it.public("successor")).unwrap();
    until(&host, Some("unknown_key"));
    it.sign_module("stranger", 12);
    until(&host, None);
    // A signature that is stripped.
    fs::remove_file(it.path("fast.wasm.sigstore.json")).unwrap();
    until(&host, Some("unsigned"));
    // An older one, until it is allowed.
    it.sign_module("stranger", 11);
    until(&host, Some("revision_rollback"));
    it.done(&[
        "trust",
        "allow-revision",
        NAME,
        "11",
        "--reason",
        "12 misses a rule",
    ]);
    until(&host, None);
    // A policy that nobody understands changes nothing.
    it.trust("version = 3");
    std::thread::sleep(Duration::from_millis(700));
    until(&host, None);
}

#[test]
fn time_ends_trust_while_a_host_runs() {
    let it = Shop::new();
    let tomorrow = Timestamp::now() + SignedDuration::from_hours(24);
    it.sign(
        "module",
        MODULE,
        "publisher",
        &[
            "--name",
            NAME,
            "--revision",
            "11",
            "--not-after",
            &tomorrow.to_string(),
        ],
    );
    let (host, clock) = open(&it);
    let _watcher = host.watch().unwrap();
    until(&host, None);
    *clock.0.lock().unwrap() = SignedDuration::from_hours(25);
    until(&host, Some("statement_expired"));
}

#[test]
fn a_revoked_key_stops_the_fast_path_although_a_pack_in_use_is_refused() {
    const PACK: &str = "packs/cavra-pci-dss/policy.yaml";
    let it = Shop::new();
    let roles = "roles = [\"module-publisher\"]";
    let both = "roles = [\"module-publisher\", \"policy-publisher\"]";
    let policy = it.policy().replace(roles, both);
    it.trust(&policy);
    fs::create_dir_all(it.path("packs/cavra-pci-dss")).unwrap();
    super::copy(
        &integration_tests::root().join("dist/policies/cavra-pci-dss/policy.yaml"),
        &it.path(PACK),
    );
    it.sign("policy", PACK, "publisher", &["--revision", "1"]);
    let (host, _) = open_with(&it, Some(it.text("packs")));
    let _watcher = host.watch().unwrap();
    let request = Request::from_json(
        br#"{"action_type":"read_file","target":"README.md","policy_pack":"cavra-pci-dss"}"#,
    )
    .unwrap();
    host.evaluate(&request).unwrap();
    until(&host, None);
    it.trust(&policy.replace(
        both,
        &format!("{both}\nrevoked_at = 2020-01-01T00:00:00Z\nrevoked_reason = \"lost\""),
    ));
    until(&host, Some("key_revoked"));
    let refused = host.evaluate(&request).unwrap_err().to_string();
    assert!(refused.contains("key_revoked"), "{refused}");
    // Signed anew by somebody else it is used again; the module is not.
    it.sign("policy", PACK, "policies", &["--revision", "1"]);
    let began = Instant::now();
    while let Err(error) = host.evaluate(&request) {
        assert!(began.elapsed() < PATIENCE, "{error}");
        std::thread::sleep(Duration::from_millis(10));
    }
    until(&host, Some("key_revoked"));
}
