#!/bin/sh
# Runs every test and says at the end how many passed, and how many were left
# out because there are no recordings.
set -u
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT TERM
{ cargo test --workspace "$@" 2>&1; echo "exit $?"; } | tee "$log" | grep --line-buffered -v '^exit [0-9]*$'
awk '
    /^test result:/ { passed += $4; failed += $6 }
    /ignored, no recordings$/ { absent++ }
    /ignored/ && /^test .*\.\.\. ignored/ { ignored++ }
    /^exit / { code = $2 }
    END {
        printf "\n%d tests passed, %d failed, %d were ignored", passed, failed, ignored
        if (absent) printf ", %d of them for want of recordings: ECTOPY_SHARED names their folder, else ../shared", absent
        print ""
        exit code
    }' "$log"
