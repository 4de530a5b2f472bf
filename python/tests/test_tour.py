"""The tour of docs/python.md runs, with numpy and nothing else beside the package."""

import pathlib
import re
import subprocess
import sys

import numpy

import ectopy

DOCS = pathlib.Path(__file__).parents[2] / "docs" / "python.md"


def test_every_block_of_the_tour_runs(tmp_path):
    blocks = re.findall(r"^```python\n(.*?)^```$", DOCS.read_text(), re.M | re.S)
    assert len(blocks) >= 8
    site = tmp_path / "site"
    site.mkdir()
    for package in (ectopy, numpy):
        folder = pathlib.Path(package.__file__).parent
        (site / folder.name).symlink_to(folder)
        libraries = folder.with_name(f"{folder.name}.libs")
        if libraries.is_dir():
            (site / libraries.name).symlink_to(libraries)
    # -S and -I: no other package can be imported.
    script = f"import sys; sys.path.insert(0, {str(site)!r})\n" + "\n".join(blocks)
    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script], cwd=work, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "['MLII', 'V1', 'V5'] 360.0 300.0" in done.stdout, done.stdout
    assert "no/such/recording" in done.stdout
    assert {"s000.mon", "s000.parquet", "s000.html", "ecg"} <= {p.name for p in work.iterdir()}
