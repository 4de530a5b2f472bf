//! Where to compute.

use tch::{Cuda, Device};

use crate::error::{Error, Result};

/// The device that `name` asks for: `auto`, `cpu`, `cuda` or `cuda:N`.
///
/// # Errors
/// For another name, and for a GPU that cannot be used: the message says which
/// piece is missing and how to get it.
pub fn choose(name: &str) -> Result<Device> {
    let number = match name {
        "cpu" => return Ok(Device::Cpu),
        "auto" => return Ok(Device::cuda_if_available()),
        "cuda" => 0,
        _ => match name
            .strip_prefix("cuda:")
            .and_then(|n| n.parse::<usize>().ok())
        {
            Some(number) => number,
            None => {
                return Err(Error::usage(format!(
                    "--device {name}: write auto, cpu, cuda or cuda:N, such as cuda:1"
                )));
            }
        },
    };
    if !tch::utils::has_cuda() {
        let driver = std::path::Path::new("/proc/driver/nvidia/version").exists();
        let card = if driver {
            "The NVIDIA driver is there, but this build's libtorch has no CUDA part loaded"
        } else {
            "Neither an NVIDIA driver (/proc/driver/nvidia) nor libtorch's CUDA part is there: install the driver first"
        };
        return Err(Error::Device(format!(
            "--device {name}: no usable GPU. {card}; fetch the GPU libraries with `make setup CUDA=1`, build again, or use --device cpu"
        )));
    }
    let count = Cuda::device_count() as usize;
    if number >= count {
        return Err(Error::Device(format!(
            "--device {name}: this machine has {count} GPU(s), numbered from 0; see nvidia-smi"
        )));
    }
    Ok(Device::Cuda(number))
}

/// Whether `device` multiplies 16-bit numbers faster than 32-bit ones. A
/// processor without instructions for them takes several times as long.
pub fn has_fast_bf16(device: Device) -> bool {
    #[cfg(target_arch = "x86_64")]
    let processor = is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    let processor = false;
    device.is_cuda() || processor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_by_name() {
        assert_eq!(choose("cpu").unwrap(), Device::Cpu);
        for name in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "CPU"] {
            let message = choose(name).unwrap_err().to_string();
            assert!(message.contains("auto, cpu, cuda"), "{message}");
        }
    }

    #[test]
    fn a_missing_gpu_is_explained() {
        if Cuda::is_available() {
            return;
        }
        let message = choose("cuda").unwrap_err().to_string();
        assert!(message.contains("make setup CUDA=1"), "{message}");
    }
}
