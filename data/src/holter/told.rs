//! What the rhythm watch tells, gathered by kind.

use crate::episodes::{Kind, Phase, RhythmEvent};
use crate::holter::list::{Clock, Gathered};
use crate::holter::summary::{Episode, Rate, Time};
use crate::pipeline::malignant;

/// What the rhythm watch tells, by kind.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub bigeminy: Gathered,
    pub trigeminy: Gathered,
    pub bradycardia: Gathered,
    pub tachycardia: Gathered,
    pub no_beats: Gathered,
    pub fibrillation: Gathered,
    pub ventricular_tachycardia: Gathered,
    pub asystole: Gathered,
    /// The slow or fast rate that goes on, with its extreme.
    rate: Option<(Kind, Rate)>,
    /// Begins of the malignant rhythms that go on, by who told: the signal or
    /// brackets, and rhythm notes.
    pub open: [Option<malignant::Episode>; 2],
}

impl Told {
    /// Nothing yet; so many episodes of each kind are listed.
    pub fn new(listed: usize) -> Told {
        let none = || Gathered::new(listed);
        Told {
            bigeminy: none(),
            trigeminy: none(),
            bradycardia: none(),
            tachycardia: none(),
            no_beats: none(),
            fibrillation: none(),
            ventricular_tachycardia: none(),
            asystole: none(),
            rate: None,
            open: [None; 2],
        }
    }

    /// Whether a malignant rhythm of this kind goes on, whoever told.
    pub fn goes_on(&self, kind: malignant::Kind) -> bool {
        self.open.iter().flatten().any(|open| open.kind == kind)
    }

    /// Whether there is ventricular fibrillation.
    pub fn fibrillates(&self) -> bool {
        self.goes_on(malignant::Kind::Fibrillation)
    }

    /// Takes what the watch tells.
    pub fn take(&mut self, event: &RhythmEvent, clock: &Clock) {
        let rated = matches!(event.kind, Kind::Bradycardia | Kind::Tachycardia);
        if rated && let (Phase::Begin, Some(rate)) = (event.phase, event.rate) {
            let at = clock.time(event.end);
            self.rate = Some((event.kind, Rate { rate, at }));
        }
        // A silence whose end nobody knows, since beats were left out, is none.
        let empty = event.kind == Kind::NoBeats && event.end <= event.start;
        if event.phase != Phase::End || empty {
            return;
        }
        let gathered = match event.kind {
            Kind::Bigeminy => &mut self.bigeminy,
            Kind::Trigeminy => &mut self.trigeminy,
            Kind::Bradycardia => &mut self.bradycardia,
            Kind::Tachycardia => &mut self.tachycardia,
            Kind::NoBeats => &mut self.no_beats,
            Kind::VentricularFibrillation => &mut self.fibrillation,
            Kind::VentricularTachycardia => &mut self.ventricular_tachycardia,
            Kind::Asystole => &mut self.asystole,
            // Counted here in another way: see `Ectopy` and `follow`.
            Kind::Pause | Kind::Couplet | Kind::Run | Kind::Idioventricular => return,
        };
        let extreme = self.rate.take_if(|_| rated).map(|(_, rate)| rate);
        let episode = Episode {
            beats: event.beats.map(u64::from),
            rate: event.rate.or(extreme.map(|e| e.rate)),
            ..clock.episode(event.start, event.end)
        };
        gathered.take(episode);
        if let Some(extreme) = extreme {
            gathered.reach(extreme, event.kind == Kind::Tachycardia);
        }
    }

    /// The mean rate at a beat, where there is one: it may be the extreme of the
    /// slow or fast rate that goes on.
    pub fn sharpen(&mut self, rate: Option<f64>, at: Time) {
        if let (Some(rate), Some((kind, extreme))) = (rate, &mut self.rate)
            && match kind {
                Kind::Bradycardia => rate < extreme.rate,
                _ => rate > extreme.rate,
            }
        {
            *extreme = Rate { rate, at };
        }
    }
}
