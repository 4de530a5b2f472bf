"""The command `ectopy`."""

import json
import subprocess
import sys

import ectopy
from ectopy import cli


def test_recordings_are_analysed_to_tables_and_annotations(synthetic, tmp_path, capfd):
    assert cli.main(["analyse", str(synthetic / "s000"), "--output", str(tmp_path / "x.csv")]) == 0
    assert cli.main(["analyse", str(synthetic / "s000")]) == 0
    said = capfd.readouterr().out
    assert said == (tmp_path / "x.csv").read_text() and said.count("\n") > 100
    both = [str(synthetic / "s000"), str(synthetic / "s001")]
    assert cli.main(["analyse", *both, "--annotator", "mon", "--output", str(tmp_path / "a")]) == 0
    assert {p.name for p in (tmp_path / "a").iterdir()} == {"s000.mon", "s001.mon"}
    assert cli.main(["score", str(synthetic), "--test", "mon", "--test-dir", str(tmp_path / "a"), "--start", "0:30"]) == 0
    assert "Gross" in capfd.readouterr().out


def test_one_bad_recording_is_told_at_the_end_and_does_not_stop_the_others(synthetic, tmp_path, capfd):
    bad = tmp_path / "bad.edf"
    bad.write_bytes(b"rubbish")
    code = cli.main(["report", str(bad), str(synthetic / "s000"), "--output", str(tmp_path / "pages"), "--json"])
    said = capfd.readouterr()
    assert code == 1 and "1 of 2 recordings failed" in said.err and "bad.edf" in said.err
    assert {p.name for p in (tmp_path / "pages").iterdir()} == {"s000.html", "s000.json"}


def test_exit_codes_are_those_of_the_programs(synthetic, tmp_path, capsys):
    assert cli.main(["analyse", str(tmp_path / "absent")]) == 1
    assert "absent" in capsys.readouterr().err
    assert cli.main(["score", str(synthetic)]) == 2
    assert cli.main(["score", "--help"]) == 0
    assert cli.main(["analyse", str(synthetic / "s000"), "--output", str(tmp_path / "x.xls")]) == 2
    capsys.readouterr()
    assert cli.main(["describe"]) == 0
    assert json.loads(capsys.readouterr().out)["version"] == 1


def test_it_is_a_program_whose_reader_may_go(synthetic):
    command = f"{sys.executable} -m ectopy.cli analyse {synthetic / 's000'} | head -2"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True)
    assert done.stdout.startswith("input,row,record") and "Traceback" not in done.stderr
    wrong = subprocess.run([sys.executable, "-m", "ectopy.cli", "dance"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "Traceback" not in wrong.stderr
    version = subprocess.run([sys.executable, "-m", "ectopy.cli", "--version"], capture_output=True, text=True)
    assert ectopy.__version__ in version.stdout


def test_tables_of_beats_are_converted(synthetic, tmp_path):
    assert cli.main(["convert", str(synthetic), "--output", str(tmp_path / "x.csv")]) == 0
    assert len((tmp_path / "x.csv").read_text().splitlines()) > 100
