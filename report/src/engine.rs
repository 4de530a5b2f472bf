//! What the making of a report asks of an inference engine.

use std::path::Path;

use data::pipeline::beats::Beats;
use models::Contract;
use models::contract::Decision;
use models::explain::GradientGraph;

use crate::error::Error;

/// Beats of one recording, a batch at a time.
pub type Chunks<'a, E> = Box<dyn Iterator<Item = Result<Beats, E>> + Send + 'a>;

/// A classifier with what explains it.
pub trait Engine {
    /// Why it has no answer.
    type Error: From<data::Error> + From<Error>;
    /// The gradient graph of the same model.
    type Explainer: GradientGraph<Error = Self::Error>;

    /// What the model expects and what its answers mean.
    fn contract(&self) -> &Contract;

    /// The file that the model was loaded from, which the page names.
    fn path(&self) -> &Path;

    /// Classifies beats as they come, and hands each batch on with its decisions,
    /// in the same order.
    ///
    /// # Errors
    /// The first one of the beats, of the model or of `sink`.
    fn decide(
        &self,
        beats: Chunks<'_, Self::Error>,
        sink: &mut dyn FnMut(Beats, Vec<Decision>) -> Result<(), Self::Error>,
    ) -> Result<(), Self::Error>;

    /// The gradient graph.
    fn explainer(&self) -> &Self::Explainer;
}
