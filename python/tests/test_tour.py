"""docs/python.md is run, block by block, and prints what it shows.

`python test_tour.py` writes what the blocks print today into the page.
"""

import importlib.util
import json
import pathlib
import re
import subprocess
import sys

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "python.md"
BLOCK = re.compile(r"(?:<!-- needs: (?P<needs>\w+) -->\n)?```python\n(?P<code>.*?)```\n(?:\n```text\n(?P<told>.*?)```\n)?", re.S)
LIBRARIES = ["pandas", "polars", "pyarrow", "duckdb", "wfdb", "neurokit2", "biosppy"]

# Runs blocks in one namespace; what each printed goes to a file, as JSON.
RUNNER = """
import contextlib, importlib.abc, io, json, sys

blocks, allowed, out = json.load(sys.stdin)

class OnlyNumpy(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top in {"numpy", "ectopy"}:
            return None
        raise ModuleNotFoundError(f"{name} is not installed in this environment")

if not allowed:
    sys.meta_path.insert(0, OnlyNumpy())
names, told = {"__name__": "tour"}, []
for block in blocks:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block, block, "exec"), names)
    told.append(printed.getvalue())
with open(out, "w") as file:
    json.dump(told, file)
"""


def blocks():
    return [match.groupdict() for match in BLOCK.finditer(PAGE.read_text(encoding="utf-8"))]


def run(chosen, folder, allowed):
    """What each block prints, run in order in a process of its own in this folder."""
    work = folder / "work"
    work.mkdir()
    given = json.dumps([[block["code"] for block in chosen], allowed, str(folder / "told.json")])
    done = subprocess.run([sys.executable, "-c", RUNNER], cwd=work, input=given, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "told.json").read_text())


def compared(chosen, told):
    for block, printed in zip(chosen, told, strict=True):
        assert printed == (block["told"] or ""), block["code"]


def here(library):
    return library is None or importlib.util.find_spec(library) is not None


def test_the_tour_runs_with_numpy_alone(tmp_path):
    chosen = [block for block in blocks() if block["needs"] is None]
    assert len(chosen) > 15
    compared(chosen, run(chosen, tmp_path, False))


def test_the_tour_runs_with_the_libraries_that_it_names(tmp_path):
    chosen = [block for block in blocks() if here(block["needs"])]
    if all(block["needs"] is None for block in chosen):
        import pytest

        pytest.skip(f"none of {', '.join(LIBRARIES)} is installed")
    compared(chosen, run(chosen, tmp_path, True))


def test_a_block_says_what_it_needs():
    for block in blocks():
        assert block["needs"] is None or block["needs"] in LIBRARIES
        imported = set(re.findall(r"^(?:import|from) (\w+)", block["code"], re.M)) & set(LIBRARIES)
        assert imported <= {block["needs"]}, block["code"]


def test_the_page_refers_to_pages_and_headings_that_are_there():
    text = PAGE.read_text(encoding="utf-8")
    headings = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", text, re.M)}
    for target in re.findall(r"\]\(([^)]*)\)", text):
        page, _, heading = target.partition("#")
        # archive.md is a page of its own part of the package.
        assert not page or (PAGE.parent / page).exists() or page == "archive.md", target
        assert not heading or page or heading in headings, target


def write():
    """Brings what is printed in the page up to date."""
    import tempfile

    chosen = [block for block in blocks() if here(block["needs"])]
    with tempfile.TemporaryDirectory() as folder:
        told = dict(zip((block["code"] for block in chosen), run(chosen, pathlib.Path(folder), True)))

    def filled(match):
        needs, code = match["needs"], match["code"]
        printed = told.get(code, match["told"] or "")
        mark = f"<!-- needs: {needs} -->\n" if needs else ""
        return f"{mark}```python\n{code}```\n" + (f"\n```text\n{printed}```\n" if printed else "")

    PAGE.write_text(BLOCK.sub(filled, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    write()
