"""The types: stubs name what the extension has, and everything public is annotated."""

import ast
import inspect
import pathlib

import pytest

import ectopy
from ectopy import _ectopy

PACKAGE = pathlib.Path(ectopy.__file__).parent


def stubs():
    return ast.parse((PACKAGE / "_ectopy.pyi").read_text(encoding="utf-8")).body


def test_the_package_says_that_it_has_types():
    assert (PACKAGE / "py.typed").exists() and (PACKAGE / "_ectopy.pyi").exists()


def test_stubs_name_what_the_extension_has():
    named = {node.name for node in stubs() if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    named |= {node.target.id for node in stubs() if isinstance(node, ast.AnnAssign)}
    assert named == {name for name in dir(_ectopy) if not name.startswith("__")}


def test_stubs_name_what_its_classes_have():
    for node in stubs():
        if not isinstance(node, ast.ClassDef) or issubclass(getattr(_ectopy, node.name), Exception):
            continue
        said = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
        has = {name for name in vars(getattr(_ectopy, node.name)) if not name.startswith("_")}
        assert {name for name in said if not name.startswith("_")} == has, node.name


def test_stubs_take_the_arguments_that_functions_take():
    for node in stubs():
        if not isinstance(node, ast.FunctionDef):
            continue
        said = [argument.arg.rstrip("_") for argument in node.args.args]
        words = getattr(_ectopy, node.name).__text_signature__
        has = [word.partition("=")[0].strip() for word in words.strip("()").split(",")]
        assert said == has, node.name


def functions():
    for name in ectopy.__all__:
        thing = getattr(ectopy, name)
        if inspect.isfunction(thing):
            yield name, thing
        elif inspect.isclass(thing) and thing.__module__.startswith("ectopy."):
            for attribute, value in vars(thing).items():
                value = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
                if inspect.isfunction(value):
                    yield f"{name}.{attribute}", value


def test_everything_public_is_annotated_and_documented():
    checked = 0
    for name, function in functions():
        annotations = function.__annotations__
        assert "return" in annotations, name
        parameters = [one for one in inspect.signature(function).parameters if one not in {"self", "cls"}]
        assert set(parameters) <= set(annotations), name
        assert function.__doc__ or "__" in name, name
        checked += 1
    assert checked > 40
    for name in ectopy.__all__:
        assert getattr(ectopy, name).__doc__, name


def test_the_package_has_no_errors_of_types():
    api = pytest.importorskip("mypy.api", reason="mypy is not installed; the package is checked where it is")
    sources = pathlib.Path(__file__).parents[1]
    said, errors, code = api.run(["--config-file", str(sources / "pyproject.toml"), "--no-incremental", str(sources / "ectopy")])
    assert code == 0, said + errors


def test_a_program_that_uses_it_has_the_types_that_it_should(tmp_path):
    api = pytest.importorskip("mypy.api", reason="mypy is not installed")
    program = tmp_path / "uses.py"
    program.write_text(
        "import ectopy\nimport numpy\n\n"
        "beats: ectopy.Beats = ectopy.analyse(numpy.zeros(5000), fs=250, lead=1)\n"
        "beats.write('x.csv', force=True)\n"
        "found: dict[str, object] = beats.holter(pause=3)\n"
        "events: list[dict[str, object]] = list(ectopy.Monitor(250.0).push([0.0, 1.0]))\n"
        "gross: object = ectopy.score('atr', 'ect', '.', records=['100'])['gross']\n"
        "why: list[list[str]] = ectopy.explain(beats, [1]).reasons\n"
    )
    said, errors, code = api.run(["--strict", "--no-incremental", str(program)])
    assert code == 0, said + errors
    program.write_text("import ectopy\n\nectopy.analyse('x', leed=1)\nectopy.analyse('x').write(5)\n")
    said, _, code = api.run(["--strict", "--no-incremental", str(program)])
    assert code == 1 and said.count(": error:") == 2, said
