//! A signal's recent past in a ring.

use super::frames;

/// The most recent frames of the filtered signal, addressed by their number
/// since the last restart. Frames are stored some at a time, ahead of the one
/// that decisions have got to, which sees none of them. Allocates only in
/// [`RecentSignal::new`].
#[derive(Clone, Debug)]
pub(crate) struct RecentSignal {
    /// Per lead a ring of `mask + 1` samples, of which the latest `reach` up to
    /// `len` are held.
    samples: Vec<f32>,
    mask: u64,
    reach: u64,
    /// Frames since the restart, and those stored, which may be more.
    len: u64,
    stored: u64,
}

impl RecentSignal {
    /// Room for at least `capacity` frames.
    pub fn new(leads: usize, capacity: usize) -> RecentSignal {
        let reach = capacity.next_power_of_two();
        let size = (reach + frames::MOST).next_power_of_two();
        RecentSignal {
            samples: vec![0.0; leads * size],
            mask: size as u64 - 1,
            reach: reach as u64,
            len: 0,
            stored: 0,
        }
    }

    /// Frames since the restart.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Stores a lead's next frames, at most [`frames::MOST`] ahead of the
    /// present; [`RecentSignal::stored`] follows for all leads.
    #[inline]
    pub fn store(&mut self, lead: usize, values: &[f32]) {
        let size = self.mask as usize + 1;
        let ring = &mut self.samples[lead * size..][..size];
        let at = (self.stored & self.mask) as usize;
        let (head, tail) = values.split_at(values.len().min(size - at));
        ring[at..at + head.len()].copy_from_slice(head);
        ring[..tail.len()].copy_from_slice(tail);
    }

    /// So many frames more have been stored of every lead.
    #[inline]
    pub fn stored(&mut self, frames: usize) {
        self.stored += frames as u64;
    }

    /// Decisions have got to the frame before this one.
    #[inline]
    pub fn advance(&mut self, len: u64) {
        self.len = len;
    }

    /// Takes in frames, all of them at once.
    #[cfg(test)]
    pub fn push(&mut self, frames: frames::Frames<'_>) {
        for (lead, values) in frames.leads().enumerate() {
            self.store(lead, values);
        }
        self.stored(frames.count());
        self.advance(self.stored);
    }

    /// A lead's sample at a frame that has been stored of late.
    #[inline]
    pub fn at(&self, lead: usize, frame: u64) -> f32 {
        self.samples[lead * (self.mask as usize + 1) + (frame & self.mask) as usize]
    }

    /// The next frame is number 0.
    pub fn restart(&mut self) {
        (self.len, self.stored) = (0, 0);
    }

    /// Copies a lead's samples from frame `start` on; 0 outside the recording.
    pub fn copy(&self, lead: usize, start: i64, out: &mut [f32]) {
        let size = self.mask as usize + 1;
        let ring = &self.samples[lead * size..(lead + 1) * size];
        let oldest = self.len.saturating_sub(self.reach);
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
    use crate::signal::frames::Frames;

    #[test]
    fn outside_the_recording_is_zero_and_nothing_old_comes_back() {
        let mut signal = RecentSignal::new(1, 4);
        (1..=6).for_each(|v| signal.push(Frames::one(&[v as f32])));
        let mut out = [9.0; 8];
        signal.copy(0, 0, &mut out);
        assert_eq!(out, [0.0, 0.0, 3.0, 4.0, 5.0, 6.0, 0.0, 0.0]);
        signal.restart();
        signal.push(Frames::one(&[7.0]));
        signal.copy(0, -2, &mut out);
        assert_eq!(out, [0.0, 0.0, 7.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
