//! Governance documents under a trust policy: signed by whom, and by whom not.

use std::fs;

use cavra::gates::{DocumentKind, ReportKind};
use serde_json::Value;

use super::super::governance::SetUp;
use super::{MODULE, Shop};

const APPROVED: [DocumentKind; 2] = [DocumentKind::PromotionEvidence, DocumentKind::RollbackPlan];
const DRILLED: [DocumentKind; 3] = [
    DocumentKind::RollbackRehearsal,
    DocumentKind::DrillHistory,
    DocumentKind::DrillSchedule,
];

/// A promoted set-up whose fast path is the shop's module.
struct Promoted {
    shop: Shop,
    set_up: SetUp,
}

impl Promoted {
    fn new() -> Self {
        let shop = Shop::new();
        let module = shop.text(MODULE);
        let mut set_up = SetUp::new(&["--runtime-path", &module]);
        set_up
            .settings
            .push(("CAVRA_TRUST_POLICY".to_owned(), shop.text("trust.toml")));
        set_up
            .settings
            .push(("CAVRA_STATE_DIR".to_owned(), shop.text("state")));
        Self { shop, set_up }
    }

    fn sign(&self, kind: DocumentKind, key: &str, more: &[&str]) {
        let path = self.set_up.path(kind).display().to_string();
        let key = self.shop.key(key);
        let mut args = vec!["governance", "sign", &path, "--key", &key];
        args.extend(more);
        self.shop.done(&args);
    }

    fn sign_all(&self) {
        for kind in APPROVED {
            self.sign(kind, "approver", &[]);
        }
        for kind in DRILLED {
            self.sign(kind, "driller", &["--statement", "--revision", "1"]);
        }
    }

    fn evaluate(&self) -> Value {
        let output = self
            .set_up
            .run(&["evaluate", "execute_command", "terraform plan", "--json"]);
        assert_eq!(output.code, Some(0), "{output:?}");
        output.json()
    }

    fn report(&self, kind: ReportKind) -> Value {
        let output = self.set_up.run(&["runtime", kind.command(), "--json"]);
        assert_eq!(output.code, Some(0), "{output:?}");
        output.json()
    }
}

#[test]
fn promoted_mode_opens_when_the_right_people_have_signed() {
    let it = Promoted::new();
    let answer = it.evaluate();
    assert_eq!(answer["fallback_code"], "promotion_not_ready", "{answer:#}");
    let evidence = &answer["promotion_readiness"]["evidence"];
    assert_eq!(evidence["signature"], "refused", "{evidence:#}");
    assert_eq!(evidence["signature_refusal"], "unsigned");
    assert_eq!(evidence["valid"], false);
    assert_eq!(evidence["approved"], false, "nobody who may has said so");
    it.sign_all();
    let answer = it.evaluate();
    assert_eq!(answer["selected_backend"], "go", "{answer:#}");
    let promotion = it.report(ReportKind::Promotion);
    assert_eq!(promotion["evidence"]["signature"], "verified");
    assert_eq!(
        promotion["evidence"]["signed_by"],
        serde_json::json!(["approver"])
    );
    assert!(
        promotion["checks"].to_string().contains("signed by approver"),
        "{promotion:#}"
    );
    let history = it.report(ReportKind::DrillHistory);
    assert_eq!(history["history"]["signed_by"], serde_json::json!(["driller"]));
    let plan = it.set_up.path(DocumentKind::RollbackPlan).display().to_string();
    it.shop.done(&[
        "governance",
        "verify",
        &plan,
        "--trust-policy",
        &it.shop.text("trust.toml"),
    ]);
}

