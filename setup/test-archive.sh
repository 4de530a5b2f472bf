#!/bin/sh
# Works through an archive on Ray, Spark and pysail, each in an environment of its
# own, with workers and the driver killed meanwhile: `setup/test-archive.sh [ENGINE…]`.
# ECTOPY_COUNT recordings (2,000), of ECTOPY_SHARED, by default ../shared.
set -eu
cd "$(dirname "$0")/.."
shared="${ECTOPY_SHARED:-$(cd .. && pwd)/shared}"
[ -f "$shared/mitdb/RECORDS" ] || { echo "no recordings in $shared; set ECTOPY_SHARED" >&2; exit 1; }
[ $# -gt 0 ] || set -- ray spark sail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
status=0
for engine; do
    venv=.deps/venv-$engine
    [ -d "$venv" ] || python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "setup/archive-$engine.txt"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --force-reinstall dist/ectopy-*.whl
    printf '\n== %s\n' "$engine"
    "$venv/bin/python" python/tests/engines/disturbed.py "$engine" "$shared" "$work" "${ECTOPY_COUNT:-2000}" || status=1
done
exit $status
