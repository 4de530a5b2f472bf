//! Explanations: what of a beat speaks for a class, how far such an answer
//! can be trusted, and pictures of both.

pub mod command;
pub mod figure;
pub mod graph;
pub mod kernels;
pub mod methods;
pub mod optimise;
pub mod path;
pub mod pictures;
pub mod quality;
pub mod regions;
pub mod report;
pub mod results;
