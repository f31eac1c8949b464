"""A contestant's own process: `python -m benchmarks.worker MODULE FORM PACKAGE [FOLDER]` answers JSON lines.

Libraries bring thread pools, print, and one of them shares our import name, so none may be loaded beside
another. `FOLDER` is searched before everything else.
"""

import gc
import importlib
import json
import os
import sys
import time
from importlib import metadata
from itertools import repeat
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

import numpy as np

from benchmarks.contestants import Run
from benchmarks.memory import Memory


def private_stdout() -> TextIO:
    """The pipe to the driver; what libraries print to standard output goes to standard error instead."""
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return channel


def version(package: str) -> str:
    """The package's version; empty where it is not installed as a distribution."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def call(run: Run) -> Any:
    """One complete evaluation."""
    return run.function(*run.arguments)


def start(name: str, form: str, package: str, folders: list[str]) -> ModuleType:
    """The contestant's module, warmed up; its library must come from the folder, where one is given."""
    module = importlib.import_module(name)
    found = getattr(sys.modules.get(package), "__file__", None)
    if folders and not (found and Path(found).is_relative_to(folders[0])):
        raise ImportError(f"`{package}` was looked for in {folders[0]} and found in {found}")
    run = module.build(form, "square", (np.array(3.0),), (0,))
    value, gradients = run.collect(call(run))
    if value != 9.0 or any(float(g) != 6.0 for g in gradients):
        raise ArithmeticError(f"the warm-up gave {value} and {gradients}, not 9 and 6")
    return module


def prepare(module: ModuleType, form: str, message: dict[str, Any]) -> tuple[Run | None, dict[str, Any]]:
    """Builds a workload and evaluates it once, from nothing to results."""
    with np.load(message["inputs"]) as stored:
        arrays = [stored[f"arr_{i}"] for i in range(len(stored.files))]
    # A number is given as a number, which each library takes in its own way.
    inputs = tuple(x if x.ndim else x.item() for x in arrays)
    begun = time.perf_counter()
    run = module.build(form, message["family"], inputs, tuple(message["argnums"]))
    if run is None:
        return None, {"absent": True}
    result = call(run)
    seconds = time.perf_counter() - begun
    value, gradients = run.collect(result)
    np.savez(message["result"], value, *gradients)
    # Ours runs the function once more in its second call, which must not count for how long a call takes.
    call(run)
    return run, {"first_call": seconds}


def measure(run: Run, calls: int, warm: int) -> dict[str, Any]:
    """The time of a batch of calls, after a few untimed ones."""
    function, arguments = run.function, run.arguments
    for _ in repeat(None, warm):
        function(*arguments)
    begun = time.perf_counter()
    for _ in repeat(None, calls):
        function(*arguments)
    return {"seconds": time.perf_counter() - begun}


def serve(words: list[str], questions: TextIO, answers: TextIO) -> None:
    """Answers until the questions end; a library's failure is an answer too."""

    name, form, package, *folders = words

    def answer(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    try:
        module = start(name, form, package, folders)
    except ImportError as error:
        return answer({"missing": f"{type(error).__name__}: {error}"})
    except Exception as error:
        return answer({"error": f"{type(error).__name__}: {error}"})
    answer({"version": version(package)})
    run: Run | None = None
    memory = Memory()
    for line in questions:
        message = json.loads(line)
        try:
            if message["do"] == "prepare":
                run = None
                gc.collect()
                memory.start()
                run, reply = prepare(module, form, message)
                memory.built()
                answer(reply)
            elif run is None:
                answer({"error": "nothing is prepared"})
            elif message["do"] == "memory":
                answer(memory.growth())
            else:
                answer(measure(run, message["calls"], message["warm"]))
        except Exception as error:
            answer({"error": f"{type(error).__name__}: {error}"})


def main() -> None:
    """Serves the form named on the command line."""
    channel = private_stdout()
    sys.path[:0] = sys.argv[4:]
    serve(sys.argv[1:], sys.stdin, channel)


if __name__ == "__main__":
    main()
