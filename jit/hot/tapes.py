"""Hot tapes: sweeps of an ordinary eager loop, compiled once their structure has come again often enough.

A sweep begins at a root; the primitive of that root is its site. Where a site has compiled sweeps, the one that
followed the last one before is tried. Otherwise the site looks at the structure of a tape now and then, more and more
rarely as long as none comes again, so a program without repetition pays next to nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import cycle
from threading import Lock
from typing import Any, NamedTuple

from autograd.primitive import Primitive
from autograd.tape import STATE, Node

from ..calling.caller import MISS
from ..dispatch.opening import NotOpen
from .fingerprint import Seeds, fingerprint
from .patterns import pattern_of, sample_of
from .recorded_sweep import Unfit, names_of
from .structures import BOUND, Structure, Structures
from .sweeps import OTHER_STRUCTURE, compiled_sweep

# A compilation takes about as long as a kernel saves in so many sweeps of a node, for each node of the tape and for any
# tape: `python -m benchmarks.hot_tapes` shows it.
_SWEEPS_A_NODE, _NODES_AT_LEAST = 250, 30_000
# Whether there is a kernel from before, in memory or on the disk, is asked once this much sooner: to find out, the
# sweep is recorded, which takes a twentieth of a compilation.
_SOONER = 5
# A look at a structure takes as long as half a sweep. So many sweeps of a site pass before the first, and at most so
# many between two, where no structure comes again.
_FIRST_SKIPPED, _MOST_SKIPPED = 16, 256
# Where one does, so many in turn: no loop has this rhythm.
_SKIPPED = (17, 29, 23, 31, 19, 26)
# A compiled sweep that so often does not fit the tapes with its own fingerprint is given up; one that was so often in
# turn not the one is not expected any more.
_MOST_MISSES, _MOST_FAILED = 4, 32


class HotTapesInfo(NamedTuple):
    """What became of the sweeps since hot tapes were enabled.

    `structures` that were seen and are remembered, at most `bound`; `compiled`, how many of them have had their sweep
    compiled; `unfit`, how many cannot be compiled; `hits`, how many sweeps a kernel has done; `others`, how many were
    interpreted. Of the compiled ones `open` serve arrays of other lengths too; `refused` are the reasons why some
    structures, whose lengths have changed, are compiled for each of these.
    """

    structures: int
    compiled: int
    unfit: int
    hits: int
    others: int
    bound: int
    open: int = 0
    refused: tuple[str, ...] = ()


class _Site:
    """The sweeps from roots of one primitive: what was compiled and came last, what should come next, when to look."""

    __slots__ = ("expected", "failed", "last", "passed", "skip", "stride", "succeeded")

    def __init__(self, skip: int) -> None:
        self.last: Structure | None = None
        self.expected: Structure | None = None
        # How many sweeps pass before the next look, how many have passed since the last one, and how many have to after
        # one without hope.
        self.skip, self.passed, self.stride = skip, 0, skip
        # Whether the last look found a compiled sweep, and how often in turn the expected one failed.
        self.succeeded, self.failed = False, 0


class HotTapes:
    """Sweeps tapes by kernels, in the place of `sweep`, and decides which.

    **Arguments:** `after`, how many tapes of a structure are interpreted before its sweep is compiled; `None` for as
    many as take about as long as the compilation.
    """

    def __init__(self, after: int | None) -> None:
        self.after = after
        self.structures = Structures()
        self.sites: dict[Primitive, _Site] = {}
        self.hits = self.others = 0
        # Meanwhile the sweeps of other threads are interpreted.
        self.compiling = Lock()
        self.strides = cycle(_SKIPPED)

    def sweep(self, seeds: Seeds, wanted: Collection[Any] | None, retain_graph: bool) -> dict[Any, Any] | None:
        """What the interpreted sweep would return; `None` where it has to be asked."""
        root = seeds[0][0] if seeds else None
        if type(root) is not Node:
            return None
        site = self.sites.get(root.primitive) or self._new_site(root.primitive)
        structure = site.expected
        if structure is not None:
            found: Any = self._swept(structure, seeds, wanted, retain_graph)
            if found is not MISS:
                site.last, site.expected, site.failed = structure, structure.following, 0
                return found
            site.failed += 1
            if site.failed > _MOST_FAILED:
                site.last = site.expected = None
        if site.skip > 0:
            site.skip -= 1
            site.passed += 1
            self.others += 1
            return None
        found = self._look(site, seeds, wanted, retain_graph)
        if found is MISS:
            self.others += 1
            return None
        return found

    def _new_site(self, primitive: Primitive) -> _Site:
        return self.sites.setdefault(primitive, _Site(_FIRST_SKIPPED if self.after is None else 0))

    def _look(self, site: _Site, seeds: Seeds, wanted: Collection[Any] | None, retain_graph: bool) -> Any:
        """Sweeps a tape by its structure, compiled now if it is time; `MISS` if it is not compiled."""
        print_ = fingerprint(seeds, wanted)
        structure, is_new = self.structures.of(print_, seeds, wanted)
        structure.seen += 1 + site.passed
        site.passed = 0
        if not is_new and structure.sweep is None and not structure.unfit:
            self._consider(structure, print_.size, seeds, wanted)
        found = MISS
        if structure.sweep is not None:
            found = self._swept(structure, seeds, wanted, retain_graph)
            if found is MISS:
                self._missed(structure)
        if found is MISS:
            self._wait(site, is_new or structure.unfit)
            return MISS
        if site.last is not None:
            site.last.following = structure
        structure.following = structure.following or structure
        site.last, site.expected = structure, structure.following
        site.skip, site.stride, site.failed, site.succeeded = 0, 0, 0, True
        return found

    def _swept(self, structure: Structure, seeds: Seeds, wanted: Collection[Any] | None, retain_graph: bool) -> Any:
        """What the compiled sweep of a structure gives for a tape; `MISS` where it does not fit or was dropped."""
        try:
            found = structure.sweep(seeds, wanted, retain_graph)  # type: ignore[misc]
        except OTHER_STRUCTURE:
            return MISS
        if found is not MISS:
            self.hits += 1
            structure.used = self.hits
        return found

    def _missed(self, structure: Structure) -> None:
        """Has a sweep compiled once more, or given up, that does not fit a tape with its own fingerprint."""
        structure.misses += 1
        if structure.shares:
            # Now without taking arrays for shared.
            structure.sweep, structure.shares = None, False
        elif structure.misses >= _MOST_MISSES:
            structure.sweep, structure.unfit = None, True

    def _wait(self, site: _Site, hopeless: bool) -> None:
        """Says how many sweeps pass before the next look, after one without success."""
        if hopeless:
            site.stride = min(2 * site.stride + 1, _MOST_SKIPPED)
        else:
            site.stride = 0
        site.skip = site.stride or next(self.strides)
        if self.after is not None or (site.succeeded and not hopeless):
            site.skip = 0
        site.succeeded = False

    def _consider(self, structure: Structure, size: int, seeds: Seeds, wanted: Collection[Any] | None) -> None:
        """Has the sweep compiled if it is worth it, or found if it is there from before."""
        worth = _SWEEPS_A_NODE + _NODES_AT_LEAST / size if self.after is None else self.after + 1
        if structure.seen >= worth:
            self._compile(structure, seeds, wanted, kept=False)
        elif self.after is None and not structure.asked and structure.seen >= worth / _SOONER:
            structure.asked = True
            self._compile(structure, seeds, wanted, kept=True)

    def _compile(self, structure: Structure, seeds: Seeds, wanted: Collection[Any] | None, kept: bool) -> None:
        if not self.compiling.acquire(blocking=False):
            return
        try:
            # What turned out not to be shared the first time is not taken for shared again.
            share = structure.misses == 0
            pattern = None
            if structure.pattern is not None:
                # As it was seen before, but recorded at the lengths of this tape.
                pattern = pattern_of([*structure.samples, sample_of(seeds, names_of(seeds))])
                if not pattern.tells_apart:
                    return
            structure.sweep, structure.shares = compiled_sweep(seeds, wanted, share, kept, pattern)
            structure.pattern = pattern
            self.structures.forget_compiled(structure)
        except NotOpen as error:
            structure.refuse(str(error))
        except Unfit:
            structure.unfit = True
        finally:
            self.compiling.release()

    def info(self) -> HotTapesInfo:
        """The counts."""
        with self.structures.lock:
            known = list(self.structures.known.values())
        compiled = [x for x in known if x.sweep is not None]
        unfit, open_ = sum(x.unfit for x in known), sum(x.pattern is not None for x in compiled)
        refused = tuple(dict.fromkeys([x.refused for x in known if x.refused]))
        return HotTapesInfo(len(known), len(compiled), unfit, self.hits, self.others, BOUND, open_, refused)


class _Switch:
    """What sweeps tapes from now on; in a `with` statement, until the block's end."""

    def __init__(self, hot: HotTapes | None) -> None:
        self.before = STATE.hot_tapes
        STATE.hot_tapes = hot

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        STATE.hot_tapes = self.before


