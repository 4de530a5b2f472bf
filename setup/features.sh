#!/bin/sh
# Shows that every package asks for the same features of every foreign crate as
# the whole workspace does: then nothing foreign is compiled twice. What differs
# belongs into workspace-hack/Cargo.toml.
set -eu
cd "$(dirname "$0")/.."

features() { # EDGES ARGUMENTS: the crates that are built, each with its features
    edges=$1
    shift
    cargo tree --locked --edges "$edges" --prefix none --format '{p}|{f}' --no-dedupe "$@" \
        | grep -v '(/' | sed 's/ (\*)//; s/ (proc-macro)//' | grep '|' | sort -u
}

all=$(mktemp)
trap 'rm -f "$all"' EXIT
features normal,build,dev --workspace > "$all"
status=0
for package in data models train report infer embedded python tests; do
    for edges in normal,build normal,build,dev; do
        # A library that is never built alone has its features from the programs.
        case "$package,$edges" in models,normal,build | report,normal,build | tests,normal,build) continue ;; esac
        differs=$(features "$edges" --package "$package" | comm -23 - "$all")
        if [ -n "$differs" ]; then
            printf 'features: %s (%s) asks for others than the workspace:\n%s\n' "$package" "$edges" "$differs"
            status=1
        fi
    done
done
exit $status
