"""The Explorer in a page, in a real browser, from ``file://`` and with the network off."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from playwright.sync_api import Browser, BrowserContext, Locator, Page

from gdlib.explore import Explorer
from gdlib.explore.page import ANSWER

STATIC = Path(__file__).parent.parent / "gdlib" / "static"
RATES, BETAS, STEPS = np.linspace(0.005, 0.2, 40), np.linspace(0, 0.95, 20), 100
BATCHES, LOG_RATES = [1, 2, 4, 8, 16, 32, 64, 100], np.logspace(-3, 0, 25)


def ravine_runs() -> np.ndarray:
    w, v, h = np.full((40, 20, STEPS + 1, 2), [-0.9, 0.8]), np.zeros((40, 20, 2)), [1.0, 10.0]
    for k in range(STEPS):
        v = BETAS[:, None] * v + h * w[:, :, k]
        w[:, :, k + 1] = w[:, :, k] - RATES[:, None, None] * v
    return w


def ravine() -> tuple[Explorer, Figure]:
    """40 × 20 runs: a path and a curve."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    plane, curve = figure.subplots(1, 2)
    plane.set(xlim=(-1, 1), ylim=(-1, 1), aspect="equal")
    curve.set(xlim=(0, STEPS), ylim=(1e-9, 1e2), yscale="log")
    show = Explorer(
        figure,
        {"learning rate": RATES, "momentum": BETAS},
        name="ravine",
        alt="A path in a ravine.",
        task="Find the fastest.",
    )
    w = ravine_runs()
    loss = (w**2 * [1.0, 10.0]).sum(-1) / 2
    show.path(plane, w)
    show.path(curve, range(STEPS + 1), loss, label="loss")
    show.readout("loss {loss:.1e}", loss=loss[..., -1])
    show.pytorch("SGD(params, lr={learning rate:.2g})")
    return show, figure


def batches() -> tuple[Explorer, Figure]:
    """8 × 25 × 61 positions, a map to pick from and a slider to play."""
    figure = Figure(figsize=(5, 3), layout="constrained")
    curve, chart = figure.subplots(1, 2)
    curve.set(xlim=(0, 60), ylim=(0, 1))
    chart.set(xlim=(5e-4, 2), ylim=(0.7, 150), xscale="log", yscale="log")
    sliders = {"batch size": BATCHES, "learning rate": LOG_RATES, "epoch": range(61)}
    show = Explorer(
        figure,
        sliders,
        name="batches",
        alt="A curve and a map.",
        play="epoch",
        default={"epoch": 60},
    )
    loss = np.exp(-LOG_RATES[:, None] * np.arange(61)) / np.ones((8, 1, 1))
    show.path(curve, np.arange(61), loss, upto="epoch")
    show.image(chart, np.random.default_rng(0).random((1, 1, 61, 4, 4)))
    show.dots(curve, np.full((8, 3, 2), [30, 0.5]))
    show.pick(chart, x="learning rate", y="batch size")
    show.readout("batch size {batch size}, epoch {epoch}")
    return show, figure


