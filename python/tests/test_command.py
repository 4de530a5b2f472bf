"""The command `ectopy` from the outside."""

import csv
import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import command

import ectopy
from ectopy import cli


def ok(*arguments, **options):
    done = command(*arguments, **options)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_the_command_is_installed():
    program = shutil.which("ectopy", path=os.path.dirname(sys.executable)) or shutil.which("ectopy")
    if program is None:
        pytest.skip("the package is not installed, only on the path")
    told = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60)
    assert told.stdout.strip() == f"ectopy {ectopy.__version__}"


def test_help_names_every_command():
    text = ok("--help")
    for name in ["analyse", "report", "score", "convert", "describe", "info", "synth", "holter"]:
        assert name in text
        helped = ok(name, "--help")
        assert "usage" in helped.lower() and len(helped) > 200
    assert "Not a medical device" in text


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["sing"],
        ["analyse"],
        ["analyse", "x", "--format", "pdf"],
        ["score"],
        ["score", "--bogus"],
        ["synth", "--minutes", "long"],
        ["report", "x", "--pause", "long"],
    ],
)
def test_a_wrong_command_line_is_code_2(arguments):
    done = command(*arguments)
    assert done.returncode == 2 and done.stdout == b""
    said = done.stderr.decode()
    assert "error" in said and "Traceback" not in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["analyse", "absent"],
        ["report", "absent"],
        ["info", "absent"],
        ["score", "absent", "--test", "tst"],
        ["describe", "absent.onnx"],
        ["analyse", "S", "--model", "absent.onnx"],
        ["analyse", "S", "--lead", "V9"],
        ["analyse", "S", "--output", "/dev/null/x.csv"],
        ["analyse", "S", "--annotator", "x", "--output", "/dev/null/x"],
        ["report", "S", "--output", "/dev/null/x/y.html"],
    ],
)
def test_what_fails_is_code_1_and_said_in_one_line(arguments, synthetic, tmp_path):
    done = command(*[str(synthetic / "s000") if word == "S" else word for word in arguments], cwd=tmp_path)
    said = done.stderr.decode()
    assert done.returncode == 1 and done.stdout == b"", said
    assert said.startswith("error: ") and said.count("\n") == 1
    assert os.listdir(tmp_path) == []


def test_beats_go_to_standard_output_as_they_go_to_a_file(synthetic, tmp_path):
    text = ok("analyse", synthetic / "s000")
    done = command("analyse", synthetic / "s000", "--output", tmp_path / "x.csv")
    assert done.returncode == 0 and done.stdout == b"" and b"x.csv (" in done.stderr
    assert (tmp_path / "x.csv").read_text() == text
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == len(ectopy.analyse(synthetic / "s000"))
    lines = ok("analyse", synthetic / "s000", "--format", "jsonl").splitlines()
    assert [json.loads(line)["sample"] for line in lines] == [int(row["sample"]) for row in rows]


def test_the_format_of_a_table_is_told_by_its_ending(synthetic, tmp_path):
    for name in ["x.csv", "x.jsonl", "x.parquet"]:
        ok("analyse", synthetic / "s000", "--output", tmp_path / name)
        ectopy.analyse(synthetic / "s000").write(tmp_path / f"its-{name}")
        assert (tmp_path / name).read_bytes() == (tmp_path / f"its-{name}").read_bytes()
    done = command("analyse", synthetic / "s000", "--output", tmp_path / "x.xlsx")
    assert done.returncode == 2 and b"end it in .csv" in done.stderr


def test_one_bad_recording_of_several_does_not_stop_the_others(synthetic, tmp_path):
    done = command("analyse", synthetic / "s000", tmp_path / "absent", synthetic / "s001", "--output", tmp_path / "out")
    assert done.returncode == 1
    assert sorted(os.listdir(tmp_path / "out")) == ["s000.csv", "s001.csv"]
    said = done.stderr.decode()
    assert "1 of 3 recordings failed" in said and "absent" in said and "Traceback" not in said
    done = command("report", tmp_path / "absent", synthetic / "s001", "--json", "--output", tmp_path / "pages")
    assert done.returncode == 1
    assert sorted(os.listdir(tmp_path / "pages")) == ["s001.html", "s001.json"]


