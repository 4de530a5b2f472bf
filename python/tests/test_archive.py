"""What `archive.work` promises to every engine."""

import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

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
        {"recording": "absent", "id": "../../escaped"},
        {"recording": "absent", "id": ".hidden"},
        {"recording": float("nan"), "id": "x"},
        {"recording": 7},
        7,
    ],
    ids=str,
)
def test_what_goes_wrong_is_a_column(row, tmp_path):
    output = tmp_path / "deep" / "down" / "out"
    result = archive.work(row, output=output)
    assert result["status"] == "error" and result["error"] and result["error_kind"]
    assert list(result) == list(archive.COLUMNS)
    # It is told in the output, too, and nothing lies elsewhere, whatever the id.
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == (0 if row == 7 else 1)
    assert all(path.parent == output / "summaries" and path.suffix == ".json" for path in written)


def test_a_model_that_is_none_and_an_output_that_cannot_be_written_are_columns(record, tmp_path):
    (tmp_path / "no.onnx").write_bytes(b"rubbish")
    (tmp_path / "file").write_bytes(b"")
    row = archive.work({"recording": str(record)}, output=tmp_path / "out", model=tmp_path / "no.onnx")
    assert row["status"] == "error" and row["error_kind"] == "ModelError"
    row = archive.work({"recording": str(record)}, output=tmp_path / "file" / "out")
    assert row["status"] == "error" and row["error_kind"] == "NotADirectoryError"


def test_interruption_is_not_a_column(record, tmp_path, monkeypatch):
    for kind in (KeyboardInterrupt, SystemExit):
        monkeypatch.setattr(ectopy, "analyse", _raiser(kind))
        with pytest.raises(kind):
            archive.work({"recording": str(record)}, output=tmp_path)
    assert not list(tmp_path.rglob("*.json")) and not list(tmp_path.rglob("*.parquet"))


def _raiser(kind):
    def fail(*_, **__):
        raise kind

    return fail


@pytest.mark.parametrize("name", ["../../escaped", ".hidden", "ward 3/bed 7", "Ünal", "a" * 300, "-x", "..", "nul\0"])
def test_any_id_names_a_recording(name, record, tmp_path):
    output = tmp_path / "deep" / "down" / "out"
    row = archive.work({"recording": str(record), "id": name}, output=output)
    assert row["status"] == "done" and row["id"] == name
    assert (output / row["beats_file"]).resolve().parent == output / "beats"
    assert [r["id"] for r in archive.rows(output)] == [name]
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 2


def test_what_is_finished_is_known_by_row_and_options(record, tmp_path):
    manifest = [{"recording": str(record), "id": i} for i in "ab"]
    archive.work(manifest[0], output=tmp_path)
    assert archive.unfinished(manifest, output=tmp_path) == manifest[1:]
    assert archive.unfinished(manifest, output=tmp_path, pause=3) == manifest
    assert archive.unfinished(manifest, output=tmp_path, lead="auto") == manifest
    scored = [{**row, "reference": "atr"} for row in manifest]
    assert archive.unfinished(scored, output=tmp_path) == scored
    # A row whose beats are gone is done again.
    done = archive.rows(tmp_path)[0]
    (tmp_path / done["beats_file"]).unlink()
    assert archive.work(manifest[0], output=tmp_path) == done
    assert (tmp_path / done["beats_file"]).is_file()
    # So is one that is cut short.
    (tmp_path / "summaries" / "a.json").write_text('{"status": "do')
    assert archive.work(manifest[0], output=tmp_path) == done


def test_a_recording_that_kills_its_process_is_told_after_five_attempts(record, tmp_path):
    row = {"recording": str(record), "id": "deadly"}
    script = "import os, ectopy\nfrom ectopy import archive\nectopy.analyse = lambda *a, **k: os._exit(9)\n"
    script += f"archive.work({row!r}, output={str(tmp_path)!r})"
    for attempt in range(1, 6):
        assert subprocess.run([sys.executable, "-c", script], cwd=tmp_path).returncode == 9
        assert json.loads((tmp_path / "attempts" / "deadly").read_text())["count"] == attempt
        assert archive.rows(tmp_path) == []
    assert subprocess.run([sys.executable, "-c", script], cwd=tmp_path).returncode == 0
    (told,) = archive.rows(tmp_path)
    assert told["error_kind"] == "Died" and "5 times" in told["error"]
    # The next run tries it again, and what works leaves no count behind.
    assert archive.work(row, output=tmp_path)["status"] == "done"
    assert not list((tmp_path / "attempts").iterdir())


