//! Secrets never reach the log, and decisions never notice.

use std::collections::BTreeSet;
use std::fs;

use integration_tests::service::Service;
use integration_tests::{cavra, fast_path};
use serde_json::{Value, json};

use super::{Place, RECIPIENT};
use crate::operations::traces::collector;

const SECRETS: usize = 220;

/// How commands hold a secret, which stands for `{}`.
const COMMANDS: [&str; 40] = [
    "redis-cli -h db -p 6379 -a {}",
    "mysql -h db -P 3306 -u root -p{} shop",
    "mysql -A -u root -p{}",
    "7z x -aoa -p{} a.7z",
    "tool --auth --password {}",
    "deploy --password {},more",
    "deploy --password 'a'{}\"b\"",
    "deploy --password \"{}",
    "docker login -u robot -p {} registry.example.com",
    "SECRET_KEY_BASE={} ./serve",
    "deploy --password {} --region north",
    "deploy --password={} --force",
    "deploy --db-password '{}'",
    "deploy --token \"{}\" && echo done",
    "login --api-key {}",
    "export API_TOKEN={}; make publish",
    "DB_PASSWORD='{}' ./migrate",
    "env AWS_SECRET_ACCESS_KEY={} aws s3 ls",
    "curl -H 'Authorization: Bearer {}' https://api.example.com",
    "curl -H \"Authorization: Basic {}\" https://api.example.com/x",
    "curl -H 'Authorization: token {}' https://api.example.com",
    "curl -H 'X-Api-Key: {}' https://api.example.com",
    "curl --header 'Cookie: session={}; theme=dark' https://example.com",
    "curl -u robot:{} https://example.com",
    "curl --user 'robot:{}' https://example.com",
    "git clone https://robot:{}@git.example.com/team/project.git",
    "psql postgres://app:{}@db.example.com:5432/app",
    "git push https://{}@git.example.com/team/project.git main",
    "curl 'https://api.example.com/items?access_token={}&page=2'",
    "curl https://api.example.com/items?api_key={}",
    "mysql -u root -p{} shop",
    "sshpass -p {} ssh robot@example.com",
    "echo '{\"password\": \"{}\"}' > config.json",
    "echo 'client_secret: {}' >> config.yaml",
    "docker login --username robot --password {} registry.example.com",
    "terraform apply -var db_password={}",
    "printf -- '-----BEGIN RSA PRIVATE KEY-----\\n{}\\n-----END RSA PRIVATE KEY-----' > key.pem",
    "TOKEN={} && git push --force origin main",
    "helm upgrade shop . --set auth.password={}",
    "az storage blob list --connection-string AccountName=shop;AccountKey={}",
];

/// Tokens that tell by themselves what they are.
const TOKENS: [&str; 8] = [
    "ghp_",
    "github_pat_",
    "glpat-",
    "sk-proj-",
    "npm_",
    "hvs.",
    "xoxb-",
    "hf_",
];

/// A secret like no other, of letters and digits alone.
fn secret(i: usize) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(i as u64 + 1);
    let letters = b"abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut word = String::new();
    while word.len() < 36 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        word.push(char::from(letters[usize::try_from(state % 55).unwrap()]));
    }
    word
}

/// A request that holds `secret` somewhere.
fn request(i: usize, secret: &str) -> Value {
    let n = COMMANDS.len();
    match i % (n + 7) {
        kind if kind < n => {
            json!({"action_type": "execute_command", "target": COMMANDS[kind].replace("{}", secret)})
        }
        kind if kind == n => json!({"action_type": "read_file", "target": "a.txt", "password": secret}),
        kind if kind == n + 1 => json!({
            "action_type": "read_file", "target": "a.txt",
            "context": {"headers": [{"authorization": format!("Bearer {secret}")}], "auth_token": [secret]},
        }),
        kind if kind == n + 2 => json!({
            "action_type": "mcp_tool_call", "server": "example-mcp", "tool": "create",
            "operation": format!("create --secret {secret}"), "session_id": format!("token={secret}"),
        }),
        kind if kind == n + 3 => json!({
            "action_type": "execute_command", "target": "make", "environment": [format!("DEPLOY_TOKEN={secret}")],
        }),
        kind if kind == n + 4 => json!({
            "action_type": "execute_command", "target": format!("make {secret}"), "credentials": secret,
        }),
        kind if kind == n + 5 => json!({
            "action_type": "write_file", "target": "a.txt", "private": {"note": format!("it is {secret}!")},
        }),
        _ => {
            let token = TOKENS[(i / (n + 7)) % TOKENS.len()];
            json!({"action_type": "execute_command", "target": format!("publish {token}{secret} now")})
        }
    }
}

