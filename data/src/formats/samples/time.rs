//! The times of rows: what they are, at which rate they come, and where one is
//! missing.

use crate::record::Start;

/// Rows of which the rate is found.
pub(super) const ROWS: usize = 1 << 16;

/// The part of the distance between a row and its place by which the places
/// follow the rows: a clock may drift, and its times are rounded.
const FOLLOWED: f64 = 0.01;

const DAY: f64 = 86_400.0;

/// A time in a cell: seconds, or a date and a time of ISO 8601, of which the date
/// may be left out.
pub(super) fn of(text: &str, unit: f64) -> Option<f64> {
    match text.parse::<f64>() {
        Ok(number) => Some(number * unit).filter(|time| time.is_finite()),
        Err(_) => moment(text).map(|(day, seconds)| day.unwrap_or(0) as f64 * DAY + seconds),
    }
}

/// The start that a time stands for, where it is one of ISO 8601.
pub(super) fn start(text: &str) -> Option<Start> {
    if text.parse::<f64>().is_ok() {
        return None;
    }
    let (day, seconds) = moment(text)?;
    Some(Start {
        seconds,
        date: day.and_then(date),
    })
}

/// The start that seconds since 1970 stand for.
#[cfg(feature = "parquet")]
pub(super) fn start_of_seconds(seconds: f64) -> Option<Start> {
    let day = (seconds / DAY).floor();
    Some(Start {
        seconds: seconds - day * DAY,
        date: date(day as i64),
    })
}

/// Days since 1970, where there is a date, and seconds of the day by the clock
/// that wrote the time, whatever its distance to UTC.
fn moment(text: &str) -> Option<(Option<i64>, f64)> {
    let (day, clock) = match text.split_once(['T', 't', ' ']) {
        Some((day, clock)) => (Some(days(day)?), clock),
        None => (None, text),
    };
    let clock = clock.trim_end_matches(['Z', 'z']);
    let clock = clock.split(['+', '-']).next()?;
    let mut parts = clock.split(':');
    let [hour, minute] = [parts.next()?, parts.next()?].map(|part| part.parse::<u8>().ok());
    let second = match parts.next() {
        Some(part) => part.replace(',', ".").parse::<f64>().ok()?,
        None => 0.0,
    };
    let (hour, minute) = (hour.filter(|h| *h < 24)?, minute.filter(|m| *m < 60)?);
    let is_clock = parts.next().is_none() && (0.0..61.0).contains(&second);
    let seconds = (f64::from(hour) * 60.0 + f64::from(minute)) * 60.0 + second;
    is_clock.then_some((day, seconds))
}

/// Days since 1970 of `YYYY-MM-DD`.
fn days(text: &str) -> Option<i64> {
    let parts: Vec<&str> = text.trim().split('-').collect();
    let [year, month, day] = parts[..] else {
        return None;
    };
    let (year, month, day) = (
        year.parse::<u16>().ok()?,
        month.parse::<u8>().ok()?,
        day.parse::<u8>().ok()?,
    );
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years begin in March, so that the day of February that is left out is the
    // last of one; 153 days are five months.
    let (year, month) = (i64::from(year), i64::from(month));
    let (year, month) = if month < 3 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let day = (153 * month + 2) / 5 + i64::from(day) - 1;
    Some(
        year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day
            - 719_468,
    )
}

/// Year, month and day of a number of days since 1970.
fn date(day: i64) -> Option<(u16, u8, u8)> {
    let day = day
        .checked_add(719_468)
        .filter(|day| (0..4_000_000).contains(day))?;
    let century = (4 * day + 3) / 146_097;
    let of_century = day - century * 146_097 / 4;
    let year = (4 * of_century + 3) / 1461;
    let of_year = of_century - 1461 * year / 4;
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let year = century * 100 + year;
    let (year, month) = if month < 10 {
        (year, month + 3)
    } else {
        (year + 1, month - 9)
    };
    Some((u16::try_from(year).ok()?, month as u8, day as u8))
}

/// Samples per second of rows with these times, which rise: the mean of the
/// steps that are no gaps, which are those up to 1.5 times the median one. A whole
/// number is taken where the rows cannot tell it from the mean.
pub(super) fn rate(times: &[f64]) -> Option<f64> {
    let mut steps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    if steps.is_empty() {
        return None;
    }
    let middle = (steps.len() - 1) / 2;
    let (_, median, _) = steps.select_nth_unstable_by(middle, f64::total_cmp);
    let longest = *median * 1.5;
    let regular = steps.iter().filter(|step| **step <= longest);
    let (count, sum) = regular.fold((0, 0.0), |(n, sum), step| (n + 1, sum + step));
    let fs = f64::from(count) / sum;
    let whole = fs.round();
    let near = (fs - whole).abs() * sum <= 0.5 && (fs - whole).abs() <= 1e-3 * fs;
    let fs = if near { whole } else { fs };
    (fs.is_finite() && fs > 0.0).then_some(fs)
}

