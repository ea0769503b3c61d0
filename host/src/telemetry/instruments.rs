//! What is counted with: atomics behind fixed places. Recording takes no lock and
//! looks nothing up in a map.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Something that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A counter for every member of a closed list.
#[derive(Debug)]
pub(super) struct Counters(Box<[Counter]>);

impl Counters {
    pub(super) fn new(places: usize) -> Self {
        Self((0..places).map(|_| Counter::default()).collect())
    }

    /// Counts one at `place`; a place that does not exist is the last one.
    pub(super) fn count(&self, place: usize) {
        if let Some(counter) = self.0.get(place).or(self.0.last()) {
            counter.add(1);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(Counter::get)
    }
}

/// How the values of a histogram are shown.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scale {
    /// Nanoseconds, shown as seconds.
    Seconds,
    /// As they are.
    Plain,
}

/// Observations in buckets. All of prometheus-client's histograms have a lock;
/// under load, workers would wait for each other here.
#[derive(Debug)]
pub(crate) struct Histogram {
    /// The buckets' upper bounds; one more bucket follows the last.
    bounds: &'static [u64],
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
    scale: Scale,
}

/// 10 µs to 10 s.
const SECONDS: &[u64] = &[
    10_000,
    25_000,
    50_000,
    100_000,
    200_000,
    400_000,
    800_000,
    1_600_000,
    3_200_000,
    6_400_000,
    12_800_000,
    25_600_000,
    51_200_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// 1,000 to 50,000,000, the default limit of one evaluation.
const FUEL: &[u64] = &[
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 10_000_000, 50_000_000,
];

impl Histogram {
    pub(crate) fn seconds() -> Self {
        Self::new(SECONDS, Scale::Seconds)
    }

    pub(super) fn fuel() -> Self {
        Self::new(FUEL, Scale::Plain)
    }

    fn new(bounds: &'static [u64], scale: Scale) -> Self {
        let buckets = bounds.len().saturating_add(1);
        Self {
            bounds,
            counts: (0..buckets).map(|_| AtomicU64::default()).collect(),
            sum: AtomicU64::default(),
            scale,
        }
    }

    pub(crate) fn took(&self, time: Duration) {
        self.observe(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(super) fn observe(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Relaxed);
            self.sum.fetch_add(value, Relaxed);
        }
    }

    /// The sum, the count, and each bucket's upper bound with what is in it alone.
    pub(super) fn read(&self) -> (f64, u64, Vec<(f64, u64)>) {
        let shown = |value: u64| match self.scale {
            Scale::Seconds => Duration::from_nanos(value).as_secs_f64(),
            #[expect(clippy::cast_precision_loss, reason = "expositions are floating point")]
            Scale::Plain => value as f64,
        };
        let bounds = self
            .bounds
            .iter()
            .map(|bound| shown(*bound))
            .chain([f64::INFINITY]);
        let counts = self.counts.iter().map(|count| count.load(Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        // Of the buckets that were just read, so that count and buckets agree.
        let count = buckets
            .iter()
            .fold(0_u64, |all, (_, count)| all.saturating_add(*count));
        (shown(self.sum.load(Relaxed)), count, buckets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_the_bucket_whose_bound_it_does_not_pass() {
        let it = Histogram::seconds();
        for nanos in [0, 10_000, 10_001, 10_000_000_000, 10_000_000_001] {
            it.took(Duration::from_nanos(nanos));
        }
        let (sum, count, buckets) = it.read();
        assert_eq!(count, 5);
        assert_eq!(buckets[0], (0.00001, 2));
        assert_eq!(buckets[1], (0.000_025, 1));
        assert_eq!(buckets[SECONDS.len() - 1], (10.0, 1));
        assert_eq!(buckets[SECONDS.len()], (f64::INFINITY, 1));
        assert!((sum - 20.000_020_002).abs() < 1e-9, "{sum}");
    }

    #[test]
    fn what_is_out_of_the_list_is_the_last() {
        let it = Counters::new(3);
        it.count(0);
        it.count(2);
        it.count(77);
        assert_eq!(it.iter().collect::<Vec<_>>(), [1, 0, 2]);
    }
}
