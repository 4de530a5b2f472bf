//! Explanations: what of a beat speaks for a class, how far such an answer
//! can be trusted, and pictures of both.

pub mod arguments;
mod batches;
pub mod command;
mod evaluation;
pub mod figure;
pub mod graph;
pub mod methods;
pub mod optimise;
pub mod path;
pub mod pictures;
mod plots;
pub mod quality;
pub mod regions;
pub mod report;
pub mod results;
mod search;