def game() -> Explorer:
    """A choice of three, and a start that only its marker sets."""
    figure = Figure(figsize=(5, 3))
    plane = figure.subplots()
    plane.set(xlim=(-1, 1), ylim=(-1, 1))
    places = np.arange(-3, 4) * 0.3
    sliders = {"method": ["one", "two", "three"], "start x": places, "start y": places}
    show = Explorer(figure, sliders, name="game", alt="A path.")
    to = np.arange(1, 4)[:, None, None, None] * [0, 0.2]
    show.path(plane, places[None, :, None, None] + to, places[None, None, :, None] + to)
    show.pick(plane, x="start x", y="start y", alone=True)
    show.readout("{method} from {start x:.1f}")
    return show


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three explorers on a page with some text before each."""
    filler = '<p style="height: 60vh">…</p>'
    body = filler + ravine()[0].html() + filler + batches()[0].html() + filler + game().html()
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>page</title>'
        '<meta name="viewport" content="width=device-width">'
        f'<link rel="stylesheet" href="{(STATIC / "explorer.css").as_uri()}">'
        f'<script src="{(STATIC / "explorer.js").as_uri()}"></script>'
        f'<script src="{(STATIC / "page.js").as_uri()}"></script>'
        "<style>html { background: #fff; color: #222; font: 16px sans-serif }"
        "html[data-theme=dark] { background: #121212; color: #ddd } body { margin: 12px }</style>"
        f"<body>{body}</body></html>",
        encoding="utf-8",
    )
    return path.as_uri()


Open = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Open]:
    """Opens the page offline; no error may be left on the console at the end."""
    contexts: list[BrowserContext] = []
    trouble: list[str] = []

    def go(fragment: str = "", ready: bool = True, **settings: Any) -> Page:
        context = browser.new_context(offline=True, **settings)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("console", lambda m: trouble.append(m.text) if m.type == "error" else None)
        page.goto(address + fragment)
        if ready:
            for explorer in page.locator(".explorer").all() if not fragment else []:
                explorer.scroll_into_view_if_needed()  # they start when they are near
            page.wait_for_function("document.querySelectorAll('[data-ready]').length >= 2")
            if not fragment:
                page.wait_for_function("document.querySelectorAll('[data-ready]').length === 3")
                page.evaluate("scrollTo(0, 0)")
        return page

    yield go
    for context in contexts:
        context.close()
    assert not trouble


def slider(page: Page, name: str, figure: str = "ravine") -> Locator:
    return page.locator(f"#fig-{figure} input[data-slider={name}]")


def points(page: Page, figure: str = "ravine", which: int = 0) -> np.ndarray:
    """A path as the browser holds it, in the picture's points."""
    line = page.locator(f"#fig-{figure} polyline").nth(which)
    scale = line.evaluate("n => +n.parentNode.getAttribute('transform').slice(6, -1)")
    pairs = (line.get_attribute("points") or "").split()
    return scale * np.array([[int(n) for n in pair.split(",")] for pair in pairs])


def text(page: Page, what: str, figure: str = "ravine") -> str | None:
    return page.locator(f"#fig-{figure} [data-text={what}]").text_content()


def box_of(part: Locator) -> Mapping[str, float]:
    box = part.bounding_box()
    assert box is not None
    return cast(Mapping[str, float], box)


def set_to(page: Page, name: str, position: int, figure: str = "ravine") -> None:
    slider(page, name, figure).evaluate(
        "(n, p) => { n.value = p; n.dispatchEvent(new Event('input')); }", position
    )


def test_every_position_asked_for_shows_its_own_run(visit):
    page = visit()
    show, figure = ravine()
    show.html()  # settles the layout
    plane, height = figure.axes[0], 4 * 72
    for i, j in [(0, 0), (39, 19), (17, 5)]:
        set_to(page, "learning-rate", i)
        set_to(page, "momentum", j)
        inches = plane.transData.transform(ravine_runs()[i, j]) / figure.dpi
        truth = [0, height] + inches * [72, -72]
        near = np.abs(truth).max(-1) < 900

        np.testing.assert_allclose(points(page)[near], truth[near], atol=0.5 / 8 + 1e-9)


def test_the_script_draws_what_python_drew(browser, address, visit):
    page = visit()
    still = visit(java_script_enabled=False, ready=False)
    for figure in ("ravine", "batches"):
        picture = f"#fig-{figure} svg > g[data-actor]"
        live = page.locator(picture).evaluate_all("all => all.map(n => n.outerHTML)")
        quoted = still.locator(picture).evaluate_all("all => all.map(n => n.outerHTML)")

        assert live == quoted
    assert text(still, "readout") == text(page, "readout")


def test_the_browser_reads_every_element_of_the_picture(visit):
    page = visit()
    for show, figure in (ravine()[0], "ravine"), (batches()[0], "batches"):
        panels = re.findall(r"<svg.*?</svg>", show.html(), re.DOTALL)
        trees = [list(ElementTree.fromstring(panel).iter())[1:] for panel in panels]
        truth = [(part.tag, len(part)) for tree in trees for part in tree]
        read = page.locator(f"#fig-{figure} svg *").evaluate_all(
            "all => all.map(n => [n.namespaceURI.endsWith('svg') && n.tagName, n.children.length])"
        )
        used = page.locator(f"#fig-{figure} svg use").evaluate_all(
            "all => all.map(n => n.getBBox()).filter(box => box.width + box.height === 0)"
        )

        assert [tuple(part) for part in read] == truth
        assert not used