#[test]
fn a_token_of_the_service_is_a_secret_too() {
    let place = Place::new();
    let tokens = place.path("tokens.toml");
    let made = cavra(["token", "create", "--role", "read", "--id", "harbor-ci"])
        .args(["--tokens".as_ref(), tokens.as_os_str()])
        .run();
    let token = made.stdout.trim();
    let (_, secret) = token.rsplit_once('_').unwrap();
    let request = json!({
        "action_type": "execute_command", "target": format!("echo {token}"), "session_id": token,
    });
    place.judge(&fast_path("enforce", "builtin:fastpath"), &[request]);
    for file in fs::read_dir(place.dir()).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!text.contains(secret), "{text}");
    }
    assert!(!place.records()[0].masking.masked.is_empty());
}

#[test]
fn no_planted_secret_reaches_the_log() {
    let place = Place::new();
    let secrets: Vec<String> = (0..SECRETS).map(secret).collect();
    assert_eq!(secrets.iter().collect::<BTreeSet<_>>().len(), SECRETS);
    let requests: Vec<Value> = secrets.iter().enumerate().map(|(i, it)| request(i, it)).collect();
    for (request, secret) in requests.iter().zip(&secrets) {
        assert!(request.to_string().contains(secret.as_str()));
    }
    let flags = fast_path("enforce", "builtin:fastpath");
    let masking = [&flags[..], &["--evidence-mask", "/private"]].concat();
    let answers = place.judge(&masking, &requests).lines();
    let mut leaked = Vec::new();
    for file in fs::read_dir(place.dir()).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        for (i, secret) in secrets.iter().enumerate() {
            // Not even half of one.
            let (begin, end) = secret.split_at(18);
            if text.contains(begin) || text.contains(end) {
                leaked.push(&requests[i]);
            }
        }
    }
    assert!(leaked.is_empty(), "{leaked:#?}");
    let records = place.records();
    assert_eq!(records.len(), SECRETS);
    for (record, request) in records.iter().zip(&requests) {
        assert!(!record.masking.failed, "{request}");
        assert!(!record.masking.replayable, "{request}");
        assert!(!record.masking.masked.is_empty());
        // All else is there.
        assert_eq!(
            record.request.as_ref().unwrap()["action_type"],
            request["action_type"]
        );
    }
    assert_eq!(place.verify(&[])["verified"], true);

    // The same decisions as without a log.
    let input: String = requests.iter().map(|it| format!("{it}\n")).collect();
    let without = cavra(["evaluate", "-"])
        .args(flags)
        .run_with(input.as_bytes())
        .lines();
    for (with, without) in answers.iter().zip(&without) {
        for field in ["decision", "rule_id", "target", "requested_operation", "reason"] {
            assert_eq!(
                with["effective_decision"][field],
                without["effective_decision"][field]
            );
        }
    }
}

/// Whether more than half of a secret stands in a text.
fn leaks(text: &str, secrets: &[String]) -> bool {
    secrets.iter().any(|it| {
        let (one, other) = it.split_at(18);
        text.contains(one) || text.contains(other)
    })
}

