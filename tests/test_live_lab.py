"""A panel in a real JupyterLab: a hand steers a training while it runs."""

import re
from collections.abc import Iterator
from itertools import pairwise

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, Page

from tests.test_lab import run_all, server, settle  # noqa: F401  (server is a fixture)

PANEL = """
ravine_fig = Figure(figsize=(9, 3.2), layout="constrained")
loss_ax, path_ax = ravine_fig.subplots(1, 2)
draw_contours(path_ax, ravine(10.0))
loss_ax.set(xlim=(0, 2000), ylim=(1e-12, 1e4), yscale="log", xlabel="step", ylabel="loss")
hand = Live(ravine_fig, ravine(10.0), name="ravine", alt="Loss and path.",
            lr=0.005, momentum=0.6, steps=2000)
hand
"""
CELLS = [
    """
import asyncio
import torch
from ipywidgets.widgets.widget import _instances as widgets
from matplotlib.figure import Figure
from gdlib.figures import draw_contours
from gdlib.landscapes import Landscape, ravine
from gdlib.live import Live
from gdlib.steering import Steered
""",
    PANEL,
    'print("step", hand.step, "tasks", sum("_go" in repr(t) for t in asyncio.all_tasks()),'
    ' "widgets", len(widgets))',
    """
w = torch.nn.Parameter(hand.w[0].clone())
optimizer = torch.optim.SGD([w], lr=0.005, momentum=0.6)
schedule, path = hand.schedule(optimizer), [w.detach().clone()]
for _ in range(hand.step):
    optimizer.zero_grad()
    ravine(10.0).loss(w).backward()
    optimizer.step()
    schedule.step()
    path.append(w.detach().clone())
print("off by a rounding error:", bool((torch.stack(path) - hand.w).abs().max() < 1e-10))
again = Steered(ravine(10.0), steps=hand.step, hands=hand.changes)
print("as a script bit for bit:", torch.equal(again.w, hand.w))
""",
    """
broken = []
def fails(w):
    if broken:
        raise KeyError("no such column")
    return (w**2).sum()
slope = Landscape(fails, torch.ones(2))
second = Live(ravine_fig, slope, name="second", alt="Fails.", steps=2000, lr=0.01)
second
""",
    "",
]  # fmt: skip


@pytest.fixture(scope="module")
def lab(browser: Browser, server) -> Iterator[Page]:  # noqa: F811
    """A notebook with two panels, all its cells run."""
    address, token, folder = server
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [nbformat.v4.new_code_cell(source.strip()) for source in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / "live.ipynb")
    page = run_all(browser, f"{address}lab/workspaces/live/tree/live.ipynb?token={token}")
    page.wait_for_function("document.querySelectorAll('.explorer-host').length === 2")
    settle(page)
    yield page
    page.close()


def panel(page: Page, number: int = 0) -> Locator:
    return page.locator(".explorer-host").nth(number)


def press(page: Page, button: str, number: int = 0) -> None:
    panel(page, number).get_by_role("button", name=button).click()


def readout(page: Page, number: int = 0) -> str:
    return panel(page, number).locator("[data-text=readout]").text_content() or ""


def step(page: Page, number: int = 0) -> int:
    said = re.search(r"Step (\d+)", readout(page, number))
    assert said
    return int(said[1])


def slider(page: Page, name: str) -> Locator:
    return panel(page).locator(".widget-hslider", has_text=name).get_by_role("slider")


def heights(page: Page) -> list[float]:
    """The loss, step by step, as it is drawn: a larger number is lower in the picture."""
    points = panel(page).locator("polyline").nth(1).get_attribute("points") or ""
    return [float(point.split(",")[1]) for point in points.split()]


def cell(page: Page, number: int) -> str:
    """What a cell prints when it is run again."""
    code = page.locator(".jp-CodeCell").nth(number)
    code.locator(".jp-InputArea-editor").click()
    page.keyboard.press("Control+Enter")
    settle(page)
    return code.locator(".jp-OutputArea-output").first.text_content() or ""


def run_new(page: Page, source: str) -> None:
    """Write into the last cell, and run it; it may go on afterwards."""
    page.locator(".jp-CodeCell").last.locator(".jp-InputArea-editor").click()
    page.keyboard.press("Control+a")
    page.keyboard.type(source)
    page.keyboard.press("Control+Enter")