def test_without_scripts_the_picture_stands_and_says_so(visit):
    page = visit(java_script_enabled=False, ready=False)

    assert page.locator("#fig-ravine noscript").text_content().startswith("The sliders need")
    assert page.locator("input:enabled, button:enabled").count() == 0
    assert len(points(page)) > 2


def test_a_slider_moves_by_mouse_and_by_keyboard(visit):
    page = visit()
    before = points(page)
    handle = slider(page, "learning-rate")
    handle.scroll_into_view_if_needed()
    box = box_of(handle)
    page.mouse.click(box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 2)
    by_mouse = points(page)
    assert not np.array_equal(before[:5], by_mouse[:5])

    page.keyboard.press("ArrowLeft")
    assert not np.array_equal(by_mouse[:5], points(page)[:5])
    page.keyboard.press("Home")
    assert handle.get_attribute("aria-valuetext") == "0.005"
    assert page.locator("#fig-ravine output").first.text_content() == "0.005"
    assert text(page, "pytorch") == "SGD(params, lr=0.005)"


def test_a_slider_and_a_map_move_by_touch(visit):
    page = visit(has_touch=True, is_mobile=True, viewport={"width": 380, "height": 700})
    handle = slider(page, "learning-rate", "batches")
    handle.scroll_into_view_if_needed()
    box = box_of(handle)
    page.touchscreen.tap(box["x"] + 3, box["y"] + box["height"] / 2)
    assert handle.input_value() == "0"
    page.locator("#fig-batches .explorer-pick").tap(position={"x": 5, "y": 5})
    assert slider(page, "batch-size", "batches").input_value() == "7"


def test_a_map_sets_two_sliders_by_click_drag_and_arrow_keys(visit):
    page = visit()
    chart = page.locator("#fig-batches .explorer-pick")
    chart.scroll_into_view_if_needed()
    box = box_of(chart)
    at = [slider(page, name, "batches") for name in ("learning-rate", "batch-size")]
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.mouse.down()
    assert [n.input_value() for n in at] == ["0", "7"]
    page.mouse.move(box["x"] + box["width"] + 40, box["y"] + box["height"] + 40)
    page.mouse.up()
    page.mouse.move(box["x"], box["y"])
    assert [n.input_value() for n in at] == ["24", "0"]

    chart.focus()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
    assert [n.input_value() for n in at] == ["23", "1"]
    assert chart.get_attribute("aria-valuetext") == "learning rate 0.75, batch size 2"
    marker = box_of(chart.locator("i"))
    assert abs(marker["x"] + marker["width"] / 2 - box["x"] - box["width"] * 0.87) < 9


def test_play_runs_to_the_end_pauses_and_resets(visit):
    page = visit()
    play = page.locator("#fig-batches [data-do=play]")
    epoch = slider(page, "epoch", "batches")
    play.click()
    page.wait_for_function("document.querySelector('[data-slider=epoch]').value == 5")
    assert play.get_attribute("aria-label") == "Pause epoch"
    assert 6 <= len(points(page, "batches")) <= 9
    play.click()
    stopped = epoch.input_value()
    page.wait_for_timeout(300)
    assert (epoch.input_value(), play.text_content()) == (stopped, "▶")
    set_to(page, "epoch", 58, "batches")
    play.click()
    page.wait_for_function("document.querySelector('[data-do=play]').ariaLabel === 'Play epoch'")
    assert epoch.input_value() == "60"
    set_to(page, "batch-size", 0, "batches")
    page.locator("#fig-batches [data-do=reset]").click()
    assert text(page, "readout", "batches") == "batch size 16, epoch 60"


def test_with_reduced_motion_play_is_called_step_and_takes_one(visit):
    page = visit(reduced_motion="reduce")
    assert page.locator("#fig-batches [data-do=play]").text_content() == "Step"
    for epoch in (0, 1):
        page.locator("#fig-batches [data-do=play]").click()
        page.wait_for_timeout(300)
        assert slider(page, "epoch", "batches").input_value() == str(epoch)


