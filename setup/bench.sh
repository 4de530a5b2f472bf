#!/bin/sh
# Every benchmark, each beside its peer in the same run on this machine, with
# the ratio. Give it a machine that does nothing else.
set -eu
cd "$(dirname "$0")/.."

export ECTOPY_SHARED="${ECTOPY_SHARED:-$(cd .. && pwd)/shared}"
python=.deps/python/bin/python
release=${CARGO_TARGET_DIR:-target}/release
model=models/shipped/kaggle.onnx
# Real beats where they are at hand; how long one takes does not depend on it.
rows=$ECTOPY_SHARED/fixtures/kaggle/mitbih_test_500.csv
[ -f "$rows" ] || rows=beats.csv

# One selection for all builds, so that no dependency is compiled twice.
cargo build --workspace --release --bins --benches
bench() { printf '\n== %s\n' "$1"; cargo bench --quiet --workspace --bench "$2"; }

bench 'Training: an epoch of the notebook'\''s network against PyTorch eager' epoch
bench 'WFDB reader against the wfdb package' wfdb
printf '\n== Classification: infer against pandas and onnxruntime\n'
$python infer/benches/end_to_end.py "$release/infer" $model "$rows"
printf '\n== Explanation: infer explain against captum\n'
$python infer/benches/explain.py "$release/infer" $model "$rows"
printf '\n== Report: a day of ECG against NeuroKit2 and wfdb\n'
$python infer/benches/report.py "$release/infer" "$release/data" models/shipped/resnet.onnx
printf '\n== Server: infer serve against FastAPI, uvicorn and onnxruntime\n'
$python infer/benches/serve.py "$release/infer" models/shipped/resnet.onnx
printf '\n== Python: the package against NeuroKit2, and wfdb with biosppy\n'
setup/wheel.sh dist
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
python3 -m pip install --quiet --no-index --no-deps --target "$site" dist/ectopy-*.whl
PYTHONPATH=$site:.deps/python/python:.deps/python/bench python3 python/benches/peers.py
printf '\n== Edge: time per sample, per beat and per record\n'
# As it is shipped; alone, so that it is built without what it does not need.
cargo bench --quiet --profile edge -p embedded --no-default-features --bench edge
# The benchmark's build carries what its tests need; this is the one to ship.
cargo build --quiet --profile edge -p embedded --no-default-features
program=${CARGO_TARGET_DIR:-target}/edge/embedded
strip "$program"
printf 'size of the program, stripped, MiB: %s (at most 12, goal 6)\n' \
    "$(wc -c < "$program" | awk '{ printf "%.1f", $1 / 1048576 }')"
bench 'Pipeline: its parts' pipeline
bench 'Kaggle CSV' kaggle