/// The places of samples in time.
pub(super) struct Grid {
    fs: f64,
    /// When the next sample is due, and the time of the last one.
    due: Option<f64>,
    last: f64,
}

/// What is wrong with a time.
#[derive(Debug, PartialEq)]
pub(super) enum Fault {
    /// It is not after the one before.
    Backwards { last: f64 },
    /// It comes before its place, by so many samples.
    Early { samples: f64 },
}

impl Grid {
    /// For samples at this rate.
    pub fn new(fs: f64) -> Grid {
        Grid {
            fs,
            due: None,
            last: f64::NEG_INFINITY,
        }
    }

    /// How many samples are missing before the one at this time.
    ///
    /// # Errors
    /// What is wrong with the time.
    pub fn missing(&mut self, time: f64) -> Result<f64, Fault> {
        if time <= self.last {
            return Err(Fault::Backwards { last: self.last });
        }
        self.last = time;
        let due = self.due.unwrap_or(time);
        let late = (time - due) * self.fs;
        if late < -0.5 {
            return Err(Fault::Early { samples: -late });
        }
        let (missing, place) = match late > 0.5 {
            true => (late.round().max(1.0), time),
            false => (0.0, due + FOLLOWED * (time - due)),
        };
        self.due = Some(place + 1.0 / self.fs);
        Ok(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_every_kind_are_read() {
        let at = |text: &str, unit| of(text, unit).unwrap();
        assert_eq!(at("1.5", 1.0), 1.5);
        assert_eq!(at("1500", 1e-3), 1.5);
        assert_eq!(at("1970-01-02T00:00:01.5Z", 1.0), 86_401.5);
        assert_eq!(at("1970-01-02 00:00:01,5+02:00", 1.0), 86_401.5);
        assert_eq!(at("01:00:00.25", 1.0), 3600.25);
        for wrong in [
            "",
            "x",
            "24:00:00",
            "1970-13-01T00:00",
            "nan",
            "inf",
            "1:2:3:4",
        ] {
            assert_eq!(of(wrong, 1.0), None, "{wrong}");
        }
    }

    #[test]
    fn dates_and_days_are_one() {
        for (text, day) in [
            ("1970-01-01", 0),
            ("2000-02-29", 11_016),
            ("2024-12-31", 20_088),
        ] {
            assert_eq!(days(text), Some(day), "{text}");
        }
        for day in (0..40_000).step_by(7) {
            let (year, month, of_month) = date(day).unwrap();
            assert_eq!(
                days(&format!("{year:04}-{month:02}-{of_month:02}")),
                Some(day)
            );
        }
        let start = start("2024-02-29T10:00:01").unwrap();
        assert_eq!((start.seconds, start.date), (36_001.0, Some((2024, 2, 29))));
        #[cfg(feature = "parquet")]
        assert_eq!(
            start_of_seconds(11_016.5 * DAY).unwrap().date,
            Some((2000, 2, 29))
        );
    }

    #[test]
    fn the_rate_of_rounded_times_is_found() {
        for fs in [128.0, 250.0, 360.0, 500.0, 1000.0] {
            let times: Vec<f64> = (0..4000)
                .map(|i| (f64::from(i) / fs * 1e3).round() / 1e3)
                .collect();
            assert_eq!(rate(&times), Some(fs));
            let mut grid = Grid::new(fs);
            assert!(times.iter().all(|t| grid.missing(*t) == Ok(0.0)), "{fs}");
        }
        let odd: Vec<f64> = (0..60_000).map(|i| f64::from(i) / 130.4).collect();
        assert!((rate(&odd).unwrap() - 130.4).abs() < 1e-6);
        assert_eq!(rate(&[1.0]), None);
    }

    #[test]
    fn gaps_are_counted_and_early_rows_refused() {
        let mut grid = Grid::new(100.0);
        for (time, missing) in [(5.0, 0.0), (5.01, 0.0), (5.05, 3.0), (5.064, 0.0)] {
            assert_eq!(grid.missing(time), Ok(missing), "{time}");
        }
        assert!(matches!(grid.missing(5.0645), Err(Fault::Early { .. })));
        assert_eq!(grid.missing(5.0), Err(Fault::Backwards { last: 5.0645 }));
    }
}
