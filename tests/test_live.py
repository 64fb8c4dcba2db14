"""A steered run: the path of its changes, forwards, back and again; and the panel's own work."""

import asyncio
import json
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

import gdlib.live
from gdlib.data import noisy_parabola, shuffled
from gdlib.descent import descend
from gdlib.explore import widget
from gdlib.landscapes import Game, Landscape, network_loss, network_output, parabola, ravine
from gdlib.live import Live
from gdlib.rules import momentum
from gdlib.steering import Steered

HANDS = {0: {"lr": 0.05}, 40: {"lr": 0.15}, 60: {"lr": 0.02}}


def network() -> tuple[Landscape, nn.Module]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(1, 10), nn.ReLU(), nn.Linear(10, 1)).double()
    return network_loss(net, nn.functional.mse_loss), net


def panel(name: str = "panel", landscape: Landscape | None = None, **run) -> Live:
    figure = Figure(figsize=(8, 3))
    for ax in figure.subplots(1, 2):
        ax.set(xlim=(-10, 400), ylim=(-10, 400))
    run = {"steps": 300, **run}
    return Live(figure, landscape or ravine(10.0), name=name, alt="Loss and path.", **run)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch):
    """As in Jupyter, where somebody sits before the panel."""
    monkeypatch.setattr(widget, "interactive", lambda: True)
    monkeypatch.setattr(gdlib.live, "interactive", lambda: True)


# The run


def test_an_untouched_run_is_that_of_descend_bit_for_bit():
    landscape, data = network()[0], noisy_parabola()
    for batch_size in (None, 16):
        batches = shuffled(batch_size, seed=3) if batch_size else None
        run = Steered(landscape, lr=0.05, momentum=0.9, data=data, batch_size=batch_size, seed=3)
        same = descend(landscape, momentum(0.05, 0.9), 400, data=data, batches=batches)
        assert torch.equal(run.w, same.w)
        torch.testing.assert_close(run.loss, same.loss, rtol=1e-12, atol=0)


def test_the_changes_of_a_run_take_another_one_the_same_way():
    landscape, data = network()[0], noisy_parabola()
    run = Steered(landscape, data=data, steps=1, momentum=0.5, batch_size=10)
    run.steps = 200
    for k, new in {20: {"lr": 0.3}, 55: {"batch_size": 3}, 90: {"momentum": 0.95}}.items():
        while run.step < k:
            run.advance()
        run.set(**new)
    while run.advance():
        pass
    script = {int(k): change for k, change in json.loads(json.dumps(run.changes)).items()}
    again = Steered(landscape, data=data, steps=200, hands=script)
    assert torch.equal(again.w, run.w) and again.changes == run.changes


def by_torch(run: Steered, beta: float) -> torch.Tensor:
    """The run's path by PyTorch's own optimiser with the run's schedule."""
    w = nn.Parameter(run.w[0].clone())
    optimizer = torch.optim.SGD([w], lr=0.05, momentum=beta)
    schedule, path = run.schedule(optimizer), [w.detach().clone()]
    for _ in range(run.step):
        optimizer.zero_grad()
        run.landscape.loss(w, *run.data).backward()
        optimizer.step()
        schedule.step()
        path.append(w.detach().clone())
    return torch.stack(path)


@pytest.mark.parametrize("beta", [0.0, 0.9])
def test_the_schedule_takes_pytorch_the_same_way(beta):
    landscape, data = network()[0], noisy_parabola()
    run = Steered(landscape, data=data, momentum=beta, hands=HANDS, steps=120)
    assert list(run.changes) == [0, 40, 60]
    torch.testing.assert_close(by_torch(run, beta), run.w, rtol=0, atol=1e-12)
    other = Steered(landscape, data=data, momentum=beta, hands={**HANDS, 40: {}}, steps=120)
    assert (by_torch(other, beta) - run.w).abs().max() > 1e-3  # the change at 40 does matter


def test_the_line_of_pytorch_that_is_shown_is_that_schedule():
    run = panel(hands=HANDS, momentum=0.9, steps=120)
    w = nn.Parameter(run.w[0].clone())
    space = {"torch": torch, "LambdaLR": torch.optim.lr_scheduler.LambdaLR, "w": w}
    exec(run._code(True, run.settings()), space)
    for _ in range(120):
        w.grad = torch.tensor([1.0, 10.0]) * w.detach()
        space["optimizer"].step()
        space["scheduler"].step()
    torch.testing.assert_close(w.detach(), run.w[-1], rtol=0, atol=1e-12)


