//! What runs graphs: the processor or a graphics card.

use std::path::Path;
use std::str::FromStr;
use std::sync::OnceLock;

use ort::ep::{self, ExecutionProviderDispatch};

use crate::error::{Error, Result};

/// What brings the providers of a graphics card.
const REMEDY: &str = "the wheel onnxruntime-gpu brings it, which `CUDA=1 make setup` fetches; ORT_DYLIB_PATH names its libonnxruntime";

/// The folder of NVIDIA's libraries, from the one of ONNX Runtime's, as set-up
/// unpacks them.
const NVIDIA: &str = "../nvidia";

/// What runs graphs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// A graphics card of this number, by CUDA.
    Cuda(i32),
    /// The same by TensorRT, and by CUDA what that does not know.
    TensorRt(i32),
}

/// The device of this process: ONNX Runtime has one environment in it.
static DEVICE: OnceLock<Device> = OnceLock::new();

impl Device {
    /// Lets all graphs that are loaded from now on run here. The first choice stays.
    pub fn choose(self) {
        let _ = DEVICE.set(self);
    }

    /// The one that was chosen, else the processor.
    pub fn chosen() -> Device {
        DEVICE.get().copied().unwrap_or_default()
    }

    /// The execution providers of ONNX Runtime, the first choice first. One that is
    /// missing is an error and not another device in silence.
    pub(crate) fn providers(self) -> Vec<ExecutionProviderDispatch> {
        let cuda = |number| {
            // Sums in full precision, as everywhere else.
            let provider = ep::CUDA::default().with_device_id(number).with_tf32(false);
            provider.build().error_on_failure()
        };
        match self {
            Device::Cpu => Vec::new(),
            Device::Cuda(number) => vec![cuda(number)],
            Device::TensorRt(number) => {
                let provider = ep::TensorRT::default().with_device_id(number);
                vec![provider.build().error_on_failure(), cuda(number)]
            }
        }
    }

    /// Loads the libraries that lie beside ONNX Runtime's, where set-up put them; the
    /// system's are found without.
    ///
    /// # Errors
    /// One is there and cannot be loaded.
    pub(crate) fn load_libraries(self, runtime: &Path) -> Result<()> {
        if self == Device::Cpu {
            return Ok(());
        }
        let Some(nvidia) = runtime.parent().map(|folder| folder.join(NVIDIA)) else {
            return Ok(());
        };
        let (cuda, cudnn) = (nvidia.join("cu13/lib"), nvidia.join("cudnn/lib"));
        let there = |folder: &Path| folder.is_dir().then(|| folder.to_owned());
        ep::cuda::preload_dylibs(there(&cuda).as_deref(), there(&cudnn).as_deref())
            .map_err(|e| self.missing(e.message()))
    }

    /// The device cannot be had; what ONNX Runtime says of it.
    pub(crate) fn missing(self, words: &str) -> Error {
        Error::Runtime(format!(
            "ONNX Runtime cannot run on {self}: {}; {REMEDY}",
            words.trim()
        ))
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(number) => write!(f, "cuda:{number}"),
            Device::TensorRt(number) => write!(f, "tensorrt:{number}"),
        }
    }
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Device, String> {
        let (name, number) = text.split_once(':').unwrap_or((text, "0"));
        let number = number.parse::<u8>().ok().map(i32::from);
        match (name, number) {
            ("cpu", Some(0)) => Ok(Device::Cpu),
            ("cuda", Some(number)) => Ok(Device::Cuda(number)),
            ("tensorrt", Some(number)) => Ok(Device::TensorRt(number)),
            _ => Err("it may be cpu, cuda, cuda:1, tensorrt or tensorrt:1".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_and_told_the_same() {
        for text in ["cpu", "cuda:0", "cuda:3", "tensorrt:1"] {
            assert_eq!(text.parse::<Device>().unwrap().to_string(), text);
        }
        assert_eq!("cuda".parse(), Ok(Device::Cuda(0)));
        for wrong in ["gpu", "cuda:", "cuda:-1", "cpu:1", "", "CUDA"] {
            assert!(wrong.parse::<Device>().is_err(), "{wrong}");
        }
    }
}