WATCH = """() => {
  window.pictures = [];
  const line = document.querySelectorAll(".explorer-host polyline")[1];
  new MutationObserver(() => window.pictures.push(performance.now()))
    .observe(line, { attributes: true });
}"""


def test_a_hand_makes_the_loss_ring_and_what_it_did_runs_again_without_it(lab):
    press(lab, "Go")
    lab.wait_for_timeout(1000)
    assert "Changed" not in readout(lab), "the browser's own rounding is no change"
    lab.evaluate(WATCH)
    lab.wait_for_timeout(4000)
    times = lab.evaluate("window.pictures")
    print(f"JupyterLab: {(len(times) - 1) / (times[-1] - times[0]) * 1000:.1f} pictures a second")
    assert (len(times) - 1) / (times[-1] - times[0]) >= 0.010
    calm = heights(lab)
    rises = sum(b < a for a, b in pairwise(calm))
    assert len(calm) > 50 and rises == 0

    rate = slider(lab, "learning rate")
    for _ in range(80):
        rate.press("ArrowRight")
    lab.wait_for_timeout(1500)
    ringing = heights(lab)[len(calm) :]
    assert sum(b < a for a, b in pairwise(ringing)) > 3
    assert "Changed: at " in readout(lab) and "learning rate 0.1" in readout(lab)
    for _ in range(60):
        rate.press("ArrowLeft")
    press(lab, "Pause")
    lab.wait_for_timeout(300)
    assert step(lab) == len(heights(lab)) - 1
    press(lab, "As a schedule")
    lab.wait_for_timeout(200)
    code = panel(lab).locator("[data-text=pytorch]").text_content() or ""
    assert "lr=0.005, momentum=0.6)\nrates = {0: 0.005, " in code and "LambdaLR" in code

    said = cell(lab, 3)
    assert "off by a rounding error: True" in said and "bit for bit: True" in said


def test_another_cell_runs_while_it_trains(lab):
    press(lab, "Go")
    lab.wait_for_timeout(200)
    before = step(lab)
    lab.evaluate(LATENCY)
    times = []
    for _ in range(5):
        lab.locator(".jp-CodeCell").nth(2).locator(".jp-InputArea-editor").click()
        lab.evaluate("window.began = performance.now()")
        lab.keyboard.press("Control+Enter")
        lab.wait_for_function("window.seen > window.began")
        times.append(lab.evaluate("window.seen - window.began"))
        settle(lab)
    print(f"JupyterLab: another cell answers in {sorted(times)[2]:.0f} to {max(times):.0f} ms")
    assert "tasks 1" in cell(lab, 2)
    assert step(lab) > before

    before = step(lab)
    run_new(lab, "await asyncio.sleep(2)")  # a long cell that leaves the kernel time
    lab.wait_for_timeout(1500)
    assert step(lab) > before + 20
    settle(lab)


LATENCY = """() => {
  window.seen = 0;
  const output = document.querySelectorAll(".jp-CodeCell")[2].querySelector(".jp-OutputArea");
  new MutationObserver(() => {
    if (output.textContent.includes("tasks")) window.seen = performance.now();
  }).observe(output, { childList: true, subtree: true, characterData: true });
}"""


def test_a_panel_beside_it_has_its_own_run_and_a_loss_that_fails_ends_it_with_a_sentence(lab):
    press(lab, "Go", 1)
    lab.wait_for_timeout(1000)
    assert step(lab, 1) > 10
    run_new(lab, "broken.append(1)")
    lab.wait_for_timeout(700)
    ended, first = step(lab, 1), step(lab)
    lab.wait_for_timeout(500)
    assert "The loss ended the run: KeyError: 'no such column'" in readout(lab, 1)
    assert step(lab, 1) == ended and step(lab) > first
    assert not lab.locator(".jp-OutputArea-output[data-mime-type*=stderr]").count()


def test_a_cell_run_again_ends_the_old_work_and_leaves_nothing_behind(lab):
    said = cell(lab, 2)
    assert "tasks 1" in said
    cell(lab, 1)
    lab.wait_for_timeout(300)
    again = cell(lab, 2)

    assert "step 0 tasks 0" in again
    assert again.split()[-1] == said.split()[-1]
    assert step(lab) == 0
