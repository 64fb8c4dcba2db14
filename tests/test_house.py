"""House rules of gdlib: what may import what, how long a file may be, what an import may do."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

GDLIB = ROOT / "gdlib"
# Each floor imports only the ones below it; modules of one floor know nothing of each other.
FLOORS = [
    {"palette", "simplify"},
    {"landscapes", "data", "rules", "kernels"},
    {"step"},
    {"descent", "training"},
    {"analysis", "predictions", "steering"},
    {"figures"},
    {"explore"},
    {"watched"},
    {"live"},
    {"checks"},
]
MODULES = sorted(GDLIB.rglob("*.py"))
EXPLORER = ("explore", "static", "palette")  # and its colours, which the figures share
STEERING = ("steering", "watched", "live")  # a run under the hand, its picture, its panel
SOURCES = sorted(p for p in GDLIB.rglob("*") if p.suffix in {".py", ".js", ".css"})


def floor(module: str) -> int:
    return next(i for i, names in enumerate(FLOORS) if module in names)


def part_of(path: Path) -> str:
    """``explore`` for every file of the package explore, else the module's own name."""
    return path.relative_to(GDLIB).with_suffix("").parts[0]


def imported(path: Path) -> set[str]:
    """The modules of gdlib that a file imports, at its top or anywhere else."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            pytest.fail(f"{path.name} imports relatively: write `from gdlib.… import …`")
        if isinstance(node, ast.ImportFrom) and node.module == "gdlib":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gdlib."):
            names.add((node.module or "").split(".")[1])
        elif isinstance(node, ast.Import):
            names |= {a.name.split(".")[1] for a in node.names if a.name.startswith("gdlib.")}
    return names


@pytest.mark.parametrize("path", [p for p in MODULES if p != GDLIB / "__init__.py"], ids=str)
def test_a_module_imports_only_the_floors_below_it(path):
    own = part_of(path)
    others = imported(path) - {own}
    above = {name for name in others if floor(name) >= floor(own)}
    assert not above, f"{own} imports {above}, which do not stand below it"
    if own == "explore":
        assert others <= {"palette"}, f"the Explorer needs colours only, but imports {others}"


def test_every_module_has_its_floor():
    assert {part_of(p) for p in MODULES} - {"__init__"} == set.union(*FLOORS)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_is_at_most_300_lines_long(path):
    assert len(path.read_text(encoding="utf8").splitlines()) <= 300


@pytest.mark.parametrize("path", sorted((GDLIB / "checks").glob("*.py")), ids=lambda p: p.stem)
def test_a_file_of_checks_is_at_most_150_lines_long(path):
    assert len(path.read_text(encoding="utf8").splitlines()) <= 150


def lines(paths) -> int:
    return sum(len(path.read_text(encoding="utf8").splitlines()) for path in paths)


def test_what_a_learner_reads_takes_an_hour():
    assert lines(p for p in SOURCES if part_of(p) not in (*EXPLORER, *STEERING, "checks")) <= 1700


@pytest.mark.parametrize("name", STEERING)
def test_each_part_of_the_steering_is_at_most_150_lines_long(name):
    assert lines([GDLIB / f"{name}.py"]) <= 150


# A figure as SVG, in panels: Explorers and figures that do not move have it in common.
DRAWING = ("stage", "picture")


def test_the_explorer_with_its_script_and_style_stays_small():
    explorer = [p for p in SOURCES if part_of(p) in EXPLORER]
    assert lines(p for p in explorer if p.stem not in DRAWING) <= 1700
    assert lines(p for p in explorer if p.stem in DRAWING) <= 300


def test_gdlib_leaves_pyplot_to_the_notebooks():
    for path in MODULES:
        assert "import pyplot" not in path.read_text(encoding="utf8"), path.name
        assert "import matplotlib.pyplot" not in path.read_text(encoding="utf8"), path.name


def test_importing_gdlib_changes_nothing_and_prints_nothing():
    # In a process of its own: this one has imported gdlib already.
    modules = ", ".join(f"gdlib.{name}" for name in sorted(set.union(*FLOORS)))
    code = f"""
import random, warnings, matplotlib, numpy, torch
def state():
    return (
        dict(matplotlib.rcParams), matplotlib.rcParams["backend"], random.getstate(),
        str(numpy.random.get_state()), torch.get_rng_state().tolist(), torch.get_num_threads(),
        torch.get_default_dtype(), torch.is_grad_enabled(), numpy.get_printoptions(),
        list(warnings.filters), vars(torch._tensor_str.PRINT_OPTS).copy(),
    )
import anywidget, ipywidgets, scipy.sparse.linalg, tqdm
import torch.func, torch.fx.experimental.proxy_tensor
before = state()
import {modules}
for was, now in zip(before, state()):
    assert was == now, (was, now)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_public_function_is_annotated_and_says_what_it_does():
    for path in MODULES:
        for node in ast.parse(path.read_text(encoding="utf8")).body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
                continue
            where = f"{path.relative_to(ROOT)}: {node.name}"
            assert ast.get_docstring(node), f"{where} has no docstring"
            if isinstance(node, ast.FunctionDef):
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                bare = [a.arg for a in arguments if a.annotation is None]
                assert not bare and node.returns, f"{where} lacks annotations: {bare or 'result'}"


def test_the_lock_file_pins_what_requirements_pin_with_hashes():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf8")
    package = r"(?m)^([\w.-]+)(?:\[[^]]*\])?=="
    locked = dict(re.findall(package + r"([^ \\]+).*\\\n    --hash=sha256:", lock))
    wanted = (ROOT / "requirements.txt").read_text(encoding="utf8")
    pins = dict(re.findall(package + r"(\S+)", wanted))
    simple = {re.sub(r"[-_.]+", "-", name).lower(): pin for name, pin in pins.items()}
    missing = {name: pin for name, pin in simple.items() if locked.get(name) != pin}
    assert len(simple) > 20 and not missing, "run `make lock`"
