//! Between a decision and its answer: the record.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Host, HostError, State};
use crate::config::Setting;
use crate::digest::hex;
use crate::evidence::{EvaluationRecord, Prepared, Recorder, Settings, Subject, Ticket};
use crate::model::Request;
use crate::pilot::{Evaluation, Mode};

/// What was decided, and cannot be answered before it is recorded: the answer comes out
/// of this by [`answer`](Self::answer) and [`answered`](Self::answered) alone.
#[derive(Debug)]
pub struct Judged {
    answer: Evaluation,
    record: Record,
}

#[derive(Debug)]
enum Record {
    /// Nothing is recorded.
    None,
    Prepared(Prepared),
    HandedOver(Ticket),
}

impl Judged {
    pub(super) fn new(
        state: &State,
        request: &Request,
        answer: Evaluation,
        drawn: Option<Vec<String>>,
    ) -> Self {
        let record = match (&state.base.evidence, drawn) {
            (Some(recorder), Some(drawn)) => {
                let record = EvaluationRecord::new(request, &answer, state.subject(drawn));
                Record::Prepared(recorder.prepare(record))
            }
            _ => Record::None,
        };
        Self { answer, record }
    }

    /// Hands the record to the writer. For threads that may wait until there is room.
    #[must_use]
    pub fn hand_over(self) -> Self {
        let record = match self.record {
            Record::Prepared(record) => Record::HandedOver(record.send()),
            other => other,
        };
        Self { record, ..self }
    }

    /// The answer, once it is recorded as the settings ask.
    ///
    /// # Errors
    /// When it could not be recorded and must be.
    pub fn answer(self) -> Result<Evaluation, HostError> {
        match self.record {
            Record::None => {}
            Record::Prepared(record) => record.send().wait()?,
            Record::HandedOver(ticket) => ticket.wait()?,
        }
        Ok(self.answer)
    }

    /// As [`Self::answer`], without making a thread wait.
    ///
    /// # Errors
    /// As [`Self::answer`].
    pub async fn answered(self) -> Result<Evaluation, HostError> {
        match self.record {
            Record::None => {}
            Record::Prepared(record) => record.handed_over().await.written().await?,
            Record::HandedOver(ticket) => ticket.written().await?,
        }
        Ok(self.answer)
    }
}

impl Host {
    /// Who records evaluations, if anybody does.
    pub fn evidence(&self) -> Option<&Arc<Recorder>> {
        self.base.evidence.as_ref()
    }

    /// Whether what is decided is recorded, and what was recorded is whole: reads what
    /// is new since it was last asked.
    pub(super) fn evidence_store(&self) -> Result<String, String> {
        let recorder = self.evidence().ok_or_else(|| {
            format!(
                "nothing that is decided can be proved later; set {}",
                Setting::EvidenceDir
            )
        })?;
        let found = recorder.watch().look().map_err(|e| e.to_string())?;
        let writable = recorder.probe();
        match found.faults.as_slice() {
            [] if writable.is_err() => Err("the evidence log verifies, and cannot be written".to_owned()),
            [] => {
                let store = recorder.sent().map(|sent| (sent.forked(), sent.problem()));
                let verified = format!(
                    "the evidence log is written and verifies from entry {} on: {} entries, {} checkpoints",
                    found.from, found.entries, found.checkpoints
                );
                match store {
                    None => Ok(verified),
                    Some((true, problem)) => Err(problem.unwrap_or_default()),
                    Some((false, None)) => Ok(format!("{verified}; {} to be sent", recorder.unsent())),
                    Some((false, Some(problem))) => {
                        Ok(format!("{verified}; {} to be sent: {problem}", recorder.unsent()))
                    }
                }
            }
            [first, rest @ ..] => Err(format!(
                "the evidence log does not verify: {}, {}; {} more faults; `cavra evidence verify` tells them",
                first.place,
                first.message,
                rest.len()
            )),
        }
    }
}

impl State {
    fn subject(&self, drawn_ids: Vec<String>) -> Subject {
        // One that cannot be read vouches for nobody, and that is what was judged by.
        let registry = self.registry.as_ref().and_then(|it| match it {
            Ok(registry) => Some(hex(registry.digest())),
            Err(_) => super::empty_registry().ok().map(|it| hex(it.digest())),
        });
        let documents = if self.config.mode == Mode::Promoted {
            self.document_digests()
        } else {
            BTreeMap::new()
        };
        Subject {
            drawn_ids,
            settings: Settings::of(&self.config),
            registry_sha256: registry,
            documents,
        }
    }
}
