//! A signal's recent past in a ring.

/// The most recent frames of the filtered signal, addressed by their number
/// since the last restart. Allocates only in [`RecentSignal::new`].
#[derive(Clone, Debug)]
pub(crate) struct RecentSignal {
    /// Per lead a ring of `mask + 1` samples.
    samples: Vec<f32>,
    mask: u64,
    /// Frames since the restart.
    len: u64,
}

impl RecentSignal {
    /// Room for at least `capacity` frames.
    pub fn new(leads: usize, capacity: usize) -> RecentSignal {
        let size = capacity.next_power_of_two();
        RecentSignal {
            samples: vec![0.0; leads * size],
            mask: size as u64 - 1,
            len: 0,
        }
    }

    /// Frames since the restart.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Takes the next frame in.
    #[inline]
    pub fn push(&mut self, frame: impl Iterator<Item = f32>) {
        let (at, size) = ((self.len & self.mask) as usize, self.mask as usize + 1);
        for (lead, value) in frame.enumerate() {
            self.samples[lead * size + at] = value;
        }
        self.len += 1;
    }

    /// The next frame is number 0.
    pub fn restart(&mut self) {
        self.len = 0;
    }

    /// Copies a lead's samples from frame `start` on; 0 outside the recording.
    pub fn copy(&self, lead: usize, start: i64, out: &mut [f32]) {
        let size = self.mask as usize + 1;
        let ring = &self.samples[lead * size..(lead + 1) * size];
        let oldest = self.len.saturating_sub(size as u64);
        let place = |frame: u64| (frame as i64 - start).clamp(0, out.len() as i64) as usize;
        let (from, to) = (place(oldest), place(self.len));
        out[..from].fill(0.0);
        out[to..].fill(0.0);
        let known = &mut out[from..to];
        if known.is_empty() {
            return;
        }
        // In two runs where the ring turns in between.
        let at = ((start + from as i64) as u64 & self.mask) as usize;
        let (head, tail) = known.split_at_mut(known.len().min(size - at));
        head.copy_from_slice(&ring[at..at + head.len()]);
        tail.copy_from_slice(&ring[..tail.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_the_recording_is_zero_and_nothing_old_comes_back() {
        let mut signal = RecentSignal::new(1, 4);
        (1..=6).for_each(|v| signal.push(std::iter::once(v as f32)));
        let mut out = [9.0; 8];
        signal.copy(0, 0, &mut out);
        assert_eq!(out, [0.0, 0.0, 3.0, 4.0, 5.0, 6.0, 0.0, 0.0]);
        signal.restart();
        signal.push(std::iter::once(7.0));
        signal.copy(0, -2, &mut out);
        assert_eq!(out, [0.0, 0.0, 7.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
