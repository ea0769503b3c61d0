//! The floor: two components that do nothing, in fresh instances.

use anyhow::{Result, anyhow};
use cavra::sandbox::Engine;
use wasmtime::Store;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};

/// A component with one function, which returns at once.
const EMPTY: &str = r#"
    (component
        (core module $module (func (export "run")))
        (core instance $instance (instantiate $module))
        (func (export "run") (canon lift (core func $instance "run"))))
"#;

/// The same with the memory of an evaluator: it has an image, and writes three pages.
const WRITING: &str = r#"
    (component
        (core module $module
            (memory 3)
            (data (i32.const 4096) "image") (data (i32.const 131072) "image")
            (func (export "run")
                (i32.store (i32.const 4096) (i32.const 1))
                (i32.store (i32.const 32768) (i32.const 1))
                (i32.store (i32.const 36864) (i32.const 1))))
        (core instance $instance (instantiate $module))
        (func (export "run") (canon lift (core func $instance "run"))))
"#;

/// A deadline that the engine looks at and that does not come, in ticks.
pub(super) const FAR_OFF: u64 = 1 << 32;

/// An empty component, ready to be instantiated with the settings of the sandbox.
#[derive(Clone)]
pub(crate) struct Empty {
    engine: Engine,
    pre: InstancePre<()>,
    run: ComponentExportIndex,
}

impl Empty {
    /// Compiles it.
    pub(crate) fn new(engine: &Engine) -> Result<Self> {
        Self::compile(engine, EMPTY).map_err(|e| anyhow!("{e:#}"))
    }

    /// One that has memory, and writes to it.
    pub(crate) fn writing(engine: &Engine) -> Result<Self> {
        Self::compile(engine, WRITING).map_err(|e| anyhow!("{e:#}"))
    }

    fn compile(engine: &Engine, text: &str) -> wasmtime::Result<Self> {
        let wasm = engine.wasmtime();
        let component = Component::new(wasm, wat::parse_str(text)?)?;
        let run = component
            .get_export_index(None, "run")
            .ok_or_else(|| wasmtime::Error::msg("the empty component has no export"))?;
        Ok(Self {
            engine: engine.clone(),
            pre: Linker::new(wasm).instantiate_pre(&component)?,
            run,
        })
    }

    /// As many sandboxes as a decision has: two.
    pub(crate) fn twice(&self) -> Result<()> {
        let twice = self.once().and_then(|()| self.once());
        twice.map_err(|e| anyhow!("{e:#}"))
    }

    fn once(&self) -> wasmtime::Result<()> {
        let limits = self.engine.limits();
        let mut store = Store::new(self.engine.wasmtime(), ());
        store.set_epoch_deadline(FAR_OFF);
        store.set_fuel(limits.load_fuel)?;
        let instance = self.pre.instantiate(&mut store)?;
        let run = instance.get_typed_func::<(), ()>(&mut store, self.run)?;
        store.set_fuel(limits.evaluate_fuel)?;
        run.call(&mut store, ())?;
        Ok(())
    }
}
