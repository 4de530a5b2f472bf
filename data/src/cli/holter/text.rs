//! The Holter numbers in lines of text.

use std::io::{Result, Write};

use crate::holter::{Ectopy, Episode, Episodes, Hrv, NOTICE, Rate, Share, Summary, Time};

/// Writes everything but the columns per minute.
pub fn write(record: &str, annotator: &str, summary: &Summary, out: &mut impl Write) -> Result<()> {
    let time = &summary.time;
    let gaps = &time.gaps;
    writeln!(
        out,
        "{record} by {annotator}: {} recorded, {} analysable, {} gap(s) of {} in all",
        clock(time.duration),
        clock(time.analysable),
        gaps.count,
        clock(gaps.seconds)
    )?;
    if let Some(start) = summary.start {
        let date = start
            .date
            .map_or(String::new(), |(y, m, d)| format!(" on {y}-{m:02}-{d:02}"));
        writeln!(
            out,
            "  from {}{date}, by the recorder's clock",
            clock(start.seconds)
        )?;
    }
    beats(summary, out)?;
    rate(summary, out)?;
    writeln!(out, "\nEctopic beats")?;
    ectopy("ventricular", &summary.ventricular, out)?;
    ectopy("supraventricular", &summary.supraventricular, out)?;
    writeln!(
        out,
        "  R on T {}: V after another beat, before the end of the QT interval expected",
        summary.r_on_t.count
    )?;
    episodes(summary, out)?;
    variability(&summary.hrv, out)?;
    hours(summary, out)?;
    writeln!(out, "\n{NOTICE}")
}

fn beats(summary: &Summary, out: &mut impl Write) -> Result<()> {
    let beats = &summary.beats;
    let share =
        |name: &str, share: &Share| format!("{name} {} ({:.2} %)", share.count, share.percent);
    let classes = [
        share("N", &beats.n),
        share("S", &beats.s),
        share("V", &beats.v),
        share("F", &beats.f),
        share("Q", &beats.q),
    ];
    writeln!(out, "\nBeats {}, analysed {}", beats.total, beats.analysed)?;
    writeln!(out, "  {}", classes.join(", "))?;
    let mut others = Vec::new();
    if beats.unclassified.count > 0 {
        others.push(share("of no class of EC57", &beats.unclassified));
    }
    if beats.rejected.count > 0 {
        others.push(share("left to a human", &beats.rejected));
    }
    if beats.unreadable > 0 {
        others.push(format!(
            "where the signal cannot be read {}",
            beats.unreadable
        ));
    }
    if beats.within_fibrillation > 0 {
        let within = beats.within_fibrillation;
        others.push(format!("within fibrillation, and in no number, {within}"));
    }
    match others.is_empty() {
        true => Ok(()),
        false => writeln!(out, "  {}", others.join(", ")),
    }
}

fn rate(summary: &Summary, out: &mut impl Write) -> Result<()> {
    let heart = &summary.heart_rate;
    let extreme = |name: &str, rate: &Option<Rate>| match rate {
        Some(rate) => format!("{name} {:.0} at {}", rate.rate, at(&rate.at)),
        None => format!("{name} -"),
    };
    writeln!(
        out,
        "\nHeart rate, beats/min: mean {}, {}, {} (means of {} RR intervals)",
        number(heart.mean, 0),
        extreme("min", &heart.min),
        extreme("max", &heart.max),
        summary.options.thresholds.intervals
    )
}

fn ectopy(name: &str, ectopy: &Ectopy, out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "  {name} {} ({:.2} %): single {}, couplets {}, triplets {}, runs {} of {} beats",
        ectopy.beats,
        ectopy.burden,
        ectopy.singles,
        ectopy.couplets,
        ectopy.triplets,
        ectopy.runs.count,
        ectopy.runs.beats
    )?;
    for (which, run) in [
        ("longest", &ectopy.runs.longest),
        ("fastest", &ectopy.runs.fastest),
    ] {
        if let Some(run) = run {
            writeln!(
                out,
                "    {which} run: {} beats at {}/min, at {}",
                run.beats.unwrap_or(0),
                number(run.rate, 0),
                at(&run.start)
            )?;
        }
    }
    Ok(())
}

