//! Proofs out of the store.

use super::FleetError;
use super::read::Store;
use crate::evidence::Hash;
use crate::evidence::proof::Proof;

/// How many hashes are fetched at once.
const PAGE: i64 = 10_000;

impl Store {
    /// The proof that an evaluation is in its log.
    ///
    /// # Errors
    /// When there is no such evaluation, no checkpoint is about it yet, or the store
    /// cannot be read.
    pub fn prove(&mut self, id: &str) -> Result<Proof, FleetError> {
        let (log, sequence, line) = self.find(id)?;
        let notes = self.notes(log.log_id)?;
        let mut leaves = Vec::new();
        let mut first = 0_i64;
        loop {
            let page: Vec<(i64, Vec<u8>)> = self.wait(async |db| {
                sqlx::query_as(
                    "SELECT sequence, hash FROM cavra_evidence_entries WHERE log_id = $1 AND sequence >= $2 \
                     ORDER BY sequence LIMIT $3",
                )
                .bind(log.log_id)
                .bind(first)
                .bind(PAGE)
                .fetch_all(db)
                .await
            })?;
            let Some((last, _)) = page.last() else {
                break;
            };
            first = last.saturating_add(1);
            let hashes = page.into_iter();
            let hashes = hashes.map(|(_, hash)| Hash(hash.try_into().unwrap_or_default()));
            leaves.extend(hashes);
        }
        let index = usize::try_from(sequence).unwrap_or(usize::MAX);
        let notes = notes.into_iter().filter_map(|found| found.note);
        Ok(Proof::made(id, index, line, &leaves, notes)?)
    }
}