def test_a_writer_that_fails_leaves_nothing(record, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", _raiser(OSError))
    assert archive.work({"recording": str(record)}, output=tmp_path)["error_kind"] == "OSError"
    monkeypatch.setattr(os, "replace", _raiser(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        archive.work({"recording": str(record)}, output=tmp_path, attempts=None)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_killed_writers_left_is_swept_when_it_is_old(record, tmp_path):
    pytest.importorskip("pyarrow")
    archive.work({"recording": str(record), "id": "a"}, output=tmp_path)
    for name, age in [("old", 7200), ("new", 0)]:
        path = tmp_path / "beats" / f".{name}.tmp"
        path.write_bytes(b"half")
        os.utime(path, (path.stat().st_atime - age, path.stat().st_mtime - age))
    assert archive.gather(tmp_path) == 1
    assert sorted(path.name for path in (tmp_path / "beats").iterdir()) == [".new.tmp", "a.parquet"]


def test_a_manifest_is_a_folder_or_a_table(record, synthetic, tmp_path):
    assert [row["recording"] for row in archive.manifest(synthetic)] == [str(synthetic / name) for name in ("s000", "s001")]
    path = tmp_path / "m.csv"
    path.write_text(f"\ufeffid,recording,reference,age\none,{record},,63\n,{record},atr,\n", encoding="utf-8")
    first, second = archive.manifest(path)
    assert first == {"id": "one", "recording": str(record), "reference": None, "age": "63"}
    assert second["id"] == archive.identifier(str(record)) and second["reference"] == "atr"
    assert [row["reference"] for row in archive.manifest(path, reference="qrs")] == ["qrs", "qrs"]
    for text, words in [
        ("id,path\na,b\n", "row 1: it names no recording"),
        ("id,recording\na,b\nc,\n", "row 2: it names no recording"),
        ("id,recording\na,b\nc,d\na,e\n", "rows 1 and 3 have the same id 'a'"),
        ("recording\na\na\n", "rows 1 and 2 have the same id"),
    ]:
        path.write_text(text)
        with pytest.raises(ectopy.UsageError, match=words):
            archive.manifest(path)
    with pytest.raises(ectopy.InputError, match="absent.csv: a folder, or a manifest"):
        archive.manifest(tmp_path / "absent.csv")
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    parquet.write_table(pyarrow.table({"recording": [str(record)], "age": [63]}), tmp_path / "m.parquet")
    (row,) = archive.manifest(tmp_path / "m.parquet")
    assert row == {"id": archive.identifier(str(record)), "recording": str(record), "reference": None, "age": 63}
    archive.work(row, output=tmp_path / "out")
    assert archive.gather(tmp_path / "out") == 1
    assert parquet.read_table(tmp_path / "out" / "summary.parquet").schema == archive.schema()


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
    assert {row["id"]: row["status"] for row in archive.rows(tmp_path)} == {i: r["status"] for i, r in done.items()}
    assert not list((tmp_path / "attempts").iterdir())


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


def test_an_interrupted_run_ends_at_once_and_goes_on(a_day, record, tmp_path):
    # Three days at work for seconds each, and a queue behind them.
    path = tmp_path / "m.csv"
    path.write_text("id,recording\nshort,{}\n".format(record) + "".join(f"d{i},{a_day}\n" for i in range(9)))
    command = [sys.executable, "-m", "ectopy.archive", str(path), "--output", str(tmp_path / "out"), "--workers", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, cwd=tmp_path, start_new_session=True)
    wait_for(lambda: (tmp_path / "out" / "summaries" / "short.json").exists())
    time.sleep(0.5)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and b"the same command goes on from here" in said, said
    assert time.monotonic() - started < 5, "it worked on"
    assert [row["id"] for row in archive.unfinished(archive.manifest(path), output=tmp_path / "out")][0].startswith("d")


def test_the_processes_of_a_driver_that_is_killed_end(a_day, tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("id,recording\n" + "".join(f"d{i},{a_day}\n" for i in range(4)))
    command = [sys.executable, "-m", "ectopy.archive", str(path), "--output", str(tmp_path / "out"), "--workers", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, cwd=tmp_path)
    wait_for(lambda: len(files(tmp_path / "out")) == 2)
    process.kill()
    # Its standard error ends when the last process that writes to it does.
    started = time.monotonic()
    process.communicate(timeout=60)
    assert time.monotonic() - started < 5, "they worked on"


def wait_for(condition):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it never came")


def test_the_command_says_what_is_wrong_before_it_starts(synthetic, tmp_path, capsys):
    (tmp_path / "no.onnx").write_bytes(b"rubbish")
    for arguments, words in [
        ([str(tmp_path / "absent.csv")], "absent.csv: a folder, or a manifest"),
        ([str(synthetic), "--model", str(tmp_path / "no.onnx")], "no.onnx"),
    ]:
        assert archive.main([*arguments, "--output", str(tmp_path / "out")]) == 2
        assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


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
    missing = archive.work({"recording": "memory://in/absent", "id": "b"}, output="memory://out")
    assert missing["status"] == "error" and missing["error_kind"] == "FileNotFoundError"
    names = sorted(name.rpartition("/")[2] for name in memory.find("/out"))
    assert names == ["a.json", "a.parquet", "b.json"], "a temporary file or an attempt is left"
    assert archive.work({"recording": f"file://{record}", "id": "c"}, output=f"file://{tmp_path}/url")["status"] == "done"
    assert sorted(files(tmp_path / "url")) == [pathlib.Path("beats/c.parquet"), pathlib.Path("summaries/c.json")]
    pytest.importorskip("pyarrow")
    assert archive.gather("memory://out") == 2
    memory.pipe_file("/m.csv", b"recording,age\nmemory://in/s000,63\n")
    (listed,) = archive.manifest("memory://m.csv")
    assert listed["age"] == "63" and archive.unfinished([listed], output="memory://out") == [listed]


def test_the_command_names_the_recordings_that_fail(synthetic, tmp_path, capsys):
    path = tmp_path / "m.csv"
    path.write_text(f"recording\n{synthetic / 's000'}\n{tmp_path / 'absent'}\n")
    assert archive.main([str(path), "--output", str(tmp_path / "out"), "--workers", "1"]) == 1
    said = capsys.readouterr().err
    assert "1 analysed, 1 failed" in said and f"{tmp_path / 'absent'}: " in said


def test_shards_share_a_folder_out(synthetic, tmp_path):
    for shard in ("1/2", "2/2"):
        assert archive.main([str(synthetic), "--output", str(tmp_path), "--shard", shard, "--workers", "1"]) == 0
        expected = int(shard[0])
        assert len(archive.rows(tmp_path)) == expected
    for wrong in ("0/2", "3/2", "x"):
        with pytest.raises(SystemExit):
            archive.main([str(synthetic), "--output", str(tmp_path), "--shard", wrong])
