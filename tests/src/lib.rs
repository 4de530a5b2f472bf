//! Tests that span crates; all of them are in `tests/tests`.
