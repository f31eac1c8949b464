"""The layers: each module imports, at its top, only modules that stand before it."""

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).parents[1]

# From the bottom up. What one pattern matches is one layer: inside it only cycles are forbidden.
ORDER = (
    "autograd.weak",
    "autograd.primitive",
    "autograd.lengths",
    "autograd.deferred",
    "autograd.ops.broadcasting",
    "autograd.ops.masking",
    "autograd.ops.complexes",
    "autograd.hooks",
    "autograd.memory",
    "autograd.stepping",
    "autograd.tape",
    "autograd.drawn",
    "autograd.errors",
    "autograd.tree",
    "autograd.ops.elementwise",
    "autograd.ops.special",
    "autograd.ops.movement",
    "autograd.ops.fourier",
    "autograd.ops.indexing",
    "autograd.ops.reduction",
    "autograd.ops.contraction",
    "autograd.ops.convolution",
    "autograd.ops.ordering",
    "autograd.ops.random",
    "autograd.ops.lapack",
    "autograd.ops.linalg",
    "autograd.ops",
    "autograd.functions.*",
    "autograd.functions",
    "autograd.fft",
    "autograd.linalg",
    "autograd.special",
    "autograd.operators",
    "autograd.views",
    "autograd.writes",
    "autograd.formatting",
    "autograd.protocols",
    "autograd.conversions",
    "autograd.tracking",
    "autograd.tensor",
    "autograd.context",
    "autograd.function",
    "autograd.custom",
    "autograd.watching",
    "autograd.creation",
    "autograd.vectors",
    "autograd.transforms",
    "autograd.closed",
    "autograd.schedules",
    "autograd.rerun",
    "autograd.carry",
    "autograd.branches",
    "autograd.control",
    "autograd.random",
    "autograd.linear",
    "autograd.derivatives",
    "autograd.matrices",
    "autograd.functional",
    "autograd.adjoint",
    "autograd.implicit",
    "autograd.differential",
    "autograd.gradcheck",
    "autograd.layers",
    "autograd.layout",
    "autograd.picture",
    "autograd",
    "jit.graph",
    "jit.loop",
    "jit.eigen",
    "jit.fourier",
    "jit.sized",
    "jit.signature",
    "jit.target",
    "jit.passes.*",
    "jit.passes",
    "jit.lowering.*",
    "jit.lowering",
    "jit.recording.*",
    "jit.recording",
    "jit.batching.*",
    "jit.batching",
    "jit.runtime.*",
    "jit.runtime",
    "jit.emit.*",
    "jit.emit",
    "jit.kernels.*",
    "jit.kernels",
    "jit.calling.*",
    "jit.calling",
    "jit.native.*",
    "jit.native",
    "jit.dispatch.*",
    "jit.dispatch",
    "jit.hot.*",
    "jit.hot",
    "jit.sparse.*",
    "jit.sparse",
    "jit.derivatives",
    "jit.vmap",
    "jit.api",
    "jit",
)

LIBRARIES = {
    "autograd": {"numpy", "scipy"},
    "jit": {"numpy", "scipy", "numba", "llvmlite"},
}


def modules_under(root: Path) -> dict[str, Path]:
    """The modules of both packages by dotted name."""
    found = {}
    for package in LIBRARIES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(name: str, path: Path, modules: Mapping[str, Path]) -> Iterator[str]:
    """The dotted names that a module imports; of our own packages, the modules themselves."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = absolute(name, path, node)
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                yield inner if inner in modules else source


def absolute(name: str, path: Path, node: ast.ImportFrom) -> str:
    """The module that a `from` import names, its leading dots resolved."""
    if not node.level:
        return node.module or ""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    parents = package[: len(package) + 1 - node.level]
    return ".".join([*parents, node.module] if node.module else parents)


def edges_of(modules: Mapping[str, Path]) -> dict[str, set[str]]:
    """Each module's imports from the two packages."""
    return {
        name: {target for target in imports_of(name, path, modules) if target.split(".")[0] in LIBRARIES}
        for name, path in modules.items()
    }


