"""Speed and memory, each as a ratio or a bound, printed as tables. Nothing here passes or fails.

Times depend on the machine; ratios in one process much less so. `make bench` runs all of it;
`python tests/bench.py descend game train memory page lab` runs the parts that are named;
`make bench PEERS=1` adds the same steps in JAX, from an environment of their own.
"""

import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time

import torch
from torch import Tensor, nn
from torch.func import grad, grad_and_value, vmap
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.functional import softplus
from torch.utils.data import DataLoader, TensorDataset

from gdlib.data import noisy_parabola, with_replacement
from gdlib.descent import descend
from gdlib.landscapes import Game, initial_weights, network_loss, network_output
from gdlib.rules import adam, gd
from gdlib.training import train

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # for tests.conftest, when this file is started by its name
LR = 0.05


def small_network() -> nn.Module:
    """The network 1–10–1 of chapter 3."""
    return nn.Sequential(nn.Linear(1, 10), nn.ReLU(), nn.Linear(10, 1)).double()


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """The median of some repeats, after one to warm up, on one thread.

    Of this process's own time, which other programs stretch less than the clock's.
    """
    work()
    times = []
    for _ in range(repeats):
        started = process_time()
        work()
        times.append(process_time() - started)
    return statistics.median(times)


def row(what: str, value: str, wanted: str = "") -> None:
    print(f"  {what:<58}{value:>14}   {wanted}")


def plain_loop(steps: int) -> None:
    """One example a step, as the tutorials write it."""
    x, y = noisy_parabola(0)
    model, criterion = small_network(), nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    for i in range(steps):
        loss = criterion(model(x[i % 100]), y[i % 100])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def plain_vmap(runs: int, steps: int) -> None:
    """The runs side by side with vmap, one dispatch per operation and step."""
    x, y = noisy_parabola(0)
    landscape = network_loss(small_network(), nn.MSELoss())
    over_runs = vmap(grad(landscape.loss), in_dims=(0, None, None))
    w = initial_weights(small_network, range(runs))
    for i in range(steps):
        at = slice(i % 100, i % 100 + 1)
        w = w - LR * over_runs(w, x[at], y[at])


def many_runs(runs: int, steps: int, record: tuple[str, ...] = (), batch_size: int = 1) -> Tensor:
    landscape = network_loss(small_network(), nn.MSELoss())
    start = initial_weights(small_network, range(runs)) if runs > 1 else None
    sampler, data = with_replacement(batch_size, seed=0), noisy_parabola(0)
    rule = gd(lr=LR)
    run = descend(landscape, rule, steps, start=start, data=data, batches=sampler, record=record)
    return run.final


