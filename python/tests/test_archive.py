"""What `archive.work` promises to every engine."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

import ectopy
from ectopy import archive


def test_a_recording_gives_a_row_and_its_beats(record, tmp_path):
    row = archive.work({"recording": str(record), "id": "one", "reference": "atr", "age": 63}, output=tmp_path)
    assert row["status"] == "done", row["error"]
    assert list(row) == list(archive.COLUMNS)
    for name, kind in archive.COLUMNS.items():
        assert row[name] is None or isinstance(row[name], kind), name
    beats = ectopy.analyse(record)
    assert row["beats"] == len(beats) and row["hours"] == beats.duration / 3600
    assert row["sha256"] == ectopy.open(record).sha256()
    assert row["q_se"] > 0.95
    beats.write_parquet(tmp_path / "direct.parquet")
    assert (tmp_path / row["beats_file"]).read_bytes() == (tmp_path / "direct.parquet").read_bytes()
    assert archive.rows(tmp_path) == [dict(sorted(row.items()))]


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_same_task_gives_the_same_bytes_and_is_not_done_twice(record, tmp_path, monkeypatch):
    row = {"recording": str(record)}
    first = archive.work(row, output=tmp_path / "a")
    assert archive.work(row, output=tmp_path / "b") == first
    assert files(tmp_path / "a") == files(tmp_path / "b") and len(files(tmp_path / "a")) == 2
    monkeypatch.setattr(ectopy, "analyse", lambda *_, **__: pytest.fail("it was done again"))
    assert archive.work(row, output=tmp_path / "a") == first
    monkeypatch.undo()
    other = archive.work(row, output=tmp_path / "a", pause=1.0)
    assert other["fingerprint"] != first["fingerprint"] and other["pauses"] >= first["pauses"]


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"recording": "absent"},
        {"recording": None},
        {"recording": "s3x://nowhere/100"},
        {"recording": "a", "id": "../../etc/passwd"},
        {"recording": "a", "id": ".hidden"},
        {"recording": 7},
    ],
    ids=str,
)
def test_what_goes_wrong_is_a_column(row, tmp_path):
    result = archive.work(row, output=tmp_path)
    assert result["status"] == "error" and result["error"] and result["error_kind"]
    assert list(result) == list(archive.COLUMNS)
    assert not list(tmp_path.rglob("*.parquet"))
    assert all(path.is_relative_to(tmp_path / "summaries") for path in tmp_path.rglob("*.json"))


def test_faulty_files_are_told_and_do_not_stop_the_others(record, tmp_path):
    bad = tmp_path / "in"
    shutil.copytree(record.parent, bad)
    (bad / "s001.dat").write_bytes(b"short")
    manifest = archive.manifest(bad, reference="atr")
    assert len(manifest) == 2
    done = {r["recording"][-4:]: r for r in archive.run(manifest, output=tmp_path / "out", workers=2)}
    assert done["s000"]["status"] == "done"
    assert done["s001"]["status"] == "error" and done["s001"]["error_kind"] == "InputError" and "s001" in done["s001"]["error"]
    assert [r["recording"][-4:] for r in archive.unfinished(manifest, output=tmp_path / "out")] == ["s001"]
    pytest.importorskip("pyarrow")
    assert archive.gather(tmp_path / "out") == 2


def test_a_process_that_dies_harms_its_own_recording_alone(record, tmp_path, monkeypatch):
    # A second task of the pool kills its process, again and again.
    monkeypatch.setattr(archive, "work", _deadly)
    manifest = [{"recording": str(record), "id": f"r{i}"} for i in range(5)] + [{"recording": "deadly", "id": "x"}]
    done = {r["id"]: r for r in archive.run(manifest, output=tmp_path, workers=2)}
    assert {i for i, r in done.items() if r["status"] == "done"} == {"r0", "r1", "r2", "r3", "r4"}
    assert done["x"]["error_kind"] == "Died"


def _deadly(row, **options):
    if row["recording"] == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    return _work(row, **options)


_work = archive.work


def test_a_run_that_is_killed_leaves_whole_files_and_goes_on(record, tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    for i, ending in itertools.product(range(6), ("dat", "atr", "hea")):
        (source / f"r{i}.{ending}").write_bytes(record.with_suffix(f".{ending}").read_bytes().replace(b"s000", f"r{i}".encode()))
    command = [sys.executable, "-m", "ectopy.archive", str(source), "--output", str(tmp_path / "out"), "--workers", "1"]
    for wait in (0.8, 1.4):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True, cwd=tmp_path)
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for path in (tmp_path / "out").rglob("*.json"):
            assert json.loads(path.read_text())["status"] == "done"
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    subprocess.run([*command[:-4], "--output", str(tmp_path / "undisturbed")], check=True, capture_output=True, cwd=tmp_path)
    whole = {name: content for name, content in files(tmp_path / "out").items() if name.suffix != ".tmp"}
    assert whole == files(tmp_path / "undisturbed") and len(whole) == 12


def test_recordings_and_results_may_be_behind_urls(record, tmp_path):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    for ending in ("hea", "dat", "atr"):
        memory.pipe_file(f"/in/s000.{ending}", record.with_suffix(f".{ending}").read_bytes())
    row = archive.work({"recording": "memory://in/s000", "id": "a", "reference": "atr"}, output="memory://out")
    assert row["status"] == "done", row["error"]
    local = archive.work({"recording": str(record), "id": "a", "reference": "atr"}, output=tmp_path)
    assert memory.cat_file("/out/beats/a.parquet")[-4:] == b"PAR1"
    same = set(archive.COLUMNS) - {"recording", "fingerprint"}
    assert {k: row[k] for k in same} == {k: local[k] for k in same}
    assert archive.work({"recording": "memory://in/s000", "id": "a", "reference": "atr"}, output="memory://out") == row
    assert [r["id"] for r in archive.rows("memory://out")] == ["a"]


def test_shards_share_a_folder_out(synthetic, tmp_path):
    for shard in ("1/2", "2/2"):
        assert archive.main([str(synthetic), "--output", str(tmp_path), "--shard", shard, "--workers", "1"]) == 0
        expected = int(shard[0])
        assert len(archive.rows(tmp_path)) == expected
    for wrong in ("0/2", "3/2", "x"):
        with pytest.raises(SystemExit):
            archive.main([str(synthetic), "--output", str(tmp_path), "--shard", wrong])
