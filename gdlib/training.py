"""The plain PyTorch training loop, over any module, loader, optimiser and scheduler."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
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
    model: nn.Module, loader: Iterable, optimizer: Optimizer,
    criterion: Callable[[Tensor, Tensor], Tensor], epochs: int, *,
    scheduler: LRScheduler | None = None, schedule_per: str = "epoch",
    device: torch.device | str | None = None, progress: bool = True,
) -> History:  # fmt: skip
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
    seen, began, interrupted = 0, perf_counter(), False
    try:
        # tqdm's own TQDM_DISABLE is not heard in notebooks.
        silent = not progress or bool(os.environ.get("TQDM_DISABLE"))
        for _ in tqdm(range(epochs), desc="epochs", disable=silent):
            before = len(rows)
            model.train()
            for x, y in loader:
                if device is not None:
                    x, y = x.to(device), y.to(device)
                loss = criterion(model(x), y)
                optimizer.zero_grad()
                loss.backward()
                lr = float(optimizer.param_groups[0]["lr"])
                optimizer.step()
                seen += len(x)
                rows.append((loss.detach(), lr, seen, perf_counter() - began))
                if scheduler is not None and schedule_per == "step":
                    scheduler.step()  # pyright: ignore[reportCallIssue]
            if len(rows) == before:
                raise ValueError("the loader must yield at least one batch, got none")
            if isinstance(scheduler, ReduceLROnPlateau):
                scheduler.step(float(torch.stack([row[0] for row in rows[before:]]).mean()))
            elif scheduler is not None and schedule_per == "epoch":
                scheduler.step()
    except KeyboardInterrupt:
        interrupted = True
    losses, lrs, counts, seconds = zip(*rows, strict=True) if rows else ((),) * 4
    return History(
        torch.stack(losses).cpu() if losses else torch.empty(0),
        torch.tensor(lrs, dtype=torch.float64),
        torch.tensor(counts, dtype=torch.int64),
        torch.tensor(seconds, dtype=torch.float64),
        interrupted,
    )
