//! An evaluation as tables for a terminal, at most 80 columns wide.

use std::io::{Result, Write};

use data::scoring::ec57;
use data::scoring::metrics::{ClassScore, Interval, fraction, percent};
use data::{Class, Classes};
use models::contract::reject_rule;

use super::figures::{Evaluation, Period, View};
use super::noise_stress::NoiseRow;

/// Classes of EC57 whose figures stand beside each other in the tables.
const SHOWN: [Class; 3] = [Class::V, Class::S, Class::F];
/// Width of the first column.
const NAME: usize = 24;

/// Writes everything but the noise table.
pub fn write(evaluation: &Evaluation, out: &mut impl Write) -> Result<()> {
    let views = views(evaluation);
    write_overall(&views, out)?;
    let columns = columns(classes(evaluation));
    write_classes(&views, &columns, out)?;
    write_confusion(&evaluation.whole, out)?;
    write_intervals(evaluation, out)?;
    if let Some(period) = &evaluation.ec57_period {
        write_ec57(period, classes(evaluation), out)?;
    }
    write_records(evaluation, &columns, out)?;
    write_risk(evaluation, out)
}

/// Classes whose figures stand beside each other: a name, and the places whose
/// beats count as one.
type Columns = Vec<(String, Vec<usize>)>;

/// [`SHOWN`] as far as the model has them; of a model without S and V its first
/// three classes.
fn columns(classes: &Classes) -> Columns {
    if classes.lacking().is_some() {
        let first = classes.names().take(SHOWN.len()).enumerate();
        let short = |name: &str| name.chars().take(3).collect();
        return first.map(|(c, name)| (short(name), vec![c])).collect();
    }
    let known = SHOWN.iter().filter(|&&class| classes.has(class));
    known
        .map(|&class| (class.name().into(), classes.of_aami(class)))
        .collect()
}

/// The classes of an evaluation.
fn classes(evaluation: &Evaluation) -> &Classes {
    evaluation.whole.summary.confusion.classes()
}

/// The views with their names, in the order of the tables.
fn views(evaluation: &Evaluation) -> Vec<(String, &View)> {
    let mut views = vec![("whole, e j as N".to_string(), &evaluation.whole)];
    let without = |name: &String| format!("  without {name}");
    views.extend(evaluation.without.iter().map(|(n, v)| (without(n), v)));
    // Without a class of S beats the conventions do not differ.
    let as_s = classes(evaluation).has(Class::S);
    if as_s {
        views.push(("whole, e j as S".into(), &evaluation.bxb));
    }
    if let Some(period) = &evaluation.ec57_period {
        views.push((format!("{}, e j as N", since(period)), &period.literature));
        views.extend(period.without.iter().map(|(n, v)| (without(n), v)));
        if as_s {
            views.push((format!("{}, e j as S", since(period)), &period.bxb));
        }
    }
    if let Some(reject) = &evaluation.reject {
        let name = format!("kept: {} %", percent(Some(reject.coverage)));
        views.push((name, &reject.kept));
    }
    views
}

/// `from 5:00`.
fn since(period: &Period) -> String {
    let seconds = period.start as u64;
    format!("from {}:{:02}", seconds / 60, seconds % 60)
}

fn write_overall(views: &[(String, &View)], out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "{:NAME$} {:>8} {:>9} {:>9} {:>7} {:>7} {:>7}",
        "Beats", "number", "accuracy", "macro F1", "kappa", "jk", "ECE"
    )?;
    for (name, view) in views {
        let s = &view.summary;
        writeln!(
            out,
            "{name:NAME$} {:>8} {:>9} {:>9} {:>7} {:>7} {:>7}",
            view.beats,
            percent(s.accuracy),
            percent(s.macro_f1),
            fraction(s.kappa),
            fraction(s.jk),
            fraction(view.ece),
        )?;
    }
    writeln!(out)
}

/// Which classes of the model stand under each heading, where it is not their name.
fn legend(columns: &Columns, classes: &Classes) -> Option<String> {
    let told = columns.iter().filter_map(|(heading, places)| {
        let names: Vec<&str> = places.iter().map(|&place| classes.name(place)).collect();
        (names != [heading]).then(|| format!("{heading} is {}", names.join(" and ")))
    });
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| told.join(", "))
}

