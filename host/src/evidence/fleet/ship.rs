//! One connection by which one log is sent.
//!
//! A batch is one transaction: under a lock that is the log's own, the last entry that
//! the store has is read, and what is sent must follow it. So nothing is there twice and
//! nothing is left out, whoever sends, and whenever somebody is killed.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions, Connection};

use super::local::{Head, Local, Row};
use super::{Credentials, FleetError, schema};
use crate::evidence::Hash;

/// How long the database may take for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was sent at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shipped {
    /// How many entries.
    pub entries: u64,
    /// How many checkpoints.
    pub checkpoints: u64,
    /// How many entries the store has of the log now.
    pub size: u64,
}

/// A connection to the store, and the log that is sent by it.
#[derive(Debug)]
pub struct Shipment {
    db: PgConnection,
    at: Credentials,
    local: Local,
    log_id: i64,
    /// How many entries the last checkpoint that the store has is about.
    signed: u64,
}

/// Waits for the database, and not for ever.
pub(super) async fn patiently<T>(
    at: &Credentials,
    waited: impl Future<Output = Result<T, FleetError>>,
) -> Result<T, FleetError> {
    let silent = |_| FleetError::Silent {
        store: at.address.to_string(),
        seconds: PATIENCE.as_secs(),
    };
    tokio::time::timeout(PATIENCE, waited).await.map_err(silent)?
}

/// Connects, and makes the tables where they are missing.
pub(super) async fn connect(at: &Credentials) -> Result<PgConnection, FleetError> {
    patiently(at, async {
        let mut options = at.options()?;
        if options.get_application_name().is_none() {
            options = options.application_name("cavra");
        }
        let mut db = options.connect().await.map_err(|error| at.told(&error))?;
        schema::migrate(&mut db, at).await?;
        Ok(db)
    })
    .await
}

impl Shipment {
    /// Connects, and registers the log in `dir` where the store does not know it; `host`
    /// is the machine's name.
    ///
    /// # Errors
    /// When the store cannot be reached or refuses, or has the log under another key.
    pub async fn open(at: &Credentials, dir: &Path, host: &str) -> Result<Self, FleetError> {
        let local = Local::open(dir)?;
        let mut db = connect(at).await?;
        let (log_id, signed) = patiently(at, async {
            let log_id = register(&mut db, at, &local, host).await?;
            let signed = signed(&mut db, log_id).await.map_err(|error| at.told(&error))?;
            Ok((log_id, signed))
        })
        .await?;
        Ok(Self {
            db,
            at: at.clone(),
            local,
            log_id,
            signed,
        })
    }

    /// Whether there may be something to send; nobody but the files is asked.
    pub fn has_news(&self) -> bool {
        self.local.has_news()
    }

    /// Sends what comes next, if anything is left to send.
    ///
    /// # Errors
    /// When the store cannot be reached or refuses, or files and store do not agree.
    pub async fn step(&mut self) -> Result<Shipped, FleetError> {
        let Self {
            db,
            at,
            local,
            log_id,
            signed,
        } = self;
        let sent = patiently(at, async {
            let (size, entries) = send_entries(db, at, local, *log_id).await?;
            let checkpoints = send_notes(db, at, local, *log_id, signed, size).await?;
            Ok(Shipped {
                entries,
                checkpoints,
                size,
            })
        })
        .await;
        if sent.is_err() {
            // What of it the store has is looked up again.
            local.rewind();
        }
        sent
    }

    /// Ends the connection in order.
    pub async fn close(self) {
        // Whoever does not answer is not waited for.
        let _ = tokio::time::timeout(Duration::from_secs(2), self.db.close()).await;
    }
}

async fn register(
    db: &mut PgConnection,
    at: &Credentials,
    local: &Local,
    host: &str,
) -> Result<i64, FleetError> {
    let (origin, key) = (&local.key.origin, local.key.to_string());
    for attempt in [true, false] {
        let known: Option<(i64, String)> =
            sqlx::query_as("SELECT log_id, public_key FROM cavra_evidence_logs WHERE origin = $1")
                .bind(origin)
                .fetch_optional(&mut *db)
                .await
                .map_err(|error| at.told(&error))?;
        match known {
            Some((log_id, public_key)) if public_key == key => return Ok(log_id),
            Some((_, public_key)) => {
                return Err(FleetError::Forked {
                    origin: origin.clone(),
                    problem: format!("its key is {key} in the files and {public_key} in the store"),
                });
            }
            None if attempt => {
                sqlx::query(
                    "INSERT INTO cavra_evidence_logs (origin, public_key, host) VALUES ($1, $2, $3) \
                     ON CONFLICT DO NOTHING",
                )
                .bind(origin)
                .bind(&key)
                .bind(host)
                .execute(&mut *db)
                .await
                .map_err(|error| at.told(&error))?;
            }
            None => {}
        }
    }
    Err(at.refused("the log was registered and is not there"))
}

async fn signed(db: &mut PgConnection, log_id: i64) -> Result<u64, sqlx::Error> {
    let signed: Option<i64> =
        sqlx::query_scalar("SELECT max(size) FROM cavra_evidence_checkpoints WHERE log_id = $1")
            .bind(log_id)
            .fetch_one(db)
            .await?;
    Ok(signed.unwrap_or_default().unsigned_abs())
}

