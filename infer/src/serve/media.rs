//! The kinds of answers about a recording, and which of them a client wants.

use axum::http::{HeaderMap, header};

use super::tensor::Refusal;

/// A kind of answer about a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The numbers, as JSON.
    Numbers,
    /// The report, a page.
    Page,
    /// Beats, one JSON object a line.
    JsonLines,
    /// Beats, as CSV.
    Csv,
    /// Beats, as Parquet.
    Parquet,
    /// Beats, as a WFDB annotation file.
    Wfdb,
}

impl Kind {
    /// All, what is given to who asks for nothing first.
    pub const ALL: [Kind; 6] = [
        Kind::Numbers,
        Kind::Page,
        Kind::JsonLines,
        Kind::Csv,
        Kind::Parquet,
        Kind::Wfdb,
    ];

    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Kind::Numbers => "application/json",
            Kind::Page => "text/html",
            Kind::JsonLines => "application/x-ndjson",
            Kind::Csv => "text/csv",
            Kind::Parquet => "application/vnd.apache.parquet",
            Kind::Wfdb => "application/x-wfdb-annotation",
        }
    }

    /// The name of the file that holds it.
    pub fn file(self) -> &'static str {
        match self {
            Kind::Numbers => "report.json",
            Kind::Page => "report.html",
            Kind::JsonLines => "beats.jsonl",
            Kind::Csv => "beats.csv",
            Kind::Parquet => "beats.parquet",
            Kind::Wfdb => "beats.annotations",
        }
    }

    /// Whether it is made with the report, and not with the beats.
    pub fn is_of_report(self) -> bool {
        matches!(self, Kind::Numbers | Kind::Page)
    }

    /// What the `Accept` headers want most (RFC 9110, section 12.5.1).
    ///
    /// # Errors
    /// [`Refusal::NotAcceptable`] lists what there is.
    pub fn wanted(headers: &HeaderMap) -> Result<Kind, Refusal> {
        let all = headers.get_all(header::ACCEPT);
        let text: Vec<&str> = all.iter().filter_map(|v| v.to_str().ok()).collect();
        if text.iter().all(|t| t.trim().is_empty()) {
            return Ok(Kind::Numbers);
        }
        let ranges = text.iter().flat_map(|t| t.split(','));
        let ranges: Vec<Range<'_>> = ranges.filter_map(Range::of).collect();
        // Of equals the first of all kinds is given.
        let mut best: Option<(f32, Kind)> = None;
        for kind in Kind::ALL {
            let weight = weight(&ranges, kind.media_type());
            if weight > 0.0 && best.is_none_or(|(most, _)| weight > most) {
                best = Some((weight, kind));
            }
        }
        best.map(|(_, kind)| kind).ok_or_else(|| {
            let all = Kind::ALL.map(Kind::media_type).join(", ");
            Refusal::NotAcceptable(format!("an answer comes as one of {all}"))
        })
    }
}

/// A media range of an `Accept` header.
struct Range<'a> {
    media_type: &'a str,
    weight: f32,
}

impl Range<'_> {
    fn of(text: &str) -> Option<Range<'_>> {
        let mut parts = text.split(';').map(str::trim);
        let media_type = parts.next().filter(|t| !t.is_empty())?;
        let weight = parts.find_map(|p| p.strip_prefix("q=").or_else(|| p.strip_prefix("Q=")));
        let weight = weight.map_or(Some(1.0), |q| q.parse().ok());
        Some(Range {
            media_type,
            weight: weight.filter(|q| (0.0..=1.0).contains(q))?,
        })
    }

    /// How closely this names a type: not at all, all types, a family, the type.
    fn closeness(&self, media_type: &str) -> u8 {
        let family = media_type.split('/').next().unwrap_or_default();
        match self.media_type {
            own if own.eq_ignore_ascii_case(media_type) => 3,
            own if own.strip_suffix("/*").is_some_and(|f| f == family) => 2,
            "*/*" => 1,
            _ => 0,
        }
    }
}

/// The weight of the range that names a type most closely.
fn weight(ranges: &[Range<'_>], media_type: &str) -> f32 {
    let named = ranges.iter().map(|r| (r.closeness(media_type), r.weight));
    let closest = named.filter(|(c, _)| *c > 0).max_by_key(|(c, _)| *c);
    closest.map_or(0.0, |(_, weight)| weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(accept: &str) -> Option<Kind> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        Kind::wanted(&headers).ok()
    }

    #[test]
    fn the_weightiest_kind_is_given() {
        assert_eq!(Kind::wanted(&HeaderMap::new()), Ok(Kind::Numbers));
        assert_eq!(wanted("*/*"), Some(Kind::Numbers));
        assert_eq!(wanted("text/csv"), Some(Kind::Csv));
        assert_eq!(
            wanted("text/html,application/xhtml+xml,*/*;q=0.8"),
            Some(Kind::Page)
        );
        assert_eq!(
            wanted("text/csv;q=0.5, application/x-ndjson"),
            Some(Kind::JsonLines)
        );
        assert_eq!(wanted("text/*"), Some(Kind::Page));
        assert_eq!(wanted("application/json;q=0, */*"), Some(Kind::Page));
        assert_eq!(wanted(""), Some(Kind::Numbers));
        for none in ["image/png", "text/csv;q=0", "text/csv;q=7"] {
            assert_eq!(wanted(none), None, "{none}");
        }
    }
}
