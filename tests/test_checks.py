"""The checks judge starters, solutions and wrong answers as such, and never raise."""

import ast
import itertools
import math

import nbformat
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from gdlib import checks
from gdlib.checks import judging
from tests.conftest import ROOT

EXERCISES = {
    "01_gradient_descent": ("largest-lr", "next-lr", "train-network"),
    "02_stochastic_gradient_descent": ("genie", "lr-for-floor", "lr-schedule", "train-by-ones"),
    "03_mini_batches": ("stratified", "noise-scale", "loader"),
    "04_learning_rates": ("steps-needed", "schedule", "fit"),
    "05_momentum": ("best-momentum", "change-lr", "ported"),
    "10_variational_autoencoder": ("kl-between", "logistic", "vae-loss"),
    "11_generative_adversarial_network": ("extragradient", "largest-dirac-lr", "gan-steps"),
}


def tagged(chapter: str, tag: str) -> str:
    """The source of the one cell of a chapter that has this tag."""
    cells = nbformat.read(ROOT / "notebooks" / f"{chapter}.ipynb", as_version=4).cells
    (cell,) = [c for c in cells if tag in c.metadata.get("tags", [])]
    return cell.source


def namespace(chapter: str) -> dict:
    """The imports of a chapter and the functions it defines, without running the rest."""
    names: dict = {}
    for cell in nbformat.read(ROOT / "notebooks" / f"{chapter}.ipynb", as_version=4).cells:
        if cell.cell_type == "code":
            tree = ast.parse(cell.source)
            kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef)
            tree.body = [node for node in tree.body if isinstance(node, kinds)]
            exec(compile(tree, chapter, "exec"), names)
    return names


@pytest.fixture(scope="module")
def chapter1() -> dict:
    return namespace("01_gradient_descent")


def said(capsys, check, answer) -> str:
    check(answer)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("chapter", "exercise"), [(c, e) for c, names in EXERCISES.items() for e in names]
)
def test_the_starter_runs_and_is_not_yet_right_and_the_solution_is(chapter, exercise, capsys):
    names = namespace(chapter)
    exec(tagged(chapter, f"exercise-{exercise}"), names)
    assert capsys.readouterr().out.startswith("Not yet.")
    exec(tagged(chapter, f"solution-{exercise}"), names)
    assert capsys.readouterr().out.startswith("Right.")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda hessian: 2 / hessian.diagonal().max(), "too large"),
        (lambda hessian: 1 / torch.linalg.eigvalsh(hessian).max(), "too small"),
        (lambda hessian: -1.0, "must be positive"),
    ],
)
def test_a_wrong_largest_lr_is_judged_by_what_descent_does(answer, reason, capsys):
    assert reason in said(capsys, checks.check_largest_lr, answer)


def test_a_search_must_be_safe_cheap_and_able_to_grow(chapter1, capsys):
    backtrack = chapter1["backtrack"]
    wrong = {
        "fails Armijo's test": lambda loss, w, grad, last: last,
        "evaluations a step": lambda loss, w, grad, last: backtrack(loss, w, grad, 1.0),
        "of the loss is left": lambda loss, w, grad, last: 1e-4,
    }
    for reason, answer in wrong.items():
        assert reason in said(capsys, checks.check_next_lr, answer)


def trainer(*, clear: str, returns: bool = True):
    """A training loop that clears its gradients at the place named, or nowhere."""

    def train_network(model, x, y, lr, epochs):
        losses = []
        for epoch in range(epochs):
            loss = nn.functional.mse_loss(model(x), y)
            if clear == "before backward" or (clear == "once" and not epoch):
                model.zero_grad()
            loss.backward()
            if clear == "after backward":
                model.zero_grad(set_to_none=False)
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter -= lr * parameter.grad
            losses.append(loss.item())
        return losses if returns else None

    return train_network


def test_a_training_loop_is_compared_with_descent(capsys):
    check = checks.check_train_network
    assert said(capsys, check, trainer(clear="before backward")).startswith("Right.")
    assert "have not moved" in said(capsys, check, trainer(clear="after backward"))
    assert "sum of both gradients" in said(capsys, check, trainer(clear="once"))
    assert "list of 1 losses" in said(
        capsys, check, trainer(clear="before backward", returns=False)
    )


