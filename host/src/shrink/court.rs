//! Two modules that judge one subject, and how they disagree.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::fault::{FallbackCode, Fault};
use crate::model::{Decision, Request, Severity, Verdict};
use crate::pilot::{Strictness, compare};
use crate::policy::{CompiledPolicy, TrustRegistry};
use crate::sandbox::{Allocation, Limits, Loader, Module};

/// The modules cannot be asked.
#[derive(Debug, thiserror::Error)]
#[error("the {which} cannot be used: {problem}")]
pub struct CourtError {
    which: &'static str,
    problem: String,
}

/// What two modules disagree about, so that a smaller subject shows the same and not
/// some other disagreement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disagreement {
    /// They decide otherwise: what the reference says, and what the fast path.
    Verdict(Verdict, Verdict),
    /// They decide the same by different rules.
    Rule(String, String),
    /// They rate the same rule otherwise.
    Severity(Severity, Severity),
    /// The fast path gives no decision at all.
    Fault(FallbackCode),
}

impl std::fmt::Display for Disagreement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut both = |what, reference: &dyn std::fmt::Display, fast: &dyn std::fmt::Display| {
            write!(f, "{what}: the reference says {reference}, the fast path {fast}")
        };
        match self {
            Self::Verdict(reference, fast) => both("decision", reference, fast),
            Self::Rule(reference, fast) => both("rule", reference, fast),
            Self::Severity(reference, fast) => both("severity", reference, fast),
            Self::Fault(code) => write!(f, "the fast path fails: {code}"),
        }
    }
}

/// What both modules say about a subject.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The reference's decision.
    pub reference: Decision,
    /// The fast path's.
    pub fast: Result<Decision, Fault>,
}

impl Judgement {
    /// How they disagree, if they do.
    pub fn disagreement(&self) -> Option<Disagreement> {
        let fast = match &self.fast {
            Ok(fast) => fast,
            // How long something takes is another each time.
            Err(Fault::WallClock { .. } | Fault::NoTurn { .. }) => return None,
            Err(fault) => return Some(Disagreement::Fault(fault.code())),
        };
        let it = &self.reference;
        if compare(it, fast, Strictness::Gate).is_empty() {
            return None;
        }
        Some(if it.verdict != fast.verdict {
            Disagreement::Verdict(it.verdict, fast.verdict)
        } else if it.rule_id != fast.rule_id {
            Disagreement::Rule(it.rule_id.clone(), fast.rule_id.clone())
        } else {
            Disagreement::Severity(it.severity, fast.severity)
        })
    }
}

/// What is judged, as one document, so that one search can make all of it smaller:
/// `policy` (a compiled one without its seal), `registry` (absent: none), `request`
/// (without its pack, which is the policy's).
#[derive(Clone, Debug, PartialEq)]
pub struct Subject(pub Value);

impl Subject {
    /// A policy, a registry and a request as they are.
    ///
    /// # Errors
    /// When one of the texts is not JSON.
    pub fn new(
        policy: &CompiledPolicy,
        registry: Option<&TrustRegistry>,
        request: &Map<String, Value>,
    ) -> Result<Self, serde_json::Error> {
        let mut body: Map<String, Value> = serde_json::from_str(policy.json())?;
        // What is changed is sealed anew.
        body.remove("schema_version");
        body.remove("digest");
        let mut request = request.clone();
        request.remove("policy_pack");
        let mut subject = json!({"policy": body, "request": request});
        if let (Value::Object(subject), Some(registry)) = (&mut subject, registry) {
            subject.insert("registry".to_owned(), serde_json::from_str(registry.json())?);
        }
        Ok(Self(subject))
    }

    /// The pack's id.
    pub fn pack_id(&self) -> &str {
        let id = self.0.pointer("/policy/metadata/id").and_then(Value::as_str);
        id.unwrap_or_default()
    }

    /// How large it is, in bytes of JSON.
    pub fn bytes(&self) -> usize {
        self.0.to_string().len()
    }

    /// The policy, if it still is one.
    pub fn policy(&self) -> Option<CompiledPolicy> {
        let body = self.0.get("policy")?.to_string();
        CompiledPolicy::from_json(body.as_bytes(), "policy").ok()
    }

    /// The registry, if it still is one; none where there is none.
    pub fn registry(&self) -> Option<Option<TrustRegistry>> {
        let Some(registry) = self.0.get("registry") else {
            return Some(None);
        };
        let registry = registry.to_string();
        TrustRegistry::from_json(registry.as_bytes(), "registry")
            .ok()
            .map(Some)
    }

    /// The request, if it still is one.
    pub fn request(&self) -> Option<Request> {
        let mut request = self.0.get("request")?.as_object()?.clone();
        request.insert("policy_pack".to_owned(), self.pack_id().into());
        Request::from_json(Value::Object(request).to_string().as_bytes()).ok()
    }
}

/// The two real modules, each evaluation in a fresh sandbox.
#[derive(Debug)]
pub struct Court {
    loader: Loader,
    reference: Module,
    fast: Module,
}

impl Court {
    /// Loads both modules; `limits` are those of the fast path.
    ///
    /// # Errors
    /// When the engine or a module is unusable.
    pub fn new(
        reference: Cow<'static, [u8]>,
        fast: Cow<'static, [u8]>,
        limits: Limits,
    ) -> Result<Self, CourtError> {
        // Every subject is another policy, so that baking would never pay.
        let loader = Loader::new(Allocation::OnDemand, limits.for_reference(), None);
        let loader = loader.map_err(|e| CourtError {
            which: "engine",
            problem: e.to_string(),
        })?;
        let module = |which, limits, bytes| {
            loader.module(limits, bytes).map_err(|e| CourtError {
                which,
                problem: e.to_string(),
            })
        };
        Ok(Self {
            reference: module("reference", limits.for_reference(), reference)?,
            fast: module("fast path", limits, fast)?,
            loader,
        })
    }

    /// What both say. None where the subject is nothing that can be judged, or the
    /// reference gives no decision.
    pub fn judge(&self, subject: &Subject) -> Option<Judgement> {
        let policy = Arc::new(subject.policy()?);
        let registry = subject.registry()?.map(Arc::new);
        let request = subject.request()?;
        let ask = |module| {
            let evaluator = self.loader.evaluator(module, &policy, registry.as_ref());
            evaluator.evaluate(&request).outcome
        };
        Some(Judgement {
            reference: ask(&self.reference).ok()?,
            fast: ask(&self.fast),
        })
    }
}
