//! Tests of the formats against files, and against the reference reader.

mod environment;
mod wfdb_reference;
