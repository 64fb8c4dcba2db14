"""The checks of chapter 6: right answers in several styles, and wrong ones."""

import time

import numpy as np
import pytest
import torch
from torch import nn

from gdlib import checks
from gdlib.checks import judging
from gdlib.checks.adaptive import _adam_losses
from tests.exercises import said


def endless(*args):
    exec("while True: 1")


def scaling(lr, *betas):
    """Settings with the rate, and each average's 1 - β, multiplied by a power of k."""
    powers = dict(zip((1, 2), betas, strict=True))
    return lambda *old: (
        old[0] * old[3] ** lr,
        *(1 - (1 - old[i]) * old[3] ** power for i, power in powers.items()),
    )


def scaled_by_numpy(lr, beta1, beta2, k):
    return np.array([lr * np.sqrt(k), *(1 - k * (1 - np.array([beta1, beta2])))])


def scaled_by_tensors(lr, beta1, beta2, k):
    old = torch.tensor([lr, 1 - beta1, 1 - beta2])  # in single precision
    new = old.mul_(torch.tensor([k**0.5, k, k]))
    return torch.cat([new[:1], 1 - new[1:]])


@pytest.mark.parametrize(
    "answer",
    [
        scaling(0.5, 1, 1),
        lambda lr, beta1, beta2, k: [lr * k**0.5, beta1**k, beta2**k],  # the same for small 1 - β
        lambda lr, beta1, beta2, k: (x for x in scaled_by_numpy(lr, beta1, beta2, k).tolist()),
        scaled_by_numpy,
        scaled_by_tensors,
    ],
)
def test_settings_for_a_larger_batch_are_right_in_every_style(answer, capsys):
    assert said(capsys, checks.check_scaled, answer).startswith("Right.")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (scaling(1, 0, 0), "after 1800 examples the loss is 2.08 times"),
        (scaling(0, 0, 0), "times that of single examples"),
        (scaling(0.5, 0, 0), "times that of single examples"),
        (scaling(0.5, 1, 0), "times that of single examples"),
        (scaling(0.5, 0, 1), "times that of single examples"),
        (scaling(1, 1, 1), "times that of single examples"),
        (scaling(0, 1, 1), "times that of single examples"),
        (scaling(0.5, 0.5, 0.5), "times that of single examples"),
        (scaling(0.5, 0.5, 1), "times that of single examples"),
        (scaling(0.5, 1, 0.5), "times that of single examples"),
        (scaling(0.5, -1, -1), "times that of single examples"),
        (lambda *old: scaling(0.5, 1, 1)(*old[:3], 4), "k = 8"),
        (lambda lr, beta1, beta2, k: (0.04, 0.92, 0.98), "k = 8"),
        (lambda *old: (np.nan, 0.9, 0.9), "expected one finite number"),
        (lambda lr, beta1, beta2, k: (lr * k**0.5, k * beta1, k * beta2), "both β in [0, 1)"),
        (lambda lr, beta1, beta2, k: (-lr, beta1, beta2), "η must be positive"),
        (lambda lr, beta1, beta2, k: lr * k**0.5, "expected 3 numbers"),
        (lambda lr, beta1, beta2, k: (lr * k**0.5, beta1**k), "expected 3 numbers"),
        (lambda lr, beta1, beta2, k: (1e300, 0.0, 0.0), "times that of single examples"),
        (endless, "no answer within"),
    ],
)
def test_settings_are_judged_by_the_training_they_give(answer, reason, capsys, monkeypatch):
    monkeypatch.setattr(judging, "SECONDS", 0.5)
    text = said(capsys, checks.check_scaled, answer)
    assert text.startswith("Not yet.") and reason in text


