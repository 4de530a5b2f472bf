//! What a recording of whatever format says of one of its signals.

use crate::record::units::Units;

/// What a recording says of one of its signals.
#[derive(Clone, Debug, PartialEq)]
pub struct Lead {
    /// The lead, such as `MLII` or `V5`; empty when the file does not say.
    pub name: String,
    /// Units of its samples: mV where it is a voltage.
    pub units: Units,
    /// What is doubtful about its samples, for the user.
    pub remark: Option<String>,
}

impl Lead {
    /// Whether the samples are a voltage, in mV.
    pub fn is_voltage(&self) -> bool {
        self.units == Units::Millivolt
    }
}
