//! Verifying what the store has, as if it were the files.

use serde::Serialize;
use sqlx::FromRow;

use super::FleetError;
use super::columns::{Columns, Outline, SELECTED};
use super::read::{Hosted, Store};
use crate::evidence::Hash;
use crate::evidence::checkpoints;
use crate::evidence::note::{Checkpoint, PublicKey};
use crate::evidence::reader::Line;
use crate::evidence::verify::{FaultKind, Verification, Verifier};
use crate::evidence::walk::Walk;

/// How many entries are fetched at once.
const PAGE: i64 = 250;

/// What was found of every log: `cavra.evidence-fleet-verification.v1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FleetVerification {
    /// `cavra.evidence-fleet-verification.v1`.
    pub schema_version: &'static str,
    /// Whether nothing is wrong with any.
    pub verified: bool,
    /// Every log.
    pub logs: Vec<LogVerification>,
}

/// What was found of one log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogVerification {
    /// The log's name.
    pub log: String,
    /// The machine's name.
    pub host: String,
    /// What was found; files are named by the log, lines by the entry's number.
    #[serde(flatten)]
    pub found: Verification,
}

#[derive(FromRow)]
struct Stored {
    sequence: i64,
    hash: Vec<u8>,
    line: Option<Vec<u8>>,
    #[sqlx(flatten)]
    columns: Columns,
}

impl Store {
    /// Verifies the chains, the trees and the checkpoints of all logs, or of that one.
    /// A key or an old checkpoint that was kept elsewhere is of the log that it names.
    ///
    /// # Errors
    /// When no such log is there, or the store cannot be read.
    pub fn verify(
        &mut self,
        log: Option<&str>,
        given: Option<&PublicKey>,
        old: Option<&Checkpoint>,
    ) -> Result<FleetVerification, FleetError> {
        let logs = self.logs(log)?;
        let named = [given.map(|it| &it.origin), old.map(|it| &it.origin)];
        for origin in named.into_iter().flatten() {
            // A log that is gone is not one that was verified.
            if logs.iter().all(|it| it.origin != *origin) {
                return Err(FleetError::UnknownLog(origin.clone()));
            }
        }
        let mut found = Vec::new();
        for log in logs {
            let given = given.filter(|it| it.origin == log.origin);
            let old = old.filter(|it| it.origin == log.origin);
            found.push(self.verify_log(log, given, old)?);
        }
        Ok(FleetVerification {
            schema_version: "cavra.evidence-fleet-verification.v1",
            verified: found.iter().all(|it| it.found.verified),
            logs: found,
        })
    }

    fn verify_log(
        &mut self,
        log: Hosted,
        given: Option<&PublicKey>,
        old: Option<&Checkpoint>,
    ) -> Result<LogVerification, FleetError> {
        // Before the entries: a host may be sending, and checkpoints come after.
        let notes = self.notes(log.log_id)?;
        let mut verifier = Verifier::new(Walk::default(), log.public_key.parse().ok(), given, notes, old);
        let mut next = 0;
        loop {
            let page = self.stored(log.log_id, next)?;
            let Some(last) = page.last() else {
                break;
            };
            next = last.sequence.saturating_add(1);
            for stored in page {
                entry(&mut verifier, &log, stored);
            }
        }
        Ok(LogVerification {
            log: log.origin,
            host: log.host,
            found: verifier.finish(),
        })
    }

    fn stored(&mut self, log_id: i64, first: i64) -> Result<Vec<Stored>, FleetError> {
        let mut sql = sqlx::QueryBuilder::<sqlx::Postgres>::new("SELECT sequence, hash, line, ");
        sql.push(SELECTED)
            .push(" FROM cavra_evidence_entries WHERE log_id = ")
            .push_bind(log_id)
            .push(" AND sequence >= ")
            .push_bind(first)
            .push(" ORDER BY sequence LIMIT ")
            .push_bind(PAGE);
        self.wait(async |db| sql.build_query_as().fetch_all(db).await)
    }

    /// The checkpoints of a log, in order.
    pub(super) fn notes(&mut self, log_id: i64) -> Result<Vec<checkpoints::Found>, FleetError> {
        let notes: Vec<String> = self.wait(async |db| {
            sqlx::query_scalar("SELECT note FROM cavra_evidence_checkpoints WHERE log_id = $1 ORDER BY size")
                .bind(log_id)
                .fetch_all(db)
                .await
        })?;
        let notes = notes.into_iter().zip(1..);
        Ok(notes
            .map(|(note, line)| checkpoints::Found {
                line,
                note: note.parse().ok(),
                kept: None,
                torn: false,
            })
            .collect())
    }

    /// The newest checkpoint of a log.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn checkpoint(&mut self, log: &Hosted) -> Result<Option<Checkpoint>, FleetError> {
        let notes = self.notes(log.log_id)?;
        Ok(notes.into_iter().filter_map(|it| it.note).next_back())
    }
}

fn entry(verifier: &mut Verifier<'_>, log: &Hosted, stored: Stored) {
    let sequence = stored.sequence.unsigned_abs();
    let Some(bytes) = stored.line else {
        let hash = Hash(stored.hash.try_into().unwrap_or_default());
        return verifier.removed(sequence, hash, &log.origin);
    };
    let place = format!("{}:{sequence}", log.origin);
    let problem = if Hash::of_line(&bytes).0[..] != stored.hash[..] {
        Some("its hash is another than the store has for it")
    } else if Outline::of(&bytes).is_ok_and(|outline| outline.columns() != stored.columns) {
        Some("the columns that it is found by say something else than the entry")
    } else {
        None
    };
    if let Some(problem) = problem {
        verifier.fault(FaultKind::Changed, &place, Some(sequence), problem);
    }
    let line = Line {
        segment: log.origin.clone(),
        number: sequence,
        bytes,
        whole: true,
    };
    verifier.line(line, true);
}
