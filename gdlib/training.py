"""The plain PyTorch training loop, over any module, loader, optimiser and scheduler."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from tqdm.auto import tqdm

from gdlib.data import check_count


@dataclass(frozen=True)
class History:
    """What the training saw, one row per step; fewer rows than asked for if it was interrupted.

    loss         ``(steps,)`` loss of the step's batch, before the step
    lr           ``(steps,)`` learning rate of the first parameter group at that step
    examples     ``(steps,)`` examples seen up to and including that step
    seconds      ``(steps,)`` seconds since the start, after that step
    interrupted  True if a keyboard interrupt ended the training early
    """

    loss: Tensor
    lr: Tensor
    examples: Tensor
    seconds: Tensor
    interrupted: bool = False


def train(
    model: nn.Module,
    loader: Iterable,
    optimizer: torch.optim.Optimizer,
    criterion: Callable[[Tensor, Tensor], Tensor],
    epochs: int,
    *,
    scheduler: LRScheduler | ReduceLROnPlateau | None = None,
    schedule_per: str = "epoch",
    device: torch.device | str | None = None,
    progress: bool = True,
) -> History:
    """Train ``model`` in place for so many passes over ``loader``, whose items are ``(x, y)``.

    ``scheduler`` is stepped after every epoch, or after every step if ``schedule_per="step"``;
    ``ReduceLROnPlateau`` is given the epoch's mean batch loss. ``device`` moves the model and every
    batch; by default they stay where they are. An interrupt ends the training and returns what was
    done so far. Raises ``ValueError`` for arguments out of range and for an empty loader.
    """
    check_count("epochs", epochs, least=0)
    if schedule_per not in ("epoch", "step"):
        raise ValueError(f"schedule_per must be 'epoch' or 'step', got {schedule_per!r}")
    if isinstance(scheduler, ReduceLROnPlateau) and schedule_per == "step":
        raise ValueError("ReduceLROnPlateau looks at whole epochs: schedule_per must be 'epoch'")
    model.to(device)
    rows: list[tuple[Tensor, float, int, float]] = []
    interrupted = False
    try:
        # tqdm's own TQDM_DISABLE is not heard in notebooks.
        silent = not progress or bool(os.environ.get("TQDM_DISABLE"))
        for _ in tqdm(range(epochs), desc="epochs", disable=silent):
            before = len(rows)
            _epoch(model, loader, optimizer, criterion, rows, device,
                   scheduler if schedule_per == "step" else None)  # fmt: skip
            if len(rows) == before:
                raise ValueError("the loader must yield at least one batch, got none")
            if scheduler is not None and schedule_per == "epoch":
                _step(scheduler, [row[0] for row in rows[before:]])
    except KeyboardInterrupt:
        interrupted = True
    return _history(rows, interrupted)


def _epoch(
    model: nn.Module,
    loader: Iterable,
    optimizer: torch.optim.Optimizer,
    criterion: Callable[[Tensor, Tensor], Tensor],
    rows: list,
    device: torch.device | str | None,
    scheduler: LRScheduler | ReduceLROnPlateau | None,
) -> None:
    start = perf_counter() - (rows[-1][3] if rows else 0.0)
    seen = rows[-1][2] if rows else 0
    model.train()
    for x, y in loader:
        if device is not None:
            x, y = x.to(device), y.to(device)
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        lr = float(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if scheduler is not None:
            _step(scheduler, [])
        seen += len(x)
        rows.append((loss.detach(), lr, seen, perf_counter() - start))


def _step(scheduler: LRScheduler | ReduceLROnPlateau, losses: list[Tensor]) -> None:
    if isinstance(scheduler, ReduceLROnPlateau):
        scheduler.step(float(torch.stack(losses).mean()))
    else:
        scheduler.step()


def _history(rows: list[tuple[Tensor, float, int, float]], interrupted: bool) -> History:
    if not rows:
        empty = torch.empty(0)
        return History(empty, empty, empty.long(), empty, interrupted)
    losses, lrs, examples, seconds = zip(*rows, strict=True)
    return History(
        torch.stack(losses).cpu(),
        torch.tensor(lrs, dtype=torch.float64),
        torch.tensor(examples),
        torch.tensor(seconds, dtype=torch.float64),
        interrupted,
    )