def test_the_training_that_judges_is_pytorchs_adam():
    dice = torch.Generator().manual_seed(0)
    noise = 10 * torch.randn(3200, 300, 2, generator=dice, dtype=torch.float64)
    noise = torch.cat([noise[:1600], 0.3 * noise[1600:]]).unflatten(0, (-1, 8)).mean(1)
    w, curvature = (
        nn.Parameter(torch.ones_like(noise[0])),
        torch.tensor([1, 0.3], dtype=torch.float64),
    )
    optimizer, losses = torch.optim.Adam([w], lr=0.02, betas=(0.9, 0.99), eps=1e-100), []
    for drawn in noise:
        w.grad = curvature * w.detach() + drawn
        optimizer.step()
        losses.append(float((curvature * w.detach() ** 2).sum(-1).mean() / 2))
    torch.testing.assert_close(_adam_losses(8, 0.02, 0.9, 0.99).tolist(), losses[24::25])


def lion(w, m, grad, lr, beta1, beta2, decay):
    direction = (beta1 * m + (1 - beta1) * grad).sign()
    return w - lr * (direction + decay * w), beta2 * m + (1 - beta2) * grad


def lion_in_place(w, m, grad, lr, beta1, beta2, decay):
    direction = m.lerp(grad, 1 - beta1).sign_()
    w.mul_(1 - lr * decay).sub_(direction, alpha=lr)
    return w, m.lerp_(grad, 1 - beta2)


def lion_by_numpy(w, m, grad, lr, beta1, beta2, decay):
    w, m, grad = (np.asarray(row) for row in (w, m, grad))
    return np.stack(lion_of_arrays(w, m, grad, lr, beta1, beta2, decay))


def lion_of_arrays(w, m, grad, lr, beta1, beta2, decay):
    step = np.sign(beta1 * m + (1 - beta1) * grad) + decay * w
    return w - lr * step, beta2 * m + (1 - beta2) * grad


def lion_in_plain_python(w, m, grad, lr, beta1, beta2, decay):
    new_w, new_m = [], []
    for a, b, g in zip(w.tolist(), m.tolist(), grad.tolist(), strict=True):
        c = beta1 * b + (1 - beta1) * g
        new_w.append(a - lr * ((c > 0) - (c < 0) + decay * a))
        new_m.append(beta2 * b + (1 - beta2) * g)
    return new_w, new_m


def in_single_precision(w, m, grad, *settings):
    return list(lion(w.float(), m.float(), grad.float(), *settings))


@pytest.mark.parametrize(
    "answer",
    [
        lion,
        lion_in_place,
        lion_by_numpy,
        lion_in_plain_python,
        in_single_precision,
        lambda *args: torch.stack(lion(*args)),
        lambda *args: iter(lion(*args)),
    ],
)
def test_lion_is_right_in_every_style(answer, capsys):
    assert said(capsys, checks.check_lion, answer).startswith("Right.")


def average_first(w, m, grad, lr, beta1, beta2, decay):
    m = beta2 * m + (1 - beta2) * grad
    return w - lr * ((beta1 * m + (1 - beta1) * grad).sign() + decay * w), m


def sign_of_the_average(w, m, grad, lr, beta1, beta2, decay):
    m = beta2 * m + (1 - beta2) * grad
    return w - lr * (m.sign() + decay * w), m


def decay_in_the_gradient(w, m, grad, lr, beta1, beta2, decay):
    return lion(w, m, grad + decay * w, lr, beta1, beta2, 0.0)


def decay_without_the_rate(w, m, grad, lr, beta1, beta2, decay):
    return lion(w, m, grad, lr, beta1, beta2, decay / lr)


def two_signs_only(w, m, grad, lr, beta1, beta2, decay):
    c = beta1 * m + (1 - beta1) * grad
    return (
        w - lr * (torch.where(c > 0, 1.0, -1.0) + decay * w),
        beta2 * m + (1 - beta2) * grad,
    )


