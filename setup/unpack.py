"""Unpacks what the build needs out of downloaded wheels.

    python3 unpack.py WHEELS DEPS

Without CUDA in the environment the GPU libraries inside the torch wheel, half
of its size, stay packed: libtorch then links and runs on the CPU alone.
"""

import os
import pathlib
import shutil
import sys
import zipfile

GPU_ONLY = ("libtorch_cuda", "libtorch_nvshmem", "libcaffe2_nvrtc", "libc10_cuda")
EXECUTABLE = 0o755


def wanted(name: str, cuda: bool) -> "str | None":
    """Where a wheel's member goes below DEPS, or None to leave it packed."""
    if name.endswith("/"):
        return None
    if name.startswith(("torch/lib/", "torch/include/", "torch/share/")):
        base = name.rsplit("/", 1)[1]
        if base.startswith("libtorch_python") or base.startswith(GPU_ONLY) and not cuda:
            return None
        return name
    if name.startswith("nvidia/") and ".so" in name:
        return name
    if name.startswith("onnxruntime/capi/libonnxruntime.so"):
        return "onnxruntime/libonnxruntime.so"
    if name.startswith("onnxruntime/capi/libonnxruntime_providers_"):
        return name.replace("onnxruntime/capi", "onnxruntime", 1)
    if name.startswith("cmake/data/"):
        return name.replace("cmake/data/", "cmake/", 1)
    return None


def main() -> None:
    wheels, deps = map(pathlib.Path, sys.argv[1:])
    cuda = bool(os.environ.get("CUDA"))
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                place = wanted(member.filename, cuda)
                if place is None:
                    continue
                target = deps / place
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, open(target, "wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
                if "/bin/" in place:
                    target.chmod(EXECUTABLE)


if __name__ == "__main__":
    main()
