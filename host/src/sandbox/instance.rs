//! One evaluation in one fresh instance, and what can go wrong in it.

use std::time::Instant;

use wasmtime::{Store, Trap};

use super::bindings::PolicyModule;
use super::bindings::cavra::enforcement::types as wit;
use super::limits::{MAX_TEXT_BYTES, MemoryExceeded, MemoryMeter, TableExceeded};
use super::module::{Description, Module};
use super::ticker::Ticker;
use super::wasi::{WaitRefused, WasiState};
use crate::backend::{Attempt, Stages, Usage};
use crate::fault::Fault;
use crate::model::{Decision, Request, Severity, Verdict};

/// How many bytes one call may move out of the guest: the ten fields of a
/// decision at their longest.
const HOSTCALL_BYTES: usize = 10 * MAX_TEXT_BYTES;

/// What a store carries.
pub(crate) struct StoreState {
    memory: MemoryMeter,
    pub(crate) wasi: Option<WasiState>,
}

/// What an instance was doing when it failed: the same trap means another thing
/// before the evaluation than in it.
#[derive(Clone, Copy)]
enum Stage {
    Instantiate,
    Load,
    Evaluate,
}

fn store(module: &Module) -> wasmtime::Result<Store<StoreState>> {
    let limits = module.engine.limits();
    let state = StoreState {
        memory: MemoryMeter::new(limits.memory_bytes),
        wasi: module.imports_wasi.then(WasiState::new),
    };
    let mut store = Store::new(&module.engine.wasm, state);
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(HOSTCALL_BYTES);
    store.set_epoch_deadline(Ticker::ticks(limits.wall_clock));
    store.set_fuel(limits.load_fuel)?;
    Ok(store)
}

/// Asks a module what it is, in an instance of its own.
pub(crate) fn describe(module: &Module) -> Result<Description, Fault> {
    let _ticking = module.engine.ticker.tick();
    let fault = |error| classify(module, Stage::Instantiate, &error);
    let mut store = store(module).map_err(fault)?;
    let instance = module.pre.instantiate(&mut store).map_err(fault)?;
    let it = instance
        .cavra_enforcement_evaluator()
        .call_describe(&mut store)
        .map_err(fault)?;
    Ok(Description {
        name: it.name,
        version: it.version,
        semantics_version: it.semantics_version,
    })
}

/// Judges one request in a fresh instance.
pub(crate) fn evaluate(module: &Module, policy: &str, registry: Option<&str>, request: &Request) -> Attempt {
    let started = Instant::now();
    let mut stages = Stages::default();
    let mut usage = Usage {
        kind: "component",
        module_sha256: module.sha256().to_owned(),
        engine_fingerprint: Some(module.engine.fingerprint().to_owned()),
        ..Usage::default()
    };
    let outcome = attempt(module, policy, registry, request, &mut usage, &mut stages);
    usage.took(started.elapsed());
    usage.stages = Some(stages);
    Attempt { outcome, usage }
}

fn attempt(
    module: &Module,
    policy: &str,
    registry: Option<&str>,
    request: &Request,
    usage: &mut Usage,
    stages: &mut Stages,
) -> Result<Decision, Fault> {
    let _ticking = module.engine.ticker.tick();
    let mut lap = Lap(Instant::now());
    let mut store = store(module).map_err(|e| classify(module, Stage::Instantiate, &e))?;
    let instance = module.pre.instantiate(&mut store);
    lap.end(&mut stages.instantiate_ns);
    let outcome = instance
        .map_err(|e| classify(module, Stage::Instantiate, &e))
        .and_then(|instance| {
            let loaded = load(module, &mut store, &instance, policy, registry);
            lap.end(&mut stages.load_ns);
            loaded?;
            let judged = judge(module, &mut store, &instance, request, usage);
            lap.end(&mut stages.evaluate_ns);
            judged
        });
    usage.peak_memory_bytes = Some(store.data().memory.peak);
    drop(store);
    lap.end(&mut stages.drop_ns);
    outcome
}

/// A stopwatch.
struct Lap(Instant);

impl Lap {
    fn end(&mut self, nanoseconds: &mut u64) {
        let began = std::mem::replace(&mut self.0, Instant::now());
        *nanoseconds = u64::try_from(self.0.duration_since(began).as_nanos()).unwrap_or(u64::MAX);
    }
}

fn load(
    module: &Module,
    store: &mut Store<StoreState>,
    instance: &PolicyModule,
    policy: &str,
    registry: Option<&str>,
) -> Result<(), Fault> {
    let answer = instance
        .cavra_enforcement_evaluator()
        .call_load(store, policy, registry)
        .map_err(|e| classify(module, Stage::Load, &e))?;
    answer.map_err(|error| {
        Fault::MissingPolicy(match error {
            wit::LoadError::InvalidPolicy(why) => format!("the module refuses the policy: {}", shorten(&why)),
            wit::LoadError::InvalidRegistry(why) => {
                format!("the module refuses the registry: {}", shorten(&why))
            }
        })
    })
}