def test_a_schedule_says_what_it_cannot_change():
    run = Steered(ravine(10.0), hands={5: {"momentum": 0.9}}, steps=10)
    with pytest.warns(UserWarning, match="changed more than lr"):
        run.schedule(torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        only = Steered(ravine(10.0), hands={5: {"lr": 0.01}}, steps=10)
        only.schedule(torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1))


def test_momentum_remembers_its_velocity_when_a_setting_changes():
    """By hand: v ← βv + g with the settings of each step."""
    run = Steered(
        parabola(1.0), lr=0.1, momentum=0.9, steps=30, hands={10: {"momentum": 0.5, "lr": 0.2}}
    )
    w, v, path = -4.0, 0.0, [-4.0]
    for k in range(30):
        lr, beta = (0.1, 0.9) if k < 10 else (0.2, 0.5)
        v = beta * v + w
        w = w - lr * v
        path.append(w)
    torch.testing.assert_close(run.w[:, 0], torch.tensor(path, dtype=torch.float64))


def test_a_run_that_explodes_stops_at_its_last_finite_weights_and_can_be_saved():
    run = Steered(ravine(10.0), lr=0.3, steps=3000)
    assert 900 < run.step < 1100 and "overflow" in run.said and run.w.isfinite().all()
    assert not run.advance() or not run.advance()  # as long as nothing is changed
    blown = run.step
    run.back(blown - 20)
    run.set(lr=0.1)
    while run.advance():
        pass
    assert run.changes == {0: run.changes[0], 20: {"lr": 0.1}} and run.said == ""
    assert run.loss[20] > 100 and run.loss[-1] < 1e-9
    last = Steered(ravine(10.0), lr=0.3, steps=1400)
    last.set(lr=0.02)
    assert all(last.advance() for _ in range(300))
    assert last.w[-1].abs().max() < 0.1 * last.w[-300].abs().max()


def test_back_takes_up_the_examples_the_velocity_and_the_dice_where_they_were():
    data = noisy_parabola()

    def loss(w, x, y):
        return ((w[0] * x + w[1] - y) ** 2).mean() + 0.1 * w[0] * torch.randn(())

    given = {"start": torch.zeros(2).double(), "data": data, "batch_size": 7, "momentum": 0.8}
    before = torch.get_rng_state()
    run = Steered(Landscape(loss), steps=100, **given)
    assert torch.equal(torch.get_rng_state(), before), "the learner's own generator is let alone"
    whole = run.w
    run.back(63)
    assert run.step == 37
    torch.rand(5)
    while run.advance():
        pass
    assert torch.equal(run.w, whole)


def test_a_game_is_steered_too():
    game = Game(
        lambda w: w[0] * w[1], torch.ones(2).double(), rival=lambda w: -w[0] * w[1], first=1
    )
    run = Steered(game, lr=0.1, steps=100, hands={50: {"lr": 0.01}})
    lrs = torch.tensor([0.1] * 50 + [0.01] * 50, dtype=torch.float64)
    grows = (1 + lrs**2).sqrt().cumprod(0)  # every step turns, and goes outwards
    torch.testing.assert_close(run.w[1:].norm(dim=1), 2**0.5 * grows)
    assert "text/html" in panel("game", game, lr=0.1, steps=50)._repr_mimebundle_()[0]


def test_a_loss_that_fails_ends_the_run_with_one_sentence():
    calls = []

    def loss(w):
        calls.append(1)
        if len(calls) > 20:
            raise RuntimeError("the column\n'age' is gone")
        return (w**2).sum()

    run = Steered(Landscape(loss, torch.ones(1)), steps=100)
    assert 0 < run.step < 100
    assert run.said == "The loss ended the run: RuntimeError: the column 'age' is gone"


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"lr": -1.0}, "lr must be finite and not negative, got -1"),
        ({"momentum": 1.0}, "momentum must be in"),
        ({"batch_size": 4}, "batch_size must be at most the None examples, got 4"),
        ({"hands": {3: {"rate": 0.1}}}, "a hand moves lr, momentum and batch_size"),
        ({"hands": {-3: {"lr": 0.1}}}, "step must be a whole number"),
        ({"hands": {3: {"lr": float("nan")}}}, "lr must be finite"),
        ({"start": torch.ones(3, 2)}, r"start must be \(d,\), got \(3, 2\)"),
        ({"show": (0, 2)}, "show must name two weights out of 0 … 1"),
        ({"fit": (torch.ones(1), torch.sin)}, "the figure needs 3 axes, got 2"),
        ({"steps": 1.5}, "steps must be a whole number"),
    ],
)
def test_what_does_not_fit_is_refused(bad, says):
    with pytest.raises(ValueError, match=says):
        panel(**bad)


