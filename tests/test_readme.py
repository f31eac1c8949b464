"""The documents: every Python block runs, the results beside the code are right, the commands work."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = [README, ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").glob("*.md"))]
SHOWN = re.compile(r"\s# -> (.*)$")


def blocks(text: str, language: str) -> Iterator[tuple[int, str]]:
    """Each fenced block of a language: how many lines stand before its code, and the code."""
    for match in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield text.count("\n", 0, match.start(1)), match[1]


def run_blocks(path: Path) -> int:
    """Run a document's Python blocks in one namespace; check each `expression  # -> result`; count those.

    The result is the expression's `repr`, in which `...` stands for anything.
    """
    namespace: dict[str, object] = {"__name__": "__main__"}
    checked = 0
    for offset, code in blocks(path.read_text(), "python"):
        lines = code.splitlines()
        tree = ast.increment_lineno(ast.parse(code), offset)
        for node in tree.body:
            shown = SHOWN.search(lines[node.end_lineno - offset - 1])
            if shown is None:
                # With the document's own name and line numbers a traceback shows the line that failed.
                exec(compile(ast.Module([node], []), str(path), "exec"), namespace)
                continue
            assert isinstance(node, ast.Expr), f"line {node.lineno}: only an expression has a result to show"
            got = repr(eval(compile(ast.Expression(node.value), str(path), "eval"), namespace))
            same = OutputChecker().check_output(shown[1], got, ELLIPSIS | NORMALIZE_WHITESPACE)
            assert same, f"{path.name}, line {node.lineno}: `{ast.unparse(node)}` is {got}, not {shown[1]}"
            checked += 1
    return checked


def commands() -> list[str]:
    """The command lines that the README gives."""
    return [line for _, code in blocks(README.read_text(), "sh") for line in code.splitlines()]


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if path.exists()], ids=lambda path: path.name)
def test_python_blocks_run(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = sum(
        len(SHOWN.findall(line)) for _, code in blocks(path.read_text(), "python") for line in code.splitlines()
    )
    assert run_blocks(path) == shown


def test_a_wrong_result_is_noticed(tmp_path):
    document = tmp_path / "wrong.md"
    document.write_text("Text\n\n```python\nx = 2\n```\n\n```python\nx + 1  # -> 3\nx + 2  # -> 5\n```\n")
    with pytest.raises(AssertionError, match=r"wrong\.md, line 9: `x \+ 2` is 4, not 5"):
        run_blocks(document)


def test_the_readme_begins_with_two_commands_one_for_the_main_job_and_one_for_the_tests():
    main, tests = commands()[:2]
    assert main.startswith("python3 -m venv .venv && ")
    assert main.endswith(" && .venv/bin/python -m examples.fit")
    assert tests.startswith("python3 -m venv .venv && ")
    assert tests.endswith(" && .venv/bin/python -m pytest -q -n auto --dist worksteal")


def test_the_main_job_runs_and_its_results_agree(tmp_path):
    job = [sys.executable, "-W", "error", "-m", "examples.fit"]
    place = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(ROOT)}}
    run = subprocess.run(job, **place, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    assert "x.grad     tensor(72.)" in run.stdout
    assert "compiled   value 64.0, gradient 72.0" in run.stdout
    assert (tmp_path / "out" / "polynomial.svg").read_text().rstrip().endswith("</svg>")
    held_out = re.search(r"accuracy, held out +([\d.]+)% +([\d.]+)%", run.stdout)
    assert held_out is not None
    assert min(map(float, held_out.groups())) > 95
