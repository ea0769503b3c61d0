//! Packs put to the test: both evaluators judge a pack's own requests, and must
//! agree with each other in everything and with what the pack expects.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::backend::Backend;
use crate::builtin;
use crate::fault::Fault;
use crate::model::{Decision, Request};
use crate::pilot::{Strictness, compare, off_subject};
use crate::policy::{
    Catalog, CompiledPolicy, Expectation, PackId, PackTests, PolicyError, TestCase, TrustRegistry,
};
use crate::sandbox::{Allocation, Evaluator, Limits, Loader, Module};

/// The built-in evaluators cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("the built-in evaluators cannot be set up: {0}")]
pub struct ExaminerError(String);

/// The two built-in evaluators, side by side.
#[derive(Debug)]
pub struct Examiner {
    loader: Loader,
    reference: Module,
    fast_path: Module,
}

/// How a pack's tests went.
#[derive(Clone, Debug, Serialize)]
pub struct PackResult {
    /// The pack.
    pub pack: String,
    /// Each test, in the order of the file.
    pub cases: Vec<CaseResult>,
}

impl PackResult {
    /// How many tests failed.
    pub fn failed(&self) -> usize {
        self.cases.iter().filter(|case| !case.problems.is_empty()).count()
    }
}

/// How one test went.
#[derive(Clone, Debug, Serialize)]
pub struct CaseResult {
    /// The test's name.
    pub name: String,
    /// What is not as it should be; empty when the test passed.
    pub problems: Vec<String>,
}

impl Examiner {
    /// Sets up both evaluators.
    ///
    /// # Errors
    /// When the engine or a built-in module is unusable.
    pub fn new() -> Result<Self, ExaminerError> {
        let fault = |e: &dyn std::fmt::Display| ExaminerError(e.to_string());
        let limits = Limits::default();
        // Few requests of each pack are judged, so that baking does not pay.
        let loader = Loader::new(Allocation::OnDemand, limits, None).map_err(|e| fault(&e))?;
        let module = |name, limits| {
            let bytes = builtin::module(name).unwrap_or_else(|| Err(format!("`{name}` is not built in")));
            let module = loader.module(limits, bytes.map_err(ExaminerError)?);
            module.map_err(|e| fault(&e))
        };
        Ok(Self {
            reference: module("builtin:reference", limits.for_reference())?,
            fast_path: module("builtin:fastpath", limits)?,
            loader,
        })
    }

    /// Runs the tests of a pack; none where it has none.
    ///
    /// # Errors
    /// When the pack or its tests are unusable.
    pub fn run(&self, catalog: &Catalog, id: &PackId) -> Result<Option<PackResult>, PolicyError> {
        let Some(tests) = catalog.tests(id)? else {
            return Ok(None);
        };
        let pair = self.pair(catalog.compile(id, &[])?, tests.registry.map(Arc::new));
        let cases = tests.tests.iter().map(|case| CaseResult {
            name: case.name.clone(),
            problems: pair.try_case(id, case),
        });
        Ok(Some(PackResult {
            pack: id.to_string(),
            cases: cases.collect(),
        }))
    }

    /// Both evaluators with a policy.
    pub fn pair(&self, policy: CompiledPolicy, registry: Option<Arc<TrustRegistry>>) -> Pair {
        let policy = Arc::new(policy);
        Pair {
            reference: self.loader.evaluator(&self.reference, &policy, registry.as_ref()),
            fast_path: self.loader.evaluator(&self.fast_path, &policy, registry.as_ref()),
        }
    }
}

/// Both evaluators with one policy.
#[derive(Debug)]
pub struct Pair {
    reference: Evaluator,
    fast_path: Evaluator,
}

