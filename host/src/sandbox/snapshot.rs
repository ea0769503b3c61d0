//! Baking: a module that has loaded its policy, written down as a module again.
//!
//! An instance of the result begins where `load` ended, and costs what an instance
//! costs. Implements the sandbox specification, *What speed is reachable*.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use wasmtime::Store;
use wasmtime::component::{Component, Instance, Lift, Linker, WasmList};
use wasmtime_wizer::{ComponentInstanceState, Wizer};

use super::bindings::PolicyModule;
use super::instance::{self, StoreState};
use super::module::Module;
use crate::fault::Fault;

/// Why there is no snapshot.
#[derive(Debug)]
pub(super) enum NotBaked {
    /// The module refuses the policy or the registry; it will do so every time.
    Refused(Fault),
    /// Loading failed, perhaps only this time.
    Failed(String),
    /// The module cannot be snapshotted; the policy is loaded in every instance.
    Cannot(String),
}

impl From<wasmtime::Error> for NotBaked {
    fn from(error: wasmtime::Error) -> Self {
        Self::Cannot(format!("{error:#}"))
    }
}

/// Lets `module` load policy and registry, and returns the component that it then is.
pub(super) fn bake(module: &Module, policy: &str, registry: Option<&str>) -> Result<Component, NotBaked> {
    // The snapshotting library asserts what it expects of a component. A component
    // that it does not expect must not end the host.
    let baked = catch_unwind(AssertUnwindSafe(|| snapshot(module, policy, registry)));
    let bytes = baked.unwrap_or_else(|_| Err(NotBaked::Cannot("its form is not supported".to_owned())))?;
    Ok(Component::new(&module.engine().wasm, bytes)?)
}

fn snapshot(module: &Module, policy: &str, registry: Option<&str>) -> Result<Vec<u8>, NotBaked> {
    let wizer = Wizer::new();
    let (context, instrumented) = wizer.instrument_component(module.bytes())?;
    let component = module.instrumented(|engine| Component::new(engine, &instrumented))?;
    let engine = module.engine();
    let mut linker = Linker::new(&engine.wasm);
    // What an import answered would be frozen into the snapshot.
    linker.define_unknown_imports_as_traps(&component)?;
    engine.ticker.run_for(engine.limits().wall_clock);
    let linked = linker.instantiate_pre(&component)?;
    let (mut store, instance) = instance::instantiate(engine, false, |store| linked.instantiate(store))
        .map_err(|fault| NotBaked::Failed(fault.to_string()))?;
    let guest = PolicyModule::new(&mut store, &instance)?;
    let answer = guest
        .cavra_enforcement_evaluator()
        .call_load(&mut store, policy, registry);
    if let Err(error) = &answer
        && !module.imports().is_empty()
        && instance::is_of_no_limit_and_no_trap(error)
    {
        // It will be so every time, and what is kept of it spares the next process a
        // compilation.
        return Err(NotBaked::Cannot(format!(
            "it asks the host for something while it loads, and the answer would be frozen: {error:#}"
        )));
    }
    match instance::loaded(engine, answer) {
        Ok(()) => {}
        Err(fault @ Fault::MissingPolicy(_)) => return Err(NotBaked::Refused(fault)),
        Err(fault) => return Err(NotBaked::Failed(fault.to_string())),
    }
    // From here on only accessors run that the instrumentation added.
    store.set_fuel(u64::MAX)?;
    store.set_hostcall_fuel(usize::MAX);
    let mut state = State {
        store,
        instance,
        problem: None,
    };
    let baked = at_once(wizer.snapshot_component(&context, &mut state))?;
    match state.problem {
        None => Ok(baked),
        Some(problem) => Err(problem.into()),
    }
}

/// The output of a future that never waits: the library's accessors are asynchronous
/// for those whose calls into the guest are.
fn at_once<T>(future: impl Future<Output = wasmtime::Result<T>>) -> wasmtime::Result<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => Err(wasmtime::format_err!("the snapshot waited")),
    }
}

/// An instance of the instrumented component.
struct State {
    store: Store<StoreState>,
    instance: Instance,
    /// The first error of an accessor: the trait has no room for one.
    problem: Option<wasmtime::Error>,
}

impl State {
    fn call<R: Lift + Send + Sync + 'static>(&mut self, instance: &str, function: &str) -> Option<R> {
        let (store, it) = (&mut self.store, &self.instance);
        let answer = it
            .get_export_index(&mut *store, None, instance)
            .and_then(|instance| it.get_export_index(&mut *store, Some(&instance), function))
            .ok_or_else(|| wasmtime::format_err!("the accessor `{function}` is missing"))
            .and_then(|function| it.get_typed_func::<(), (R,)>(&mut *store, function))
            .and_then(|function| function.call(&mut *store, ()));
        match answer {
            Ok((value,)) => Some(value),
            Err(error) => {
                self.problem.get_or_insert(error);
                None
            }
        }
    }
}

impl ComponentInstanceState for State {
    async fn call_func_ret_list_u8(
        &mut self,
        instance: &str,
        function: &str,
        contents: impl FnOnce(&[u8]) + Send,
    ) {
        match self.call::<WasmList<u8>>(instance, function) {
            Some(list) => contents(list.as_le_slice(&self.store)),
            None => contents(&[]),
        }
    }

    async fn call_func_ret_s32(&mut self, instance: &str, function: &str) -> i32 {
        self.call(instance, function).unwrap_or_default()
    }

    async fn call_func_ret_s64(&mut self, instance: &str, function: &str) -> i64 {
        self.call(instance, function).unwrap_or_default()
    }

    async fn call_func_ret_f32(&mut self, instance: &str, function: &str) -> u32 {
        self.call::<f32>(instance, function).unwrap_or_default().to_bits()
    }

    async fn call_func_ret_f64(&mut self, instance: &str, function: &str) -> u64 {
        self.call::<f64>(instance, function).unwrap_or_default().to_bits()
    }
}