/// Sends the next entries; tells how many the store has now, and how many were sent.
async fn send_entries(
    db: &mut PgConnection,
    at: &Credentials,
    local: &mut Local,
    log_id: i64,
) -> Result<(u64, u64), FleetError> {
    let told = |error: sqlx::Error| at.told(&error);
    let mut turn = db.begin().await.map_err(told)?;
    // Until the transaction ends. A lock on the row would need the right to change it.
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('cavra-evidence', $1))")
        .bind(log_id)
        .execute(&mut *turn)
        .await
        .map_err(told)?;
    let head = head(&mut turn, log_id).await.map_err(told)?;
    let rows = local.after(head)?;
    let count = rows.len() as u64;
    if count > 0 {
        insert(&mut turn, log_id, rows).await.map_err(told)?;
    }
    turn.commit().await.map_err(told)?;
    Ok((head.size.saturating_add(count), count))
}

async fn head(db: &mut PgConnection, log_id: i64) -> Result<Head, sqlx::Error> {
    let last: Option<(i64, Vec<u8>)> = sqlx::query_as(
        "SELECT sequence, hash FROM cavra_evidence_entries WHERE log_id = $1 ORDER BY sequence DESC LIMIT 1",
    )
    .bind(log_id)
    .fetch_optional(db)
    .await?;
    Ok(last.map_or_else(Head::default, |(sequence, hash)| Head {
        size: sequence.unsigned_abs().saturating_add(1),
        hash: Hash(hash.try_into().unwrap_or_default()),
    }))
}

async fn insert(db: &mut PgConnection, log_id: i64, rows: Vec<Row>) -> Result<(), sqlx::Error> {
    let mut sequences = Vec::new();
    let mut hashes = Vec::new();
    let mut lines = Vec::new();
    let mut parities = Vec::new();
    let mut texts: [Vec<Option<String>>; 8] = Default::default();
    for row in rows {
        let it = row.columns;
        sequences.push(i64::try_from(row.sequence).unwrap_or(i64::MAX));
        hashes.push(row.hash.0.to_vec());
        lines.push(row.line);
        parities.push(it.parity_match);
        let values = [
            it.kind,
            it.evaluation_id,
            it.time,
            it.policy_pack,
            it.rule_id,
            it.decision,
            it.fallback_code,
            it.session_id,
        ];
        for (column, value) in texts.iter_mut().zip(values) {
            column.push(value);
        }
    }
    let mut query = sqlx::query(
        "INSERT INTO cavra_evidence_entries (log_id, sequence, hash, line, parity_match, kind, evaluation_id, \
         \"time\", policy_pack, rule_id, decision, fallback_code, session_id) \
         SELECT $1, sequence, hash, line, parity_match, kind, evaluation_id, told::timestamptz, policy_pack, \
         rule_id, decision, fallback_code, session_id \
         FROM unnest($2::bigint[], $3::bytea[], $4::bytea[], $5::boolean[], $6::text[], $7::text[], $8::text[], \
         $9::text[], $10::text[], $11::text[], $12::text[], $13::text[]) \
         AS sent (sequence, hash, line, parity_match, kind, evaluation_id, told, policy_pack, rule_id, decision, \
         fallback_code, session_id)",
    )
    .bind(log_id)
    .bind(sequences)
    .bind(hashes)
    .bind(lines)
    .bind(parities);
    for column in texts {
        query = query.bind(column);
    }
    query.execute(db).await.map(drop)
}

/// Sends checkpoints about what the store has; tells how many.
async fn send_notes(
    db: &mut PgConnection,
    at: &Credentials,
    local: &mut Local,
    log_id: i64,
    signed: &mut u64,
    size: u64,
) -> Result<u64, FleetError> {
    let told = |error: sqlx::Error| at.told(&error);
    let notes = local.notes(*signed, size)?;
    if notes.is_empty() {
        return Ok(0);
    }
    let sizes: Vec<i64> = notes
        .iter()
        .map(|note| i64::try_from(note.size).unwrap_or(i64::MAX))
        .collect();
    let texts: Vec<String> = notes.iter().map(ToString::to_string).collect();
    let sent = sqlx::query(
        "INSERT INTO cavra_evidence_checkpoints (log_id, size, note) \
         SELECT $1, size, note FROM unnest($2::bigint[], $3::text[]) AS sent (size, note) ON CONFLICT DO NOTHING",
    )
    .bind(log_id)
    .bind(&sizes)
    .bind(&texts)
    .execute(&mut *db)
    .await
    .map_err(told)?;
    let other: Option<i64> = sqlx::query_scalar(
        "SELECT size FROM cavra_evidence_checkpoints JOIN unnest($2::bigint[], $3::text[]) AS sent (size, note) \
         USING (size) WHERE log_id = $1 AND cavra_evidence_checkpoints.note <> sent.note LIMIT 1",
    )
    .bind(log_id)
    .bind(&sizes)
    .bind(&texts)
    .fetch_optional(&mut *db)
    .await
    .map_err(told)?;
    if let Some(size) = other {
        return Err(FleetError::Forked {
            origin: local.key.origin.clone(),
            problem: format!("the checkpoint about {size} entries is another in the store"),
        });
    }
    *signed = notes.last().map_or(*signed, |note| note.size);
    Ok(sent.rows_affected())
}