fn judge(
    module: &Module,
    store: &mut Store<StoreState>,
    instance: &PolicyModule,
    request: &Request,
    usage: &mut Usage,
) -> Result<Decision, Fault> {
    let fuel = module.engine.limits().evaluate_fuel;
    let fault = |error| classify(module, Stage::Evaluate, &error);
    // One more than the limit. The engine looks at the fuel only where a function
    // or a loop begins, so that a guest may end with an overdrawn account and no
    // trap; with the one more, nothing left means that the limit was passed.
    store.set_fuel(fuel.saturating_add(1)).map_err(fault)?;
    let answer = instance
        .cavra_enforcement_evaluator()
        .call_evaluate(&mut *store, lower(request));
    let left = store.get_fuel().map_err(fault)?;
    usage.fuel_used = Some(fuel.saturating_sub(left.saturating_sub(1)));
    let answer = answer.map_err(fault)?;
    if left == 0 {
        return Err(Fault::OutOfFuel { limit: fuel });
    }
    match answer {
        Ok(decision) => lift(decision),
        Err(wit::EvaluateError::NotLoaded) => Err(Fault::OutputInvalid(
            "the module says that no policy is loaded".to_owned(),
        )),
        Err(wit::EvaluateError::WrongPack(loaded)) => Err(Fault::OutputInvalid(format!(
            "the module says that the policy pack `{}` is loaded",
            shorten(&loaded)
        ))),
    }
}

fn lower(request: &Request) -> wit::Request<'_> {
    wit::Request {
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
    }
}

fn lift(it: wit::Decision) -> Result<Decision, Fault> {
    let decision = Decision {
        verdict: match it.verdict {
            wit::Verdict::Allow => Verdict::Allow,
            wit::Verdict::AllowWithAttestation => Verdict::AllowWithAttestation,
            wit::Verdict::RequireApproval => Verdict::RequireApproval,
            wit::Verdict::Block => Verdict::Block,
        },
        rule_id: it.rule_id,
        severity: match it.severity {
            wit::Severity::Low => Severity::Low,
            wit::Severity::Medium => Severity::Medium,
            wit::Severity::High => Severity::High,
            wit::Severity::Critical => Severity::Critical,
        },
        reason: it.reason,
        action_type: it.action_type,
        target: it.target,
        requested_operation: it.requested_operation,
        policy_pack: it.policy_pack,
        approver_group: it.approver_group,
        matched_pattern: it.matched_pattern,
    };
    decision.check(MAX_TEXT_BYTES).map_err(Fault::OutputInvalid)?;
    Ok(decision)
}

/// What an error of the engine means. Decided by its type, never by its words.
fn classify(module: &Module, stage: Stage, error: &wasmtime::Error) -> Fault {
    let limits = module.engine.limits();
    let trap = error.downcast_ref::<Trap>();
    if matches!(trap, Some(Trap::Interrupt)) {
        let limit_ms = u64::try_from(limits.wall_clock.as_millis()).unwrap_or(u64::MAX);
        return Fault::WallClock { limit_ms };
    }
    let memory = error.downcast_ref::<MemoryExceeded>();
    match (stage, trap, memory) {
        (Stage::Instantiate, _, _) => Fault::MissingRuntime(format!(
            "module_load_failed: the module cannot be instantiated: {error:#}"
        )),
        (_, _, Some(MemoryExceeded { wanted, limit })) => Fault::MemoryLimit {
            wanted: *wanted,
            limit: *limit,
        },
        (Stage::Load, Some(Trap::OutOfFuel), _) => Fault::MissingRuntime(format!(
            "module_load_failed: loading the policy used up its fuel of {}",
            limits.load_fuel
        )),
        (Stage::Load, _, _) => Fault::MissingRuntime(format!(
            "module_load_failed: the module cannot load the policy: {error:#}"
        )),
        (Stage::Evaluate, Some(Trap::OutOfFuel), _) => Fault::OutOfFuel {
            limit: limits.evaluate_fuel,
        },
        (Stage::Evaluate, Some(trap), _) => Fault::Trap(trap.to_string()),
        (Stage::Evaluate, None, None) => match error.downcast_ref::<wasmtime_wasi::I32Exit>() {
            Some(exit) => Fault::Trap(format!("it exited with status {}", exit.0)),
            None if error.is::<WaitRefused>() || error.is::<TableExceeded>() => {
                Fault::Trap(error.to_string())
            }
            // What is left are answers that the component's types do not allow.
            None => Fault::OutputInvalid(format!("{error:#}")),
        },
    }
}

/// A guest's own words, as they can stand in a message.
fn shorten(text: &str) -> String {
    text.chars().take(300).flat_map(char::escape_debug).collect()
}
