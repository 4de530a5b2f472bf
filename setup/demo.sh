#!/bin/sh
# The main job from end to end on synthetic ECG: train, export, classify,
# explain, stream, score. Everything it makes lies in demo/.
set -eu
cd "$(dirname "$0")/.."
bin=${CARGO_TARGET_DIR:-target}/debug
say() { printf '\n== %s\n' "$*"; }
run() { printf '$ %s' "$1"; program=$1; shift; printf ' %s' "$@"; printf '\n'; "$bin/$program" "$@"; }

say 'Synthetic recordings of patients that the training does not see'
run data synth --output demo/records --patients 3 --minutes 5 --seed 100

say 'Train on synthetic patients and export to ONNX'
rm -rf demo/run
run train --data synthetic --epochs 2 --out demo/run --export demo/resnet.onnx

say 'Classify a recording with ONNX Runtime'
run infer demo/records/s000 --model demo/resnet.onnx --output demo/predictions.csv

say 'Explain three of its beats'
run infer explain demo/records/s000 --model demo/resnet.onnx --rows 10,20,30 --output demo/explain

say 'Stream the recordings through tract, as a small machine would'
for record in s000 s001 s002; do
    run embedded "demo/records/$record" --model demo/resnet.onnx --annotator mon --output demo/records --quiet
done

say 'Score the streamed beats as EC57 prescribes'
run data score --reference atr --test mon demo/records --start 0:30

say 'Done. In demo/:'
find demo -type f ! -path 'demo/records/*' | sort