def test_annotations_are_written_for_each_recording(synthetic, tmp_path):
    ok("analyse", synthetic / "s000", synthetic / "s001", "--annotator", "ect", "--rhythm", "--output", tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["s000.ect", "s001.ect"]
    ectopy.analyse(synthetic / "s001").write(tmp_path / "s001.its", rhythm=True)
    assert (tmp_path / "s001.ect").read_bytes() == (tmp_path / "s001.its").read_bytes()


def test_what_others_made_is_replaced_with_force_only(synthetic, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("mine\n")
    done = command("analyse", synthetic / "s000", "--output", path)
    assert done.returncode == 1 and b"--force" in done.stderr and path.read_text() == "mine\n"
    ok("analyse", synthetic / "s000", "--output", path, "--force")
    assert path.read_text() == ok("analyse", synthetic / "s000")


def test_a_page_is_made(synthetic, tmp_path):
    told = ok("report", synthetic / "s000", cwd=tmp_path)
    assert told.splitlines()[0] == "report.html" and "Not a medical device" in told
    ectopy.analyse(synthetic / "s000").report(tmp_path / "its.html")
    assert (tmp_path / "report.html").read_bytes() == (tmp_path / "its.html").read_bytes()


def test_a_model_is_described():
    contract = json.loads(ok("describe"))
    assert contract == json.loads(ectopy.Model().contract_json())


def test_commands_of_the_program_data_print_what_it_prints(synthetic, programs, tmp_path):
    for arguments in [["info", synthetic / "s000"], ["holter", synthetic / "s000"], ["score", synthetic, "--test", "atr"]]:
        assert ok(*arguments) == programs.run("data", *arguments)
    ok("convert", synthetic, "--output", tmp_path / "ours.csv")
    programs.run("data", "convert", synthetic, "--output", tmp_path / "theirs.csv")
    assert (tmp_path / "ours.csv").read_bytes() == (tmp_path / "theirs.csv").read_bytes()


def test_the_table_of_a_run_is_that_of_infer_but_for_probabilities(synthetic, programs):
    ours = list(csv.reader(ok("analyse", synthetic / "s000").splitlines()))
    theirs = list(csv.reader(programs.run("infer", synthetic / "s000", "--detect", "--output", "-").splitlines()))
    assert ours[0] == theirs[0] and len(ours) == len(theirs)
    same = [place for place, name in enumerate(ours[0]) if name not in "NSVFQ"]
    assert [[row[place] for place in same] for row in ours] == [[row[place] for place in same] for row in theirs]


@pytest.mark.skipif(shutil.which("sh") is None or shutil.which("head") is None, reason="no sh, no head")
@pytest.mark.parametrize("words", ["analyse '{}'", "describe", "--help", "score --help", "info '{}'"])
def test_a_reader_that_has_seen_enough_is_no_failure(words, synthetic):
    line = f"'{sys.executable}' -m ectopy.cli {words.format(synthetic / 's000')} | head -n 1"
    script = f"{{ {line.replace(' | ', '; echo code=$? >&2; } | ')}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=120, cwd=synthetic)
    assert done.stdout.count("\n") == 1
    assert done.stderr.splitlines() == ["code=0"], done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize("words", [["analyse", "S"], ["describe"], ["info", "S"]])
def test_a_full_disk_behind_standard_output_is_an_error(words, synthetic):
    words = [str(synthetic / "s000") if word == "S" else word for word in words]
    with open("/dev/full", "wb") as full:
        done = command(*words, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: ") and b"Traceback" not in done.stderr


@pytest.mark.skipif(os.name != "posix" or sys.platform == "darwin", reason="names of files are UTF-8 here")
def test_a_name_that_is_not_utf_8_is_taken(synthetic, tmp_path):
    folder = os.fsencode(tmp_path) + b"/n\xff"
    shutil.copytree(synthetic, os.fsdecode(folder))
    done = command("analyse", os.fsdecode(folder + b"/s000"), "--output", os.fsdecode(folder + b"/x.csv"))
    assert done.returncode == 0, done.stderr
    assert command("report", os.fsdecode(folder + b"/s000"), "--output", os.fsdecode(folder + b"/x.html")).returncode == 0
    done = command("info", os.fsdecode(folder + b"/s000"))
    assert b"Traceback" not in done.stderr


def test_main_takes_arguments_and_gives_the_code(synthetic, capsysbinary):
    assert cli.main(["info", str(synthetic / "s000")]) == 0
    assert b"s000" in capsysbinary.readouterr().out
    assert cli.main(["info", "absent"]) == 1
    assert cli.main(["score"]) == 2


def test_synthetic_recordings_are_the_same_again(synthetic, tmp_path):
    ok("synth", "--output", tmp_path, "--patients", "2", "--minutes", "2", "--fs", "250", "--seed", "7")
    assert sorted(os.listdir(tmp_path)) == sorted(os.listdir(synthetic))
    for name in os.listdir(synthetic):
        assert (tmp_path / name).read_bytes() == (synthetic / name).read_bytes(), name
