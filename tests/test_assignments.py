"""Every assignment marks its solution as right, and what a learner starts from as not yet."""

import re

import nbformat
import pytest

from book.build import chapters
from book.classroom.assignments import LARGER, assignment
from book.classroom.chapters import read

SOLUTION = re.compile(r"### BEGIN SOLUTION\n.*?### END SOLUTION", re.DOTALL)
PATHS = [*chapters(), *sorted(LARGER.glob("*.ipynb"))]


@pytest.fixture(scope="module", params=PATHS, ids=lambda path: path.stem)
def cells(request):
    """The cells of an assignment: a chapter's is made, a larger one is read."""
    larger = request.param.parent == LARGER
    made = nbformat.read(request.param, 4) if larger else assignment(read(request.param))
    return made.cells


def marks(cells, solved: bool) -> dict[str, Exception | None]:
    """Run the cells in order in one namespace: what each mark cell raised."""
    space, raised = {"__name__": "assignment"}, {}
    for cell in cells:
        if cell.cell_type != "code":
            continue
        source = cell.source if solved else SOLUTION.sub("", cell.source)
        marked = cell.metadata.nbgrader.grade
        try:
            exec(compile(source, cell.id, "exec"), space)
            error = None
        except Exception as caught:
            error = caught
        if marked:
            raised[cell.id] = error
        elif error:
            raise error
    return raised


def test_a_solution_earns_every_point(cells):
    raised = marks(cells, solved=True)
    assert raised
    assert {name: error for name, error in raised.items() if error} == {}


def test_a_start_earns_none(cells):
    raised = marks(cells, solved=False)
    assert raised
    other = {n: e for n, e in raised.items() if not isinstance(e, AssertionError)}
    assert other == {}, "a mark cell must say what is not right yet"


@pytest.mark.parametrize("path", sorted(LARGER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_the_larger_ones_are_worth_twenty_points_and_name_each(path):
    cells = nbformat.read(path, 4).cells
    points = [c.metadata.nbgrader.points for c in cells if c.metadata.nbgrader.get("points")]
    assert sum(points) == 20
    assert all(not c.get("outputs") for c in cells)
    listed = re.findall(r"^\| \d+ \|.*\| (\d+) \|$", cells[0].source, re.MULTILINE)
    assert [int(n) for n in listed] == points
