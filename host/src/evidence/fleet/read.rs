//! The store as those see it who read it.

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Postgres, QueryBuilder};
use tokio::runtime::Runtime;

use super::columns::{ceiling, shown, storable};
use super::ship::{connect, patiently};
use super::{Credentials, FleetError, schema};
use crate::evidence::query::Query;
use crate::evidence::{Entry, EvidenceError};

/// How many entries are fetched at once.
const PAGE: i64 = 250;

/// What connects logs and entries.
pub(super) const FROM: &str = " FROM cavra_evidence_entries AS entries \
    JOIN cavra_evidence_logs AS logs USING (log_id) WHERE kind = 'evaluation'";

/// The store, for threads that wait.
#[derive(Debug)]
pub struct Store {
    runtime: Runtime,
    pub(super) db: PgConnection,
    pub(super) at: Credentials,
}

/// A log that the store knows.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Hosted {
    pub(super) log_id: i64,
    /// Its name.
    pub origin: String,
    /// The public key that it was registered with.
    pub public_key: String,
    /// The machine that registered it.
    pub host: String,
}

/// An entry and whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The log's name.
    pub origin: String,
    /// The machine's name.
    pub host: String,
    /// The entry.
    pub entry: Entry,
}

#[derive(sqlx::FromRow)]
struct Page {
    origin: String,
    host: String,
    log_id: i64,
    sequence: i64,
    time: String,
    line: Vec<u8>,
}

/// Where a page begins: after this time, log and number.
type Place = (String, i64, i64);

impl Store {
    /// Connects.
    ///
    /// # Errors
    /// When the store cannot be reached, or has no tables and none may be made.
    pub fn open(at: &Credentials) -> Result<Self, FleetError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| at.refused(&error.to_string()))?;
        let db = runtime.block_on(connect(at))?;
        Ok(Self {
            runtime,
            db,
            at: at.clone(),
        })
    }

    /// Makes the tables where they are missing, and tells how many steps they are made of.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn migrate(&mut self) -> Result<u64, FleetError> {
        let Self { runtime, db, at } = self;
        runtime.block_on(patiently(at, schema::migrate(db, at)))
    }

    /// Waits for an answer of the database.
    pub(super) fn wait<T>(
        &mut self,
        asked: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, FleetError> {
        let Self { runtime, db, at } = self;
        runtime.block_on(async { asked(db).await.map_err(|error| at.told(&error)) })
    }

    /// The logs, or that one that is meant: by its name, what follows the slash in it, or
    /// its machine's name.
    ///
    /// # Errors
    /// When none is meant, or the store cannot be read.
    pub fn logs(&mut self, meant: Option<&str>) -> Result<Vec<Hosted>, FleetError> {
        let logs: Vec<Hosted> = self.wait(async |db| {
            sqlx::query_as(
                "SELECT log_id, origin, public_key, host FROM cavra_evidence_logs \
                 WHERE $1::text IS NULL OR $1 IN (origin, split_part(origin, '/', 2), host) \
                 ORDER BY host, origin",
            )
            .bind(meant.map(|it| storable(it.to_owned())))
            .fetch_all(db)
            .await
        })?;
        match meant {
            Some(meant) if logs.is_empty() => Err(FleetError::UnknownLog(meant.to_owned())),
            _ => Ok(logs),
        }
    }

    /// The evaluations that are asked for, by time.
    ///
    /// # Errors
    /// When no such log is there; each entry can fail, too.
    pub fn query(
        mut self,
        query: Query,
        log: Option<&str>,
    ) -> Result<impl Iterator<Item = Result<Found, FleetError>> + use<>, FleetError> {
        let meant = ids(&self.logs(log)?);
        let mut place: Option<Place> = None;
        let mut page = Vec::new().into_iter();
        let mut ended = false;
        Ok(std::iter::from_fn(move || {
            loop {
                if let Some(found) = page.next() {
                    let found = read(found);
                    // By the entry, whatever the columns say.
                    let asked = |found: &Found| found.entry.evaluation().is_some_and(|it| query.asks_for(it));
                    match found {
                        Ok(found) if !asked(&found) => continue,
                        other => return Some(other),
                    }
                }
                if ended {
                    return None;
                }
                match self.page(&query, &meant, place.as_ref(), false, PAGE) {
                    Ok(found) => {
                        ended = found.len() < usize::try_from(PAGE).unwrap_or_default();
                        if let Some(last) = found.last() {
                            place = Some((last.time.clone(), last.log_id, last.sequence));
                        }
                        page = found.into_iter();
                    }
                    Err(error) => {
                        ended = true;
                        return Some(Err(error));
                    }
                }
            }
        }))
    }

    /// The last evaluations, the latest last.
    ///
    /// # Errors
    /// When no such log is there, or the store cannot be read.
    pub fn last(&mut self, count: usize, log: Option<&str>) -> Result<Vec<Found>, FleetError> {
        let meant = ids(&self.logs(log)?);
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let page = self.page(&Query::default(), &meant, None, true, count)?;
        page.into_iter().rev().map(read).collect()
    }

    /// The entry of one evaluation, and the log that it is in.
    ///
    /// # Errors
    /// When there is none, or the store cannot be read.
    pub fn find(&mut self, id: &str) -> Result<(Hosted, u64, Vec<u8>), FleetError> {
        let id = storable(id.to_owned());
        let found: Option<(i64, i64, Option<Vec<u8>>)> = self.wait(async |db| {
            sqlx::query_as(
                "SELECT log_id, sequence, line FROM cavra_evidence_entries WHERE evaluation_id = $1 LIMIT 1",
            )
            .bind(&id)
            .fetch_optional(db)
            .await
        })?;
        let Some((log_id, sequence, Some(line))) = found else {
            return Err(EvidenceError::Unknown(id).into());
        };
        let log = self.logs(None)?.into_iter().find(|it| it.log_id == log_id);
        let log = log.ok_or_else(|| FleetError::UnknownLog(log_id.to_string()))?;
        Ok((log, sequence.unsigned_abs(), line))
    }

    fn page(
        &mut self,
        query: &Query,
        meant: &[i64],
        after: Option<&Place>,
        backwards: bool,
        count: i64,
    ) -> Result<Vec<Page>, FleetError> {
        let mut sql = QueryBuilder::<Postgres>::new(
            "SELECT origin, host, log_id, sequence, \
             to_char(\"time\", 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS \"time\", line",
        );
        sql.push(FROM)
            .push(" AND line IS NOT NULL AND \"time\" IS NOT NULL");
        filter(&mut sql, query, meant);
        if let Some((time, log_id, sequence)) = after {
            sql.push(" AND (\"time\", log_id, sequence) > (")
                .push_bind(time)
                .push("::timestamptz, ")
                .push_bind(log_id)
                .push(", ")
                .push_bind(sequence)
                .push(")");
        }
        let order = if backwards { " DESC" } else { "" };
        sql.push(format_args!(
            " ORDER BY entries.\"time\"{order}, log_id{order}, sequence{order} LIMIT "
        ))
        .push_bind(count);
        self.wait(async |db| sql.build_query_as().fetch_all(db).await)
    }

    /// Ends the connection in order.
    pub fn close(self) {
        let Self { runtime, db, .. } = self;
        // Nothing is left to be done on it.
        let _ = runtime.block_on(db.close());
    }
}

