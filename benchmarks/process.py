"""The driver's end of a worker: start it, ask it with a time limit, end it."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.contestants import PEER, Contestant

ROOT = Path(__file__).resolve().parent.parent
HIPS_VARIABLE = "BENCHMARKS_HIPS"
CACHE_VARIABLE = "JIT_CACHE_DIR"
# At least so long a library may take to be imported and to compile its first function.
START_SECONDS = 180.0


class WorkerError(RuntimeError):
    """A contestant could not answer: `kind` is missing, error or timeout."""

    def __init__(self, kind: str, reason: str):
        super().__init__(reason)
        self.kind = kind


def environment(scratch: str) -> dict[str, str]:
    """A worker's environment: every compiler's cache is in the folder, a new one, or first calls would mean nothing."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", "")))),
        "XDG_CACHE_HOME": scratch,
        CACHE_VARIABLE: str(Path(scratch, "tapejit")),
        "NUMBA_CACHE_DIR": str(Path(scratch, "numba")),
        "TORCHINDUCTOR_CACHE_DIR": str(Path(scratch, "inductor")),
        "PYTENSOR_FLAGS": f"base_compiledir={Path(scratch, 'pytensor')}",
    }


class Worker:
    """A contestant's process; `ask` sends one question and waits for its answer.

    `folder` is searched first for its library; `variables` are added to its environment.
    """

    def __init__(
        self,
        contestant: Contestant,
        folder: str = "",
        patience: float = 120.0,
        variables: Mapping[str, str] | None = None,
    ):
        self.name = contestant.name
        self.patience = max(patience, START_SECONDS)
        self.scratch = tempfile.TemporaryDirectory(prefix="benchmarks-", ignore_cleanup_errors=True)
        self.kernels = Path(self.scratch.name, "tapejit")
        self.log = Path(self.scratch.name, "stderr.txt")
        words = [contestant.module, contestant.form, contestant.package, *filter(None, [folder])]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "benchmarks.worker", *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=self.scratch.name,
                env=environment(self.scratch.name) | dict(variables or {}),
                start_new_session=True,
            )
        self.lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            self.version: str = self._answer()["version"]
        except WorkerError:
            self.close()
            raise
        self.patience = patience

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put("")

    def _answer(self) -> dict[str, Any]:
        try:
            line = self.lines.get(timeout=self.patience)
        except queue.Empty:
            raise WorkerError("timeout", f"no answer within {self.patience:g} s") from None
        if not line:
            tail = self.log.read_text(errors="replace").strip().splitlines()[-3:]
            raise WorkerError("error", " | ".join(["the process ended", *tail]))
        answer: dict[str, Any] = json.loads(line)
        for kind in ("missing", "error"):
            if kind in answer:
                raise WorkerError(kind, answer[kind])
        return answer

    def ask(self, **question: Any) -> dict[str, Any]:
        """The answer to one question; a `WorkerError` where there is none."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise WorkerError("error", "the process ended") from None
        return self._answer()

    def close(self) -> None:
        """Ends the process and those it started, and removes its files."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        self.scratch.cleanup()


class Crew:
    """The running workers, started at first use and again after a failure.

    `folders` names, for contestants that need one, the folder that is searched first for their library, or
    None where it was not given; `variables` are what contestants find in their environments.
    """

    def __init__(
        self,
        folders: Mapping[str, str | None],
        patience: float,
        variables: Mapping[str, Mapping[str, str]] | None = None,
    ):
        self.folders = folders
        self.patience = patience
        self.variables = variables or {}
        self.workers: dict[str, Worker] = {}
        self.versions: dict[str, str] = {}

    def get(self, contestant: Contestant) -> Worker:
        """The contestant's worker; a `WorkerError` of kind missing where its library is not found."""
        name = contestant.name
        if name not in self.workers:
            if self.folders.get(name, "") is None:
                raise WorkerError("missing", f"say where it is with --hips or {HIPS_VARIABLE}")
            self.workers[name] = self.fresh(contestant, self.variables.get(name))
            if contestant.kind == PEER:
                self.versions[contestant.package] = self.workers[name].version
        return self.workers[name]

    def fresh(self, contestant: Contestant, variables: Mapping[str, str] | None) -> Worker:
        """A worker beside the one that `get` returns, for the caller to end."""
        folder = self.folders.get(contestant.name)
        return Worker(contestant, str(Path(folder).resolve()) if folder else "", self.patience, variables)

    def drop(self, name: str) -> None:
        """Ends one worker; the next `get` starts a new one."""
        if name in self.workers:
            self.workers.pop(name).close()

    def close(self) -> None:
        """Ends all workers."""
        for name in tuple(self.workers):
            self.drop(name)
