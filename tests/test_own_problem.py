"""Chapter 12 with other choices: the script that it writes does alone what the chapter did."""

import ast
import csv
import re
import shutil
import subprocess
import symtable
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell

from tests.conftest import ROOT

NOTEBOOKS = ROOT / "notebooks"
CHAPTER, SCRIPT = NOTEBOOKS / "12_your_own_problem.ipynb", NOTEBOOKS / "training_script.py"
PROBLEMS = ["customers", "breast cancer", "diabetes", "digits", "market", "text", "ratings"]
EXAMPLES = "20_000"  # that each run of the map sees; a tenth of them is enough here
CHOICE = re.compile(r'(?m)^problem = "[^"]*"')
OWN_NETWORK = """
def make_network(inputs, outputs):
    return nn.Sequential(nn.Linear(inputs, 5), nn.ReLU(), nn.Linear(5, outputs))
"""


def read_and_bound(source: str) -> tuple[set[str], set[str]]:
    """The names that a cell needs from the cells above it, and those that it binds."""
    read, bound = set(), set()
    for statement in ast.parse(source).body:
        tables = [symtable.symtable(ast.unparse(statement), "cell", "exec")]
        own = {s.get_name() for s in tables[0].get_symbols() if s.is_assigned() or s.is_imported()}
        seen = {s.get_name() for s in tables[0].get_symbols() if s.is_referenced()}
        for table in tables:  # and in its functions and comprehensions
            tables += table.get_children()
            if table is not tables[0]:
                seen |= {s.get_name() for s in table.get_symbols() if s.is_global()}
        if not isinstance(statement, ast.Assign):  # a loop binds what its body reads
            seen -= own
        read |= seen - bound
        bound |= own
    return read, bound


def cells_for(wanted: str) -> list[str]:
    """The chapter's cells that the last one which binds ``wanted`` needs, in their order."""
    sources = [c.source for c in nbformat.read(CHAPTER, 4).cells if c.cell_type == "code"]
    cells = [read_and_bound(source) for source in sources]
    kept = {n for n, source in enumerate(sources) if "set_default_dtype" in source}
    needed = [(wanted, len(cells))]
    while needed:  # a name comes from the last cell above, or, in a function, from one below
        name, place = needed.pop()
        binders = [n for n, (_, bound) in enumerate(cells) if name in bound]
        above, below = ([n for n in binders if n < place], [n for n in binders if n > place])
        for n in {*above[-1:], *(() if above else below[:1])} - kept:
            kept.add(n)
            needed += [(name, n) for name in cells[n][0]]
    return [sources[n] for n in sorted(kept)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder like ``notebooks`` to work in; PyTorch's settings are put back afterwards."""
    before = torch.get_default_dtype(), torch.get_num_threads()
    for name in (SCRIPT.name, "01_gradient_descent.ipynb"):
        shutil.copy(NOTEBOOKS / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    torch.set_default_dtype(before[0])
    torch.set_num_threads(before[1])


def chapter(problem: str, network: str = "") -> dict:
    """What the chapter knows when it has run its script, with this choice."""
    shell = InteractiveShell()
    sources = cells_for("said")
    assert sum(len(CHOICE.findall(source)) for source in sources) == 1
    assert any(EXAMPLES in source for source in sources)
    for source in sources:
        source = CHOICE.sub(f'problem = "{problem}"', source)
        if network and source.startswith("def make_network"):
            source = network
        shell.run_cell(source.replace(EXAMPLES, "2_000")).raise_error()
    return shell.user_ns


def check(known: dict) -> list[str]:
    """The script's three numbers are the notebook's; the words that it said."""
    said = re.fullmatch(
        r"best epoch (\d+), validation loss (\S+), test score (\S+)", known["said"]
    ).groups()
    numbers = [known["best_epoch"], known["best_held"], known["test_score"]]
    assert [float(word) for word in said] == pytest.approx(numbers, abs=1e-6)
    return list(said)


def own_table(path: Path, words: tuple[str, ...] | None, rows: int = 300) -> None:
    """A file whose target is a word or a quantity."""
    g = torch.Generator().manual_seed(5)
    x = torch.randn(rows, 3, generator=g)
    y = x @ torch.tensor([1.0, -1.0, 0.5]) + 0.3 * torch.randn(rows, generator=g)
    kinds = torch.bucketize(y, torch.tensor([-0.7, 0.7])[: len(words) - 1]) if words else y
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["height", "colour, of light", "dose", "answer"])
        for row, kind in zip(x.tolist(), kinds.tolist(), strict=True):
            out.writerow([*row, words[kind] if words else kind])


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_script_of_each_problem_does_what_the_chapter_did(problem, folder):
    known = chapter(problem)
    check(known)
    text = known["my_file"].read_text(encoding="utf8")
    assert "gdlib" not in text and len(text.splitlines()) <= 90


@pytest.mark.parametrize("words", [("yes", "no"), ("low", "middle", "high"), None], ids=str)
def test_the_script_of_an_own_file_does_what_the_chapter_did(words, folder):
    own_table(folder / "mine.csv", words)
    known = chapter("mine.csv", OWN_NETWORK)
    check(known)
    assert known["outputs"] == (len(words) if words else 1)
    assert OWN_NETWORK.strip() in known["my_file"].read_text(encoding="utf8")


def test_nothing_is_overwritten(folder):
    first = chapter("diabetes")
    mine, data = first["my_file"], first["my_data"]
    assert (mine.name, data.name) == ("training.py", "data.csv")
    before = mine.read_bytes(), data.read_bytes()
    again = chapter("diabetes")
    assert (again["my_file"], again["my_data"]) == (mine, data)
    assert sorted(path.name for path in mine.parent.iterdir()) == ["data.csv", "training.py"]
    mine.write_text("my own changes", encoding="utf8")
    data.write_text("my own data", encoding="utf8")
    third = chapter("diabetes")
    assert (third["my_file"].name, third["my_data"].name) == ("training-2.py", "data-2.csv")
    assert mine.read_text("utf8") == "my own changes" and data.read_text("utf8") == "my own data"
    assert third["my_data"].read_bytes() == before[1]
    check(third)


def test_the_script_is_short_and_plain_and_runs_as_it_stands(folder):
    text = SCRIPT.read_text(encoding="utf8")
    assert 40 <= len(text.splitlines()) <= 80 and "gdlib" not in text
    modules = {n.module or "" for n in ast.walk(ast.parse(text)) if isinstance(n, ast.ImportFrom)}
    assert modules <= {"pathlib", "torch", "torch.utils.data"}
    own_table(folder / "data.csv", ("0", "1"))
    said = subprocess.run(
        [sys.executable, "-I", folder / SCRIPT.name], capture_output=True, text=True, check=True
    )
    assert float(said.stdout.split()[-1]) > 0.9 and not said.stderr
