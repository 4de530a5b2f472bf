#!/bin/bash
# Cross-builds the edge program for 64-bit and 32-bit Raspberry Pi OS, runs both
# builds under qemu-user on one recording, compares the beats and classes with
# those of this machine's build, and packs release archives into target/pi/.
#
#   setup/pi.sh [RECORD [MODEL]]
#
# RECORD is a WFDB record; by default a real one from ../shared/mitdb or
# data/mitdb where there is one, else a synthetic one. MODEL is by default
# models/shipped/resnet.onnx, else an untrained network, which is enough to compare.
#
# The Rust targets come from rustup where it can add them; where it cannot, from
# Debian's packaged toolchain (rustc-web and libstd-rust-web-dev of the target's
# architecture).
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { printf 'pi: %s\n' "$*" >&2; exit 1; }
say() { printf 'pi: %s\n' "$*"; }

targets=(aarch64-unknown-linux-gnu armv7-unknown-linux-gnueabihf)
declare -A linker=([aarch64-unknown-linux-gnu]=aarch64-linux-gnu-gcc [armv7-unknown-linux-gnueabihf]=arm-linux-gnueabihf-gcc)
declare -A emulator=([aarch64-unknown-linux-gnu]=qemu-aarch64-static [armv7-unknown-linux-gnueabihf]=qemu-arm-static)
declare -A sysroot=([aarch64-unknown-linux-gnu]=/usr/aarch64-linux-gnu [armv7-unknown-linux-gnueabihf]=/usr/arm-linux-gnueabihf)
declare -A debian=([aarch64-unknown-linux-gnu]=arm64 [armv7-unknown-linux-gnueabihf]=armhf)

missing=()
for target in "${targets[@]}"; do
    command -v "${linker[$target]}" >/dev/null || missing+=("${linker[$target]%-gcc}")
    command -v "${emulator[$target]}" >/dev/null || missing+=("${emulator[$target]}")
done
[ ${#missing[@]} -eq 0 ] || fail "missing on this machine: ${missing[*]}
  apt-get install gcc-aarch64-linux-gnu gcc-arm-linux-gnueabihf qemu-user-static"

# Where a target's standard library comes from: `rustup` or `debian`.
toolchain() { # TARGET
    local libdir
    libdir=$(rustc --print target-libdir --target "$1" 2>/dev/null || true)
    if [ -d "$libdir" ]; then echo rustup; return; fi
    if command -v rustup >/dev/null && rustup target add "$1" >/dev/null 2>&1; then echo rustup; return; fi
    if [ -x /usr/bin/rustc ] && [ -d "/usr/lib/rustlib/$1" ]; then echo debian; return; fi
    fail "no Rust standard library for $1: rustup cannot add it here, and Debian's is not installed:
  dpkg --add-architecture ${debian[$1]} && apt-get update && apt-get install rustc-web libstd-rust-web-dev:${debian[$1]}"
}

build() { # TARGET
    local target=$1 from upper
    from=$(toolchain "$target")
    upper=$(tr 'a-z-' 'A-Z_' <<<"$target")
    say "building for $target (toolchain: $from)"
    (
        export "CARGO_TARGET_${upper}_LINKER=${linker[$target]}"
        if [ "$from" = debian ]; then
            # The packaged compiler with the real cargo: rustup's proxy would
            # put its own compiler back.
            export RUSTC=/usr/bin/rustc
            cargo=$(rustup which cargo 2>/dev/null || command -v cargo)
        else
            cargo=cargo
        fi
        "$cargo" build --quiet --profile edge -p embedded --no-default-features --target "$target"
        # The profile's own stripping leaves the local symbols, a fifth of the file.
        "${linker[$target]%gcc}strip" "target/$target/edge/embedded"
    )
}

say "building for this machine"
cargo build --quiet --profile edge -p embedded --no-default-features
strip target/edge/embedded
for target in "${targets[@]}"; do build "$target"; done

out=target/pi
rm -rf "$out" && mkdir -p "$out"

record=${1:-}
if [ -z "$record" ]; then
    for folder in "${ECTOPY_SHARED:-../shared}/mitdb" data/mitdb; do
        if [ -f "$folder/208.hea" ]; then record=$folder/208; break; fi
    done
fi
if [ -z "$record" ]; then
    say "no real recording at hand, making a synthetic one"
    cargo run --quiet -p data --no-default-features --features cli -- synth --output "$out/synthetic" --minutes 10
    record=$out/synthetic/s000
fi
model=${2:-models/shipped/resnet.onnx}
if [ ! -f "$model" ]; then
    [ $# -lt 2 ] || fail "$model: no such model"
    model=$out/untrained.onnx
    say "no trained model at hand, comparing with an untrained network"
    cargo run --quiet -p models --example untrained -- "$model"
fi

# Beats and classes as lines of "SAMPLE CLASS".
beats() { grep '"event":"beat"' | sed -E 's/.*"sample":([0-9]+),.*"class":"(.)".*/\1 \2/'; }

size() { stat -c %s "$1"; }

target/edge/embedded "$record" --model "$model" | beats > "$out/native.txt"
count=$(wc -l < "$out/native.txt")
[ "$count" -gt 100 ] || fail "only $count beats found in $record by this machine's build"
say "this machine: $count beats in $record, binary $(size target/edge/embedded) bytes"
for target in "${targets[@]}"; do
    binary=target/$target/edge/embedded
    "${emulator[$target]}" -L "${sysroot[$target]}" "$binary" "$record" --model "$model" | beats > "$out/$target.txt"
    if ! cmp -s "$out/native.txt" "$out/$target.txt"; then
        diff "$out/native.txt" "$out/$target.txt" | head -20 >&2 || true
        fail "$target finds other beats or classes than this machine"
    fi
    say "$target: the same $count beats and classes, binary $(size "$binary") bytes"
done

version=$(cargo pkgid -p embedded | sed "s/.*[#@]//")
for target in "${targets[@]}"; do
    name=ectopy-$version-$target
    mkdir -p "$out/$name"
    cp "target/$target/edge/embedded" "$model" embedded/ectopy.service embedded/README.md "$out/$name/"
    (cd "$out/$name" && sha256sum -- * > SHA256SUMS)
    tar -C "$out" --owner=0 --group=0 --sort=name -czf "$out/$name.tar.gz" "$name"
    rm -r "${out:?}/$name"
    say "archive: $out/$name.tar.gz ($(size "$out/$name.tar.gz") bytes)"
done
