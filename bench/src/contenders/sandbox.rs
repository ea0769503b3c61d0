//! The product: its evaluators and its host. Everything here that knows how they
//! are set up is in this file.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use cavra::backend::Backend;
use cavra::builtin;
use cavra::cache::Cache;
use cavra::clock::{RandomIds, SystemClock};
use cavra::config::{Config, Setting, Source};
use cavra::host::{Host, Surroundings};
use cavra::model::Request;
use cavra::pilot::{Mode, SelectedBackend};
use cavra::policy::CompiledPolicy;
use cavra::sandbox::{Allocation, Engine, Limits, Loader, Module, Preparation};

use crate::measure::Answer;

/// One of the two evaluators.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Evaluator {
    /// The reference.
    Reference,
    /// The fast path.
    FastPath,
}

/// An engine as a host has it, and both modules compiled for it.
pub(crate) struct Sandbox {
    loader: Loader,
    reference: Module,
    fast_path: Module,
}

impl Sandbox {
    /// Sets up engine and modules.
    pub(crate) fn new() -> Result<Self> {
        // How much fuel there is changes no time.
        let limits = Limits::default().for_reference();
        let loader = Loader::new(Allocation::Pooled(2), limits, None)?;
        let module = |name| anyhow::Ok(loader.module(limits, module_bytes(name)?)?);
        Ok(Self {
            reference: module("builtin:reference")?,
            fast_path: module("builtin:fastpath")?,
            loader,
        })
    }

    /// The engine.
    pub(crate) fn engine(&self) -> &Engine {
        self.loader.engine()
    }

    /// An evaluator with a policy, each evaluation in a fresh instance.
    pub(crate) fn backend(&self, which: Evaluator, policy: &Arc<CompiledPolicy>) -> Result<Box<dyn Backend>> {
        let module = match which {
            Evaluator::Reference => &self.reference,
            Evaluator::FastPath => &self.fast_path,
        };
        let evaluator = self.loader.evaluator(module, policy, None);
        match evaluator.preparation() {
            // Told by the first evaluation.
            Preparation::Baked | Preparation::Refused(_) => {}
            Preparation::LoadsEachTime(why) => {
                eprintln!("warning: {which:?} is not baked: {}", why.unwrap_or_default());
            }
        }
        Ok(Box::new(evaluator))
    }
}

/// A component that is built into the host.
pub(crate) fn module_bytes(name: &str) -> Result<&'static [u8]> {
    builtin::module(name)
        .context("not a built-in module")?
        .map_err(|e| anyhow!(e))
}

/// The flags of a host that decides twice, with the packs of `policies`.
pub(crate) fn dual_flags(policies: &Path) -> Vec<(Setting, String)> {
    flags(policies, Mode::Enforce)
}

/// The flags of a host in this mode.
pub(crate) fn flags(policies: &Path, mode: Mode) -> Vec<(Setting, String)> {
    vec![
        (Setting::Mode, mode.to_string()),
        (Setting::RuntimePath, "builtin:fastpath".to_owned()),
        (Setting::PolicyPath, "auto".to_owned()),
        (Setting::PolicyDir, policies.display().to_string()),
    ]
}

/// A host that decides twice, in this process. What is not set here is taken from
/// `rest`: the figures must not depend on what the caller has in the environment.
pub(crate) fn host(policies: &Path, rest: &dyn Source, cache: Option<Cache>) -> Result<Host> {
    host_with(dual_flags(policies), rest, cache)
}

/// A host with these flags, likewise.
pub(crate) fn host_with(
    flags: Vec<(Setting, String)>,
    rest: &dyn Source,
    cache: Option<Cache>,
) -> Result<Host> {
    let flags: BTreeMap<Setting, String> = flags.into_iter().collect();
    let surroundings = Surroundings {
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
        allocation: Allocation::Pooled(2),
        cache,
        module_store: None,
        evidence: None,
        supervisor: std::env::current_exe()?,
    };
    Ok(Host::open(Config::read(&flags, rest)?, surroundings)?)
}

/// One decision by a host; anything but an agreement of the two is an error.
pub(crate) fn decide(host: &Host, request: &Request) -> Result<Answer> {
    let evaluation = host.evaluate(request)?;
    if evaluation.selected_backend != SelectedBackend::Go {
        anyhow::bail!("the fast path was not used: {}", evaluation.fallback_reason);
    }
    let decision = &evaluation.effective_decision.decision;
    Ok(Answer {
        verdict: Some(decision.verdict),
        rule_id: Some(decision.rule_id.clone()),
    })
}

/// One decision by one backend.
pub(crate) fn attempt(backend: &dyn Backend, request: &Request) -> Result<Answer> {
    let decision = backend
        .evaluate(request)
        .outcome
        .map_err(|fault| anyhow!("{fault}"))?;
    Ok(Answer {
        verdict: Some(decision.verdict),
        rule_id: Some(decision.rule_id),
    })
}