def shuffle(examples, batch_size, generator):
    return torch.randperm(examples, generator=generator)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda n, b, g: torch.arange(n), "same order"),
        (shuffle, "as much as at random"),
        (lambda n, b, g: shuffle(n, b, g)[: n // 2], "each of 0 … 99 once"),
        (lambda n, b, g: torch.arange(n) if torch.rand((), generator=g) < 0.5
         else torch.arange(n).roll(b), "off the middle"),
    ],
)  # fmt: skip
def test_an_order_must_be_complete_new_fair_and_better_than_chance(answer, reason, capsys):
    assert reason in said(capsys, checks.check_stratified, answer)


@pytest.mark.parametrize(
    "answer",
    [
        lambda b, small, c, large: small / large,
        lambda b, small, c, large: (small - large) / (1 / b - 1 / c) / large,
    ],
)
def test_a_noise_scale_must_separate_noise_from_signal(answer, capsys):
    assert "the noise scale is 20" in said(capsys, checks.check_noise_scale, answer)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda data: DataLoader(data, batch_size=64), "the same order"),
        (lambda data: DataLoader(data, batch_size=64, sampler=range(999, -1, -1)), "same order"),
        (lambda data: DataLoader(data, batch_size=1000, shuffle=True), "1000 to a batch"),
        (lambda data: DataLoader(data[:64][0], batch_size=64), "stopped with ValueError"),
        (lambda data: itertools.repeat(data[:64]), "no answer within"),
    ],
)
def test_a_loader_is_judged_by_the_training_it_gives(answer, reason, capsys, monkeypatch):
    monkeypatch.setattr(judging, "SECONDS", 2.0)
    assert reason in said(capsys, checks.check_loader, answer)


def plan(kind):
    """A training that draws its schedule first, in one of several ways."""

    def fit(net, x, y):
        drawn = [0.5] * 30 + [0.05] * 20 + [0.005] * 10
        used = {"constant": [0.5] * 60, "short": drawn[:50]}[kind]
        return drawn, used

    return fit


@pytest.mark.parametrize(
    ("exercise", "answer", "reason"),
    [
        (
            "steps_needed",
            lambda lr, h, eps: math.log(1 / eps) / -math.log(abs(1 - lr * h)),
            "you say",
        ),
        ("steps_needed", lambda lr, h, eps: math.ceil(math.log(1 / eps) / (lr * h)), "1382 steps"),
        (
            "schedule",
            lambda k, steps: (1 + math.cos(math.pi * k / steps)) / 2,
            "cosine ends at 0.14",
        ),
        ("schedule", lambda k, steps: 1 - 2 * k / steps, "lie in 0 … 1"),
        ("fit", plan("constant"), "used 60 rates out of [0.5]"),
        ("fit", plan("short"), "used 50 rates"),
    ],
)
def test_wrong_rates_and_schedules_are_told_what_they_do(exercise, answer, reason, capsys):
    assert reason in said(capsys, getattr(checks, f"check_{exercise}"), answer)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"examples that a step of SGD looks at": 2}, "you say × 2, measured × 1"),
        ({"steps of SGD in an epoch": 1}, "you say × 1, measured × 2"),
        ({"something else": 1}, "Expected a dictionary"),
    ],
)
def test_each_factor_of_the_genie_is_measured(changed, reason, capsys):
    names = namespace("02_stochastic_gradient_descent")
    answer = {**names["after_the_genie_solution"](), **changed}
    assert reason in said(capsys, checks.check_genie, lambda: answer)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda h, noise, target: 2 * h * target / noise, "the variance settles at"),
        (lambda h, noise, target: 2.1 / h, "not between 0 and 2/h"),
    ],
)
def test_a_learning_rate_for_a_floor_is_judged_by_the_floor(answer, reason, capsys):
    assert reason in said(capsys, checks.check_lr_for_floor, answer)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda k: 0.1, "h = 0.1: the mean square of w is 0.5"),
        (lambda k: (k + 1) ** -0.5, "h = 0.1: the mean square of w is 0.09"),
        (lambda k: 20 / (k + 1), "h = 1: step 0 takes the mean square of w to 3.6e+04"),
        (lambda k: [1], "Step 0: expected one finite number"),
    ],
)
def test_a_schedule_must_suit_both_curvatures(answer, reason, capsys):
    assert reason in said(capsys, checks.check_lr_schedule, answer)


