"""The command ``ectopy``: what the programs do, without them."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import pathlib
import sys
import tempfile
from collections.abc import Callable, Sequence

import ectopy
from ectopy import _ectopy

# Commands of the program `data`, and what they are called here.
_OF_DATA = {
    "score": "compare annotations with a reference as EC57 prescribes",
    "convert": "recordings or tables to prepared beats, HDF5 or CSV",
    "info": "what is in a recording or a table",
    "holter": "the numbers of annotated recordings",
    "synth": "write synthetic recordings",
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("ectopy", description=__doc__.split("\n")[0], epilog=ectopy.NOTICE)
    parser.add_argument("--version", action="version", version=f"ectopy {ectopy.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, words: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=words, description=words)
        added.add_argument("--model", metavar="FILE", help="the model [default: the one in the package]")
        return added

    analyse = command("analyse", "find and classify the beats of recordings")
    report = command("report", "make a page of each recording that a person can check")
    describe = command("describe", "print what a model expects and what its answers mean")
    for one in (analyse, report):
        one.add_argument("recordings", nargs="+", metavar="RECORDING", help="recordings in WFDB (FOLDER/100), EDF, ISHNE, DICOM")
        one.add_argument("--lead", help="the lead that is read: a name, a number, auto [default: the first ECG]")
        one.add_argument("--samples", metavar="COLUMNS", help="the files hold samples, a row for each: fs=250,leads=ecg …")
        one.add_argument("--force", action="store_true", help="replace outputs that ectopy did not make")
    analyse.add_argument("--output", default="-", metavar="PATH", help="a table in .csv, .jsonl or .parquet; with --annotator, or for several recordings, a folder [default: CSV on standard output]")
    analyse.add_argument("--annotator", metavar="NAME", help="write annotation files of this annotator instead of tables")
    analyse.add_argument("--rhythm", action="store_true", help="annotations: write notes of rhythms, too")
    analyse.add_argument("--format", choices=["csv", "jsonl", "parquet"], help="tables of several recordings [default: csv]")
    report.add_argument("--output", metavar="PATH", help="the page of one recording, or a folder [default: report.html; reports]")
    report.add_argument("--json", action="store_true", help="write the same content as JSON, too")
    report.add_argument("--pause", type=float, default=2.0, metavar="SECONDS", help="an RR interval of at least so long is a pause [default: 2]")
    describe.add_argument("file", nargs="?", metavar="FILE", help="the model [default: the one in the package]")
    for name, words in _OF_DATA.items():
        commands.add_parser(name, help=words, add_help=False)
    return parser


def _analyse(arguments: argparse.Namespace, path: str, output: pathlib.Path | None) -> None:
    beats = _beats(arguments, path)
    if arguments.annotator and output:
        output.mkdir(parents=True, exist_ok=True)
        target = output / f"{_stem(path)}.{arguments.annotator}"
        beats.write(target, rhythm=arguments.rhythm, force=arguments.force)
    elif output is None:
        _to_standard_output(beats, arguments.format or "csv")
        return
    elif len(arguments.recordings) > 1:
        output.mkdir(parents=True, exist_ok=True)
        target = output / f"{_stem(path)}.{arguments.format or 'csv'}"
        beats.write(target, force=arguments.force)
    else:
        target = output
        if target.suffix not in (".csv", ".jsonl", ".ndjson", ".parquet"):
            raise ectopy.UsageError(f"{target}: end it in .csv, .jsonl or .parquet, or name an --annotator")
        beats.write(target, force=arguments.force)
    print(f"{target} ({len(beats)} beats)", file=sys.stderr)


def _to_standard_output(beats: ectopy.Beats, format: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = pathlib.Path(scratch, f"beats.{format}")
        beats.write(path)
        sys.stdout.buffer.write(path.read_bytes())
        sys.stdout.buffer.flush()


def _report(arguments: argparse.Namespace, path: str, output: pathlib.Path | None) -> None:
    single = len(arguments.recordings) == 1 and (output is None or output.suffix == ".html")
    if single:
        page = output or pathlib.Path("report.html")
    else:
        folder = output or pathlib.Path("reports")
        folder.mkdir(parents=True, exist_ok=True)
        page = folder / f"{pathlib.Path(path).name}.html"
    _beats(arguments, path).report(page, json=arguments.json, pause=arguments.pause, force=arguments.force)
    print(page)


def _beats(arguments: argparse.Namespace, path: str) -> ectopy.Beats:
    recording = ectopy.open(path, samples=arguments.samples)
    beats = ectopy.analyse(recording, lead=arguments.lead, model=arguments.model)
    for remark in beats.remarks:
        print(remark, file=sys.stderr)
    return beats


def _stem(path: str) -> str:
    """A recording's name without the ending that a recording in one file has."""
    name = ectopy.open(path).name
    return name if not os.path.isfile(path) else pathlib.Path(name).stem


def _each(
    arguments: argparse.Namespace,
    work: Callable[[argparse.Namespace, str, pathlib.Path | None], None],
    output: pathlib.Path | None,
) -> None:
    """Does the work of each recording; one that fails does not stop the others."""
    failed = []
    for path in arguments.recordings:
        try:
            work(arguments, path, output)
        except ectopy.UsageError:
            raise
        except ectopy.Error as error:
            if len(arguments.recordings) == 1:
                raise
            failed.append(f"{path}: {error}")
    if failed:
        names = "\n  ".join(failed)
        raise ectopy.InputError(f"{len(failed)} of {len(arguments.recordings)} recordings failed:\n  {names}")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; the exit code: 0 done, 1 failed, 2 wrong command line."""
    if argv is None and len(sys.argv) > 1 and sys.argv[1] in _OF_DATA:
        # As the program: Ctrl-C ends the process, and leaves nothing half-written.
        return _ectopy.data_main(sys.argv[1:])
    argv = sys.argv[1:] if argv is None else list(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file's name need not be UTF-8.
        sys.stdout.reconfigure(errors="surrogateescape")
    try:
        _run(argv)
        sys.stdout.flush()
        return 0
    except ectopy.UsageError as error:
        print(f"error: {str(error).removeprefix('error: ')}", file=sys.stderr)
        return 2
    except ectopy.Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # A reader such as `head` that has seen enough is no failure.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(argv: list[str]) -> None:
    if argv and argv[0] in _OF_DATA:
        _data(argv)
        return
    arguments = _parser().parse_args(argv)
    output = getattr(arguments, "output", None)
    output = None if output in (None, "-") else pathlib.Path(output)
    if arguments.command == "analyse":
        if output is None and (arguments.annotator or len(arguments.recordings) > 1):
            output = pathlib.Path(".")
        _each(arguments, _analyse, output)
    elif arguments.command == "report":
        _each(arguments, _report, output)
        print(ectopy.NOTICE)
    else:
        print(ectopy.Model(arguments.file or arguments.model).contract_json())


def _data(argv: list[str]) -> None:
    """Runs a command of the program `data`."""
    try:
        sys.stdout.write(_ectopy.data_command(argv))
    except ectopy.UsageError as error:
        # What `--help` says comes as an error, too, and is none.
        if "--help" not in argv and "-h" not in argv:
            raise
        print(error)


if __name__ == "__main__":
    sys.exit(main())
