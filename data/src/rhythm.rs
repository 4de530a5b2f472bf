//! Rhythm features: where a beat stands in time among its neighbours.

use serde::{Deserialize, Serialize};

/// One number about a beat's timing or its likeness to its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RhythmFeature {
    /// ln(RR before / running median RR).
    Previous,
    /// ln(RR after / running median RR).
    Next,
}
