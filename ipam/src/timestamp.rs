//! RFC 3339 timestamps, as the records hold them.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment since the Unix epoch, in JSON an RFC 3339 text in UTC (`2026-11-22T10:00:00Z`).
///
/// Moments before 1970 read as the epoch. A fraction is kept to the nanosecond; what this crate writes itself is whole
/// seconds, as the reference does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(Duration);

impl Timestamp {
    /// The moment `since_epoch`, cut to whole seconds.
    #[must_use]
    pub const fn from_secs_of(since_epoch: Duration) -> Self {
        Self(Duration::from_secs(since_epoch.as_secs()))
    }

    /// Time since the Unix epoch.
    #[must_use]
    pub const fn since_epoch(self) -> Duration {
        self.0
    }
}

/// A text that is no RFC 3339 timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 timestamp")]
#[non_exhaustive]
pub struct ParseTimestampError;

const SECS_PER_DAY: i64 = 86_400;

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March put the leap day last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`].
const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + (month <= 2) as i64, month, day)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = i64::try_from(self.0.as_secs()).map_err(|_| fmt::Error)?;
        let (year, month, day) = civil_from_days(secs.div_euclid(SECS_PER_DAY));
        let time = secs.rem_euclid(SECS_PER_DAY);
        let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        let mut nanos = self.0.subsec_nanos();
        if nanos > 0 {
            let mut width = 9;
            while nanos % 10 == 0 {
                nanos /= 10;
                width -= 1;
            }
            write!(f, ".{nanos:0width$}")?;
        }
        f.write_str("Z")
    }
}

/// Takes `width` digits off the front of a text.
fn digits(text: &str, width: usize) -> Option<(i64, &str)> {
    let (head, rest) = text.split_at_checked(width)?;
    let all = head.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| head.parse().ok()).flatten().map(|number| (number, rest))
}

fn parse(text: &str) -> Option<Timestamp> {
    let (year, rest) = digits(text, 4)?;
    let (month, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let (hour, rest) = digits(rest.strip_prefix(['T', 't'])?, 2)?;
    let (minute, rest) = digits(rest.strip_prefix(':')?, 2)?;
    let (second, mut rest) = digits(rest.strip_prefix(':')?, 2)?;
    let mut nanos = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let len = fraction.bytes().take_while(u8::is_ascii_digit).count();
        let (shown, tail) = fraction.split_at_checked(len)?;
        let kept = shown.get(..9).unwrap_or(shown);
        nanos = kept.parse::<u32>().ok()?;
        nanos *= 10u32.pow(9u32.checked_sub(u32::try_from(kept.len()).ok()?)?);
        rest = tail;
    }
    let offset = match rest.strip_prefix(['Z', 'z']) {
        Some(rest) => rest.is_empty().then_some(0)?,
        None => {
            let (sign, rest) = match rest.strip_prefix('+') {
                Some(rest) => (1, rest),
                None => (-1, rest.strip_prefix('-')?),
            };
            let (hours, rest) = digits(rest, 2)?;
            let (minutes, rest) = digits(rest.strip_prefix(':')?, 2)?;
            (rest.is_empty() && hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))?
        }
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let month_len = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=month_len).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let secs = days_from_civil(year, month, day) * SECS_PER_DAY + hour * 3600 + minute * 60 + second - offset;
    Some(Timestamp(u64::try_from(secs).map_or(Duration::ZERO, |secs| Duration::new(secs, nanos))))
}

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or(ParseTimestampError)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_moments() {
        for (text, secs, nanos) in [
            ("1970-01-01T00:00:00Z", 0, 0),
            ("2000-02-29T23:59:59Z", 951_868_799, 0),
            ("2026-08-28T12:05:00Z", 1_787_918_700, 0),
            ("2026-08-28T12:05:00.25Z", 1_787_918_700, 250_000_000),
            ("9999-12-31T23:59:59Z", 253_402_300_799, 0),
        ] {
            let moment: Timestamp = text.parse().unwrap();
            assert_eq!(moment.since_epoch(), Duration::new(secs, nanos), "{text}");
            assert_eq!(moment.to_string(), text);
        }
        let shifted: Timestamp = "2026-08-28T14:05:00+02:00".parse().unwrap();
        assert_eq!(shifted.to_string(), "2026-08-28T12:05:00Z");
        let old: Timestamp = "1969-07-20T20:17:00Z".parse().unwrap();
        assert_eq!(old.since_epoch(), Duration::ZERO);
    }

    #[test]
    fn refuses_what_is_no_moment() {
        for text in ["", "2026", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z"] {
            assert_eq!(text.parse::<Timestamp>(), Err(ParseTimestampError), "{text}");
        }
        for text in
            ["2026-01-01T00:00:00", "2026-01-01T00:00:00Zz", "2026-01-01 00:00:00Z", "+026-01-01T00:00:00Z"]
        {
            assert_eq!(text.parse::<Timestamp>(), Err(ParseTimestampError), "{text}");
        }
    }

    const CASES: u32 = 256;

    proptest! {
        #![proptest_config(crate::proof::config(CASES))]

        #[test]
        fn round_trips(secs in 0u64..253_402_300_800, nanos in 0u32..1_000_000_000) {
            let moment = Timestamp(Duration::new(secs, nanos));
            prop_assert_eq!(moment.to_string().parse(), Ok(moment));
        }

        #[test]
        fn never_panics(text in "\\PC{0,40}") {
            let _ = text.parse::<Timestamp>();
        }
    }
}
