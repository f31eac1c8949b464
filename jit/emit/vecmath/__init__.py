"""Transcendental functions as inlined arithmetic, which LLVM vectorises."""

from collections.abc import Callable, Mapping
from typing import Any

VECMATH: Mapping[str, Callable[..., Any]] = {}