#[test]
fn the_wrong_role_and_other_bytes_close_each_gate() {
    let it = Promoted::new();
    it.sign_all();
    for kind in APPROVED.into_iter().chain(DRILLED) {
        let wrong = if APPROVED.contains(&kind) {
            "driller"
        } else {
            "approver"
        };
        it.sign(kind, wrong, &[]);
        assert_ne!(
            it.evaluate()["fallback_code"],
            Value::Null,
            "{kind} signed by {wrong}"
        );
        it.sign_all();
        let path = it.set_up.path(kind);
        let good = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{good} ")).unwrap();
        let answer = it.evaluate();
        assert!(
            answer.to_string().contains("digest_mismatch"),
            "{kind}: {answer:#}"
        );
        assert_eq!(answer["selected_backend"], "python", "{kind}");
        fs::write(&path, good).unwrap();
    }
    assert_eq!(it.evaluate()["selected_backend"], "go");
    // A document in the place of another, with its signature.
    it.sign(
        DocumentKind::RollbackPlan,
        "approver",
        &["--revision", "1", "--name", "promotion-evidence"],
    );
    assert!(it.evaluate().to_string().contains("statement_mismatch"));
}

#[test]
fn two_approvers_where_the_policy_asks_for_two() {
    let it = Promoted::new();
    it.sign_all();
    it.shop
        .trust(&(it.shop.policy() + "\n[threshold]\nrelease-approver = 2\n"));
    let answer = it.evaluate();
    assert!(answer.to_string().contains("threshold_not_met"), "{answer:#}");
    for kind in APPROVED {
        it.sign(kind, "second-approver", &["--add"]);
    }
    assert_eq!(it.evaluate()["selected_backend"], "go");
    let promotion = it.report(ReportKind::Promotion);
    assert_eq!(
        promotion["evidence"]["signed_by"],
        serde_json::json!(["approver", "second-approver"])
    );
}

#[test]
fn who_publishes_the_module_does_not_approve_it() {
    let it = Promoted::new();
    it.sign_all();
    let both = "roles = [\"module-publisher\", \"release-approver\"]";
    let policy = it.shop.policy();
    it.shop
        .trust(&policy.replace("roles = [\"module-publisher\"]", both));
    assert_eq!(
        it.evaluate()["selected_backend"],
        "go",
        "having both roles is no fault"
    );
    it.sign(DocumentKind::PromotionEvidence, "publisher", &[]);
    let answer = it.evaluate();
    let evidence = &answer["promotion_readiness"]["evidence"];
    assert_eq!(
        evidence["signature_refusal"], "approver_is_publisher",
        "{answer:#}"
    );
}

#[test]
fn the_policy_can_ask_what_documents_are_about() {
    let it = Promoted::new();
    let bound =
        "\n[documents]\nbound = [\"promotion-evidence\", \"rollback-plan\", \"rollback-rehearsal\"]\n";
    it.shop.trust(&(it.shop.policy() + bound));
    it.sign_all();
    assert_eq!(
        it.evaluate()["selected_backend"],
        "go",
        "what is scaffolded says it"
    );
    it.set_up
        .put(DocumentKind::PromotionEvidence, "/subject", serde_json::json!({}));
    it.sign_all();
    let answer = it.evaluate();
    assert_eq!(answer["fallback_code"], "promotion_not_ready");
    assert!(
        answer["promotion_readiness"]
            .to_string()
            .contains("/subject/runtime_sha256"),
        "{answer:#}"
    );
}

#[test]
fn production_asks_for_a_trust_policy() {
    let it = Promoted::new();
    it.sign_all();
    let check = |output: Value| -> Value {
        let checks = output["checks"].as_array().unwrap().clone();
        checks.into_iter().find(|it| it["id"] == "module_trust").unwrap()
    };
    let report = it
        .set_up
        .run(&["deployment", "production-readiness", "--json"])
        .json();
    assert_eq!(check(report)["status"], "pass");
    fs::remove_file(it.shop.path("fast.wasm.sigstore.json")).unwrap();
    let report = it
        .set_up
        .run(&["deployment", "production-readiness", "--json"])
        .json();
    let found = check(report);
    assert_eq!(found["status"], "warn");
    assert!(found["message"].as_str().unwrap().contains("unsigned"), "{found}");
    let without = SetUp::new(&[]);
    let report = without
        .run(&["deployment", "production-readiness", "--json"])
        .json();
    assert_eq!(check(report)["status"], "warn");
}
