//! One evaluation in one fresh instance, and what can go wrong in it.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use wasmtime::component::{Instance, TypedFunc};
use wasmtime::{PoolConcurrencyLimitError, Store, Trap};

use super::bindings::PolicyModule;
use super::bindings::cavra::enforcement::types as wit;
use super::engine::Engine;
use super::evaluator::{Evaluator, Material, Way};
use super::limits::{MAX_TEXT_BYTES, MemoryExceeded, MemoryMeter, TableExceeded};
use super::module::{Description, Ready};
use super::ticker::Ticker;
use super::wasi::{WaitRefused, WasiState};
use crate::backend::{Attempt, Stages, Usage};
use crate::fault::Fault;
use crate::model::{Decision, Request, Severity, Verdict};

/// How many bytes one call may move out of the guest: the ten fields of a
/// decision at their longest.
const HOSTCALL_BYTES: usize = 10 * MAX_TEXT_BYTES;

/// How long a thread waits for another's instance before it tries again.
const WAIT: Duration = Duration::from_micros(50);

/// What `evaluate` returns.
type Judged = (Result<wit::Decision, wit::EvaluateError>,);

/// What a store carries.
pub(crate) struct StoreState {
    memory: MemoryMeter,
    /// Only where the module imports WASI.
    pub(crate) wasi: Option<Box<WasiState>>,
}

/// What an instance was doing when it failed: the same trap means another thing
/// before the evaluation than in it.
#[derive(Clone, Copy)]
enum Stage {
    Instantiate,
    Load,
    Evaluate,
}

fn store(engine: &Engine, imports_wasi: bool) -> wasmtime::Result<Store<StoreState>> {
    let limits = engine.limits();
    let state = StoreState {
        memory: MemoryMeter::new(limits.memory_bytes),
        wasi: imports_wasi.then(|| Box::new(WasiState::new())),
    };
    let mut store = Store::new(&engine.wasm, state);
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(HOSTCALL_BYTES);
    store.set_epoch_deadline(Ticker::ticks(limits.wall_clock));
    store.set_fuel(limits.load_fuel)?;
    Ok(store)
}

/// A store with an instance in it. Where more threads evaluate than the pool has room
/// for, they wait for each other, as long as an evaluation may take.
pub(super) fn instantiate<I>(
    engine: &Engine,
    imports_wasi: bool,
    instantiate: impl Fn(&mut Store<StoreState>) -> wasmtime::Result<I>,
) -> Result<(Store<StoreState>, I), Fault> {
    let fault = |error| classify(engine, Stage::Instantiate, &error);
    let mut waited = Duration::ZERO;
    loop {
        let mut store = store(engine, imports_wasi).map_err(fault)?;
        match instantiate(&mut store) {
            Ok(instance) => return Ok((store, instance)),
            Err(error) if error.is::<PoolConcurrencyLimitError>() && waited < engine.limits().wall_clock => {
                drop(store);
                std::thread::sleep(WAIT);
                waited = waited.saturating_add(WAIT);
            }
            Err(error) => return Err(fault(error)),
        }
    }
}

/// Asks a module what it is, in an instance of its own.
pub(super) fn describe(engine: &Engine, module: &Ready, imports_wasi: bool) -> Result<Description, Fault> {
    engine.ticker.run_for(engine.limits().wall_clock);
    let (mut store, guest) = instantiate(engine, imports_wasi, |store| {
        let instance = module.pre.instantiate(&mut *store)?;
        PolicyModule::new(store, &instance)
    })?;
    let it = guest
        .cavra_enforcement_evaluator()
        .call_describe(&mut store)
        .map_err(|error| classify(engine, Stage::Instantiate, &error))?;
    Ok(Description {
        name: it.name,
        version: it.version,
        semantics_version: it.semantics_version,
    })
}

/// Judges one request in a fresh instance.
///
/// `engine` is the evaluator's own, or the same with other limits.
pub(super) fn evaluate(evaluator: &Evaluator, engine: &Engine, request: &Request) -> Attempt {
    let started = Instant::now();
    let mut usage = Usage {
        kind: "component",
        module_sha256: evaluator.module_sha256().clone(),
        policy_sha256: evaluator.policy_sha256().clone(),
        engine_fingerprint: Some(engine.fingerprint().clone()),
        baked: Some(matches!(evaluator.way(), Way::Baked(_))),
        stages: Some(Stages::default()),
        ..Usage::default()
    };
    let outcome = match evaluator.way() {
        Way::Baked(ready) => attempt(evaluator, engine, ready, None, request, &mut usage),
        Way::Loads { ready, material, .. } => {
            attempt(evaluator, engine, ready, Some(material), request, &mut usage)
        }
        Way::Fails(fault) => Err(fault.clone()),
    };
    usage.took(started.elapsed());
    Attempt { outcome, usage }
}

