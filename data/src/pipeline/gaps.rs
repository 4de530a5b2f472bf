//! Stretches of a lead without samples.

use super::BRIDGE;

/// Finds the stretches without a sample that are longer than the pipeline bridges.
#[derive(Clone, Debug)]
pub struct Gaps {
    /// Samples that are bridged.
    bridge: u64,
    /// Samples so far.
    seen: u64,
    /// The first sample that lacks, while it does.
    open: Option<u64>,
    found: Vec<[u64; 2]>,
}

impl Gaps {
    /// For a lead of `fs` samples per second.
    pub fn new(fs: f64) -> Gaps {
        Gaps {
            bridge: (BRIDGE * fs) as u64,
            seen: 0,
            open: None,
            found: Vec::new(),
        }
    }

    /// Takes the next samples, in mV; NaN where there is none.
    pub fn push(&mut self, samples: impl IntoIterator<Item = f32>) {
        for sample in samples {
            match (sample.is_nan(), self.open) {
                (true, None) => self.open = Some(self.seen),
                (false, Some(start)) => self.close(start),
                _ => {}
            }
            self.seen += 1;
        }
    }

    fn close(&mut self, start: u64) {
        self.open = None;
        if self.seen - start > self.bridge {
            self.found.push([start, self.seen]);
        }
    }

    /// All of them, each its first sample and the one after its last: the lead ends
    /// here.
    pub fn all(mut self) -> Vec<[u64; 2]> {
        self.open.into_iter().for_each(|start| self.close(start));
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_those_that_are_not_bridged_however_samples_come() {
        let mut lead = vec![0.0_f32; 500];
        // At 100 Hz ten samples are bridged, and eleven are not.
        for gap in [0..11, 100..110, 200..211, 480..500] {
            lead[gap].fill(f32::NAN);
        }
        for piece in [1, 7, 500] {
            let mut gaps = Gaps::new(100.0);
            for samples in lead.chunks(piece) {
                gaps.push(samples.iter().copied());
            }
            assert_eq!(gaps.all(), [[0, 11], [200, 211], [480, 500]], "{piece}");
        }
    }
}