fn episodes(summary: &Summary, out: &mut impl Write) -> Result<()> {
    let limits = &summary.options.thresholds;
    writeln!(out, "\nEpisodes")?;
    let pauses = format!("pauses of {} s and more", limits.pause);
    let slow = format!("bradycardia, below {}/min", limits.bradycardia);
    let fast = format!("tachycardia, above {}/min", limits.tachycardia);
    let silence = format!("no beat for {} s", limits.asystole);
    for (name, episodes) in [
        ("bigeminy", &summary.bigeminy),
        ("trigeminy", &summary.trigeminy),
        (&pauses, &summary.pauses),
        (&slow, &summary.bradycardia),
        (&fast, &summary.tachycardia),
        (&silence, &summary.no_beats),
        (
            "ventricular fibrillation or flutter",
            &summary.ventricular_fibrillation,
        ),
        (
            "ventricular tachycardia, as noted",
            &summary.ventricular_tachycardia,
        ),
        ("asystole", &summary.asystole),
    ] {
        kind(name, episodes, out)?;
    }
    match &summary.atrial_fibrillation {
        Some(atrial) => {
            kind("atrial fibrillation", &atrial.episodes, out)?;
            writeln!(out, "    {:.2} % of the analysable time", atrial.burden)
        }
        None => writeln!(
            out,
            "  atrial fibrillation: left out, nothing tells of it here"
        ),
    }
}

fn kind(name: &str, episodes: &Episodes, out: &mut impl Write) -> Result<()> {
    write!(out, "  {name}: {}", episodes.count)?;
    if let Some(longest) = episodes.longest.first() {
        let Episode { seconds, start, .. } = longest;
        let all = clock(episodes.seconds);
        write!(
            out,
            ", {all} in all, longest {seconds:.1} s at {}",
            at(start)
        )?;
    }
    if let Some(extreme) = &episodes.extreme {
        write!(
            out,
            ", extreme {:.0}/min at {}",
            extreme.rate,
            at(&extreme.at)
        )?;
    }
    writeln!(out)
}

fn variability(hrv: &Hrv, out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "\nHeart-rate variability: {} NN intervals, {} left out as artefacts",
        hrv.intervals, hrv.artefacts
    )?;
    writeln!(
        out,
        "  SDNN {} ms, SDANN {} ms, SDNN index {} ms, RMSSD {} ms, pNN50 {} %, triangular index {}",
        number(hrv.sdnn, 1),
        number(hrv.sdann, 1),
        number(hrv.sdnn_index, 1),
        number(hrv.rmssd, 1),
        number(hrv.pnn50, 1),
        number(hrv.triangular_index, 1)
    )?;
    writeln!(
        out,
        "  SD1 {} ms, SD2 {} ms",
        number(hrv.sd1, 1),
        number(hrv.sd2, 1)
    )?;
    match &hrv.frequency {
        Some(power) => writeln!(
            out,
            "  VLF {:.0} ms2, LF {:.0} ms2, HF {:.0} ms2, total {:.0} ms2, LF/HF {} ({} windows of 5 min)",
            power.vlf,
            power.lf,
            power.hf,
            power.total,
            number(power.lf_hf, 2),
            power.windows
        ),
        None => writeln!(
            out,
            "  no window of 5 min has NN intervals enough for a spectrum"
        ),
    }
}

fn hours(summary: &Summary, out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "\n{:>5} {:>7} {:>7} {:>6} {:>6} {:>5} {:>5} {:>5} {:>8} {:>7} {:>6} {:>6}",
        "hour",
        "beats",
        "N",
        "S",
        "V",
        "mean",
        "min",
        "max",
        "minutes",
        "pauses",
        "V runs",
        "S runs"
    )?;
    for hour in &summary.hours {
        writeln!(
            out,
            "{:>5} {:>7} {:>7} {:>6} {:>6} {:>5} {:>5} {:>5} {:>8.1} {:>7} {:>6} {:>6}",
            hour.hour,
            hour.beats,
            hour.n,
            hour.s,
            hour.v,
            number(hour.mean_rate, 0),
            number(hour.min_rate, 0),
            number(hour.max_rate, 0),
            hour.analysable_minutes,
            hour.pauses,
            hour.v_runs,
            hour.s_runs
        )?;
    }
    Ok(())
}

/// A number with so many digits after the point, or a dash.
fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or("-".into(), |value| format!("{value:.digits$}"))
}

/// A moment from the first sample on.
fn at(time: &Time) -> String {
    clock(time.seconds)
}

/// Hours, minutes and seconds.
fn clock(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    format!("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
}
