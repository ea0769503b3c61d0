//! What is judged: the benchmark's policy and requests, with the right answers.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use cavra::model::{Request, Verdict};
use cavra::policy::{Catalog, CompiledPolicy, PackId};
use serde::Deserialize;
use serde_json::Value;

/// The pack of the benchmark.
pub(crate) const PACK: &str = "bench";
/// The pack that is built in and used where a request names none.
pub(crate) const BASELINE: &str = cavra::model::DEFAULT_POLICY_PACK;

const REQUESTS: &str = include_str!("../requests.json");
/// The benchmark's pack as text, which the policy directories of a run are made of.
pub(crate) const POLICY_YAML: &str = include_str!("../policies/bench/policy.yaml");

#[derive(Deserialize)]
struct Line {
    request: Value,
    subject: String,
    verdict: Verdict,
    rule_id: String,
    baseline: Verdict,
}

/// One request and the answer that everybody must give.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// The request.
    pub(crate) request: Request,
    /// The one text of it that a pattern has to match: what is left to engines
    /// that neither split command lines nor read refs.
    pub(crate) subject: String,
    /// The right verdict.
    pub(crate) verdict: Verdict,
    /// The right rule; empty where only the verdict is checked.
    pub(crate) rule_id: String,
}

/// The requests under one policy.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    /// The compiled policy.
    pub(crate) policy: Arc<CompiledPolicy>,
    /// The requests, taken in turn.
    pub(crate) cases: Vec<Case>,
}

impl Workload {
    /// The benchmark's requests under its own policy of about fifty rules.
    pub(crate) fn bench(policies: &Path) -> Result<Self> {
        let catalog = Catalog::open(policies)?;
        Self::of(catalog.compile(&PackId::new(PACK)?, &[])?, false)
    }

    /// The same requests under the default pack of about six hundred patterns.
    pub(crate) fn baseline() -> Result<Self> {
        Self::of(Catalog::builtin().compile(&PackId::new(BASELINE)?, &[])?, true)
    }

    /// The benchmark's requests under `policy`, which decides them as the
    /// benchmark's own does.
    pub(crate) fn under(policy: CompiledPolicy) -> Result<Self> {
        Self::of(policy, false)
    }

    fn of(policy: CompiledPolicy, baseline: bool) -> Result<Self> {
        let lines: Vec<Line> = serde_json::from_str(REQUESTS).context("requests.json")?;
        let cases = lines
            .into_iter()
            .map(|line| {
                let body = serde_json::to_vec(&line.request)?;
                let mut request = Request::from_json(&body)?;
                request.policy_pack = policy.pack_id().to_string();
                Ok(Case {
                    request,
                    subject: line.subject,
                    verdict: if baseline { line.baseline } else { line.verdict },
                    rule_id: if baseline { String::new() } else { line.rule_id },
                })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            policy: Arc::new(policy),
            cases,
        })
    }

    /// The request with this number, counted round and round.
    pub(crate) fn case(&self, number: usize) -> Option<&Case> {
        self.cases.get(number.checked_rem(self.cases.len())?)
    }

    /// The patterns of one list of the policy.
    pub(crate) fn list(&self, path: &str) -> Result<Vec<String>> {
        let policy: Value = serde_json::from_str(self.policy.json())?;
        let list = policy.pointer(path).and_then(Value::as_array);
        let texts = list.into_iter().flatten();
        Ok(texts.filter_map(|it| it.as_str().map(str::to_owned)).collect())
    }
}
