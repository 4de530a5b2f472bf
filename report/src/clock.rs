//! Times on the page: the wall clock where the recording says when it began, else
//! the time since its start.

use data::record::Start;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Says samples as times.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    fs: f64,
    start: Option<Start>,
}

impl Clock {
    /// For a recording of `fs` samples per second.
    pub fn new(fs: f64, start: Option<Start>) -> Clock {
        Clock { fs, start }
    }

    /// Whether times are those of the wall clock.
    pub(crate) fn is_wall(&self) -> bool {
        self.start.is_some()
    }

    /// A sample as `H:MM:SS`; by the wall clock as `HH:MM:SS`, with `+1 d` from the
    /// first midnight on.
    pub fn time(&self, sample: u64) -> String {
        let seconds = sample as f64 / self.fs;
        match self.start {
            None => duration(seconds),
            Some(start) => {
                let whole = (start.seconds + seconds) as u64;
                let (days, second) = (whole / DAY, whole % DAY);
                let [h, m, s] = [second / 3600, second / 60 % 60, second % 60];
                let day = match days {
                    0 => String::new(),
                    days => format!(" +{days} d"),
                };
                format!("{h:02}:{m:02}:{s:02}{day}")
            }
        }
    }

    /// So many seconds after the first sample, as [`Clock::time`].
    pub(crate) fn at(&self, seconds: f64) -> String {
        self.time((seconds * self.fs) as u64)
    }

    /// The day and the time at which the recording began, as far as it says.
    pub(crate) fn began(&self) -> Option<String> {
        let start = self.start?;
        let time = self.time(0);
        Some(match start.date {
            Some((year, month, day)) => format!("{year:04}-{month:02}-{day:02} {time}"),
            None => time,
        })
    }
}

/// Seconds as `H:MM:SS`, with days in front where there are any.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    let [h, m, s] = [whole % DAY / 3600, whole / 60 % 60, whole % 60];
    match whole / DAY {
        0 => format!("{h}:{m:02}:{s:02}"),
        days => format!("{days} d {h}:{m:02}:{s:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_the_wall_clocks_where_it_is_known() {
        let since = Clock::new(100.0, None);
        assert_eq!(since.time(366_100), "1:01:01");
        assert_eq!(since.began(), None);
        let start = Start {
            seconds: 86_390.5,
            date: Some((2026, 1, 31)),
        };
        let wall = Clock::new(100.0, Some(start));
        assert_eq!(wall.time(0), "23:59:50");
        assert_eq!(wall.time(1000), "00:00:00 +1 d");
        assert_eq!(wall.began().unwrap(), "2026-01-31 23:59:50");
        assert_eq!(duration(90_061.4), "1 d 1:01:01");
    }
}