pub(super) fn ids(logs: &[Hosted]) -> Vec<i64> {
    logs.iter().map(|it| it.log_id).collect()
}

/// Adds what is asked for to a statement about `entries`.
pub(super) fn filter(sql: &mut QueryBuilder<Postgres>, query: &Query, meant: &[i64]) {
    sql.push(" AND log_id = ANY(").push_bind(meant.to_vec()).push(")");
    let texts = [
        (" AND policy_pack = ", query.pack.clone()),
        (" AND rule_id = ", query.rule.clone()),
        (" AND session_id = ", query.session.clone()),
        (" AND decision = ", query.decision.map(|it| it.to_string())),
        (
            " AND fallback_code = ",
            query.fallback_code.map(|it| it.to_string()),
        ),
    ];
    for (condition, value) in texts {
        if let Some(value) = value {
            sql.push(condition).push_bind(storable(value));
        }
    }
    if let Some(parity) = query.parity {
        sql.push(" AND parity_match = ").push_bind(parity);
    }
    let times = [
        (" AND \"time\" >= ", query.since.map(shown)),
        (" AND \"time\" < ", query.until.map(ceiling)),
    ];
    for (condition, value) in times {
        if let Some(value) = value {
            sql.push(condition).push_bind(value).push("::timestamptz");
        }
    }
}

fn read(page: Page) -> Result<Found, FleetError> {
    let entry = serde_json::from_slice(&page.line).map_err(|source| EvidenceError::NoEntry {
        segment: page.origin.clone(),
        line: page.sequence.unsigned_abs(),
        source,
    })?;
    Ok(Found {
        origin: page.origin,
        host: page.host,
        entry,
    })
}
