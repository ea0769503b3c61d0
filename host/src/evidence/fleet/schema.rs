//! The tables, and how they come about however many hosts start at once.

use std::collections::BTreeSet;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{PgConnection, SqlSafeStr};

use super::{Credentials, FleetError};

/// Where it is kept which migrations have been applied.
const TABLE: &str = "cavra_evidence_migrations";

fn migrations() -> Vec<Migration> {
    let sql = include_str!("migrations/0001_evidence.sql").into_sql_str();
    vec![Migration::new(
        1,
        "evidence".into(),
        MigrationType::Simple,
        sql,
        false,
    )]
}

/// Makes what is missing of the tables. Hosts that do so at once wait for each other;
/// of a database that a newer host has prepared, nothing is changed.
pub(super) async fn migrate(db: &mut PgConnection, at: &Credentials) -> Result<u64, FleetError> {
    let refused = |problem: &dyn std::fmt::Display| FleetError::Schema {
        store: at.address.to_string(),
        problem: at.without_password(&problem.to_string()),
    };
    let encoding: String = sqlx::query_scalar("SHOW server_encoding")
        .fetch_one(&mut *db)
        .await
        .map_err(|error| at.told(&error))?;
    if encoding != "UTF8" {
        return Err(refused(&format_args!(
            "its encoding is {encoding}; make a database with the encoding UTF8"
        )));
    }
    let migrations = migrations();
    let known = migrations.len() as u64;
    // Where nothing is to be done, nothing must be allowed to.
    let applied = applied(db, at).await?;
    if migrations.iter().all(|it| applied.contains(&it.version)) {
        return Ok(known);
    }
    let mut migrator = Migrator::with_migrations(migrations);
    migrator.dangerous_set_table_name(TABLE);
    migrator.set_ignore_missing(true);
    match migrator.run(db).await {
        Ok(()) => Ok(known),
        Err(error) => Err(refused(&error)),
    }
}

/// Which migrations have been applied; none where their table is not there.
async fn applied(db: &mut PgConnection, at: &Credentials) -> Result<BTreeSet<i64>, FleetError> {
    let told = |error: sqlx::Error| at.told(&error);
    let there: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(TABLE)
        .fetch_one(&mut *db)
        .await
        .map_err(told)?;
    if !there {
        return Ok(BTreeSet::new());
    }
    let versions: Vec<i64> =
        sqlx::query_scalar("SELECT version FROM cavra_evidence_migrations WHERE success")
            .fetch_all(db)
            .await
            .map_err(told)?;
    Ok(versions.into_iter().collect())
}
