#!/bin/sh
# Builds the Python wheel: `setup/wheel.sh FOLDER [PROFILE]`, by default of the
# profile wheel. The program maturin comes from .deps/python.
set -eu
cd "$(dirname "$0")/.."
folder=$1
profile=${2:-wheel}
maturin=$PWD/.deps/python/python/bin/maturin
[ -f "$maturin" ] || { echo 'wheel: run `setup/setup.sh python` first' >&2; exit 1; }
case $folder in /*) ;; *) folder=$PWD/$folder ;; esac
# Where cargo builds for everybody else, so that nothing is compiled twice.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
cd python
"$maturin" build --quiet --locked --profile "$profile" --out "$folder"
for wheel in "$folder"/ectopy-*.whl; do
    printf '%s, %s MB\n' "$wheel" "$(wc -c < "$wheel" | awk '{ printf "%.1f", $1 / 1e6 }')"
done