def lives_thirty_steps():
    """Right for the steps that are compared one by one, and for no longer."""
    calls = []

    def answer(w, m, *rest):
        calls.append(w)
        return lion(w, m, *rest) if len(calls) <= 120 else (w, m)

    return answer


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (average_first, "Lion's is"),
        (sign_of_the_average, "Lion's is"),
        (decay_in_the_gradient, "Lion's is"),
        (decay_without_the_rate, "step 1: weight"),
        (two_signs_only, "step 1: weight 5"),
        (lambda w, m, g, lr, b1, b2, decay: lion(w, m, g, lr, b2, b1, decay), "Lion's is"),
        (lambda w, m, g, lr, b1, b2, decay: lion(w, m, g, lr, b1, b2, 0.0), "step 1: weight"),
        (lambda w, m, g, lr, b1, b2, decay: lion(w, m, g, lr, 0.9, 0.99, decay), "0.5, 0.8"),
        (lambda w, m, g, lr, b1, b2, decay: lion(w, m, -g, lr, b1, b2, decay), "step 1: weight"),
        (lambda w, m, *rest: (lion(w, m, *rest)[0], m), "step 1: average"),
        (lambda w, m, *rest: lion(w, m, *rest)[::-1], "step 1: weight"),
        (lambda w, m, *rest: lion(w, m, *rest)[0], "expected the new weights and the new average"),
        (lambda w, m, *rest: [w, m, m], "expected the new weights and the new average"),
        (lambda w, m, *rest: {"w": w, "m": m}, "expected the new weights and the new average"),
        (lambda w, m, *rest: (w[:2], m[:2]), "expected finite numbers of shape (6,)"),
        (lambda w, m, *rest: (w / 0, m), "expected finite numbers of shape (6,)"),
        (lambda w, m, *rest: (None, m), "returned None"),
        (lives_thirty_steps(), "from the lowest point of the box"),
        (endless, "no answer within"),
    ],
)
def test_lion_is_compared_step_by_step_and_followed_to_its_box(answer, reason, capsys, monkeypatch):
    monkeypatch.setattr(judging, "SECONDS", 2.0)
    text = said(capsys, checks.check_lion, answer)
    assert text.startswith("Not yet.") and reason in text


def test_an_answer_that_breaks_in_the_box_is_told_of(capsys, monkeypatch):
    def breaking(w, *rest):
        return lion(w, *rest) if len(w) == 6 else 1 / 0

    def hanging(w, *rest):
        return lion(w, *rest) if len(w) == 6 else endless()

    monkeypatch.setattr(judging, "SECONDS", 0.3)
    assert "2000 steps: your code stopped with ZeroDiv" in said(capsys, checks.check_lion, breaking)
    assert "2000 steps: no answer within" in said(capsys, checks.check_lion, hanging)


class AdamThenDecay(torch.optim.Adam):
    """The weights shrink after Adam's step instead of before it."""

    def __init__(self, parameters, lr, decay):
        super().__init__(parameters, lr=lr)
        self.kept = 1 - lr * decay

    @torch.no_grad()
    def step(self, closure=None):
        super().step(closure)
        for group in self.param_groups:
            for p in group["params"]:
                p.mul_(self.kept)


class ByHand(torch.optim.Optimizer):
    """Adam's formulas, with all that a test may want to do differently."""

    def __init__(self, parameters, lr, decay, beta2=0.999, corrected=True, first=lambda: None):
        super().__init__(parameters, {"lr": lr})
        self.decay, self.beta2, self.corrected, self.first = decay, beta2, corrected, first

    @torch.no_grad()
    def step(self):
        self.first()
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                k = state["k"] = state.get("k", 0) + 1
                m = state["m"] = 0.9 * state.get("m", 0) + 0.1 * p.grad
                v = self.beta2 * state.get("v", 0) + (1 - self.beta2) * p.grad**2
                state["v"] = v
                if self.corrected:
                    m, v = m / (1 - 0.9**k), v / (1 - self.beta2**k)
                p -= group["lr"] * (m / (v.sqrt() + 1e-8) + self.decay * p)


def with_a_hook(parameters, lr, decay):
    optimizer = torch.optim.Adam(parameters, lr=lr)

    @torch.no_grad()
    def shrink(optimizer, *args):
        for p in optimizer.param_groups[0]["params"]:
            p.mul_(1 - lr * decay)

    optimizer.register_step_pre_hook(shrink)
    return optimizer


def made(kind, **settings):
    return lambda parameters, lr, decay: kind(parameters, lr=lr, **settings)