def enable_hot_tapes(after: int | None = None) -> _Switch:
    """Compiles the sweeps of `backward()` and `grad` in eager code whose tape has one structure again and again.

    Results are the same, to rounding. The structure is the ops, their parameters, the wiring, dtypes, Python integers,
    and exponents that are Python numbers; arrays and other numbers may change from tape to tape. So may the lengths of
    axes, from 2 on, with the parameters and integers that follow from them: once they were seen to change, one kernel
    serves all of them, unless a derivative needs the very number, as `hot_tapes_info().refused` says. It holds for all
    threads, and in a `with` statement until the block's end.

    **Arguments:** `after`, how many tapes of a structure are interpreted before its sweep is compiled; unless it is
    said, as many as take about as long as the compilation, so that short loops never wait for one.

    **Errors:** `ValueError` for a number below 1.

    >>> import autograd as ag
    >>> import jit
    >>> x = ag.tensor(2.0, requires_grad=True)
    >>> with jit.enable_hot_tapes(after=2):
    ...     for _ in range(10):
    ...         x.grad = None
    ...         (x**3).backward()
    ...     info = jit.hot_tapes_info()
    >>> x.grad, info.compiled, info.hits
    (tensor(12.), 1, 8)
    """
    if after is not None and after < 1:
        raise ValueError(f"`enable_hot_tapes` needs `after` to be at least 1, got {after}")
    hot = STATE.hot_tapes
    return _Switch(hot if isinstance(hot, HotTapes) and hot.after == after else HotTapes(after))


def disable_hot_tapes() -> _Switch:
    """All sweeps are interpreted from now on, in a `with` statement until its end; what was compiled is forgotten."""
    return _Switch(None)


def hot_tapes_info() -> HotTapesInfo:
    """What became of the sweeps since hot tapes were enabled: how many structures were compiled, how often one hit."""
    hot = STATE.hot_tapes
    return hot.info() if isinstance(hot, HotTapes) else HotTapesInfo(0, 0, 0, 0, 0, BOUND)
