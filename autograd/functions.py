"""What is composed of ops and so needs no rule of its own."""

from __future__ import annotations
