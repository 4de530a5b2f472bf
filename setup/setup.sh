#!/bin/sh
# Puts libtorch, ONNX Runtime and CMake into .deps/, from pinned and
# hash-checked PyPI wheels. A second call finds the stamp and does nothing.
#
#   setup/setup.sh           libraries for the CPU
#   CUDA=1 setup/setup.sh    also the libraries a GPU needs (several GB)
#   setup/setup.sh python    also .deps/python, the reference tools of the tests
#   setup/setup.sh bench     also PyTorch and captum there, the benchmarks' peers (several GB)
set -eu
cd "$(dirname "$0")/.."
deps=.deps

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }
say() { printf 'setup: %s\n' "$*"; }

platforms='2_17 2_25 2_27 2_28'
case "$(uname -s)-$(uname -m)" in
    Linux-x86_64)  arch=x86_64 ;;
    Linux-aarch64) arch=aarch64 ;;
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
# reaches ../../nvidia from torch/lib. One fixed Python tag serves every user's
# Python, since only the C++ libraries are taken.
install_libraries() { # STAMP LIST...
    stamp="$deps/$1"; shift
    if [ -f "$stamp" ] && cat "$@" | cmp -s - "$stamp"; then return 1; fi
    say "fetching $(cat "$@" | grep -c ==) wheels named in $*"
    mkdir -p "$deps/wheels"
    lists="$*"
    set -- --quiet --disable-pip-version-check --no-deps --require-hashes \
        --only-binary :all: --implementation cp --python-version 312 \
        --dest "$deps/wheels" --platform "manylinux2014_$arch"
    for p in $platforms; do set -- "$@" --platform "manylinux_${p}_$arch"; done
    for list in $lists; do set -- "$@" -r "$list"; done
    python3 -m pip download "$@" \
        || fail "pip could not fetch the wheels in $lists; a hash mismatch means that a file was changed, otherwise check the network and run it again"
    CUDA=${CUDA:-} python3 setup/unpack.py "$deps/wheels" "$deps" \
        || fail "the wheels could not be unpacked into $deps; is the disk full?"
    rm -rf "$deps/wheels"
    cat $lists > "$stamp"
}

# A Python of the project's own in .deps/python: the user's interpreter with
# packages from one folder, which needs no venv module.
install_python() { # NAME
    list="setup/$1.txt"
    stamp="$deps/python/$1.txt"
    if [ -f "$stamp" ] && cmp -s "$list" "$stamp"; then return; fi
    need 'Python 3.10 or later' 'python3 -c "import sys; assert sys.version_info >= (3, 10)"' 'apt-get install python3'
    [ -z "$missing" ] || fail "missing on this machine:$missing"
    say "installing the Python packages in $list"
    rm -rf "$deps/python/$1"
    python3 -m pip install --quiet --disable-pip-version-check --no-warn-conflicts \
        --only-binary :all: --require-hashes --target "$deps/python/$1" -r "$list" \
        || fail "pip could not install $list; check the network and run it again"
    mkdir -p "$deps/python/bin"
    cat > "$deps/python/bin/python" <<'END'
#!/bin/sh
here=$(cd "$(dirname "$0")/.." && pwd)
PYTHONPATH="$here/python:$here/bench" exec python3 "$@"
END
    chmod +x "$deps/python/bin/python"
    cp "$list" "$stamp"
}

if [ -n "${CUDA:-}" ]; then
    if install_libraries cuda.txt setup/libraries.txt setup/cuda.txt; then
        cp setup/libraries.txt "$deps/libraries.txt"
        # Its build script looks for the GPU's libraries once only.
        cargo clean --quiet -p torch-sys
        cargo clean --quiet -p torch-sys --release
    fi
else
    install_libraries libraries.txt setup/libraries.txt || true
fi
for extra in "$@"; do
    case "$extra" in
        python|bench) install_python "$extra" ;;
        *) fail "unknown argument '$extra': python or bench" ;;
    esac
done
say "ready in $deps"
