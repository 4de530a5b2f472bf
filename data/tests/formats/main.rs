//! Tests of the formats against files, and against the reference reader.

mod environment;
mod kaggle_rebuild;
mod wfdb_reference;
