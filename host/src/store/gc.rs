//! What is removed when nobody asks for it any more.

use jiff::Timestamp;
use serde::Serialize;

use super::{Digest, GONE, ModuleStore, StoreError, place};

/// What may go. With neither, only what interrupted commands have left does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GcPolicy {
    /// The most bytes that modules may have together: those that were not used for the
    /// longest time go until they have no more.
    pub keep_bytes: Option<u64>,
    /// What was not used since then goes.
    pub unused_since: Option<Timestamp>,
    /// Only say what would go.
    pub dry_run: bool,
}

/// A module that was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Which.
    pub digest: Digest,
    /// How long it was.
    pub bytes: u64,
    /// When it was used last.
    pub used: Timestamp,
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GcReport {
    /// The modules, those first that were not used for the longest time.
    pub removed: Vec<Removed>,
    /// How many are left.
    pub kept: usize,
    /// How many bytes these have.
    pub kept_bytes: u64,
    /// How many of them are pinned.
    pub pinned: usize,
    /// How many leftovers of interrupted commands were removed.
    pub leftovers: usize,
}

impl ModuleStore {
    /// Removes what the policy lets go. What is pinned stays, and so does what another
    /// process is putting into the store: it waits for its turn. Only to say what would
    /// go, it does not wait, and the store need not be writable.
    ///
    /// # Errors
    /// When a pin or an entry cannot be read, before anything is removed;
    /// [`StoreError::Io`].
    pub fn gc(&self, policy: &GcPolicy) -> Result<GcReport, StoreError> {
        let turn = if policy.dry_run { None } else { Some(self.turn()?) };
        let mut all = self.list()?;
        // Of those that were used at the same time the digest decides.
        all.sort_by(|a, b| (a.used, &a.digest).cmp(&(b.used, &b.digest)));
        let mut report = GcReport {
            kept: all.len(),
            kept_bytes: all.iter().map(|it| it.bytes).sum(),
            pinned: all.iter().filter(|it| !it.pins.is_empty()).count(),
            ..GcReport::default()
        };
        let modules = self.top.child(super::MODULES)?;
        for entry in all.iter().filter(|it| it.pins.is_empty()) {
            let too_much = policy.keep_bytes.is_some_and(|most| report.kept_bytes > most);
            let too_old = policy.unused_since.is_some_and(|since| entry.used < since);
            if !too_much && !too_old {
                continue;
            }
            if let (Some(modules), Some(turn)) = (&modules, &turn) {
                self.take_away(turn, modules, &entry.digest)?;
            }
            report.kept = report.kept.saturating_sub(1);
            report.kept_bytes = report.kept_bytes.saturating_sub(entry.bytes);
            report.removed.push(Removed {
                digest: entry.digest.clone(),
                bytes: entry.bytes,
                used: entry.used,
            });
        }
        if turn.is_some() {
            // Nobody else has their turn, so nobody is at work on these.
            for name in [GONE, place::HALF_DONE] {
                report.leftovers = report
                    .leftovers
                    .saturating_add(usize::from(self.top.clear(name)?));
            }
        }
        Ok(report)
    }
}