fn attempt(
    evaluator: &Evaluator,
    engine: &Engine,
    ready: &Ready,
    material: Option<&Material>,
    request: &Request,
    usage: &mut Usage,
) -> Result<Decision, Fault> {
    engine.ticker.run_for(engine.limits().wall_clock);
    let mut stages = Stages::default();
    let mut lap = Lap(Instant::now());
    let (store, instance) = instantiate(engine, evaluator.imports_wasi(), |store| {
        ready.pre.instantiate(store)
    })?;
    let mut guest = Guest {
        engine,
        ready,
        store,
        instance,
    };
    lap.end(&mut stages.instantiate_ns);
    let loaded = material.map_or(Ok(()), |material| {
        let loaded = guest.load(material);
        lap.end(&mut stages.load_ns);
        loaded
    });
    let outcome = loaded.and_then(|()| {
        let judged = guest.judge(request, usage);
        lap.end(&mut stages.evaluate_ns);
        judged
    });
    usage.peak_memory_bytes = Some(guest.store.data().memory.peak);
    drop(guest);
    lap.end(&mut stages.drop_ns);
    usage.stages = Some(stages);
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

/// One instance in its store.
struct Guest<'a> {
    engine: &'a Engine,
    ready: &'a Ready,
    store: Store<StoreState>,
    instance: Instance,
}

impl Guest<'_> {
    fn load(&mut self, material: &Material) -> Result<(), Fault> {
        type Load<'a> = (&'a str, Option<&'a str>);
        let load = self
            .instance
            .get_typed_func::<Load<'_>, (Result<(), wit::LoadError>,)>(&mut self.store, self.ready.load);
        let answer = load.and_then(|load| {
            let (answer,) = load.call(&mut self.store, (material.policy(), material.registry()))?;
            Ok(answer)
        });
        loaded(self.engine, answer)
    }

    /// `evaluate`. Its type is compared with the interface's once for a component, not once
    /// for an instance: it takes as long as a short evaluation.
    #[expect(unsafe_code, reason = "the type is not compared again")]
    fn evaluate<'a>(&mut self) -> wasmtime::Result<TypedFunc<(wit::Request<'a>,), Judged>> {
        let Ready {
            evaluate,
            evaluate_checked,
            ..
        } = self.ready;
        if evaluate_checked.load(Ordering::Relaxed)
            && let Some(function) = self.instance.get_func(&mut self.store, *evaluate)
        {
            // SAFETY: this instance is of the component whose `evaluate` was found to have this
            // type below, and a component's type is the same for all of its instances.
            return Ok(unsafe { TypedFunc::new_unchecked(function) });
        }
        let function = self.instance.get_typed_func(&mut self.store, *evaluate)?;
        evaluate_checked.store(true, Ordering::Relaxed);
        Ok(function)
    }

    fn judge(&mut self, request: &Request, usage: &mut Usage) -> Result<Decision, Fault> {
        let engine = self.engine;
        let fuel = engine.limits().evaluate_fuel;
        let fault = |error| classify(engine, Stage::Evaluate, &error);
        let evaluate = self.evaluate().map_err(fault)?;
        // One more than the limit. The engine looks at the fuel only where a function
        // or a loop begins, so that a guest may end with an overdrawn account and no
        // trap; with the one more, nothing left means that the limit was passed.
        self.store.set_fuel(fuel.saturating_add(1)).map_err(fault)?;
        let answer = evaluate.call(&mut self.store, (lower(request),));
        let left = self.store.get_fuel().map_err(fault)?;
        usage.fuel_used = Some(fuel.saturating_sub(left.saturating_sub(1)));
        let (answer,) = answer.map_err(fault)?;
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
}

/// What the answer to `load` means.
pub(super) fn loaded(
    engine: &Engine,
    answer: wasmtime::Result<Result<(), wit::LoadError>>,
) -> Result<(), Fault> {
    let answer = answer.map_err(|e| classify(engine, Stage::Load, &e))?;
    answer.map_err(|error| {
        Fault::MissingPolicy(match error {
            wit::LoadError::InvalidPolicy(why) => format!("the module refuses the policy: {}", shorten(&why)),
            wit::LoadError::InvalidRegistry(why) => {
                format!("the module refuses the registry: {}", shorten(&why))
            }
        })
    })
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

/// Whether an error is no limit that was reached and no trap of the module's: where
/// imports are not there, the call of one.
pub(super) fn is_of_no_limit_and_no_trap(error: &wasmtime::Error) -> bool {
    !error.is::<Trap>() && !error.is::<MemoryExceeded>() && !error.is::<TableExceeded>()
}

/// What an error of the engine means. Decided by its type, never by its words.
fn classify(engine: &Engine, stage: Stage, error: &wasmtime::Error) -> Fault {
    let limits = engine.limits();
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