def by_ones(orders):
    """A training loop over the orders that ``orders(epochs, seed)`` gives."""

    def train_by_ones(features, targets, w, lr, epochs, seed):
        path = [w]
        for order in orders(epochs, seed):
            for i in order:
                w = w - lr * 2 * (features[i] @ w - targets[i]) * features[i]
            path.append(w)
        return torch.stack(path)

    return train_by_ones


def test_a_loop_over_single_examples_is_judged_by_how_it_moves(capsys):
    def drawn(epochs, seed):
        dice = torch.Generator().manual_seed(seed)
        return torch.randint(100, (epochs, 100), generator=dice)

    wrong = {
        "they are still": lambda epochs, seed: torch.arange(100).expand(epochs, 100),
        "gave two different runs": lambda epochs, seed: torch.rand(epochs, 100).argsort(1),
        "is the seed used": lambda epochs, seed: drawn(epochs, 7),
        "is every example used once": drawn,
    }
    for reason, orders in wrong.items():
        assert reason in said(capsys, checks.check_by_ones, by_ones(orders))
    ends = lambda *args: by_ones(drawn)(*args)[-1]  # noqa: E731
    assert "(21, 2)" in said(capsys, checks.check_by_ones, ends)


# Chapter 5


def curvatures(hessian):
    return torch.linalg.eigvalsh(hessian)[[0, -1]]


def nesterovs_pair(hessian):
    """What is best for Nesterov's method, which is not the heavy ball's best."""
    low, high = curvatures(hessian).sqrt()
    return 1 / high**2, (high - low) / (high + low)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda hessian: (2 / curvatures(hessian).sum(), 0.0), "could be at"),
        (nesterovs_pair, "could be at"),
        (lambda hessian: (0.1, 1.0), "beta in [0, 1)"),
        (lambda hessian: 0.1, "a pair (lr, beta)"),
    ],
)
def test_a_pair_for_the_heavy_ball_is_judged_by_the_best_pairs_descent(answer, reason, capsys):
    assert reason in said(capsys, checks.check_best_momentum, answer)


def changer(*, scale, sets=True):
    """Changes the learning rate, and multiplies the velocity by ``scale(old, new)``."""

    def change_lr(optimizer, lr):
        (group,) = optimizer.param_groups
        for state in optimizer.state.values():
            state["momentum_buffer"] *= scale(group["lr"], lr)
        if sets:
            group["lr"] = lr

    return change_lr


def test_a_change_of_the_learning_rate_is_compared_with_polyaks_steps(capsys):
    check = checks.check_change_lr
    assert said(capsys, check, changer(scale=lambda old, new: old / new)).startswith("Right.")
    assert "Polyak's step" in said(capsys, check, changer(scale=lambda old, new: new / old))
    assert "Polyak's step" in said(capsys, check, changer(scale=lambda old, new: 0.0))
    kept = changer(scale=lambda old, new: 1.0, sets=False)
    assert "lr is 0.02" in said(capsys, check, kept)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (lambda lr, beta: {"lr": lr, "momentum": beta, "dampening": beta}, "step 1 is 10 times"),
        (lambda lr, beta: {"lr": lr / (1 - beta), "momentum": beta}, "step 1 is 1e+02 times"),
        (lambda lr, beta: {"lr": lr * (1 - beta)}, "step 2 is 0.4 times"),
    ],
)
def test_a_port_is_compared_step_by_step_with_the_exponential_average(settings, reason, capsys):
    def port(parameters, lr, beta):
        return torch.optim.SGD(parameters, **settings(lr, beta))

    assert reason in said(capsys, checks.check_ported, port)


# Chapter 10


def vae_loss(over):
    """The loss of a VAE whose KL, one number per picture and latent, is averaged by ``over``."""

    def loss(x, recon, mean, log_var, sigma):
        fit = torch.distributions.Normal(recon, sigma).log_prob(x).sum(-1).mean()
        return over((mean**2 + log_var.exp() - 1 - log_var) / 2) - fit

    return loss


