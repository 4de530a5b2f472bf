//! What a heartbeat model is: its contract, its architecture as data, and the
//! ONNX graphs built from it; and the monitor of live samples and the methods of
//! explanation, which any engine may serve.

pub mod architecture;
pub mod contract;
pub mod explain;
pub mod fit;
pub mod messages;
pub mod monitor;
pub mod onnx;
pub mod reference;
pub mod seal;
pub mod shipped;
pub mod untrained;
pub mod weights;

pub use architecture::{Architecture, Network};
pub use contract::Contract;
pub use weights::{Tensor, Weights};