def cycle_in(edges: Mapping[str, Iterable[str]]) -> list[str]:
    """A chain of imports that ends where it starts, found depth first, or an empty list."""
    done: set[str] = set()

    def visit(name: str, chain: list[str]) -> list[str]:
        if name in chain:
            return [*chain[chain.index(name) :], name]
        if name not in done:
            for target in sorted(edges.get(name, ())):
                if cycle := visit(target, [*chain, name]):
                    return cycle
            done.add(name)
        return []

    return next((cycle for name in sorted(edges) if (cycle := visit(name, []))), [])


def layer(name: str) -> int | None:
    """Where a module stands: at its own name, or else at the first pattern that matches it."""
    if name in ORDER:
        return ORDER.index(name)
    return next((i for i, pattern in enumerate(ORDER) if fnmatchcase(name, pattern)), None)


def upward(edges: Mapping[str, Iterable[str]]) -> list[str]:
    """The imports of something that does not stand before the importer."""
    found = []
    for name, targets in edges.items():
        for target in sorted(targets):
            mine, other = layer(name), layer(target)
            same = mine == other and mine is not None and ORDER[mine] != name
            if mine is None or other is None or not (other < mine or same):
                found.append(f"{name} imports {target}")
    return found


def nested(path: Path) -> list[int]:
    """The lines of imports that do not stand at the module's top level."""
    tree = ast.parse(path.read_text(), str(path))
    kinds = (ast.Import, ast.ImportFrom)
    return [node.lineno for node in ast.walk(tree) if isinstance(node, kinds) and node not in tree.body]


MODULES = modules_under(ROOT)


def test_every_module_stands_in_the_order_and_the_order_names_no_other():
    assert [name for name in MODULES if layer(name) is None] == []
    assert [pattern for pattern in ORDER if not any(fnmatchcase(name, pattern) for name in MODULES)] == []


def test_imports_go_downwards():
    assert upward(edges_of(MODULES)) == []


def test_imports_form_no_cycle():
    assert cycle_in(edges_of(MODULES)) == []


def test_imports_stand_at_the_top():
    assert {name: lines for name, path in MODULES.items() if (lines := nested(path))} == {}


def foreign(name: str, path: Path) -> set[str]:
    """The libraries that a module imports and its package does not need."""
    allowed = LIBRARIES[name.split(".")[0]] | sys.stdlib_module_names | LIBRARIES.keys()
    return {target.split(".")[0] for target in imports_of(name, path, MODULES)} - allowed


def test_only_the_named_libraries_are_imported():
    assert {name: found for name, path in MODULES.items() if (found := foreign(name, path))} == {}


def test_autograd_loads_neither_the_compiler_nor_jit():
    program = "import autograd, sys; print(*sorted({'jit', 'numba', 'llvmlite'} & sys.modules.keys()))"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_the_checks_notice_what_they_are_for(tmp_path):
    sources = {
        "autograd/__init__.py": "from .tensor import Tensor as Tensor\n",
        "autograd/tape.py": "def late():\n    from . import tensor\n",
        "autograd/tensor.py": "import jit.api\nfrom .ops import add\nfrom . import tape\n",
        "autograd/ops/__init__.py": "from ..tape import sweep\n",
        "jit/api.py": "import autograd as ag\n",
        "jit/extra.py": "",
    }
    for place, text in sources.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(text)
    modules = modules_under(tmp_path)
    edges = edges_of(modules)

    assert edges["autograd.tensor"] == {"jit.api", "autograd.ops", "autograd.tape"}
    assert edges["autograd.ops"] == {"autograd.tape"}
    assert upward(edges) == ["autograd.tape imports autograd.tensor", "autograd.tensor imports jit.api"]
    assert cycle_in(edges) == ["autograd", "autograd.tensor", "autograd.ops", "autograd.tape", "autograd.tensor"][1:]
    assert nested(modules["autograd.tape"]) == [2]
    assert [name for name in modules if layer(name) is None] == ["jit.extra"]