# Its picture


def test_a_page_shows_the_run_of_the_script_for_every_step():
    run = panel("a-page", hands=HANDS, steps=80)
    bundle = run._repr_mimebundle_()[0]
    html = bundle["text/html"]
    assert bundle["text/plain"] == "Explorer 'a-page': step, 81 positions"
    assert 'class="explorer-data"' in html and "Step 80, loss " in html
    assert "Changed: at 40 learning rate 0.15; at 60 learning rate 0.02. <" in html
    assert "at 40" not in run._said(39) and "at 40" in run._said(40)


def test_one_weight_stands_beside_its_loss():
    run = panel("one", parabola(1.0), steps=5)
    torch.testing.assert_close(
        torch.tensor(run._seen()), torch.stack([run.w[:, 0], run.loss], 1), rtol=0, atol=0
    )


def test_a_fit_that_has_left_its_axes_lies_on_their_frame():
    landscape, net = network()
    x, y = noisy_parabola()
    figure, output = Figure(figsize=(9, 3)), network_output(net)
    for ax in figure.subplots(1, 3):
        ax.set(xlim=(-1, 1), ylim=(-1, 1))
    run = Live(figure, landscape, name="fit", alt="All.", data=(x, y), steps=10, lr=1e3,
               fit=(x[:, 0], lambda w: output(w, x)[:, 0]))  # fmt: skip
    assert run.loss[-1] > 1e10
    assert "text/html" in run._repr_mimebundle_()[0]


# The panel, without a browser


def go(coroutine) -> None:
    """In a thread of its own: in this one a browser's event loop may run."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, asyncio.wait_for(coroutine, 60)).result()


def working() -> int:
    return sum("Live._go" in repr(task) for task in asyncio.all_tasks())


def test_a_panel_goes_on_stands_still_and_loses_nothing(shown):
    async def main() -> None:
        run = panel()
        run._repr_mimebundle_()
        assert run.step == 0 and run.past[0].shape == (301,)
        run.play()
        run.play()
        assert working() == 1
        await asyncio.sleep(0.5)
        run.pause()
        await asyncio.sleep(0.05)
        there, loss = run.step, run.loss
        assert there > 2 and working() == 0
        await asyncio.sleep(0.1)
        assert run.step == there
        run.set(lr=0.01)
        assert run._sliders["lr"].value == 0.01
        run.restart()
        assert run.step == 0 and torch.equal(run.past[-1], loss) and run.settings()["lr"] == 0.01
        run.speed = 1e6
        run.play()
        while run.step < 300:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert working() == 0
        run.stop()

    go(main())


def test_a_cell_that_runs_again_ends_the_work_of_its_old_panel(shown):
    async def main() -> None:
        old, other = panel("mine"), panel("other")
        for run in (old, other):
            run._repr_mimebundle_()
            run.play()
        await asyncio.sleep(0.1)
        assert working() == 2
        new = panel("mine")
        new._repr_mimebundle_()
        await asyncio.sleep(0.1)
        assert working() == 1 and old._view is None and other._view
        other.stop()
        await asyncio.sleep(0.1)
        assert working() == 0
        new.stop()

    go(main())


def test_two_panels_and_a_descent_beside_them_take_the_paths_that_each_takes_alone(shown):
    landscape, data = network()[0], noisy_parabola()
    given = {"data": data, "batch_size": 10, "momentum": 0.9, "lr": 0.02, "steps": 60}
    alone = [Steered(landscape, seed=seed, **given).w for seed in (0, 1)]

    async def main() -> None:
        both = [panel(f"n{seed}", landscape, seed=seed, **given) for seed in (0, 1)]
        for run in both:
            run._repr_mimebundle_()
            run.speed = 200
            run.play()
        while any(run.step < 60 for run in both):
            await asyncio.sleep(0.02)
            await asyncio.to_thread(descend, ravine(10.0), momentum(0.01), 150)
            torch.rand(3)
        assert all(torch.equal(run.w, w) for run, w in zip(both, alone, strict=True))
        for run in both:
            run.stop()

    go(main())


def test_no_slice_of_work_takes_longer_than_its_time(shown):
    """Counted in steps, not in seconds: however many are due, the kernel gets its turn."""

    async def main() -> None:
        run = panel(steps=600)
        run._repr_mimebundle_()
        run.speed = 1e9
        run.play()
        turns = 0
        while run.step < 600:
            await asyncio.sleep(0)
            turns += 1
        assert turns > 3
        run.stop()

    go(main())
