//! When a recording began.

/// The wall clock at the first sample of a recording, as far as its file says.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Start {
    /// Seconds since midnight, by the recorder's clock.
    pub seconds: f64,
    /// Year, month from 1 and day from 1; `None` where only the time is known.
    pub date: Option<(u16, u8, u8)>,
}

impl Start {
    /// The start from the text of a time, `H:M:S` of which hours, or hours and
    /// minutes, may be left out, and of a date, `D/M/Y`. `None` for what is no
    /// time of day; a date that is none counts as absent.
    pub fn of(time: &str, date: Option<&str>) -> Option<Start> {
        let parts: Vec<f64> = time.split(':').map(number).collect::<Option<_>>()?;
        let seconds = parts.iter().fold(0.0, |sum, part| 60.0 * sum + part);
        (parts.len() <= 3 && seconds < 86_400.0).then(|| Start {
            seconds,
            date: date.and_then(day),
        })
    }
}

/// A finite number that is not negative.
fn number(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number)
}

/// Year, month and day of `D/M/Y`.
fn day(text: &str) -> Option<(u16, u8, u8)> {
    let parts: Vec<u16> = text
        .split('/')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    match parts[..] {
        [day @ 1..=31, month @ 1..=12, year] => Some((year, month as u8, day as u8)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_dates_as_headers_write_them() {
        let start = |time, date| Start::of(time, date).map(|s| (s.seconds, s.date));
        let day = Some((1990, 8, 2));
        assert_eq!(start("10:30:05.5", Some("2/8/1990")), Some((37_805.5, day)));
        assert_eq!(start("9:0:0", None), Some((32_400.0, None)));
        assert_eq!(start("30", Some("x")), Some((30.0, None)));
        assert_eq!(start("1:00", Some("32/1/1990")), Some((60.0, None)));
        for wrong in ["", "24:00:00", "-1:00:00", "1:2:3:4", "noon"] {
            assert_eq!(start(wrong, None), None, "{wrong}");
        }
    }
}
