"""A descent whose settings change on the way, and what it takes to do the same again."""

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim import Optimizer, lr_scheduler

from gdlib import rules
from gdlib.data import check_count, seeded
from gdlib.descent import LOCK, descend, one_thread
from gdlib.landscapes import Landscape
from gdlib.step import step_of


class _Moment(NamedTuple):  # between two steps: all that it takes to go on, bit for bit
    w: Tensor
    loss: float  # over all the data
    state: list[Tensor]  # the rule's: what momentum remembers
    order: Tensor  # the examples that this epoch has left
    shuffle: Tensor  # the state of the generator that orders them
    dice: Tensor  # and of the one that a loss may draw from


class Steered:
    """A descent with momentum, ``torch.optim.SGD``'s, whose settings change while it runs.

    lr     like ``momentum`` and ``batch_size`` how it starts; no batch size: all examples
    hands  ``{step: {"lr": 0.3}}``: what changes when; ``steps`` is where the run ends

    ``changes`` is what was done, in the form of ``hands``; with it another run takes the same path.
    The rest is as for ``descend``, whose ``shuffled(batch_size, seed)`` deals the same batches. Bad
    input raises ``ValueError`` or ``TypeError``; a loss that fails later, or weights that overflow,
    end the run before that step, and ``said`` says so.
    """

    def __init__(
        self, landscape: Landscape, *, lr: float = 0.1, momentum: float = 0.0,
        batch_size: int | None = None, start: Tensor | None = None, data: tuple[Tensor, ...] = (),
        hands: Mapping[int, Mapping[str, Any]] | None = None, steps: int = 400, seed: int = 0,
    ) -> None:  # fmt: skip
        first = descend(landscape, rules.gd(0.0), 0, start=start, data=data)  # checks what is given
        if (w := first.final).dim() != 1:
            raise ValueError(f"one run is steered: start must be (d,), got {tuple(w.shape)}")
        self.landscape, self.data, self.said, dice = landscape, data, "", seeded(seed).get_state()
        self.steps = check_count("steps", steps, least=0)
        self.changes = {0: self._checked(dict(lr=lr, momentum=momentum, batch_size=batch_size))}
        state = step_of(landscape, rules.momentum(0.0), data, None, w)[1]
        self.moments = [_Moment(w, first.loss.item(), state, torch.arange(0), dice, dice)]
        script = {check_count("step", k, 0): self._checked(c) for k, c in (hands or {}).items()}
        self._record(script.get(0, {}))
        while self.advance():
            self._record(script.get(self.step, {}))

    @property
    def step(self) -> int:
        """How many steps were taken."""
        return len(self.moments) - 1

    @property
    def w(self) -> Tensor:
        """The weights so far, ``(step + 1, d)``."""
        return torch.stack([at.w for at in self.moments])

    @property
    def loss(self) -> Tensor:
        """The loss over all the data at those weights, ``(step + 1,)``."""
        return torch.tensor([at.loss for at in self.moments], dtype=torch.float64)

    def settings(self, step: int | None = None) -> dict[str, Any]:
        """What step number ``step`` is taken with, counted from 0; the next one if omitted."""
        past = [c for k, c in sorted(self.changes.items()) if step is None or k <= step]
        return {name: value for change in past for name, value in change.items()}

    def set(self, **new: float | None) -> None:
        """Change settings from the next step on; what momentum remembers stays."""
        self._record(self._checked(new))

    def advance(self) -> bool:
        """One more step; False where there is none, and ``said`` says why if it went wrong."""
        if self.step == self.steps:
            return False
        try:
            with LOCK, one_thread(), torch.inference_mode():
                after = self._next(self.moments[-1])
        except Exception as error:  # the loss is the learner's: a sentence, and no traceback
            text = f"The loss ended the run: {type(error).__name__}: {error}"
            self.said = " ".join(text.split())[:250]
            return False
        if not all(x.isfinite().all() for x in (after.w, *after.state)):
            self.back(1)  # to where the gradient was finite
            self.said = "The weights overflow: lower the learning rate and go on, or go back."
            return False
        self.moments.append(after)
        return True

    def back(self, steps: int = 50) -> None:
        """So many steps back, with the settings of now; what was done there is forgotten."""
        now, to, self.said = self.settings(), max(self.step - steps, 0), ""
        self.moments = self.moments[: to + 1]
        self.changes = {k: change for k, change in self.changes.items() if k < max(to, 1)}
        self._record(now)

    def schedule(self, optimizer: Optimizer) -> lr_scheduler.LambdaLR:
        """The run's learning rates for an optimiser; it warns if more was changed than these."""
        if set().union(*(change for k, change in self.changes.items() if k)) - {"lr"}:
            warnings.warn(f"the hand changed more than lr, see {self.changes}", stacklevel=2)
        factor = {k: lr / optimizer.param_groups[0]["lr"] for k, lr in self.rates().items()}
        return lr_scheduler.LambdaLR(optimizer, lambda n: factor[max(k for k in factor if k <= n)])

    def rates(self) -> dict[int, float]:
        """The learning rates, and from which step on each was used."""
        return {k: change["lr"] for k, change in self.changes.items() if "lr" in change}

    def _next(self, at: _Moment) -> _Moment:
        now, batch, order, shuffle = self.settings(), self.data, at.order[:0], at.shuffle
        if self.data and (size := now["batch_size"]) < len(self.data[0]):
            if not len(at.order):
                dealer = seeded(0).set_state(shuffle)
                at = at._replace(order=torch.randperm(len(self.data[0]), generator=dealer))
                shuffle = dealer.get_state()
            batch, order = tuple(x[at.order[:size]] for x in self.data), at.order[size:]
        rule = rules.momentum(now["lr"], now["momentum"])
        step = step_of(self.landscape, rule, batch, None, at.w)[0]
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(at.dice)
            w, *state, _, _ = step(at.w, *at.state)
            dice = torch.get_rng_state()
            loss = self.landscape.loss(w, *self.data).item()
        return _Moment(w, loss, state, order, shuffle, dice)

    def _record(self, new: Mapping[str, Any]) -> None:
        now = self.settings()
        if changed := {name: value for name, value in new.items() if now[name] != value}:
            self.changes[self.step] = self.changes.get(self.step, {}) | changed

    def _checked(self, new: Mapping[str, Any]) -> dict[str, Any]:
        if not set(new) <= {"lr", "momentum", "batch_size"}:
            raise ValueError(f"a hand moves lr, momentum and batch_size, got {list(new)}")
        rules.rmsprop(new.get("lr", 0.0), momentum=new.get("momentum", 0.0))  # has the same names
        checked: dict[str, Any] = {n: float(v) for n, v in new.items() if n != "batch_size"}
        if "batch_size" in new:
            count, size = len(self.data[0]) if self.data else None, new["batch_size"]
            checked["batch_size"] = count if size is None else check_count("batch_size", size)
            if (size or 0) > (count or 0):
                raise ValueError(f"batch_size must be at most the {count} examples, got {size}")
        return checked