@pytest.mark.parametrize(
    ("exercise", "answer", "reason"),
    [
        ("kl_between", lambda a, a_var, b, b_var: ((a - b) ** 2).sum(-1), "k = 1: expected ["),
        (
            "kl_between",
            lambda a, a_var, b, b_var: (
                (a_var - b_var).exp() + (a - b) ** 2 / b_var.exp() - 1 - a_var + b_var
            ).mean(-1) / 2,
            "k = 3: expected [",
        ),
        ("logistic", lambda m, s, u: m + s * (u - 0.5), "below the deciles"),
        ("logistic", lambda m, s, u: m + s.detach() * u.logit(), "not [1. 0.]"),
        ("vae_loss", vae_loss(lambda kl: kl.sum(0).mean()), "the KL counts 4 times"),
        ("vae_loss", vae_loss(lambda kl: -kl.sum(-1).mean()), "the KL counts -1 times"),
    ],
)  # fmt: skip
def test_answers_on_autoencoders_are_held_against_the_truth(exercise, answer, reason, capsys):
    assert reason in said(capsys, getattr(checks, f"check_{exercise}"), answer)


# Chapter 11


def two_steps(field, w, lr):
    ahead = w - lr * field(w)
    return ahead - lr * field(ahead)


def without_clearing(generator, discriminator):
    """A GAN whose discriminator also steps along what the generator's backward left."""
    optimizers = [
        torch.optim.Adam(m.parameters(), lr=0.01, betas=(0.0, 0.99))
        for m in (generator, discriminator)
    ]

    def discriminator_step(real, noise):
        real_loss = nn.functional.softplus(-discriminator(real)).mean()
        fake_loss = nn.functional.softplus(discriminator(generator(noise).detach())).mean()
        (real_loss + fake_loss).backward()
        optimizers[1].step()

    def generator_step(noise):
        optimizers[0].zero_grad()
        nn.functional.softplus(-discriminator(generator(noise))).mean().backward()
        optimizers[0].step()

    return discriminator_step, generator_step


@pytest.mark.parametrize(
    ("exercise", "answer", "reason"),
    [
        ("extragradient", two_steps, "ends 0.39 from where"),
        ("extragradient", lambda field, w, lr: w - lr * field(w - lr), "from where it should"),
        ("largest_dirac_lr", lambda gamma: 0.1, "rate 0.9913 below, 0.9911 above"),
        ("largest_dirac_lr", lambda gamma: 4 / gamma, "rate"),
        ("gan_steps", without_clearing, "After 150 turns the samples are"),
        ("gan_steps", lambda g, d: (lambda x, z: None, lambda z: None), "After 150 turns"),
    ],
)
def test_answers_on_games_are_judged_by_where_they_lead(exercise, answer, reason, capsys):
    assert reason in said(capsys, getattr(checks, f"check_{exercise}"), answer)


def endless(*args):
    exec("while True: 1")  # on one line, where no new line ever begins


def raises(*args):
    raise KeyError("lr")


@pytest.mark.parametrize(
    "answer",
    [
        None, 0.2, "0.2", raises, endless,
        lambda *args: None, lambda *args: "0.2", lambda *args: math.nan,
        lambda *args: torch.ones(2), lambda: 0.2, lambda *args: exit(),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "name",
    [
        "largest_lr",
        "next_lr",
        "train_network",
        "genie",
        "lr_for_floor",
        "lr_schedule",
        "by_ones",
        "stratified",
        "noise_scale",
        "loader",
        "steps_needed",
        "schedule",
        "fit",
        "best_momentum",
        "change_lr",
        "ported",
        "kl_between",
        "logistic",
        "vae_loss",
        "extragradient",
        "largest_dirac_lr",
        "gan_steps",
    ],
)
def test_no_answer_makes_a_check_raise(name, answer, capsys, monkeypatch):
    monkeypatch.setattr(judging, "SECONDS", 0.2)
    assert said(capsys, getattr(checks, f"check_{name}"), answer).startswith("Not yet.")


def test_a_check_leaves_the_readers_random_numbers_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    checks.check_train_network(trainer(clear="before backward"))
    torch.testing.assert_close(torch.rand(2), expected)
