//! Tables of numbers as text: lines, perhaps packed with gzip, the cells in them,
//! and the numbers in these.

pub(crate) mod dialect;
pub(crate) mod lines;
pub(crate) mod number;