def as_traced(runs: int, steps: int, batch_size: int) -> None:
    """The step as make_fx writes it down, with nothing taken out and PyTorch's own way to call."""
    landscape, (x, y) = network_loss(small_network(), nn.MSELoss()), noisy_parabola(0)
    over_runs = vmap(grad_and_value(landscape.loss), in_dims=(0, None, None))
    w = initial_weights(small_network, range(runs))

    def step(w: Tensor, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        slope, loss = over_runs(w, x[index], y[index])
        return w - LR * slope, loss, slope

    indices = with_replacement(batch_size, seed=0).batches(100)
    module = make_fx(step)(w, next(indices))
    with torch.inference_mode():
        for _ in range(steps):
            w, _, _ = module(w, next(indices))


def bench_descend() -> None:
    print("\nOne example a step, network 1–10–1, float64, one thread: µs per run and step")
    plain = seconds(lambda: plain_loop(2000)) / 2000
    mapped = seconds(lambda: plain_vmap(200, 500)) / 500 / 200
    one = seconds(lambda: many_runs(1, 4000)) / 4000
    many = seconds(lambda: many_runs(200, 4000)) / 4000 / 200
    most = seconds(lambda: many_runs(1024, 1000)) / 1000 / 1024
    row("the plain PyTorch loop", f"{plain * 1e6:.1f}")
    row("vmap, not traced, 200 runs", f"{mapped * 1e6:.2f}")
    row("descend, 1 run", f"{one * 1e6:.1f}")
    row("descend, 200 runs", f"{many * 1e6:.2f}")
    row("descend, 1,024 runs", f"{most * 1e6:.2f}")
    row("plain loop / descend with 200 runs", f"{plain / many:.0f} ×", "at least 200")
    row("vmap / descend, 200 runs", f"{mapped / many:.1f} ×", "at least 2")
    row("plain loop / descend with 1 run", f"{plain / one:.1f} ×", "at least 1.6")
    print("\nThe same with 16 examples a step: µs per run and step")
    traced = seconds(lambda: as_traced(1024, 300, 16)) / 300 / 1024
    most = seconds(lambda: many_runs(1024, 300, batch_size=16)) / 300 / 1024
    row("as make_fx traces it, 1,024 runs", f"{traced * 1e6:.2f}")
    row("descend, 1,024 runs", f"{most * 1e6:.2f}")
    row("as traced / descend, 1,024 runs", f"{traced / most:.1f} ×", "at least 1.5")


JAX = """
import os, sys, time
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
import jax, jax.numpy as jnp, numpy as np
jax.config.update("jax_enable_x64", True)
runs, batch, steps = map(int, sys.argv[1:])
dice = np.random.default_rng(0)
x = np.linspace(-1, 1, 100)[:, None]
x, y = jnp.asarray(x), jnp.asarray(x**2 + 0.2 * dice.random((100, 1)))

def loss(w, x, y):
    hidden = jax.nn.relu(x @ w[:10][None] + w[10:20])
    return ((hidden @ w[20:30][:, None] + w[30] - y) ** 2).mean()

def step(w, index):
    return w - 0.05 * jax.vmap(jax.grad(loss), (0, None, None))(w, x[index], y[index]), None

train = jax.jit(lambda w, indices: jax.lax.scan(step, w, indices)[0])
w = jnp.asarray(dice.normal(size=(runs, 31)) * 0.3)
indices = jnp.asarray(dice.integers(100, size=(steps, batch)))
train(w, indices).block_until_ready()
started = time.process_time()
train(w, indices).block_until_ready()
print((time.process_time() - started) / steps / runs)
"""


def bench_peers() -> None:
    peers = ROOT / ".venv-peers" / "bin" / "python"
    if not peers.exists():
        print("\nJAX: `make bench PEERS=1` installs it into an environment of its own")
        return
    print(
        "\nJAX's scan of the same step, float64, one thread, without compiling: µs per run and step"
    )
    for runs, batch, steps in ((1, 1, 4000), (200, 1, 4000), (1024, 16, 300)):
        done = subprocess.run(
            [peers, "-c", JAX, str(runs), str(batch), str(steps)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        theirs = float(done.stdout)
        ours = seconds(lambda runs=runs, batch=batch, steps=steps: many_runs(
            runs, steps, batch_size=batch)) / steps / runs  # fmt: skip
        what = f"{runs:,} runs × {batch} examples"
        row(f"JAX, {what}", f"{theirs * 1e6:.2f}")
        row(f"descend / JAX, {what}", f"{ours / theirs:.1f} ×")


def ring_players() -> tuple[nn.Module, nn.Module]:
    """The generator and the discriminator of chapter 11's ring."""

    def mlp(outputs: int) -> nn.Module:
        hidden = (nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())
        return nn.Sequential(*hidden, nn.Linear(32, outputs))

    return mlp(2), mlp(1)


def plain_gan(steps: int, real: Tensor, noise: Tensor) -> None:
    """Two optimisers and R1, batches of 32, one game, as PyTorch has it."""
    generator, critic = ring_players()
    g_adam, d_adam = (torch.optim.Adam(net.parameters(), lr=1e-3) for net in (generator, critic))
    for i in range(steps):
        at = slice(32 * (i % 100), 32 * (i % 100) + 32)
        x, fake = real[at].clone().requires_grad_(), generator(noise[at])
        score = critic(x)
        (slope,) = torch.autograd.grad(score.sum(), x, create_graph=True)
        d_loss = softplus(-score).mean() + softplus(critic(fake.detach())).mean()
        d_adam.zero_grad()
        (d_loss + 0.05 * slope.square().sum(1).mean()).backward()
        d_adam.step()
        g_adam.zero_grad()
        softplus(-critic(fake)).mean().backward()
        g_adam.step()


def many_gans(runs: int, steps: int, real: Tensor, noise: Tensor) -> Tensor:
    generator, critic = ring_players()
    G, D = network_output(generator), network_output(critic)
    parts = [network_loss(net, nn.MSELoss()).start for net in (generator, critic)]
    first = len(parts[0])

    def pays(w: Tensor, x: Tensor, z: Tensor) -> Tensor:
        return softplus(-D(w[first:], G(w[:first], z))).mean()

    def rival(w: Tensor, x: Tensor, z: Tensor) -> Tensor:
        slope = grad(lambda x: D(w[first:], x).sum())(x)
        loss = softplus(-D(w[first:], x)).mean() + softplus(D(w[first:], G(w[:first], z))).mean()
        return loss + 0.05 * slope.square().sum(1).mean()

    game = Game(pays, torch.cat(parts), rival=rival, first=first)
    sampler, rule = with_replacement(32, seed=torch.arange(runs)), adam(1e-3)
    return descend(game, rule, steps, data=(real, noise), batches=sampler, record=()).final


def bench_game() -> None:
    print("\nA GAN with R1 on two-dimensional data, batches of 32, float32: µs per game and step")
    real, noise = torch.randn(2, 3200, 2, generator=torch.Generator().manual_seed(0))
    steps = 2000  # half of what chapter 11 takes; tracing is paid once
    plain = seconds(lambda: plain_gan(steps, real, noise), repeats=1) / steps
    row("the plain PyTorch loop", f"{plain * 1e6:.0f}")
    for runs in (1, 5, 15):
        whole = seconds(lambda runs=runs: many_gans(runs, steps, real, noise), repeats=1)
        many = whole / steps / runs
        row(f"descend, {runs} at once", f"{many * 1e6:.0f}")
        wanted = "at least 1" if runs == 1 else ""
        row(f"plain loop / descend, {runs} at once", f"{plain / many:.1f} ×", wanted)


def written_out(model, loader, optimizer, criterion, epochs: int) -> list[Tensor]:
    """The loop that ``train`` stands for."""
    losses = []
    for _ in range(epochs):
        for x, y in loader:
            loss = criterion(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
    return losses


def bench_train() -> None:
    print("\ntrain() against the same loop written out, MLP 1–64–64–1, batches of 32: µs per step")
    data = TensorDataset(*(t.float() for t in noisy_parabola(0, examples=3200)))
    loader = DataLoader(data, batch_size=32)

    def parts():
        model = nn.Sequential(
            nn.Linear(1, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1)
        )
        return model, loader, torch.optim.SGD(model.parameters(), lr=LR), nn.MSELoss()

    # In turns, and the fastest of each: other work on the machine only ever adds time.
    plain, helped = [], []
    for _ in range(15):
        plain.append(seconds(lambda: written_out(*parts(), 1), repeats=1) / 100)
        helped.append(seconds(lambda: train(*parts(), 1, progress=False), repeats=1) / 100)
    before, after = min(plain), min(helped)
    row("written out", f"{before * 1e6:.0f}")
    row("train()", f"{after * 1e6:.0f}")
    row("difference", f"{100 * (after / before - 1):+.1f} %", "at most 5 %")


def bench_memory() -> None:
    print("\nMemory of 1,024 runs × 10,000 steps that record their losses")
    code = (
        "import resource, sys; sys.path.insert(0, 'tests'); from bench import many_runs;"
        "many_runs(1024, 40, ('batch_loss',));"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "many_runs(1024, 10000, ('batch_loss',));"
        "print(before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    before, after = map(int, done.stdout.split())
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, kilobytes elsewhere
    numbers = 1024 * 10001 * 8
    row("the losses themselves", f"{numbers / 1e6:.0f} MB")
    row("peak memory on top of what PyTorch takes", f"{(after - before) * unit / 1e6:.0f} MB")
    row("with every weight it would be", f"{numbers * 32 / 1e6:.0f} MB")


# Every position of every slider, forwards and back; what a move costs is the handlers and then
# the style and layout that they made necessary, which reading a box forces at once.
MOVES = """root => {
  const picture = root.querySelector('svg'), times = [];
  for (const slider of root.querySelectorAll('input[type=range]')) {
    for (let k = 0; k <= 2 * slider.max; k++) {
      const started = performance.now();
      slider.value = Math.abs(slider.max - k);
      slider.dispatchEvent(new Event('input', {bubbles: true}));
      picture.getBoundingClientRect(); root.offsetHeight;
      times.push(performance.now() - started);
    }
  }
  return times;
}"""


def percentile_95(times: list[float]) -> float:
    return sorted(times)[int(0.95 * (len(times) - 1))]


def bench_page() -> None:
    from playwright.sync_api import sync_playwright

    from tests.conftest import QUIET, find_browser

    print("\nA slider move in the built page: handlers and layout, 95th percentile, ms")
    pages = sorted((ROOT / "_build" / "html" / "notebooks").glob("*.html"))
    browser_path = find_browser()
    if not pages or browser_path is None:
        print("  needs `make book` and a Chromium")
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=list(QUIET))
        page = browser.new_page()
        for path in pages:
            page.goto(path.as_uri())
            for explorer in page.locator(".explorer[data-ready]").all():
                times = explorer.evaluate(MOVES)
                name = f"{path.stem} {explorer.get_attribute('id')}, {len(times)} moves"
                row(name, f"{percentile_95(times):.1f}", "at most 8")
        browser.close()


def bench_lab() -> None:
    print("\nA slider move in a real JupyterLab, from key to painted picture")
    command = [sys.executable, "-m", "pytest", "-qs", "tests/test_lab.py", "-k", "key_to_picture"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if "JupyterLab" in line]
    row(lines[0] if lines else "not measured: see `pytest tests/test_lab.py`", "", "at most 50 ms")


PARTS = {
    "descend": bench_descend,
    "peers": bench_peers,
    "game": bench_game,
    "train": bench_train,
    "memory": bench_memory,
    "page": bench_page,
    "lab": bench_lab,
}

if __name__ == "__main__":
    torch.set_num_threads(1)  # what small networks run fastest on, whoever else is at work
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
