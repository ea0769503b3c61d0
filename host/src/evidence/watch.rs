//! Looking at a log again and again: what is new since, and no more.
//!
//! A service that is asked whether its log verifies cannot read all of it each time. It
//! goes on from where it was, in memory; the first time, from a checkpoint that is not
//! too far from the end. What was changed before that, a whole verification finds.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::checkpoints::{self, Found};
use super::note::PublicKey;
use super::reader::{Segment, lines_after, segments};
use super::verify::Fault;
use super::walk::{Roots, Walk};
use super::{EvidenceError, Hash};

/// How much of a log is read at most, in bytes, beside what comes meanwhile.
const MOST: u64 = 64 * 1024 * 1024;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// From which entry on the log was verified, this time and before.
    pub from: u64,
    /// How many entries there are.
    pub entries: u64,
    /// How many checkpoints there are.
    pub checkpoints: u64,
    /// What is wrong; whoever looks again begins anew.
    pub faults: Vec<Fault>,
}

/// A log that is looked at again and again.
#[derive(Debug)]
pub struct Watch {
    dir: PathBuf,
    at: Mutex<Option<At>>,
}

/// How far one has come.
#[derive(Debug)]
struct At {
    from: u64,
    walk: Walk,
    segment: Segment,
    /// How much of the segment was read, in bytes of whole lines.
    position: u64,
    /// How many checkpoints were compared.
    notes: usize,
}

impl Watch {
    /// Of the log in `dir`.
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            at: Mutex::default(),
        }
    }

    /// Verifies what is new.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn look(&self) -> Result<Look, EvidenceError> {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        // First: what a checkpoint is about was written before it.
        let notes = checkpoints::all(&self.dir)?;
        let begun = match at.take() {
            Some(at) if self.is_near(&at)? => at,
            _ => self.begin(&notes)?,
        };
        let (look, now) = self.go_on(begun, &notes)?;
        *at = look.faults.is_empty().then_some(now);
        Ok(look)
    }

    /// How much of the log comes after a place in it, if the place is still there.
    fn after(&self, first: u64, position: u64) -> Result<Option<u64>, EvidenceError> {
        let mut after = None;
        for segment in segments(&self.dir)? {
            let length = std::fs::metadata(&segment.path).map_err(EvidenceError::io(&segment.path))?;
            after = match after {
                None if segment.first == first => length.len().checked_sub(position),
                after => after.map(|sum: u64| sum.saturating_add(length.len())),
            };
        }
        Ok(after)
    }

    fn is_near(&self, at: &At) -> Result<bool, EvidenceError> {
        let after = self.after(at.segment.first, at.position)?;
        Ok(after.is_some_and(|bytes| bytes <= MOST))
    }

    /// Begins with the first segment or, where that is too far from the end, at the
    /// first checkpoint that is not, else at the last.
    fn begin(&self, notes: &[Found]) -> Result<At, EvidenceError> {
        let first = segments(&self.dir)?.into_iter().next();
        if first.as_ref().is_none_or(|it| it.first == 0) && self.after(0, 0)?.is_none_or(|it| it <= MOST) {
            return Ok(At {
                from: 0,
                walk: Walk::new(&self.dir),
                segment: Segment::at(&self.dir, 0),
                position: 0,
                notes: 0,
            });
        }
        let mut begun = None;
        for (i, found) in notes.iter().enumerate().rev() {
            let Some((kept, tree)) = found.kept.as_ref().and_then(checkpoints::Kept::checked) else {
                continue;
            };
            let (Some(after), Ok(head)) = (
                self.after(kept.segment, kept.position)?,
                kept.head.parse::<Hash>(),
            ) else {
                break;
            };
            if after > MOST && begun.is_some() {
                break;
            }
            begun = Some(At {
                from: tree.size(),
                walk: Walk::after(&self.dir, tree, head, kept.segment),
                segment: Segment::at(&self.dir, kept.segment),
                position: kept.position,
                notes: i,
            });
            if after > MOST {
                break;
            }
        }
        begun.ok_or_else(|| EvidenceError::NoCheckpoint {
            dir: self.dir.clone(),
        })
    }

    fn go_on(&self, at: At, notes: &[Found]) -> Result<(Look, At), EvidenceError> {
        let At {
            from,
            mut walk,
            mut segment,
            mut position,
            notes: compared,
        } = at;
        walk.resume();
        let key = walk.key(PublicKey::beside(&self.dir), None);
        let new = notes.get(compared..).unwrap_or_default();
        let sizes = new.iter().filter_map(|found| found.note.as_ref());
        let mut roots: Roots = sizes.map(|note| (note.size, None)).collect();
        walk.root_at(&mut roots);
        let all = segments(&self.dir)?;
        let left: Vec<Segment> = all.into_iter().filter(|it| it.first >= segment.first).collect();
        let last = left.len().saturating_sub(1);
        for (i, next) in left.into_iter().enumerate() {
            if next.first != segment.first {
                walk.begin(&next);
                (segment, position) = (next, 0);
            }
            let lines = walk.tree.size().saturating_sub(segment.first);
            for line in lines_after(&segment, position, lines)? {
                let line = line?;
                if line.whole {
                    position = position.saturating_add(line.bytes.len() as u64).saturating_add(1);
                }
                walk.line(line, i == last, &mut roots);
            }
        }
        walk.finish(new, key.as_ref(), &roots, None);
        let look = Look {
            from,
            entries: walk.tree.size(),
            checkpoints: notes.iter().filter(|found| found.note.is_some()).count() as u64,
            faults: std::mem::take(&mut walk.faults),
        };
        let now = At {
            from,
            walk,
            segment,
            position,
            // The last is compared again: an older one must not come after it.
            notes: notes.len().saturating_sub(1),
        };
        Ok((look, now))
    }
}
