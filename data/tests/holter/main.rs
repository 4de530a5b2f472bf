//! The Holter numbers against counts and measures made by others.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod counts;
#[path = "../formats/environment.rs"]
mod environment;
mod variability;
