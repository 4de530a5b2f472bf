//! Labels against reference labels: numbers.

pub mod ec57;
pub mod metrics;
