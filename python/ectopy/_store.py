"""Where an archive's recordings are and its results go: folders, or URLs that fsspec knows."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import shutil
import tempfile
import time
from collections.abc import Callable
from typing import Any

# How the name of a file ends that is being written.
TEMPORARY = ".tmp"


class Store:
    """The output, a folder or a URL: a file in it is whole or not there."""

    # Where a file is seen when it is whole, and renaming is copying.
    OBJECTS = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "oci", "r2"})

    def __init__(self, output: str | os.PathLike[str]) -> None:
        self.root = os.fspath(output)
        self.system: Any = None
        if "://" in self.root:
            import fsspec

            system, self.root = fsspec.url_to_fs(self.root)
            protocols = {system.protocol} if isinstance(system.protocol, str) else set(system.protocol)
            self.is_objects = bool(protocols & self.OBJECTS)
            self.system = None if "file" in protocols else system

    def path(self, name: str) -> str:
        return f"{self.root}/{name}" if self.system else os.path.join(self.root, name)

    def has(self, name: str) -> bool:
        return bool(self.system.isfile(self.path(name))) if self.system else os.path.isfile(self.path(name))

    def read(self, name: str) -> bytes:
        if self.system:
            return bytes(self.system.cat_file(self.path(name)))
        return pathlib.Path(self.path(name)).read_bytes()

    def names(self, folder: str) -> list[str]:
        """The files of a folder, hidden ones apart, in order."""
        path = self.path(folder)
        if self.system:
            self.system.invalidate_cache()  # of what other processes have written since
            found = self.system.ls(path, detail=False) if self.system.isdir(path) else []
            found = [name.rpartition("/")[2] for name in found]
        else:
            found = os.listdir(path) if os.path.isdir(path) else []
        return sorted(name for name in found if not name.startswith("."))

    def remove(self, name: str) -> None:
        """Removes a file, if it is there and may be removed."""
        with contextlib.suppress(Exception):
            self.system.rm_file(self.path(name)) if self.system else os.remove(self.path(name))

    def write(self, name: str, content: bytes, *, is_lasting: bool = True) -> None:
        with tempfile.TemporaryDirectory(prefix="ectopy-") as scratch:
            local = pathlib.Path(scratch, "content")
            local.write_bytes(content)
            self.put(local, name, is_lasting=is_lasting)

    def put(self, local: str | os.PathLike[str], name: str, *, is_lasting: bool = True) -> None:
        """Puts a file there, whole or not at all; ``is_lasting``: though the power fails."""
        path = self.path(name)
        if self.system:
            self._upload(os.fspath(local), path)
            return
        os.makedirs(os.path.dirname(path), exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".", suffix=TEMPORARY, dir=os.path.dirname(path))
        try:
            with os.fdopen(handle, "wb") as target, open(local, "rb") as source:
                shutil.copyfileobj(source, target, 1 << 20)
                target.flush()
                if is_lasting:
                    os.fsync(target.fileno())
            # mkstemp's own mode is for its owner alone.
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.remove(temporary)
            raise

    def _upload(self, local: str, path: str) -> None:
        folder, _, name = path.rpartition("/")
        self.system.makedirs(folder, exist_ok=True)
        if self.is_objects:
            self.system.put_file(local, path)
            return
        temporary = f"{folder}/.{name}.{os.urandom(6).hex()}{TEMPORARY}"
        try:
            self.system.put_file(local, temporary)
            if self.system.exists(path):  # not every file system renames over a file
                self.system.rm_file(path)
            self.system.mv(temporary, path)
        except BaseException:
            with contextlib.suppress(Exception):
                self.system.rm_file(temporary)
            raise

    def sweep(self) -> None:
        """Removes what writers that were killed left, an hour ago and more."""
        for folder in ("beats", "summaries", "attempts"):
            for path in pathlib.Path(self.root, folder).glob(f".*{TEMPORARY}") if not self.system else ():
                with contextlib.suppress(OSError):
                    if time.time() - path.stat().st_mtime > 3600:
                        path.unlink()


@functools.lru_cache(maxsize=1)
def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def local(recording: str, reference: str | None, scratch: str) -> str:
    """The path of a recording, which is fetched first where it is a URL."""
    if "://" not in recording:
        return recording
    import fsspec

    system, path = fsspec.url_to_fs(recording)
    folder = os.path.join(scratch, "recording")
    os.mkdir(folder)

    def fetch(name: str) -> str:
        target = os.path.join(folder, os.path.basename(name))
        system.get_file(name, target)
        return target

    parent = path.rpartition("/")[0]
    header = path if path.endswith(".hea") else f"{path}.hea"
    if path.endswith(".hea") or not system.isfile(path):
        _fetch_record(fetch, header, parent)
        path = header[: -len(".hea")]
    else:
        fetch(path)
    if reference:
        stem = path if header == f"{path}.hea" and not system.isfile(path) else path.rpartition(".")[0]
        fetch(f"{stem}.{reference}")
    return os.path.join(folder, os.path.basename(path))


def _fetch_record(fetch: Callable[[str], str], header: str, parent: str) -> None:
    """Fetches a WFDB header, and the files and segments that it names."""
    with open(fetch(header), encoding="latin-1") as file:
        lines = [line.split() for line in file if line.strip() and not line.startswith("#")]
    if not lines:
        return
    is_segmented = "/" in lines[0][0]
    for name in dict.fromkeys(line[0] for line in lines[1:]):
        if name == "~" or os.path.basename(name) != name:
            continue
        if is_segmented:
            _fetch_record(fetch, f"{parent}/{name}.hea", parent)
        else:
            fetch(f"{parent}/{name}")