#[test]
fn no_planted_secret_reaches_anything_that_a_service_tells() {
    let place = Place::new();
    let (endpoint, spans) = collector();
    let log = place.path("log.txt");
    let secrets: Vec<String> = (0..SECRETS).map(secret).collect();
    let serve = place
        .cavra(&[
            "serve",
            "--evidence-seal-recipient",
            RECIPIENT,
            "--evidence-mask",
            "/private",
        ])
        .args(fast_path("enforce", "builtin:fastpath"))
        .env("CAVRA_LOG_LEVEL", "debug")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
        .env("OTEL_BSP_SCHEDULE_DELAY", "100");
    let service = Service::logged(serve, &log);
    for (i, secret) in secrets.iter().enumerate() {
        let request = request(i, secret);
        let answer = service.evaluate(&request);
        assert_eq!(answer.status, 200, "{}", answer.body);
        // What is told of bodies that cannot be judged.
        let text = request.to_string();
        let broken = [
            text.split_at(text.len() - 1).0.to_owned(),
            json!({"action_type": "execute_command", "target": [text]}).to_string(),
            json!({"action_type": text, "policy_pack": 7}).to_string(),
            json!({"requests": text}).to_string(),
        ];
        for (i, body) in broken.iter().enumerate() {
            let path = ["/runtime/go-pilot/evaluate", "/runtime/go-pilot/evaluate/batch"][i / 3];
            let problem = service.post(path, body);
            assert!(
                (400..500).contains(&problem.status),
                "{}: {}",
                problem.status,
                problem.body
            );
            assert!(!leaks(&problem.body, &secrets), "{}", problem.body);
        }
    }
    let metrics = service.get("/metrics").body;
    assert!(
        metrics.contains(&format!("cavra_evidence_records_total {SECRETS}")),
        "{metrics}"
    );
    assert!(!leaks(&metrics, &secrets));
    let pid = rustix::process::Pid::from_raw(service.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(service.wait(), Some(0));
    let text = fs::read_to_string(&log).unwrap();
    assert!(
        text.contains("/runtime/go-pilot/evaluate") && text.lines().count() > SECRETS,
        "{}",
        text.lines().count()
    );
    assert!(!leaks(&text, &secrets));
    // The last were sent before it ended.
    let sent: Vec<String> = spans.try_iter().map(|it| format!("{it:?}")).collect();
    assert!(sent.iter().any(|it| it.contains("/runtime/go-pilot/evaluate")));
    assert!(!sent.iter().any(|it| leaks(it, &secrets)));
    for file in fs::read_dir(place.dir()).unwrap() {
        let path = file.unwrap().path();
        assert!(!leaks(&fs::read_to_string(&path).unwrap(), &secrets), "{path:?}");
    }
    assert_eq!(place.verify(&[])["sealed"], SECRETS);
}

#[test]
fn equal_secrets_have_equal_masks_in_the_records_of_one_host() {
    let mask_of = |place: &Place, i: usize| {
        let target = place.records()[i].request.as_ref().unwrap()["target"].to_string();
        let mask = target.split_once("[masked:").unwrap().1;
        mask.split_once(':')
            .unwrap()
            .1
            .split_once(']')
            .unwrap()
            .0
            .to_owned()
    };
    let (place, other) = (Place::new(), Place::new());
    let command = |text: &str| json!({"action_type": "execute_command", "target": text});
    let requests = [
        command("deploy --password example-word-1"),
        command("DEPLOY_TOKEN='example-word-1' make"),
        command("deploy --password example-word-2"),
    ];
    place.judge(&[], &requests);
    other.judge(&[], &requests);
    assert_eq!(mask_of(&place, 0), mask_of(&place, 1));
    assert_ne!(mask_of(&place, 0), mask_of(&place, 2));
    assert_ne!(
        mask_of(&place, 0),
        mask_of(&other, 0),
        "another host has another key"
    );
}

#[test]
fn what_is_masked_is_listed_and_what_holds_no_secret_stays() {
    let place = Place::new();
    let plain =
        json!({"action_type": "execute_command", "target": "git commit -m 'token handling: a note'", "n": 1});
    place.judge(
        &["--evidence-mask", "/ticket/owner, /absent"],
        &[
            json!({"action_type": "read_file", "target": "a.txt", "ticket": {"owner": "someone", "id": 7}}),
            json!({"action_type": "read_file", "target": "src/password_reset.rs", "ticket": {"id": 7}}),
            plain,
        ],
    );
    let records = place.records();
    let masked = &records[0].masking.masked;
    assert_eq!(masked.len(), 1);
    assert_eq!(
        (masked[0].pointer.as_str(), masked[0].rule.as_str()),
        ("/request/ticket/owner", "pointer")
    );
    assert_eq!(records[0].request.as_ref().unwrap()["ticket"]["id"], 7);
    assert!(records[1].masking.replayable);
    assert!(records[1].masking.masked.is_empty());
}

#[test]
fn a_record_that_cannot_be_masked_has_no_payload() {
    let place = Place::new();
    // The rule's own name is the secret: it cannot be taken out of the record.
    let output = place.judge(
        &[],
        &[json!({
            "action_type": "execute_command", "target": "terraform apply",
            "password": "commands.block",
        })],
    );
    assert_eq!(output.lines()[0]["effective_decision"]["decision"], "block");
    let record = &place.records()[0];
    assert!(record.masking.failed && !record.masking.replayable);
    assert_eq!(record.request, None);
    assert_eq!(record.outcome.effective_decision.target, "[masked:withheld]");
    assert_eq!(place.verify(&[])["verified"], true);
}
