"""Shared by all tests: seeded random numbers, hypothesis profiles, and no kernels on the disk."""

import os

import numpy as np
import pytest
from hypothesis import settings

import jit

# Every test compiles what it runs, and none writes to the user's folder; those of the disk cache name one of their own.
os.environ["JIT_CACHE_DIR"] = ""

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same in every run of a test."""
    return np.random.default_rng(20260117)


@pytest.fixture
def at_once():
    """Compiles the second tape of a structure."""
    with jit.disable_hot_tapes(), jit.enable_hot_tapes(after=1):
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests have the same names in every process, or several processes could not share them."""
    if named := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        raise pytest.UsageError(f"the name of {named[0]} has an address in it; give `ids` to its parameters")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """As many processes as this one may use CPUs, and at most four, for each grows to four gigabytes."""
    return min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 4)
