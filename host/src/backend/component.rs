//! A sandboxed component as a backend.

use super::{Attempt, Backend};
use crate::fault::Fault;
use crate::model::Request;
use crate::sandbox::Evaluator;

impl Backend for Evaluator {
    fn evaluate(&self, request: &Request) -> Attempt {
        Self::evaluate(self, request)
    }

    fn evaluate_briefly(&self, request: &Request) -> Option<Attempt> {
        Self::evaluate_briefly(self, request)
    }
}

/// A backend that there is none of: every attempt gives the same fault.
#[derive(Clone, Debug)]
pub struct MissingBackend(pub Fault);

impl Backend for MissingBackend {
    fn evaluate(&self, _: &Request) -> Attempt {
        Attempt {
            outcome: Err(self.0.clone()),
            usage: Default::default(),
        }
    }

    fn evaluate_briefly(&self, request: &Request) -> Option<Attempt> {
        Some(self.evaluate(request))
    }
}
