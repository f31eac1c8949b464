"""Kernels on disk: a file each, private to the user, checked when read; those used longest ago go first.

Nothing that is wrong with the files is an error: what cannot be trusted or read is ignored, with one warning, and
what cannot be written is not written. A file is written under another name and then renamed, so that no process
ever sees a part of it.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

#: The environment variable that names the folder; empty, it switches the cache off.
VARIABLE = "JIT_CACHE_DIR"
#: How many bytes are kept.
LIMIT = 128 * 2**20
_SUFFIX, _UNFINISHED = ".tapejit", ".tapejit-unfinished"
_MAGIC = b"tapejit kernel 1"
_HEAD = len(_MAGIC) + hashlib.sha256().digest_size


def folder() -> Path | None:
    """Where kernels are kept: as `JIT_CACHE_DIR` says, or in the user's folder for caches; `None` for nowhere."""
    given = os.environ.get(VARIABLE)
    if given is not None:
        return Path(os.path.expanduser(given)).absolute() if given.strip() else None
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "")
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME", "") or "~/.cache"
    path = Path(os.path.expanduser(base), "tapejit")
    # It is relative where nothing says which folder is the user's.
    return path if path.is_absolute() else None


class Store:
    """The kernels in a folder, by name."""

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self.folder, self.limit = folder, limit
        self._warned = self._closed = False
        # How much may be written before the size of the folder is looked at again.
        self._room = 0

    def read(self, name: str) -> bytes | None:
        """What was written under that name; `None` if there is nothing that can be trusted."""
        path = self._path(name)
        try:
            _check(self.folder.stat(), self.folder)
            whole = _read(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            self.ignore(str(error))
            return None
        content = whole[_HEAD:]
        if whole[:_HEAD] != _head(name, content):
            self.ignore(f"{path} is damaged")
            return None
        with suppress(OSError):
            os.utime(path)
        return content

    def write(self, name: str, content: bytes) -> None:
        """Keeps the content under that name, unless the folder cannot be written."""
        if self._closed:
            return
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check(self.folder.stat(), self.folder)
            self._make_room(_HEAD + len(content))
            # Another process may clear the folder meanwhile.
            with suppress(FileNotFoundError):
                self._replace(self._path(name), _head(name, content) + content)
        except OSError as error:
            self._closed = True
            self.ignore(str(error))

    def files(self) -> list[tuple[Path, int]]:
        """The files and their sizes; those used longest ago stand first."""
        return [(path, status.st_size) for path, status in sorted(self._found(), key=lambda x: x[1].st_mtime_ns)]

    def clear(self) -> None:
        """Removes all kernels, and what writers that were killed have left."""
        for path, _ in self.files():
            self._remove(path)

    def ignore(self, why: str) -> None:
        """Warns, once, that something of the cache is not used."""
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"the disk cache of kernels is ignored where it fails, and they are compiled: {why}; remove what is "
                f"wrong, set {VARIABLE} to a folder of your own, or to an empty string to have no such cache",
                RuntimeWarning,
                stacklevel=2,
            )

    def _path(self, name: str) -> Path:
        return self.folder / (name + _SUFFIX)

    def _found(self) -> Iterator[tuple[Path, os.stat_result]]:
        with suppress(OSError), os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.endswith((_SUFFIX, _UNFINISHED)):
                    # Another process may remove it at any moment.
                    with suppress(FileNotFoundError):
                        yield Path(entry.path), entry.stat(follow_symlinks=False)

    def _make_room(self, size: int) -> None:
        self._room -= size
        if self._room >= 0:
            return
        files = self.files()
        excess = sum(n for _, n in files) + size - self.limit
        for path, n in files:
            if excess <= 0:
                break
            self._remove(path)
            excess -= n
        self._room = min(self.limit // 16, -excess)

    def _replace(self, path: Path, whole: bytes) -> None:
        # Made with mode 0600, whatever the umask.
        handle, unfinished = tempfile.mkstemp(_UNFINISHED, dir=self.folder)
        try:
            with open(handle, "wb") as file:
                file.write(whole)
            os.replace(unfinished, path)
        except BaseException:
            self._remove(Path(unfinished))
            raise

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            self.ignore(str(error))


def _head(name: str, content: bytes) -> bytes:
    # Of the name too, so that a file is none under another name.
    return _MAGIC + hashlib.sha256(name.encode() + b"\n" + content).digest()


def _check(status: os.stat_result, path: Path) -> None:
    """Raises `PermissionError` for what another user owns or may write, since code is run from there."""
    # Windows has no such modes; the user's folder for caches is private there.
    if sys.platform != "win32" and (status.st_uid != os.geteuid() or status.st_mode & 0o022):
        raise PermissionError(f"{path} belongs to another user, or others may write it (see `chmod go-w`)")


def _read(path: Path) -> bytes:
    with open(path, "rb", opener=_open) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{path} is no file")
        _check(status, path)
        return file.read()


def _open(path: str, flags: int) -> int:
    # Neither by a link to elsewhere, nor waiting at a pipe for a writer.
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