impl Pair {
    /// The reference's decision, and what about the fast path's differs from it.
    ///
    /// # Errors
    /// When either evaluator fails.
    pub fn judge(&self, request: &Request) -> Result<(Decision, Vec<String>), Fault> {
        let reference = self.reference.evaluate(request).outcome?;
        let fast = self.fast_path.evaluate(request).outcome?;
        let differences = compare(&reference, &fast, Strictness::Full);
        let told = differences.iter().map(|it| {
            format!(
                "the evaluators differ in `{}`: reference {}, fast path {}",
                it.field, it.python, it.go
            )
        });
        Ok((reference, told.collect()))
    }

    fn try_case(&self, id: &PackId, case: &TestCase) -> Vec<String> {
        let request = match request(id, &case.request) {
            Ok(request) => request,
            Err(problem) => return vec![problem],
        };
        match self.judge(&request) {
            Ok((decision, mut problems)) => {
                problems.extend(surprises(&case.expect, &decision));
                problems
            }
            Err(fault) => vec![fault.to_string()],
        }
    }
}

/// Runs a pack's tests against one module alone and, where there is a `reference`, holds
/// each of its decisions to the reference's too: what the parity gate compares.
pub fn examine(
    module: &dyn Backend,
    reference: Option<&dyn Backend>,
    pack: &PackId,
    tests: &PackTests,
) -> PackResult {
    let cases = tests.tests.iter().map(|case| CaseResult {
        name: case.name.clone(),
        problems: request(pack, &case.request).map_or_else(
            |problem| vec![problem],
            |request| try_module(module, reference, &request, &case.expect),
        ),
    });
    PackResult {
        pack: pack.to_string(),
        cases: cases.collect(),
    }
}

fn try_module(
    module: &dyn Backend,
    reference: Option<&dyn Backend>,
    request: &Request,
    expect: &Expectation,
) -> Vec<String> {
    let decision = match module.evaluate(request).outcome {
        Ok(decision) => decision,
        Err(fault) => return vec![fault.to_string()],
    };
    let mut problems: Vec<String> = off_subject(&decision, request).into_iter().collect();
    problems.extend(surprises(expect, &decision));
    match reference.map(|reference| reference.evaluate(request).outcome) {
        None => {}
        Some(Err(fault)) => problems.push(format!("the reference failed: {fault}")),
        Some(Ok(authority)) => {
            let differences = compare(&authority, &decision, Strictness::Gate);
            problems.extend(differences.iter().map(|it| {
                format!(
                    "it differs from the reference in `{}`: reference {}, module {}",
                    it.field, it.python, it.go
                )
            }));
        }
    }
    problems
}

/// A test's request, asked of the pack that the test belongs to.
fn request(id: &PackId, fields: &Map<String, Value>) -> Result<Request, String> {
    let mut fields = fields.clone();
    fields.insert("policy_pack".to_owned(), id.as_str().into());
    let body = serde_json::to_vec(&fields).map_err(|e| e.to_string())?;
    Request::from_json(&body).map_err(|e| e.to_string())
}

/// Where a decision is not what a test expects.
fn surprises(expect: &Expectation, got: &Decision) -> Vec<String> {
    let mut problems = Vec::new();
    let mut field = |name: &str, expected: Option<&str>, got: &str| {
        if let Some(expected) = expected.filter(|expected| *expected != got) {
            problems.push(format!("expected {name} `{expected}`, got `{got}`"));
        }
    };
    field("decision", Some(&expect.decision), got.verdict.as_str());
    field("rule_id", expect.rule_id.as_deref(), &got.rule_id);
    field("severity", expect.severity.as_deref(), got.severity.as_str());
    field(
        "approver_group",
        expect.approver_group.as_deref(),
        got.approver_group.as_deref().unwrap_or_default(),
    );
    field(
        "matched_pattern",
        expect.matched_pattern.as_deref(),
        got.matched_pattern.as_deref().unwrap_or_default(),
    );
    field(
        "requested_operation",
        expect.requested_operation.as_deref(),
        &got.requested_operation,
    );
    problems
}
