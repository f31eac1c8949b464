"""The project's frame: what lies at the top, what the package declares, what the text must not contain."""

import re
import subprocess
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOP = {
    ".ci",
    ".git",
    ".gitignore",
    "ARCHITECTURE.md",
    "LICENSE",
    "README.md",
    "autograd",
    "benchmarks",
    "docs",
    "examples",
    "jit",
    "pyproject.toml",
    "tests",
}
IGNORED = [pattern.rstrip("/") for pattern in (ROOT / ".gitignore").read_text().split()]
TEXT = {
    ".cfg",
    ".css",
    ".csv",
    ".html",
    ".json",
    ".md",
    ".py",
    ".sh",
    ".svg",
    ".toml",
    ".txt",
    ".yaml",
    ".yml",
    "",
}
# A folder that exists on one machine only, at the head of an absolute path.
FOREIGN_PATH = re.compile(r"(?<![\w.<>$}/\-])/(?:work|opt|root|home|Users|mnt|srv)/")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def ignored(path: Path) -> bool:
    return any(fnmatchcase(part, pattern) for part in path.relative_to(ROOT).parts for pattern in IGNORED)


def text_files() -> list[Path]:
    """The files of the project that hold text."""
    tops = [ROOT / name for name in sorted(TOP - {".git"})]
    paths = [path for top in tops for path in ([top] if top.is_file() else sorted(top.rglob("*")))]
    return [path for path in paths if path.is_file() and path.suffix in TEXT and not ignored(path)]


def test_the_top_level_holds_only_known_names():
    assert {path.name for path in ROOT.iterdir() if not ignored(path)} - TOP == set()


@pytest.mark.parametrize("path", text_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_path_of_one_machine_is_written_down(path):
    assert FOREIGN_PATH.findall(path.read_text(encoding="utf-8")) == []


def test_the_search_for_paths_finds_them():
    for folder in ("work", "root", "home"):
        assert FOREIGN_PATH.search(f"see `/{folder}/x`")
    assert not FOREIGN_PATH.search("https://example.org/" + "work/x, a/" + "root/b and #!/usr/bin/env")


def test_the_metadata_is_what_the_documents_say():
    assert PROJECT["name"] == "tapejit"
    assert PROJECT["requires-python"] == ">=3.11"
    assert {re.split(r"\W", need)[0] for need in PROJECT["dependencies"]} == {
        "numpy",
        "scipy",
        "numba",
        "llvmlite",
    }
    assert set(PROJECT["optional-dependencies"]) == {"test", "bench", "dask", "mpi", "solvers", "peers", "docs"}
    assert PROJECT["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")


def test_what_is_installed_is_typed():
    assert all((ROOT / package / "py.typed").exists() for package in ("autograd", "jit"))


def test_the_check_before_a_change_is_a_bash_script():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert script.read_text().startswith("#!/usr/bin/env bash\n")
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
