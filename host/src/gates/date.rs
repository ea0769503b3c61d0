//! Dates of the governance documents.
//!
//! Implements the governance specification, *Documents*: `YYYY-MM-DD`, optionally
//! `T` and `hh:mm[:ss[.f…]]`, optionally `Z` or `±hh:mm`; no zone is UTC, and a date
//! alone is its midnight. Nothing else: no blank for the `T`, no lower case, no
//! basic format, no week or ordinal date, no leap second.

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp};

const NANOS_A_SECOND: i128 = 1_000_000_000;
const SECONDS_A_DAY: i128 = 86_400;
const NANOS_A_DAY: f64 = 86_400e9;

/// The pattern that JSON Schemas give for a date. It is as strict as a pattern can
/// be; the days of a month are the parser's affair.
pub(crate) const PATTERN: &str = "^([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(T([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\\.[0-9]+)?)?)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?$";

/// A point in time, to the nanosecond, from year 1 to the end of year 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(i128);

impl Moment {
    /// Reads a date.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut rest = Scanner(text.as_bytes());
        let year = rest.digits(4)?;
        rest.byte(b'-')?;
        let month = rest.digits(2)?;
        rest.byte(b'-')?;
        let day = rest.digits(2)?;
        let small = |number: i64| i8::try_from(number).ok();
        let year = i16::try_from(year).ok().filter(|year| *year > 0)?;
        let date = Date::new(year, small(month)?, small(day)?).ok()?;
        let mut nanos = days_since_epoch(date).checked_mul(SECONDS_A_DAY * NANOS_A_SECOND)?;
        if rest.byte(b'T').is_some() {
            nanos = nanos.checked_add(rest.time()?)?;
        }
        let ahead = rest.zone()?;
        if !rest.0.is_empty() {
            return None;
        }
        Some(Self(nanos.checked_sub(ahead)?))
    }

    /// How many days this is after `other`; negative before it.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a day of ten thousand years is told to some microseconds"
    )]
    pub(crate) fn days_after(self, other: Self) -> f64 {
        self.0.saturating_sub(other.0) as f64 / NANOS_A_DAY
    }

    /// This and so many days; none past the end of the calendar.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the conversion saturates, and what is past the calendar is none"
    )]
    pub(crate) fn plus_days(self, days: f64) -> Option<Self> {
        let later = Self(self.0.checked_add((days * NANOS_A_DAY) as i128)?);
        (later <= Self::end()).then_some(later)
    }

    /// The last moment of year 9999.
    fn end() -> Self {
        let days = days_since_epoch(Date::MAX).saturating_add(1);
        Self(
            days.saturating_mul(SECONDS_A_DAY * NANOS_A_SECOND)
                .saturating_sub(1),
        )
    }
}

impl From<Timestamp> for Moment {
    fn from(time: Timestamp) -> Self {
        Self(time.as_nanosecond())
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = i64::try_from(self.0.div_euclid(NANOS_A_SECOND)).unwrap_or_default();
        let nanos = i32::try_from(self.0.rem_euclid(NANOS_A_SECOND)).unwrap_or_default();
        let since = SignedDuration::new(seconds, nanos);
        match epoch().checked_add(since) {
            Ok(time) => write!(f, "{time}Z"),
            // A zone can lead out of the calendar.
            Err(_) => f.write_str("outside the calendar"),
        }
    }
}

fn epoch() -> DateTime {
    DateTime::constant(1970, 1, 1, 0, 0, 0, 0)
}

fn days_since_epoch(date: Date) -> i128 {
    let since = date
        .to_datetime(jiff::civil::Time::midnight())
        .duration_since(epoch());
    i128::from(since.as_secs()).div_euclid(SECONDS_A_DAY)
}

/// What is left of a text.
struct Scanner<'a>(&'a [u8]);

impl Scanner<'_> {
    fn byte(&mut self, wanted: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[wanted])?;
        Some(())
    }

    /// Exactly so many digits.
    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        let number = digits.iter().try_fold(0_i64, |number, digit| {
            let digit = char::from(*digit).to_digit(10)?;
            number.checked_mul(10)?.checked_add(i64::from(digit))
        })?;
        self.0 = rest;
        Some(number)
    }

    /// Two digits below `limit`.
    fn below(&mut self, limit: i64) -> Option<i128> {
        self.digits(2).filter(|number| *number < limit).map(i128::from)
    }

    /// `hh:mm[:ss[.f…]]` in nanoseconds since midnight.
    fn time(&mut self) -> Option<i128> {
        let mut seconds = self.below(24)?.checked_mul(3600)?;
        self.byte(b':')?;
        seconds = seconds.checked_add(self.below(60)?.checked_mul(60)?)?;
        if self.byte(b':').is_none() {
            return seconds.checked_mul(NANOS_A_SECOND);
        }
        seconds = seconds.checked_add(self.below(60)?)?;
        let mut nanos = seconds.checked_mul(NANOS_A_SECOND)?;
        if self.byte(b'.').is_some() {
            nanos = nanos.checked_add(self.fraction()?)?;
        }
        Some(nanos)
    }

    /// At least one digit of a second; what is finer than a nanosecond is dropped.
    fn fraction(&mut self) -> Option<i128> {
        let mut nanos = 0_i128;
        let mut unit = NANOS_A_SECOND;
        self.0.first().filter(|byte| byte.is_ascii_digit())?;
        while let Some((digit, rest)) = self.0.split_first().filter(|(byte, _)| byte.is_ascii_digit()) {
            unit /= 10;
            let digit = i128::from(char::from(*digit).to_digit(10)?);
            nanos = nanos.checked_add(digit.checked_mul(unit)?)?;
            self.0 = rest;
        }
        Some(nanos)
    }

    /// How many nanoseconds the zone is ahead of UTC.
    fn zone(&mut self) -> Option<i128> {
        let sign = match self.0.first() {
            None => return Some(0),
            Some(b'Z') => return self.byte(b'Z').map(|()| 0),
            Some(b'+') => 1,
            Some(b'-') => -1,
            Some(_) => return None,
        };
        self.0 = self.0.split_first()?.1;
        let hours = self.below(24)?;
        self.byte(b':')?;
        let minutes = hours.checked_mul(60)?.checked_add(self.below(60)?)?;
        minutes.checked_mul(60 * NANOS_A_SECOND)?.checked_mul(sign)
    }
}

#[cfg(test)]
mod tests;
