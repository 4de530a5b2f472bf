//! Figures over many records: gross (all beats together) and average (every
//! record weighs the same).

use std::collections::BTreeMap;

use serde::Serialize;

use super::matching::Comparison;
use super::matrix::{Figure, Figures, Matrix};

/// Sensitivity and positive predictivity as fractions; `None` (`null`) where
/// there was nothing to find or nothing was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Rate {
    /// Sensitivity.
    pub se: Option<f64>,
    /// Positive predictivity.
    pub ppv: Option<f64>,
}

/// The figures of one record.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RecordFigures {
    /// Detection, V and S.
    #[serde(flatten)]
    pub rates: Figures<Rate>,
    /// Root mean square difference of RR intervals in milliseconds.
    pub rr_error_ms: Option<f64>,
}

/// Figures over many records.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AggregateStatistics {
    /// All beats together.
    pub gross: Figures<Rate>,
    /// Mean over the records for which a figure is defined.
    pub average: RecordFigures,
    /// Record by record.
    pub records: BTreeMap<String, RecordFigures>,
}

impl AggregateStatistics {
    /// Of named records.
    pub fn new(records: &[(String, Comparison)]) -> AggregateStatistics {
        let mut total = Matrix::default();
        for (_, comparison) in records {
            total += &comparison.matrix;
        }
        let rates_of: Vec<_> = records
            .iter()
            .map(|(_, c)| rates(c.matrix.summary_figures()))
            .collect();
        let average = |figure: fn(&Figures<Rate>) -> Rate| Rate {
            se: mean(rates_of.iter().map(|r| figure(r).se)),
            ppv: mean(rates_of.iter().map(|r| figure(r).ppv)),
        };
        let of_record = |(name, c): &(String, Comparison)| (name.clone(), RecordFigures::of(c));
        let records: BTreeMap<_, _> = records.iter().map(of_record).collect();
        AggregateStatistics {
            gross: rates(total.summary_figures()),
            average: RecordFigures {
                rates: Figures {
                    qrs: average(|r| r.qrs),
                    v: average(|r| r.v),
                    s: average(|r| r.s),
                },
                rr_error_ms: mean(records.values().map(|r| r.rr_error_ms)),
            },
            records,
        }
    }
}

impl RecordFigures {
    /// Of one comparison.
    pub fn of(comparison: &Comparison) -> RecordFigures {
        RecordFigures {
            rates: rates(comparison.matrix.figures()),
            rr_error_ms: comparison.rr_error.map(|e| 1000.0 * e),
        }
    }
}

fn rates(figures: Figures<Figure>) -> Figures<Rate> {
    let rate = |figure: Figure| Rate {
        se: figure.se.value(),
        ppv: figure.ppv.value(),
    };
    Figures {
        qrs: rate(figures.qrs),
        v: rate(figures.v),
        s: rate(figures.s),
    }
}

pub(super) fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0u32);
    for value in values.flatten() {
        sum += value;
        count += 1;
    }
    (count > 0).then(|| sum / f64::from(count))
}
