"""The Explorer in a real JupyterLab, driven by a real browser."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, Page

from tests.conftest import ROOT

CELLS = [
    """
import numpy as np
from ipywidgets.widgets.widget import _instances as widgets
from matplotlib.figure import Figure
from gdlib.explore import Explorer
""",
    """
figure = Figure(figsize=(6, 3), layout="constrained")
plane, chart = figure.subplots(1, 2)
plane.set(xlim=(0, 100), ylim=(0, 1))
chart.set(xlim=(1e-3, 1), ylim=(0, 1), xscale="log")
lrs, betas = np.logspace(-3, 0, 40), np.linspace(0, 1, 20)
show = Explorer(figure, {"learning rate": lrs, "momentum": betas, "epoch": range(101)},
                name="lab", alt="Curves.", task="Move them.", play="epoch")
curves = np.exp(-lrs[:, None, None] * np.arange(101)) * (1 - betas[:, None] / 2)
show.path(plane, np.arange(101), curves, upto="epoch")
show.pick(chart, x="learning rate", y="momentum")
show.readout("lr {learning rate:.3g}, momentum {momentum:.2f}, epoch {epoch}")
show
""",
    'print("open widgets:", len(widgets))',
    "show",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Path]]:
    """JupyterLab on a free loopback port, with settings of its own: its address, token, folder."""
    home, token = tmp_path_factory.mktemp("lab"), "only-on-loopback"
    (home / "work").mkdir()
    folders = {f"JUPYTER_{what}_DIR": str(home / what) for what in ("CONFIG", "DATA", "RUNTIME")}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    settings = {"ServerApp.root_dir": home / "work", "IdentityProvider.token": token}
    settings["LabApp.news_url"] = ""
    log = (home / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--no-browser", "--port=0", "--allow-root"]
        + [f"--{name}={value}" for name, value in settings.items()],
        env={**os.environ, **folders, "IPYTHONDIR": str(home / "ipython"), "PYTHONPATH": path},
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        yield _address(home / "RUNTIME", process), token, home / "work"
    finally:
        process.terminate()
        process.wait(20)
        log.close()


def _address(runtime: Path, process: subprocess.Popen) -> str:
    for _ in range(300):
        for record in runtime.glob("jpserver-*.json"):
            if text := record.read_text():
                return json.loads(text)["url"]
        assert process.poll() is None, "JupyterLab ended while starting"
        time.sleep(0.2)
    raise TimeoutError("JupyterLab did not start within 60 s")


@pytest.fixture(scope="module")
def lab(browser: Browser, server: tuple[str, str, Path]) -> Iterator[Page]:
    """A notebook with two views of one Explorer, all its cells run."""
    address, token, folder = server
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [nbformat.v4.new_code_cell(source.strip()) for source in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / "chapter.ipynb")
    page = run_all(browser, f"{address}lab/tree/chapter.ipynb?token={token}")
    page.wait_for_function("document.querySelectorAll('.explorer polyline').length === 2")
    settle(page)
    yield page
    page.close()


def run_all(browser: Browser, address: str) -> Page:
    """The notebook at an address, opened in a page of its own, with all its cells started."""
    page = browser.new_page(viewport={"width": 1200, "height": 1600})
    page.goto(address)
    page.wait_for_selector('.jp-NotebookPanel [data-status="idle"]', timeout=60_000)
    page.wait_for_selector("text=Python 3 (ipykernel) | Idle", timeout=60_000)
    page.locator(".jp-CodeCell .jp-InputPrompt").first.click()
    choose(page, "Run", "Run All Cells")
    return page


def choose(page: Page, menu: str, item: str) -> None:
    page.get_by_role("menuitem", name=menu, exact=True).click()
    page.get_by_role("menuitem", name=item, exact=True).click()


def settle(page: Page) -> None:
    """Wait until the kernel is idle and the browser has drawn."""
    page.wait_for_timeout(200)
    page.wait_for_selector('.jp-Notebook-ExecutionIndicator[data-status="idle"]')
    page.wait_for_timeout(200)


def view(page: Page, number: int = 0) -> Locator:
    return page.locator(".explorer-host").nth(number)


def handle(page: Page, name: str, number: int = 0) -> Locator:
    row = view(page, number).locator(".widget-hslider", has_text=name)
    return row.get_by_role("slider")


def points(page: Page, number: int = 0) -> str:
    return view(page, number).locator("polyline").get_attribute("points") or ""


def readout(page: Page, number: int = 0) -> str:
    return view(page, number).locator("[data-text=readout]").text_content() or ""


def widgets(page: Page) -> int:
    """How many widgets the kernel holds, from the third cell run anew."""
    cell = page.locator(".jp-CodeCell").nth(2)
    cell.locator(".jp-InputArea-editor").click()
    page.keyboard.press("Control+Enter")
    settle(page)
    return int((cell.locator(".jp-OutputArea-output").text_content() or "").split()[-1])


def test_a_slider_moves_the_path_in_every_view(lab):
    before = points(lab)
    handle(lab, "momentum").press("ArrowRight")
    lab.wait_for_timeout(100)

    assert points(lab) != before
    assert points(lab, 1) == points(lab)
    assert readout(lab) == readout(lab, 1) == "lr 0.0346, momentum 0.58, epoch 50"


def test_a_log_slider_moves_by_one_position(lab):
    before = points(lab)
    handle(lab, "learning rate").press("ArrowRight")
    lab.wait_for_timeout(100)

    assert points(lab) != before
    assert readout(lab).startswith("lr 0.0412,")


def test_a_log_slider_follows_the_mouse(lab):
    box = handle(lab, "learning rate").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    lab.mouse.move(x, y)
    lab.mouse.down()
    lab.mouse.move(x - 150, y, steps=10)
    lab.mouse.up()
    lab.wait_for_timeout(200)
    shown = float(view(lab).locator(".widget-readout").first.text_content() or "nan")

    assert shown < 0.02
    assert readout(lab).startswith(f"lr {shown:.3g},")


def test_the_marker_moves_the_sliders(lab):
    chart = view(lab).locator(".explorer-pick")
    chart.click(position={"x": 2, "y": 2})
    lab.wait_for_timeout(200)
    assert readout(lab).startswith("lr 0.001, momentum 1.00")
    assert view(lab).locator(".widget-readout").all_text_contents()[:2] == ["0.00100", "1"]
    chart.press("ArrowRight")
    chart.press("ArrowDown")
    assert readout(lab).startswith("lr 0.00119, momentum 0.95")


def test_play_runs_through_the_epochs(lab):
    view(lab).get_by_role("button", name="Reset").click()
    play = view(lab).get_by_role("button", name="Play")
    play.click()
    lab.wait_for_function("/epoch [678]/.test(document.querySelector('[data-text]').textContent)")
    view(lab).get_by_role("button", name="Pause").click()
    lab.wait_for_timeout(300)
    stopped = points(lab)
    lab.wait_for_timeout(300)

    assert points(lab) == points(lab, 1) == stopped
    assert readout(lab).endswith(view(lab).locator(".widget-readout").nth(2).text_content() or "?")


def test_from_key_to_picture_takes_at_most_50_ms(lab):
    """The median of the ten slider moves; the kernel is not asked."""
    lab.evaluate(WATCH)
    for _ in range(10):
        handle(lab, "momentum").press("ArrowLeft")
        lab.wait_for_timeout(50)
    times = sorted(lab.evaluate("window.moves"))
    print(f"JupyterLab, key to picture: median {times[5]:.1f} ms, longest {times[-1]:.1f} ms")

    assert len(times) >= 9
    assert times[len(times) // 2] <= 50


WATCH = """() => {
  window.moves = [];
  let began = null;
  addEventListener("keydown", () => { began = performance.now(); }, true);
  new MutationObserver(() => {
    const from = began;
    began = null;
    if (from !== null) requestAnimationFrame(() => window.moves.push(performance.now() - from));
  }).observe(document.querySelector(".explorer polyline"), { attributes: true });
}"""


def test_a_cell_run_again_leaves_no_widget_behind(lab):
    before = widgets(lab)
    for _ in range(2):
        lab.locator(".jp-CodeCell").nth(1).locator(".jp-InputArea-editor").click()
        lab.keyboard.press("Control+Enter")
        settle(lab)

    assert widgets(lab) == before
    moved = points(lab)
    handle(lab, "momentum").press("ArrowRight")
    lab.wait_for_timeout(100)
    assert points(lab) != moved


def test_a_saved_notebook_keeps_the_picture_and_not_the_numbers(lab, server):
    lab.keyboard.press("Control+s")
    lab.wait_for_timeout(1000)
    saved = (server[2] / "chapter.ipynb").read_text(encoding="utf-8")

    assert "explorer-data" not in saved and "polyline" in saved
    assert len(saved) < 100_000


def test_hints_and_solutions_are_folded(browser, server):
    address, token, folder = server
    shutil.copy(ROOT / "notebooks" / "05_momentum.ipynb", folder)
    page = browser.new_page(viewport={"width": 1200, "height": 1600})
    page.goto(f"{address}lab/workspaces/fold/tree/05_momentum.ipynb?token={token}")
    page.wait_for_selector(".jp-Notebook .jp-MarkdownCell", timeout=60_000)
    solution = page.locator(".jp-CodeCell", has_text="def ported_solution")
    for _ in range(60):  # only the cells near the screen are drawn
        page.locator(".jp-WindowedPanel-outer").evaluate("panel => panel.scrollBy(0, 1200)")
        page.wait_for_timeout(100)
        if solution.count():
            break
    hint = page.locator("p", has_text="What is the length of a step on a constant slope")
    hint.wait_for(state="attached")

    assert not hint.is_visible()
    page.locator("details", has=hint).locator("summary").click()
    hint.wait_for(state="visible")
    assert not solution.locator(".jp-InputArea-editor").is_visible()
    assert not solution.locator(".jp-OutputArea-output").is_visible()
    page.close()


def test_captions_and_references_read_as_text(browser, server):
    address, token, folder = server
    shutil.copy(ROOT / "notebooks" / "01_gradient_descent.ipynb", folder)
    page = browser.new_page(viewport={"width": 1200, "height": 2400})
    page.goto(f"{address}lab/workspaces/text/tree/01_gradient_descent.ipynb?token={token}")
    caption = page.locator(".jp-MarkdownCell", has=page.locator("strong", has_text="Figure 1.1."))
    caption.locator("p").first.wait_for(timeout=60_000)
    page.get_by_role("link", name="Figure 1.1").first.wait_for()
    text = page.locator(".jp-Notebook").inner_text()

    assert "Figure 1.1. The loss in fog." in text and "(figure-fog)" not in text
    assert "{cite" not in text and "{numref" not in text
    page.close()


def test_a_chapter_runs_and_its_slider_moves_the_walk(browser, server):
    address, token, folder = server
    shutil.copy(ROOT / "notebooks" / "01_gradient_descent.ipynb", folder)
    page = run_all(
        browser, f"{address}lab/workspaces/own/tree/01_gradient_descent.ipynb?token={token}"
    )
    walk = page.locator(".explorer-host", has=page.locator(".explorer-pick"))
    walk.wait_for(state="attached", timeout=120_000)
    walk.scroll_into_view_if_needed()
    drawn = "lines => lines.map((line) => line.getAttribute('points')).join()"
    before = walk.locator("polyline").evaluate_all(drawn)
    rate = walk.locator(".widget-hslider", has_text="learning rate").get_by_role("slider")
    rate.press("ArrowRight")
    page.wait_for_timeout(300)

    assert before and walk.locator("polyline").evaluate_all(drawn) != before
    assert not page.locator(".jp-OutputArea-output[data-mime-type*=stderr]").count()
    page.close()


def test_the_sliders_stand_under_each_other(lab):
    tracks = view(lab).locator(".noUi-base").all()
    boxes = [track.bounding_box() for track in tracks]
    assert len(boxes) == 3
    assert len({(round(box["x"]), round(box["width"])) for box in boxes if box}) == 1
