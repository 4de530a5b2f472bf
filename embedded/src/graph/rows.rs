//! What is done with rows of several beats, and with the state that they come from
//! and go into.

use tract_core::internal::*;
use tract_core::ops::array::{Slice, TypedConcat};

use super::Reader;

impl<'a> Reader<'a> {
    /// A vector as a map of one sample, which it is here; numbers of a list as
    /// rows; rows as a list.
    pub(super) fn reshaped(
        &mut self,
        name: &'a str,
        x: &'a str,
        shape: &str,
    ) -> TractResult<OutletId> {
        let outlet = self.outlet(x)?;
        let [length, channels] = self.shape(outlet)?;
        let wanted = self.constant(shape)?.integers().unwrap_or_default();
        let sizes = wanted.iter().map(|d| usize::try_from(*d));
        let sizes: TVec<usize> = sizes.collect::<Result<_, _>>()?;
        let to = match *sizes {
            [0, c, 1, 1] if length == 1 && c == channels => return Ok(outlet),
            [beats, width] if self.lists.contains(x) => {
                self.rows.insert(name);
                [beats, width]
            }
            [count] if self.rows.contains(x) => {
                self.lists.insert(name);
                [1, count]
            }
            _ => bail!("{length} x {channels} values as {wanted:?}"),
        };
        ensure!(
            to[0].checked_mul(to[1]) == Some(length * channels),
            "{length} x {channels} values as {wanted:?}"
        );
        let dims = |[rows, columns]: [usize; 2]| tvec![rows.to_dim(), columns.to_dim()];
        let op = AxisOp::Reshape(1, dims([length, channels]), dims(to));
        self.wire(name, op, &[outlet])
    }

    /// A stretch of the rows of several beats, or of a list.
    pub(super) fn slice(
        &mut self,
        name: &'a str,
        x: &'a str,
        [start, end, axis]: [&str; 3],
    ) -> TractResult<OutletId> {
        let (is_list, is_rows) = (self.lists.contains(x), self.rows.contains(x));
        let outlet = self.outlet(x)?;
        let [length, channels] = self.shape(outlet)?;
        let axis = self.constant(axis)?.integers();
        ensure!(
            axis == Some(vec![0]) && is_list != is_rows,
            "neither rows of beats nor a list is cut"
        );
        let (axis, extent) = if is_list { (2, channels) } else { (1, length) };
        let place = |name: &str| -> TractResult<usize> {
            match self.constant(name)?.integers().as_deref() {
                // Below 0 it counts from the end, and beyond it is the end.
                Some(&[at]) if at < 0 => {
                    let at = (extent as i64).checked_add(at).map(usize::try_from);
                    Ok(at.context("it starts before the first")??)
                }
                Some(&[at]) => Ok(usize::try_from(at)?.min(extent)),
                other => bail!("places {other:?}"),
            }
        };
        let (start, end) = (place(start)?, place(end)?);
        ensure!(start < end, "nothing is left from {start} to {end}");
        match is_list {
            true => self.lists.insert(name),
            false => self.rows.insert(name),
        };
        self.wire(name, Slice::new(axis, start, end), &[outlet])
    }

    /// Rows after rows, lists after lists, or samples of maps after each other.
    pub(super) fn joined(
        &mut self,
        name: &'a str,
        axis: Option<i64>,
        inputs: &[&'a str],
    ) -> TractResult<OutletId> {
        let all = |is: &dyn Fn(&&&str) -> bool| inputs.iter().filter(is).count() == inputs.len();
        let along = match axis {
            Some(0) if all(&|x| self.lists.contains(**x)) => {
                self.lists.insert(name);
                2
            }
            Some(0) if all(&|x| !self.maps.contains(**x) && !self.lists.contains(**x)) => {
                self.rows.insert(name);
                1
            }
            Some(3) if all(&|x| self.maps.contains(**x)) => 1,
            other => bail!("values of several kinds along axis {other:?}"),
        };
        let parts: TVec<OutletId> = inputs
            .iter()
            .map(|x| self.outlet(x))
            .collect::<TractResult<_>>()?;
        let mut shapes = TVec::new();
        for part in &parts {
            shapes.push(self.shape(*part)?);
        }
        let across = if along == 1 { 1 } else { 0 };
        let same = shapes.iter().all(|s| s[across] == shapes[0][across]);
        ensure!(same, "values of the shapes {shapes:?}");
        self.wire(name, TypedConcat { axis: along }, &parts)
    }
}