def test_a_copied_link_brings_the_same_picture_back(visit):
    page = visit()
    set_to(page, "learning-rate", 30)
    set_to(page, "momentum", 3)
    page.locator("#fig-ravine [data-do=link]").click()
    page.wait_for_function("document.querySelector('[data-do=link]').textContent === 'Copied'")
    fragment = page.evaluate("location.hash")
    assert fragment == "#fig-ravine?learning-rate=0.155&momentum=0.15"
    again = visit(fragment)

    np.testing.assert_array_equal(points(again), points(page))
    assert page.evaluate("navigator.clipboard.readText().catch(() => '')") in ("", page.url)
    assert 0 <= box_of(again.locator("#fig-ravine"))["y"] < 200


def test_an_address_is_taken_at_its_nearest_value_and_nonsense_is_ignored(visit):
    page = visit("#fig-batches?learning-rate=0.09&batch-size=50&epoch=NaN&x=1&epoch=99&=%ff")
    assert text(page, "readout", "batches") == "batch size 64, epoch 60"
    assert slider(page, "learning-rate", "batches").get_attribute("aria-valuetext") == "0.1"
    page.evaluate("location.hash = '#fig-batches?epoch=7'")
    page.wait_for_function("document.querySelector('[data-slider=epoch]').value == 7")
    for nonsense in ("#fig-nobody?epoch=3", "#fig-batches?", "#?&%", "#fig-batches?epoch=%zz"):
        page.evaluate("hash => { location.hash = hash }", nonsense)
    page.wait_for_timeout(50)
    assert slider(page, "epoch", "batches").input_value() == "7"


def test_two_explorers_do_not_disturb_each_other(visit):
    page = visit()
    before = points(page, "batches")
    set_to(page, "learning-rate", 3)

    np.testing.assert_array_equal(points(page, "batches"), before)
    assert slider(page, "learning-rate", "batches").input_value() == "12"


def test_the_readout_is_spoken_once_the_reader_rests(visit):
    page = visit()
    for position in range(10, 20):
        set_to(page, "learning-rate", position)
    status = page.locator("#fig-ravine [role=status]")
    assert status.text_content() == ""
    page.wait_for_function("document.querySelector('#fig-ravine [role=status]').textContent")
    assert status.text_content() == text(page, "readout")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_ink_follows_the_theme(visit, theme):
    page = visit()
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    ink = page.locator("#fig-ravine svg text").first.evaluate("n => getComputedStyle(n).fill")
    assert ink == {"light": "rgb(34, 34, 34)", "dark": "rgb(221, 221, 221)"}[theme]


