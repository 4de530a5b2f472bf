# `make help` lists the targets.
.PHONY: help setup demo test test-archive lint bench pi wheel

# Each program as `cargo run -p` will want it, so that nothing is compiled again:
# embedded alone has its own features of data.
BUILD = cargo build --package data --package train --package infer && cargo build --package embedded

help: ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/' | expand -t 10

setup: ## fetch libtorch, ONNX Runtime and CMake into .deps (CUDA=1: with the GPU libraries)
	@setup/setup.sh

demo: setup ## train, export, classify, explain and stream synthetic ECG, into demo/
	@$(BUILD)
	@setup/demo.sh

test: ## set up and run every test
	@setup/setup.sh python
	@$(BUILD)
	@setup/test.sh

lint: setup ## formatting, clippy with warnings denied, one set of features
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	setup/features.sh

wheel: ## build the Python wheel into dist/
	@setup/setup.sh python
	@setup/wheel.sh dist

test-archive: wheel ## run archives on Ray and Spark, in environments of their own (fetches both)
	@setup/test-archive.sh

bench: ## measure speed against the peers, ratios printed (fetches PyTorch and captum)
	@setup/setup.sh python bench
	@setup/bench.sh

pi: ## cross-build the edge program for the Raspberry Pi, run it under qemu, pack it
	@setup/pi.sh
