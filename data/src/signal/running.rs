//! Order statistics of the most recent values.

/// The last few values of a stream, kept sorted. Allocates only in
/// [`RunningOrder::new`].
#[derive(Clone, Debug)]
pub struct RunningOrder {
    capacity: usize,
    /// The values in order of arrival; once full, `oldest` is replaced next.
    arrived: Vec<f64>,
    oldest: usize,
    sorted: Vec<f64>,
}

impl RunningOrder {
    /// Room for the last `capacity` values.
    pub fn new(capacity: usize) -> RunningOrder {
        RunningOrder {
            capacity,
            arrived: Vec::with_capacity(capacity),
            oldest: 0,
            sorted: Vec::with_capacity(capacity),
        }
    }

    /// Takes a value in, and lets go of the oldest when full.
    pub fn push(&mut self, value: f64) {
        if self.arrived.len() < self.capacity {
            self.arrived.push(value);
        } else {
            let old = std::mem::replace(&mut self.arrived[self.oldest], value);
            self.oldest = (self.oldest + 1) % self.capacity;
            let at = self.sorted.partition_point(|v| v.total_cmp(&old).is_lt());
            self.sorted.remove(at);
        }
        let at = self.sorted.partition_point(|v| v.total_cmp(&value).is_lt());
        self.sorted.insert(at, value);
    }

    /// Values held.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// The `part` quantile, linear between neighbours; `None` when empty.
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let last = self.sorted.len().checked_sub(1)?;
        let position = part.clamp(0.0, 1.0) * last as f64;
        let below = position as usize;
        let above = (below + 1).min(last);
        let weight = position - below as f64;
        Some(self.sorted[below] + weight * (self.sorted[above] - self.sorted[below]))
    }

    /// The median; `None` when empty.
    pub fn median(&self) -> Option<f64> {
        self.quantile(0.5)
    }

    /// The part of the values that are below `limit`; 0 when empty.
    pub fn part_below(&self, limit: f64) -> f64 {
        let below = self.sorted.partition_point(|v| *v < limit);
        below as f64 / self.sorted.len().max(1) as f64
    }

    /// Lets go of everything.
    pub fn clear(&mut self) {
        self.arrived.clear();
        self.sorted.clear();
        self.oldest = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_holds_the_last_values_in_order(
            values in prop::collection::vec(-5.0..5.0f64, 1..60), capacity in 1usize..12,
        ) {
            let mut running = RunningOrder::new(capacity);
            values.iter().for_each(|&v| running.push(v));
            let mut last = values[values.len().saturating_sub(capacity)..].to_vec();
            last.sort_by(f64::total_cmp);
            prop_assert_eq!(&running.sorted, &last);
            prop_assert_eq!(running.quantile(0.0), last.first().copied());
            prop_assert_eq!(running.quantile(1.0), last.last().copied());
        }
    }

    #[test]
    fn quantiles_are_linear_between_neighbours() {
        let mut running = RunningOrder::new(4);
        assert_eq!(running.median(), None);
        [4.0, 1.0, 3.0, 2.0]
            .into_iter()
            .for_each(|v| running.push(v));
        assert_eq!(running.median(), Some(2.5));
        assert_eq!(running.quantile(0.25), Some(1.75));
        assert_eq!(running.part_below(3.0), 0.5);
    }
}
