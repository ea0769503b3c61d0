//! The two evaluators as plain functions of this process: no sandbox.

use anyhow::{Result, anyhow};
use cavra::model::Verdict;
use guest_fastpath as fast;
use guest_policy as reference;

use crate::measure::Answer;
use crate::workload::Workload;

macro_rules! native {
    ($name:ident, $guest:ident, $doc:literal) => {
        #[doc = $doc]
        pub(crate) struct $name {
            policy: $guest::Policy,
            requests: Vec<$guest::Request>,
        }

        impl $name {
            /// Loads the policy, and brings the requests into this evaluator's form.
            pub(crate) fn new(workload: &Workload) -> Result<Self> {
                let policy =
                    $guest::Policy::load(workload.policy.json(), None).map_err(|e| anyhow!("{e:?}"))?;
                let requests = workload.cases.iter().map(|case| {
                    let it = case.request.clone();
                    $guest::Request {
                        action_type: it.action_type,
                        target: it.target,
                        operation: it.operation,
                        requested_operation: it.requested_operation,
                        policy_pack: it.policy_pack,
                        server: it.server,
                        tool: it.tool,
                        capability: it.capability,
                        workspace: it.workspace,
                        session_id: it.session_id,
                        agent_id: it.agent_id,
                        actor: it.actor,
                    }
                });
                Ok(Self {
                    policy,
                    requests: requests.collect(),
                })
            }

            /// One decision.
            pub(crate) fn decide(&self, number: usize) -> Result<Answer> {
                let request = number
                    .checked_rem(self.requests.len())
                    .and_then(|place| self.requests.get(place))
                    .ok_or_else(|| anyhow!("no requests"))?;
                let decision = self
                    .policy
                    .evaluate(request)
                    .map_err(|e| anyhow!("{e:?}"))?;
                Ok(Answer {
                    verdict: Some(match decision.verdict {
                        $guest::Verdict::Allow => Verdict::Allow,
                        $guest::Verdict::AllowWithAttestation => Verdict::AllowWithAttestation,
                        $guest::Verdict::RequireApproval => Verdict::RequireApproval,
                        $guest::Verdict::Block => Verdict::Block,
                    }),
                    rule_id: Some(decision.rule_id),
                })
            }
        }
    };
}

native!(NativeReference, reference, "The reference as a library.");
native!(NativeFastPath, fast, "The fast path as a library.");
