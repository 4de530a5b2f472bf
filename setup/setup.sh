#!/bin/sh
# Puts libtorch, ONNX Runtime and CMake into .deps/, from pinned and
# hash-checked PyPI wheels. A second call finds the stamp and does nothing.
#
#   setup/setup.sh           libraries for the CPU
#   CUDA=1 setup/setup.sh    also the libraries a GPU needs (several GB)
#   setup/setup.sh python    also .deps/python, the reference tools of the tests
#   setup/setup.sh bench     also PyTorch and captum there, the benchmarks' peers
set -eu
cd "$(dirname "$0")/.."
deps=.deps

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }
say() { printf 'setup: %s\n' "$*"; }

case "$(uname -s)-$(uname -m)" in
    Linux-x86_64)  target=linux-x86_64;  platforms='2_17 2_25 2_27 2_28'; arch=x86_64 ;;
    Linux-aarch64) target=linux-aarch64; platforms='2_17 2_25 2_27 2_28'; arch=aarch64 ;;
    Darwin-*) fail "macOS is not automated: install libtorch 2.13.0, ONNX Runtime 1.31 and CMake yourself and set LIBTORCH, ORT_DYLIB_PATH and CMAKE (README, \"Other systems\")" ;;
    *) fail "no pinned libraries for $(uname -s) on $(uname -m); set LIBTORCH, ORT_DYLIB_PATH and CMAKE yourself (README, \"Other systems\")" ;;
esac

# Every missing prerequisite in one message, each with what installs it.
missing=
need() { eval "$2" >/dev/null 2>&1 || missing="$missing
  $1: $3"; }
need 'a Rust toolchain (1.92 or later)' 'cargo --version' 'https://rustup.rs'
need 'Python 3' 'python3 -c "import sys; assert sys.version_info >= (3, 9)"' 'apt-get install python3'
need 'pip' 'python3 -m pip --version' 'apt-get install python3-pip'
need 'a C++ compiler' 'c++ --version' 'apt-get install g++'
[ -z "$missing" ] || fail "missing on this machine:$missing"

# The wheels' libraries, unpacked beside each other: libtorch's own rpath
# reaches ../../nvidia from torch/lib.
install_libraries() { # LIST STAMP
    stamp="$deps/$2"
    if [ -f "$stamp" ] && cmp -s "$1" "$stamp"; then return; fi
    say "fetching $(grep -c == "$1") wheels named in $1"
    mkdir -p "$deps/wheels"
    set -- "$1" "$2" --quiet --disable-pip-version-check --no-deps --require-hashes \
        --only-binary :all: --implementation cp --python-version 312 --dest "$deps/wheels"
    list=$1; shift 2
    for p in $platforms; do set -- "$@" --platform "manylinux_${p}_$arch"; done
    python3 -m pip download "$@" --platform "manylinux2014_$arch" -r "$list" \
        || fail "pip could not fetch the wheels in $list; a hash mismatch means that the file was changed, otherwise check the network and run it again"
    CUDA=${CUDA:-} python3 setup/unpack.py "$deps/wheels" "$deps"
    rm -rf "$deps/wheels"
    cp "$list" "$stamp"
}

install_python() { # LIST
    stamp="$deps/python/$(basename "$1")"
    if [ -f "$stamp" ] && cmp -s "$1" "$stamp"; then return; fi
    say "installing the Python packages in $1"
    [ -x "$deps/python/bin/python" ] || python3 -m venv "$deps/python" \
        || fail "python3 -m venv failed: apt-get install python3-venv"
    "$deps/python/bin/python" -m pip install --quiet --disable-pip-version-check \
        --only-binary :all: --require-hashes -r "$1" \
        || fail "pip could not install $1"
    cp "$1" "$stamp"
}

install_libraries "setup/$target.txt" libraries.txt
if [ -n "${CUDA:-}" ]; then install_libraries "setup/$target-cuda.txt" cuda.txt; fi
for extra in "$@"; do
    case "$extra" in
        python) install_python setup/python.txt ;;
        bench) install_python setup/python.txt; install_python setup/bench.txt ;;
        *) fail "unknown argument '$extra': python or bench" ;;
    esac
done
say "ready in $deps"
