//! Both evaluators in one instance each that is kept, with its policy: what is left
//! when nothing is made afresh. Nobody should run it so; it says what the freshness
//! costs.

use anyhow::{Result, anyhow, bail};
use cavra::model::{Request, Verdict};
use cavra::sandbox::Engine;
use wasmtime::Store;
use wasmtime::component::{Component, Linker};

use super::bindings::PolicyModule;
use super::bindings::cavra::enforcement::types as wit;
use super::empty::FAR_OFF;
use super::sandbox::module_bytes;
use crate::measure::Answer;
use crate::workload::Workload;

type Loading = Result<(), wit::LoadError>;
type Answered = Result<wit::Decision, wit::EvaluateError>;

/// Two instances with a loaded policy.
pub(crate) struct Reused {
    reference: Kept,
    fast_path: Kept,
}

struct Kept {
    store: Store<()>,
    instance: PolicyModule,
    fuel: u64,
}

impl Reused {
    /// Instantiates both and loads the policy.
    pub(crate) fn new(engine: &Engine, workload: &Workload) -> Result<Self> {
        Ok(Self {
            reference: Kept::new(engine, "builtin:reference", workload)?,
            fast_path: Kept::new(engine, "builtin:fastpath", workload)?,
        })
    }

    /// One decision, made twice.
    pub(crate) fn decide(&mut self, request: &Request) -> Result<Answer> {
        let reference = self.reference.decide(request)?;
        let fast_path = self.fast_path.decide(request)?;
        let agree = reference.verdict == fast_path.verdict
            && reference.rule_id == fast_path.rule_id
            && reference.severity == fast_path.severity;
        if !agree {
            bail!("the two do not agree");
        }
        Ok(Answer {
            verdict: Some(match fast_path.verdict {
                wit::Verdict::Allow => Verdict::Allow,
                wit::Verdict::AllowWithAttestation => Verdict::AllowWithAttestation,
                wit::Verdict::RequireApproval => Verdict::RequireApproval,
                wit::Verdict::Block => Verdict::Block,
            }),
            rule_id: Some(fast_path.rule_id),
        })
    }
}

impl Kept {
    fn new(engine: &Engine, module: &str, workload: &Workload) -> Result<Self> {
        let bytes = module_bytes(module)?;
        let (kept, loaded) = Self::load(engine, bytes, workload).map_err(|e| anyhow!("{e:#}"))?;
        loaded.map_err(|e| anyhow!("{e:?}"))?;
        Ok(kept)
    }

    fn load(engine: &Engine, bytes: &[u8], workload: &Workload) -> wasmtime::Result<(Self, Loading)> {
        let wasm = engine.wasmtime();
        let component = Component::new(wasm, bytes)?;
        let mut store = Store::new(wasm, ());
        store.set_epoch_deadline(FAR_OFF);
        store.set_fuel(engine.limits().load_fuel)?;
        let instance = PolicyModule::instantiate(&mut store, &component, &Linker::new(wasm))?;
        let loaded =
            instance
                .cavra_enforcement_evaluator()
                .call_load(&mut store, workload.policy.json(), None)?;
        let kept = Self {
            store,
            instance,
            fuel: engine.limits().evaluate_fuel,
        };
        Ok((kept, loaded))
    }

    fn decide(&mut self, request: &Request) -> Result<wit::Decision> {
        let answer = self.call(request).map_err(|e| anyhow!("{e:#}"))?;
        answer.map_err(|e| anyhow!("{e:?}"))
    }

    fn call(&mut self, request: &Request) -> wasmtime::Result<Answered> {
        self.store.set_fuel(self.fuel)?;
        let request = wit::Request {
            action_type: &request.action_type,
            target: request.target.as_deref(),
            operation: request.operation.as_deref(),
            requested_operation: request.requested_operation.as_deref(),
            policy_pack: &request.policy_pack,
            server: request.server.as_deref(),
            tool: request.tool.as_deref(),
            capability: request.capability.as_deref(),
            workspace: request.workspace.as_deref(),
            session_id: request.session_id.as_deref(),
            agent_id: request.agent_id.as_deref(),
            actor: request.actor.as_deref(),
        };
        let evaluator = self.instance.cavra_enforcement_evaluator();
        evaluator.call_evaluate(&mut self.store, request)
    }
}
