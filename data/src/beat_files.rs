//! Prepared beats on disk.

pub mod kaggle;
#[cfg(feature = "hdf5")]
pub mod store;
pub mod table;
