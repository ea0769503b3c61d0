//! Policies of any size, of invented patterns that match none of the requests.

use anyhow::Result;
use cavra::policy::CompiledPolicy;
use serde_json::{Value, json};

use crate::workload::Workload;

/// The invented pattern with a given number.
type Pattern = fn(usize) -> String;

/// The lists that grow, and the pattern with the given number.
const LISTS: [(&str, &str, Pattern); 6] = [
    ("filesystem", "block_read", |n| match n % 2 {
        0 => format!("**/vault-{n}/**"),
        _ => format!("*.sealed{n}"),
    }),
    ("filesystem", "block_write", |n| format!("gen-{n}/**")),
    ("filesystem", "require_approval_write", |n| format!("*.{n}.lock")),
    ("commands", "block", |n| format!("tool-{n} destroy*")),
    ("commands", "require_approval", |n| format!("*--flag-{n}*")),
    ("commands", "allow", |n| format!("run-{n} *")),
];

/// The benchmark's policy with every list of patterns (but the branches) filled up
/// to `rules`. The benchmark's own stand last, so that whoever looks through a
/// list looks through all of it.
pub(crate) fn policy(base: &Workload, rules: usize) -> Result<CompiledPolicy> {
    let mut policy: Value = serde_json::from_str(base.policy.json())?;
    for (group, list, pattern) in LISTS {
        let own = base.list(&format!("/{group}/{list}"))?;
        let invented = (0..rules.saturating_sub(own.len())).map(pattern);
        if let Some(slot) = policy.pointer_mut(&format!("/{group}/{list}")) {
            *slot = invented.chain(own).collect();
        }
    }
    seal(policy)
}

/// A pack of `rules` patterns a list, as the text of its `policy.yaml`.
pub(crate) fn pack(id: &str, rules: usize) -> String {
    let mut groups = json!({
        "metadata": {"id": id, "title": "Generated", "version": "1"},
        "filesystem": {}, "commands": {},
    });
    for (group, list, pattern) in LISTS {
        if let Some(group) = groups.get_mut(group).and_then(Value::as_object_mut) {
            // The id makes packs differ, as packs do.
            let patterns = (0..rules).map(pattern).map(|it| format!("{it}{id}"));
            group.insert(list.to_owned(), patterns.collect());
        }
    }
    // JSON is YAML.
    groups.to_string()
}

fn seal(mut policy: Value) -> Result<CompiledPolicy> {
    // Without these it is taken for a policy to be brought into form, and sealed.
    if let Some(body) = policy.as_object_mut() {
        body.remove("digest");
        body.remove("schema_version");
    }
    Ok(CompiledPolicy::from_json(
        &serde_json::to_vec(&policy)?,
        "the generated policy",
    )?)
}
