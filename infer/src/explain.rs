//! Explanations: what of a beat speaks for a class, how far such an answer
//! can be trusted, and pictures of both.

pub mod activation_maximisation;
pub mod arguments;
pub mod command;
pub mod credit_files;
pub mod faithfulness;
pub mod figure;
pub mod graph;
mod inputs;
pub mod pictures;
mod plots;
mod score;
pub mod score_table;
mod search;