@pytest.mark.parametrize(
    "answer",
    [
        lambda parameters, lr, decay: torch.optim.AdamW(parameters, lr, weight_decay=decay),
        lambda parameters, lr, decay: torch.optim.Adam(
            parameters, lr=lr, weight_decay=decay, decoupled_weight_decay=True
        ),
        lambda parameters, lr, decay: torch.optim.AdamW(
            [{"params": p, "lr": lr, "weight_decay": decay} for p in parameters], foreach=True
        ),
        with_a_hook,
        AdamThenDecay,
        ByHand,
    ],
)
def test_the_recipe_is_right_in_every_style(answer, capsys):
    assert said(capsys, checks.check_recipe, answer).startswith("Right.")


def adamw(parameters, lr, decay, **settings):
    return torch.optim.AdamW(parameters, **{"lr": lr, "weight_decay": decay} | settings)


def spoils_its_own_gradient(parameters, lr, decay):
    optimizer = adamw(parameters, lr, decay)
    optimizer.register_step_pre_hook(lambda *args: setattr(parameters[0], "grad", None))
    return optimizer


def empties(parameters, lr, decay):
    parameters[0].data = torch.zeros(0)
    return adamw(parameters[1:], lr, decay)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            lambda parameters, lr, decay: torch.optim.Adam(parameters, lr, weight_decay=decay),
            "whose gradient is 0, became 3.23402; by the recipe it is 3.24078",
        ),
        (made(torch.optim.Adam), "by the recipe"),
        (made(torch.optim.AdamW), "by the recipe"),  # its default decay is 0.01
        (made(torch.optim.AdamW, weight_decay=0.1), "λ = 1"),
        (made(torch.optim.Adam, weight_decay=1e-4), "by the recipe"),
        (lambda p, lr, decay: torch.optim.SGD(p, lr=lr, weight_decay=decay), "by the recipe"),
        (lambda p, lr, decay: torch.optim.RMSprop(p, lr, weight_decay=decay), "by the recipe"),
        (lambda p, lr, decay: adamw(p, lr, decay / lr), "by the recipe"),
        (lambda p, lr, decay: adamw(p, lr, decay * lr), "by the recipe"),
        (lambda p, lr, decay: adamw(p, 0.01, decay), "η = 0.003"),
        (lambda p, lr, decay: adamw(p[:1], lr, decay), "by the recipe"),
        (lambda p, lr, decay: adamw(p, lr, decay, betas=(0.5, 0.999)), "by the recipe"),
        (lambda p, lr, decay: ByHand(p, lr, decay, beta2=0.9), "by the recipe"),
        (lambda p, lr, decay: ByHand(p, lr, decay, corrected=False), "in step 1"),
        (lambda p, lr, decay: adamw(p, lr, decay, maximize=True), "in step 1"),
        (spoils_its_own_gradient, "in step 1"),
        (lambda p, lr, decay: (lr, decay), "expected an optimiser of torch.optim"),
        (lambda p, lr, decay: torch.optim.AdamW, "expected an optimiser of torch.optim"),
        (lambda p, lr, decay: adamw([], lr, decay), "stopped with ValueError"),
        (lambda p, lr, decay: torch.optim.LBFGS(p), "TypeError"),
        (lambda p, lr, decay: ByHand(p, lr, decay, first=lambda: 1 / 0), "division by zero"),
        (lambda p, lr, decay: ByHand(p, lr, decay, first=endless), "no answer within"),
        (empties, "could not be judged"),
        (endless, "no answer within"),
    ],
)
def test_a_recipe_is_compared_step_by_step(answer, reason, capsys, monkeypatch):
    monkeypatch.setattr(judging, "SECONDS", 0.5)
    text = said(capsys, checks.check_recipe, answer)
    assert text.startswith("Not yet.") and reason in text


def test_checks_are_quick(capsys):
    began = time.process_time()
    said(capsys, checks.check_scaled, scaling(0.5, 1, 1))
    said(capsys, checks.check_lion, lion)
    said(capsys, checks.check_recipe, adamw)
    assert time.process_time() - began < 15
