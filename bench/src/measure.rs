//! The driver: every contender in turn, round after round, so that the noise of
//! a shared machine hits all alike.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use cavra::model::Verdict;

/// What a contender answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// Its verdict; none from what decides nothing, such as the floor.
    pub(crate) verdict: Option<Verdict>,
    /// Its rule, where it names the product's rules.
    pub(crate) rule_id: Option<String>,
}

impl Answer {
    /// An answer that is only a verdict.
    pub(crate) fn verdict(verdict: Verdict) -> Self {
        Self {
            verdict: Some(verdict),
            rule_id: None,
        }
    }
}

/// One operation on the request with the given number.
pub(crate) type Operation<'a> = Box<dyn FnMut(usize) -> Result<Answer> + 'a>;

/// One thing that is timed.
pub(crate) struct Contender<'a> {
    /// Its name in the table.
    pub(crate) name: String,
    /// How many operations are timed together: one, but for what takes less than
    /// a microsecond, of which a clock says nothing.
    pub(crate) together: u32,
    /// The operation.
    pub(crate) operation: Operation<'a>,
}

impl<'a> Contender<'a> {
    /// A contender whose operations are timed one by one.
    pub(crate) fn new(name: impl Into<String>, operation: impl FnMut(usize) -> Result<Answer> + 'a) -> Self {
        Self {
            name: name.into(),
            together: 1,
            operation: Box::new(operation),
        }
    }

    /// The same, timed in groups of `together`.
    #[must_use]
    pub(crate) fn together(mut self, together: u32) -> Self {
        self.together = together.max(1);
        self
    }
}

/// The times of one contender, in nanoseconds of single operations (or of the mean of
/// those timed together).
#[derive(Clone, Debug)]
pub(crate) struct Times {
    /// The contender's name.
    pub(crate) name: String,
    /// All, sorted.
    sorted: Vec<f64>,
    /// The same by rounds, each sorted; empty where it had no turn.
    rounds: Vec<Vec<f64>>,
}

impl Times {
    /// What was measured, round after round.
    pub(crate) fn new(name: impl Into<String>, mut rounds: Vec<Vec<f64>>) -> Self {
        for round in &mut rounds {
            round.sort_by(f64::total_cmp);
        }
        let mut sorted = rounds.concat();
        sorted.sort_by(f64::total_cmp);
        Self {
            name: name.into(),
            sorted,
            rounds,
        }
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.sorted.len()
    }

    /// The time that `percent` of the operations do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        percentile(&self.sorted, percent)
    }

    /// The time that `percent` of the operations of a usual round do not exceed.
    pub(crate) fn percentile_of_a_round(&self, percent: usize) -> f64 {
        let rounds = self.rounds.iter().filter(|it| !it.is_empty());
        median(rounds.map(|it| percentile(it, percent)).collect())
    }

    /// How many times as long as `other` it takes in a usual round: the machine is as
    /// fast for one as for the other there, and may be twice as fast in the next.
    pub(crate) fn ratio_to(&self, other: &Self) -> f64 {
        let rounds = self.rounds.iter().zip(&other.rounds);
        let both = rounds.filter(|(one, other)| !one.is_empty() && !other.is_empty());
        median(
            both.map(|(one, other)| percentile(one, 50) / percentile(other, 50))
                .collect(),
        )
    }
}

fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let rank = last.saturating_mul(percent).div_ceil(100);
    sorted.get(rank).copied().unwrap_or(f64::NAN)
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    percentile(&values, 50)
}

/// The median of what each round's value is to the other's of the same round.
pub(crate) fn ratio(rounds: &[f64], others: &[f64]) -> f64 {
    median(
        rounds
            .iter()
            .zip(others)
            .map(|(one, other)| one / other)
            .collect(),
    )
}

/// How long a group is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// How often every contender has its turn.
    pub(crate) rounds: u32,
    /// How long a turn is to take.
    pub(crate) turn: Duration,
    /// How many turns even the slowest has.
    pub(crate) least: u32,
}

impl Effort {
    /// In full, or in a fraction of the time.
    pub(crate) fn new(quick: bool) -> Self {
        Self {
            rounds: if quick { 8 } else { 120 },
            turn: Duration::from_millis(2),
            least: if quick { 2 } else { 5 },
        }
    }
}

/// Checks that every contender answers every request rightly.
///
/// # Errors
/// On the first wrong answer: a benchmark of wrong answers is worthless.
pub(crate) fn check(contenders: &mut [Contender<'_>], expected: &[(Verdict, String)]) -> Result<()> {
    for contender in contenders {
        let name = contender.name.clone();
        for (number, (verdict, rule)) in expected.iter().enumerate() {
            let answer =
                (contender.operation)(number).with_context(|| format!("{name}, request {number}"))?;
            let rightly = answer.verdict.is_none_or(|it| it == *verdict)
                && answer
                    .rule_id
                    .as_ref()
                    .is_none_or(|it| rule.is_empty() || it == rule);
            if !rightly {
                bail!("{name}, request {number}: {answer:?} instead of {verdict} by {rule}");
            }
        }
    }
    Ok(())
}

/// Times every contender in turn, round after round.
///
/// What takes longer than a turn has its turn only in some rounds, at least
/// a few, so that it does not take all the time.
pub(crate) fn interleave(contenders: &mut [Contender<'_>], effort: Effort) -> Result<Vec<Times>> {
    let mut turns = Vec::new();
    for contender in contenders.iter_mut() {
        // One that happens to be interrupted must not cost it its turns.
        let mut next = 0;
        let estimates = [
            sample(contender, &mut next)?,
            sample(contender, &mut next)?,
            sample(contender, &mut next)?,
        ];
        let took = estimates.into_iter().fold(f64::MAX, f64::min).max(1.0);
        let turn = effort.turn.as_nanos() as f64;
        let samples = (turn / (took * f64::from(contender.together))).clamp(1.0, 2000.0) as u32;
        let every = (took * f64::from(contender.together) / (4.0 * turn))
            .clamp(1.0, f64::from(effort.rounds / effort.least).max(1.0));
        turns.push((samples, every as u32, 0_usize, Vec::<Vec<f64>>::new()));
    }
    let count = contenders.len().max(1);
    for round in 0..effort.rounds {
        // Nobody always follows the same one.
        let first = (round as usize).checked_rem(count).unwrap_or_default();
        let order = (first..count).chain(0..first);
        for place in order {
            let (Some(contender), Some((samples, every, next, taken))) =
                (contenders.get_mut(place), turns.get_mut(place))
            else {
                continue;
            };
            let mut this = Vec::new();
            if round.checked_rem(*every) == Some(0) {
                if *samples > 1 {
                    // What the one before has pushed out of the caches comes back first.
                    sample(contender, next)?;
                }
                for _ in 0..*samples {
                    this.push(sample(contender, next)?);
                }
            }
            taken.push(this);
        }
    }
    Ok(contenders
        .iter()
        .zip(turns)
        .map(|(contender, (.., taken))| Times::new(&contender.name, taken))
        .collect())
}

/// Nanoseconds of one operation, or the mean of those timed together.
fn sample(contender: &mut Contender<'_>, next: &mut usize) -> Result<f64> {
    let started = Instant::now();
    for _ in 0..contender.together {
        std::hint::black_box((contender.operation)(*next)?);
        *next = next.wrapping_add(1);
    }
    Ok(started.elapsed().as_nanos() as f64 / f64::from(contender.together))
}
