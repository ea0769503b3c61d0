//! Counting in the database.

use sqlx::QueryBuilder;

use super::FleetError;
use super::read::{FROM, Store, filter, ids};
use crate::evidence::counts::{Cell, Counts, Step};
use crate::evidence::query::Query;

#[derive(sqlx::FromRow)]
struct Counted {
    origin: String,
    host: String,
    decision: Option<String>,
    fallback_code: Option<String>,
    parity_match: Option<bool>,
    rule_id: Option<String>,
    begin: Option<String>,
    count: i64,
}

impl Store {
    /// How many evaluations there are of each kind, of those that are asked for.
    ///
    /// # Errors
    /// When no such log is there, or the store cannot be read.
    pub fn count(&mut self, query: &Query, log: Option<&str>, step: Step) -> Result<Counts, FleetError> {
        let meant = ids(&self.logs(log)?);
        let mut sql =
            QueryBuilder::new("SELECT origin, host, decision, fallback_code, parity_match, rule_id, ");
        sql.push(format_args!(
            "to_char(date_trunc('{}', \"time\"), 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS begin, count(*) AS count",
            step.as_str()
        ))
        .push(FROM);
        filter(&mut sql, query, &meant);
        sql.push(" GROUP BY 1, 2, 3, 4, 5, 6, 7");
        let cells: Vec<Counted> = self.wait(async |db| sql.build_query_as().fetch_all(db).await)?;
        let mut counts = Counts::new(step);
        for cell in cells {
            let count = cell.count.unsigned_abs();
            let cell = Cell {
                log: cell.origin,
                host: cell.host,
                decision: cell.decision.unwrap_or_default(),
                fallback_code: cell.fallback_code,
                parity_match: cell.parity_match,
                rule: cell.rule_id.unwrap_or_default(),
                begin: cell.begin.unwrap_or_default(),
            };
            counts.add(cell, count);
        }
        Ok(counts)
    }
}
