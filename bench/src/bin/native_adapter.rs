//! The smallest honest native runtime: reads a policy and one request, decides by
//! the fast path as a library, writes the decision. See `docs/native-adapter.md`.

use std::error::Error;
use std::io::Write;

use guest_fastpath::{Policy, Request};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = match (arguments.next().as_deref(), arguments.next()) {
        (Some("--policy"), Some(path)) => path,
        _ => return Err("usage: native_adapter --policy FILE".into()),
    };
    let text = std::fs::read_to_string(path)?;
    let policy = Policy::load(&text, None).map_err(|e| format!("{e:?}"))?;
    let body: Value = serde_json::from_reader(std::io::stdin().lock())?;
    let field = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let request = Request {
        action_type: field("action_type").unwrap_or_default(),
        target: field("target"),
        operation: field("operation"),
        requested_operation: field("requested_operation"),
        policy_pack: field("policy_pack").unwrap_or_default(),
        server: field("server"),
        tool: field("tool"),
        capability: field("capability"),
        workspace: field("workspace"),
        session_id: field("session_id"),
        agent_id: field("agent_id"),
        actor: field("actor"),
    };
    let it = policy.evaluate(&request).map_err(|e| format!("{e:?}"))?;
    let decision = json!({
        "decision": word(&format!("{:?}", it.verdict)),
        "rule_id": it.rule_id,
        "severity": word(&format!("{:?}", it.severity)),
        "reason": it.reason,
        "action_type": it.action_type,
        "target": it.target,
        "requested_operation": it.requested_operation,
        "policy_pack": it.policy_pack,
        "approver_group": it.approver_group,
        "matched_pattern": it.matched_pattern,
    });
    writeln!(std::io::stdout().lock(), "{decision}")?;
    Ok(())
}

/// The document's word for a name of the interface: `Verdict::RequireApproval` and
/// `RequireApproval` are `require_approval`.
fn word(name: &str) -> String {
    let mut word = String::new();
    for c in name.rsplit("::").next().unwrap_or_default().chars() {
        if c.is_ascii_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.push(c.to_ascii_lowercase());
    }
    word
}