fn write_classes(views: &[(String, &View)], columns: &Columns, out: &mut impl Write) -> Result<()> {
    let classes = views
        .first()
        .map(|(_, view)| view.summary.confusion.classes());
    if let Some(legend) = classes.and_then(|classes| legend(columns, classes)) {
        writeln!(out, "Below {legend}.")?;
    }
    write!(out, "{:NAME$}", "Classes, %")?;
    for (name, _) in columns {
        write!(out, "{:>6} {:>5} {:>5}", format!("{name} Se"), "+P", "F1")?;
    }
    writeln!(out)?;
    for (name, view) in views {
        write!(out, "{name:NAME$}")?;
        for (_, places) in columns {
            write!(out, "{}", triple(&view.together(places)))?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

/// Sensitivity, predictivity and F1 in 18 columns.
fn triple(score: &ClassScore) -> String {
    let short = |value: Option<f64>| value.map_or("-".into(), |v| format!("{:.1}", 100.0 * v));
    format!(
        "{:>6} {:>5} {:>5}",
        short(score.se),
        short(score.ppv),
        short(score.f1)
    )
}

fn write_confusion(view: &View, out: &mut impl Write) -> Result<()> {
    let confusion = &view.summary.confusion;
    let names: Vec<&str> = confusion.classes().names().collect();
    let width = names.iter().map(|name| name.len() + 1).fold(8, usize::max);
    let first = names.iter().enumerate().map(|(i, name)| match i {
        0 => format!("reference {name}"),
        _ => name.to_string(),
    });
    let first: Vec<String> = first.collect();
    let margin = first.iter().map(String::len).fold(12, usize::max);
    write!(out, "{:>margin$} ", "called:")?;
    for name in &names {
        write!(out, "{name:>width$}")?;
    }
    writeln!(out)?;
    for (reference, name) in first.iter().enumerate() {
        write!(out, "{name:>margin$} ")?;
        for predicted in 0..names.len() {
            write!(out, "{:>width$}", confusion.count(reference, predicted))?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

fn write_intervals(evaluation: &Evaluation, out: &mut impl Write) -> Result<()> {
    let intervals = &evaluation.intervals;
    writeln!(
        out,
        "95 % intervals over {} patients ({} bootstrap draws), whole records, e j as N",
        intervals.patients, intervals.draws
    )?;
    let classes = classes(evaluation);
    let name = classes.names().map(str::len).fold(1, usize::max);
    let width = name + 7;
    writeln!(
        out,
        "{:>width$} {:>22} {:>22} {:>22}",
        "support", "Se %", "+P %", "F1 %"
    )?;
    for (place, class) in classes.names().enumerate() {
        let score = evaluation.whole.together(&[place]);
        let range = intervals.classes.at(place);
        writeln!(
            out,
            "{class:name$} {:>6} {:>22} {:>22} {:>22}",
            score.support,
            ranged(score.se, range.se),
            ranged(score.ppv, range.ppv),
            ranged(score.f1, range.f1),
        )?;
    }
    let summary = &evaluation.whole.summary;
    for (name, value, range) in [
        ("accuracy %", summary.accuracy, intervals.accuracy),
        ("macro F1 %", summary.macro_f1, intervals.macro_f1),
        ("100 kappa", summary.kappa, intervals.kappa),
        ("100 jk", summary.jk, intervals.jk),
    ] {
        if value.is_none() && classes.lacking().is_some() {
            continue;
        }
        writeln!(out, "{name:10} {}", ranged(value, range))?;
    }
    writeln!(out)
}

/// `96.21 (94.10-97.88)`.
fn ranged(value: Option<f64>, range: Option<Interval>) -> String {
    match range {
        Some(Interval { low, high }) => format!(
            "{} ({}-{})",
            percent(value),
            percent(Some(low)),
            percent(Some(high))
        ),
        None => percent(value),
    }
}

fn write_ec57(period: &Period, classes: &Classes, out: &mut impl Write) -> Result<()> {
    let Some(summary) = &period.ec57 else {
        return writeln!(out, "EC57: {}\n", classes.lacking().unwrap_or_default());
    };
    if period.literature.beats == 0 {
        return writeln!(
            out,
            "EC57: no beat comes after {}, where its scoring starts; --start 0 scores all\n",
            since(period).trim_start_matches("from ")
        );
    }
    writeln!(
        out,
        "EC57, {}, e j as S (as `data score` counts), %",
        since(period)
    )?;
    write_rates(summary, out)?;
    writeln!(out)
}

/// Gross and average figures of an EC57 summary.
pub fn write_rates(summary: &ec57::AggregateStatistics, out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "{:8} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7}",
        "", "QRS Se", "+P", "V Se", "+P", "S Se", "+P"
    )?;
    for (name, rates) in [
        ("gross", &summary.gross),
        ("average", &summary.average.rates),
    ] {
        write!(out, "{name:8}")?;
        for rate in [rates.qrs, rates.v, rates.s] {
            write!(out, " {:>7} {:>7}", percent(rate.se), percent(rate.ppv))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn write_records(evaluation: &Evaluation, columns: &Columns, out: &mut impl Write) -> Result<()> {
    // Two classes fit into the width.
    let columns = || columns.iter().take(2);
    write!(out, "{:10} {:>6} {:>8}", "Record", "beats", "accuracy")?;
    for (name, _) in columns() {
        write!(out, " {name:>6}{:>6} {:>5} {:>5}", "Se", "+P", "F1")?;
    }
    writeln!(out)?;
    for (name, view) in &evaluation.records {
        let accuracy = percent(view.summary.accuracy);
        write!(out, "{name:10} {:>6} {accuracy:>8}", view.beats)?;
        for (_, places) in columns() {
            let score = view.together(places);
            write!(out, " {:>6}{}", score.support, triple(&score))?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

fn write_risk(evaluation: &Evaluation, out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "Most confident beats: coverage, least probability, error"
    )?;
    for point in &evaluation.risk_coverage {
        writeln!(
            out,
            "{:>7} %  {:.4}  {:>6} %",
            percent(Some(point.coverage)),
            point.threshold,
            percent(Some(point.risk))
        )?;
    }
    match &evaluation.reject {
        Some(reject) => writeln!(
            out,
            "The model leaves beats to a human by its reject threshold ({}).",
            reject_rule(reject.threshold)
        ),
        None => Ok(()),
    }
}

/// Writes the noise table.
pub fn write_noise(rows: &[NoiseRow], out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "\nNoise, from 5:00, e j as N, %; right: beats kept by the reject option"
    )?;
    writeln!(
        out,
        "{:>6} {:>6} {:>8} {:>6} {:>6}   {:>8} {:>8} {:>6} {:>6}",
        "SNR dB", "beats", "accuracy", "V F1", "S F1", "kept", "accuracy", "V F1", "S F1"
    )?;
    for row in rows {
        let f1 = |view: &View, class| {
            let score = view.summary.confusion.aami(class);
            percent(score.and_then(|s| s.f1))
        };
        write!(
            out,
            "{:>6} {:>6} {:>8} {:>6} {:>6}",
            row.snr_db,
            row.all.beats,
            percent(row.all.summary.accuracy),
            f1(&row.all, Class::V),
            f1(&row.all, Class::S),
        )?;
        match &row.reject {
            Some(reject) => writeln!(
                out,
                "   {:>8} {:>8} {:>6} {:>6}",
                percent(Some(reject.coverage)),
                percent(reject.kept.summary.accuracy),
                f1(&reject.kept, Class::V),
                f1(&reject.kept, Class::S),
            )?,
            None => writeln!(out, "   {:>8}", "all")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_that_are_no_names_are_explained() {
        let told = |classes: &str| {
            let classes: Classes = classes.parse().unwrap();
            legend(&columns(&classes), &classes)
        };
        let own = "normal=N L R,early=A a,wide=V E";
        assert_eq!(told(own).unwrap(), "V is wide, S is early");
        assert_eq!(told("symbols N A S V").unwrap(), "S is A and S");
        assert_eq!(told("normal=N,odd=A V").unwrap(), "nor is normal");
        assert_eq!(told("aami5"), None);
    }
}