@pytest.mark.parametrize("width", [320, 390])
def test_on_a_phone_the_panels_stand_in_a_column_and_nothing_scrolls_sideways(visit, width):
    page = visit(viewport={"width": width, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for figure in ("ravine", "batches"):
        boxes = [box_of(panel) for panel in page.locator(f"#fig-{figure} .explorer-panel").all()]
        assert len(boxes) == 2
        assert boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"]
        assert all(box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)
    sizes = page.locator(".explorer svg text").evaluate_all(
        "all => all.map(n => parseFloat(getComputedStyle(n).fontSize) * n.getScreenCTM().a)"
    )
    assert min(sizes) >= (9 if width == 390 else 8)


def test_on_a_wide_page_the_panels_stand_where_the_figure_has_them(visit):
    page = visit(viewport={"width": 1280, "height": 900})
    show, figure = ravine()
    show.html()
    stage = box_of(page.locator("#fig-ravine .explorer-canvas"))
    unit = stage["width"] / (9 * figure.dpi)
    assert stage["height"] == pytest.approx(stage["width"] * 4 / 9, abs=1)
    lines = page.locator("#fig-ravine [id$=patch_2], #fig-ravine [id$=patch_7]").all()
    for axes, drawn in zip(figure.axes, lines, strict=True):
        box = box_of(drawn)
        truth = axes.bbox.bounds
        assert box["x"] - stage["x"] == pytest.approx(truth[0] * unit, abs=1.5)
        bottom = stage["y"] + stage["height"] - box["y"] - box["height"]
        assert bottom == pytest.approx(truth[1] * unit, abs=1.5)
        assert box["width"] == pytest.approx(truth[2] * unit, abs=2)


def test_a_few_words_are_chips_and_move_by_mouse_and_by_keyboard(visit):
    page = visit()
    group = page.get_by_role("radiogroup", name="method")
    assert group.get_by_role("radio").count() == 3
    before = points(page, "game")
    group.get_by_role("radio", name="three").click()
    assert text(page, "readout", "game") == "three from 0.0"
    assert not np.array_equal(before, points(page, "game"))
    page.keyboard.press("ArrowLeft")
    assert text(page, "readout", "game") == "two from 0.0"
    page.locator("#fig-game [data-do=reset]").click()
    assert group.get_by_role("radio").nth(1).is_checked()


def test_a_marker_that_stands_alone_has_no_sliders_and_moves_by_keyboard(visit):
    page = visit()
    assert page.locator("#fig-game input[type=range]").count() == 0
    marker = page.locator("#fig-game .explorer-pick")
    marker.focus()
    starts = []
    for key in ("Home", "End", "ArrowLeft"):
        page.keyboard.press(key)
        starts.append(points(page, "game")[0, 0])
    assert starts[0] < starts[2] < starts[1]
    page.keyboard.press("PageUp")
    assert marker.get_attribute("aria-valuetext") == "start x 0.6, start y 0.9"


def test_a_longer_sentence_moves_nothing_below_it(visit):
    page = visit(viewport={"width": 320, "height": 640})
    below = page.locator("#fig-batches [data-do=reset]")
    place = below.evaluate("n => n.getBoundingClientRect().top + scrollY")
    set_to(page, "batch-size", 7, "batches")
    set_to(page, "epoch", 3, "batches")
    assert below.evaluate("n => n.getBoundingClientRect().top + scrollY") == place


def test_in_print_the_picture_and_its_values_stay(visit):
    page = visit()
    page.emulate_media(media="print")
    assert page.locator("#fig-ravine svg").first.is_visible()
    assert page.locator("#fig-ravine output").first.is_visible()
    assert not page.locator("#fig-ravine [data-do=reset]").is_visible()


def test_a_slider_move_takes_at_most_8_ms(visit):
    """Handler and layout, 95th percentile; the best of five rounds, for the machine is shared."""
    page = visit()
    for figure in ("ravine", "batches"):
        rounds = page.locator(f"#fig-{figure}").evaluate_all(MOVES)
        print(f"{figure}: {min(rounds):.1f} ms")
        assert min(rounds) <= 8


MOVES = """([root]) => [1, 2, 3, 4, 5].map(() => {
  const inputs = [...root.querySelectorAll("input")], times = [];
  for (let k = 0; k < 200; k++) {
    const input = inputs[k % inputs.length];
    input.value = (7 * k) % (+input.max + 1);
    const began = performance.now();
    input.dispatchEvent(new Event("input"));
    document.body.getBoundingClientRect();
    root.getBoundingClientRect();
    times.push(performance.now() - began);
  }
  return times.sort((a, b) => a - b)[190];
})"""


def test_where_the_answer_is_seen_stands_in_a_key_and_not_in_the_page():
    def bundle(**more):
        figure, sliders = Figure(), {"a": [1, 2, 3], "kind": ["x", "y"]}
        explorer = Explorer(figure, sliders, name="t", alt="t", **more)
        ax = figure.subplots()
        ax.set_xlim(0, 4)
        explorer.path(ax, np.arange(3), np.arange(18).reshape(3, 2, 3) / 10)
        explorer.pick(ax, "a")
        explorer.readout("a is {a}, {kind}")
        return explorer._repr_mimebundle_()[0]

    plain, keyed = bundle(), bundle(answer={"a": 3, "kind": "x"})
    key = keyed.pop(ANSWER)
    assert keyed == plain, "a reader's page does not know the answer"
    assert key["at"] == [2, 0] and "a is 3, x" in key["html"]
    there = bundle(default={"a": 3, "kind": "x"})["text/html"]
    drawn = re.compile(r'points="([^"]+)"').findall
    assert drawn(key["html"]) == drawn(there) != drawn(plain["text/html"])
    wrong = (({"b": 1}, "answer names"), ({"kind": "z"}, "answer of slider"), (3, "answer must"))
    for answer, said in wrong:
        with pytest.raises((ValueError, TypeError), match=said):
            bundle(answer=answer)
