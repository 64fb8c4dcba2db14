"""Exercises on your own problem: a cut in time, several rows of one person, nothing learned."""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice, pairwise
from typing import Any

import torch
from torch import Tensor

from gdlib.checks.judging import NotYet, ask, check, numbers, shown, tensor

PARTS = {"training": 0.6, "validation": 0.2, "test": 0.2}
TEST_PARTS, FRESH_PARTS = 10, 4_000


@check
def check_time_split(answer: Callable[[int, int], Sequence]) -> str:
    """Look up the numbers that the rows of the parts are made of: no two parts may share one."""
    for rows, lags in ((60, 3), (97, 1), (1495, 5), (250, 10), (73, 4)):
        about = f"{rows} rows, {lags} lag{'s' * (lags > 1)}"
        parts = _parts(ask(answer, rows, lags, about=about), rows, about)
        for (earlier, one), (later, other) in pairwise(zip(PARTS, parts, strict=True)):
            last, first = max(one), min(other)
            if last >= first:
                raise NotYet(
                    f"{about}: row {last} is in the {earlier} part and row {first} in the {later} "
                    f"part. All of the {earlier} part must come before the {later} part."
                )
            shared = len(set(range(last, last + lags + 1)) & set(range(first, first + lags + 1)))
            if shared:
                raise NotYet(
                    f"{about}: row {last}, the last of the {earlier} part, and row {first}, the "
                    f"first of the {later} part, share {shared} of their {lags + 1} numbers."
                )
        out = rows - sum(map(len, parts))
        if out > 2 * lags:
            raise NotYet(
                f"{about}: no number is shared, but {out} rows are in no part; to leave out "
                f"{2 * lags} is enough."
            )
        for (name, share), part in zip(PARTS.items(), parts, strict=True):
            if abs(len(part) - share * rows) > 2 * lags + 1:
                raise NotYet(
                    f"{about}: the {name} part has {len(part)} rows; it should have about "
                    f"{share * rows:.0f}."
                )
    return "Five tables: no two parts share a number, and no row is left out in vain."


def _parts(said: Any, rows: int, about: str) -> list[list[int]]:
    """Three lists of row numbers, from lists, ranges, tensors, arrays or masks."""
    parts: list = []
    with suppress(NotYet):
        parts = ask(lambda: list(islice(iter(said), 4)), about=about)
    if len(parts) != 3 or isinstance(said, str | bytes | dict | set):
        raise NotYet(f"{about}: expected three parts, each of them row numbers, got {shown(said)}.")
    return [_part(part, name, rows, about) for name, part in zip(PARTS, parts, strict=True)]


def _part(part: Any, name: str, rows: int, about: str) -> list[int]:
    """The row numbers in one part; ``NotYet`` unless they are some of ``range(rows)``, once."""
    about, found = f"{about}, the {name} part", torch.zeros(())
    part = range(rows)[part] if isinstance(part, slice) else part
    with suppress(NotYet):
        found = ask(lambda: torch.as_tensor(list(islice(iter(part), rows + 1))), about=about)
    if found.dtype == torch.bool and len(found) == rows:
        found = found.nonzero()[:, 0]
    if found.ndim != 1 or not found.numel() or found.dtype not in (torch.int32, torch.int64):
        raise NotYet(f"{about}: expected row numbers, whole and not none, got {shown(part)}.")
    listed = found.tolist()
    wrong = [row for row in listed if not 0 <= row < rows]
    if wrong or len(set(listed)) < len(listed):
        what = f"there is no row {wrong[0]}" if wrong else "a row is in it twice"
        raise NotYet(f"{about}: {what}; the rows are 0 to {rows - 1}, each at most once.")
    return listed


@check
def check_interval(answer: Callable[[Tensor, Tensor], Any]) -> str:
    """Compare the intervals' width with how far the means of fresh test parts lie apart."""
    told = []
    kinds = {"80 people, 10 rows each": [10] * 80, "200 people, one row each": [1] * 200,
             "150 people, some with 24 rows and most with 3": ([24] + [3] * 2) * 50}  # fmt: skip
    for about, sizes in kinds.items():
        dice, widths = torch.Generator().manual_seed(3), []
        fresh = _gains(FRESH_PARTS, sizes, dice)[0].mean(1)
        low, high = fresh.quantile(fresh.new_tensor([0.025, 0.975])).tolist()
        parts, person = _gains(TEST_PARTS, sizes, dice)
        for gains in parts:
            said = ask(answer, gains.clone(), person.clone(), about=about)
            ends = numbers(said, 2, about)
            if ends[0] > ends[1]:
                raise NotYet(f"{about}: the low end comes first, got {ends[0]:.3f}, {ends[1]:.3f}.")
            middle, mean = sum(ends) / 2, float(gains.mean())
            if not abs(middle - mean) < 0.1 * (high - low):
                raise NotYet(
                    f"{about}: the gains' mean is {mean:.3f}. Your interval, {ends[0]:.3f} to "
                    f"{ends[1]:.3f}, has its middle at {middle:.3f}."
                )
            widths.append(ends[1] - ends[0])
        ratio = sum(widths) / TEST_PARTS / (high - low)
        if not 0.9 < ratio < 1.12:
            raise NotYet(
                f"{about}: your intervals are {ratio * (high - low):.3f} wide on average. Of "
                f"{FRESH_PARTS:,} test parts, each of new people, the middle 95 % of the means lie "
                f"within {high - low:.3f}."
            )
        told.append(f"{ratio:.2f}")
    return f"Your intervals are {', '.join(told)} times as wide as fresh test parts spread."


def _gains(parts: int, sizes: list[int], dice: torch.Generator) -> tuple[Tensor, Tensor]:
    """Gains (parts, rows), 0.1 and luck of the person and of the row, and the rows' people."""
    people, rows = len(sizes), sum(sizes)
    luck = torch.randn(parts, people + rows, generator=dice, dtype=torch.float64)
    who = torch.arange(people).repeat_interleave(torch.tensor(sizes))
    who = who[torch.randperm(rows, generator=dice)]
    return 0.1 + 0.6 * luck[:, who] + luck[:, people:], 7 * who + 5


@check
def check_foretell(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str:
    """Train on tables of a known truth, and compare with it on rows that are new."""
    dice, told = torch.Generator().manual_seed(0), []
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # the first one imports for seconds
    for rows, columns, bent in ((300, 3, False), (193, 5, False), (400, 2, True), (48, 1, False)):
        about = f"{rows} rows, {columns} column{'s' * (columns > 1)}"
        x = torch.randn(rows + 1000, columns, generator=dice, dtype=torch.float64)
        truth = (x[:, 0].square() / math.sqrt(2) if bent else x.sum(1) / math.sqrt(columns)) * 0.9
        truth = truth - truth[:rows].mean()
        luck = 0.25 * torch.randn(rows, generator=dice, dtype=torch.float64)
        said = ask(answer, x[:rows].clone(), truth[:rows] + luck, x[rows:].clone(), about=about)
        try:
            said = tensor(said, (1000, 1), about)  # a column is as good
        except NotYet:
            said = tensor(said, (1000,), about)
        off = (said.flatten() - truth[rows:]).square().mean()
        left = float(off / truth[rows:].var())
        if left > 0.2:
            raise NotYet(
                f"{about}{', a bent truth' * bent}: of the truth's variance {left:.2g} is left "
                "unexplained on new rows. To say the mean to all leaves 1."
            )
        told.append(f"{left:.2g}")
    return f"Four tables; of the truth's variance there is left {', '.join(told)} on new rows."
