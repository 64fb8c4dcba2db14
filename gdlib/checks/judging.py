"""Run a reader's answer, safely, and say what happened: what every check is built on."""

import _thread
import contextvars
import ctypes
import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import wraps
from itertools import islice
from typing import Any

import torch
from torch import Tensor

SECONDS = 5.0  # for one call of the answer
IN_ALL = 30.0  # for all calls that one check makes

_deadline: contextvars.ContextVar[float] = contextvars.ContextVar("deadline", default=math.inf)


class NotYet(Exception):
    """What is wrong with an answer, in a sentence for the reader."""


class _TooSlow(SystemExit):
    """Ends a thread without a word; ``except Exception`` in an answer cannot swallow it."""


def check(judge: Callable[[Any], str]) -> Callable[[Any], None]:
    """A judge, which returns praise or raises ``NotYet``, as a check that prints either."""

    @wraps(judge)
    def check(answer: Any) -> None:
        token = _deadline.set(time.monotonic() + IN_ALL)
        try:
            print(f"Right. {judge(answer)}")
        except NotYet as reason:
            print(f"Not yet. {reason}")
        except Exception as error:
            # What an answer returns can be odd in more ways than a judge foresees.
            print(f"Not yet. What your function returned could not be judged: {_told(error)}")
        finally:
            _deadline.reset(token)

    return check


def ask(answer: Any, *args: Any, about: str) -> Any:
    """What the answer returns for ``args``, which ``about`` names; ``NotYet`` if it cannot."""
    if not callable(answer):
        raise NotYet(f"The check needs the function itself, got {shown(answer)}.")
    outcome, failure = [], []
    ended = threading.Event()

    def work() -> None:
        try:
            outcome.append(answer(*args))
        except BaseException as error:
            failure.append(error)
        finally:
            ended.set()

    # A thread can be left behind; its context makes what it prints appear under the cell.
    thread = _thread.start_new_thread(contextvars.copy_context().run, (work,))
    try:
        ended.wait(max(0.0, min(SECONDS, _deadline.get() - time.monotonic())))
    finally:
        if not ended.is_set():
            _stop(thread)
    if failure and not isinstance(failure[0], _TooSlow):
        raise NotYet(f"{about}: your code stopped with {_told(failure[0])}") from None
    if not outcome and time.monotonic() > _deadline.get():
        raise NotYet(f"{about}: all calls together may take {IN_ALL:g} s, and it was not done.")
    if not outcome:
        raise NotYet(f"{about}: no answer within {SECONDS:g} s; does a loop never end?")
    return outcome[0]


def _given(value: Any, about: str) -> None:
    if value is None:
        raise NotYet(f"{about}: your function returned None; is there a return?")


def number(value: Any, about: str) -> float:
    """The value as a float; ``NotYet`` unless it is one finite number."""
    _given(value, about)
    try:
        value = value.detach() if isinstance(value, Tensor) else value
        plain = type(value) in (int, float, Tensor)
        result = float(value) if plain else ask(float, value, about=about)
    except (NotYet, OverflowError, RuntimeError, TypeError, ValueError):
        result = math.nan
    if isinstance(value, str | bytes | bool) or not math.isfinite(result):
        raise NotYet(f"{about}: expected one finite number, got {shown(value)}.")
    return result


def numbers(value: Any, count: int, about: str) -> list[float]:
    """The value, a list, tuple, array, tensor or iterator, as so many floats; else ``NotYet``."""
    _given(value, about)
    found = []
    with suppress(NotYet):
        found = ask(lambda: list(islice(iter(value), count + 1)), about=about)
    if len(found) != count or isinstance(value, str | bytes | dict | set):
        raise NotYet(f"{about}: expected {count} numbers, got {shown(value)}.")
    return [number(x, about) for x in found]


def tensor(value: Any, shape: Sequence[int], about: str) -> Tensor:
    """The value as a finite float64 tensor of that shape, off its graph; else ``NotYet``."""
    _given(value, about)
    found = torch.empty(0)
    with suppress(NotYet):
        found = ask(lambda: torch.as_tensor(value).detach().cpu().double().clone(), about=about)
    if found.shape != torch.Size(shape) or not found.isfinite().all():
        got = f"{shown(value)}, of shape {tuple(found.shape)}"
        raise NotYet(f"{about}: expected finite numbers of shape {tuple(shape)}, got {got}.")
    return found


def shown(value: Any, most: int = 60) -> str:
    """How a value reads in a sentence, whatever its own ``repr`` does."""
    try:
        text = " ".join(ask(repr, value, about="A value").split())
    except NotYet:
        text = f"an object of type {type(value).__name__}"
    return text if len(text) <= most else text[: most - 1] + "…"


def _told(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


def _stop(thread: int) -> None:
    """Raise in a thread until it ends; one that sleeps ends when it wakes.

    Nothing inside a process can end a call of C that keeps the interpreter to itself, and a loop
    that catches everything runs on until the kernel is restarted; neither keeps the check waiting.
    """
    args, stop = (ctypes.c_ulong(thread), ctypes.py_object(_TooSlow)), ctypes.pythonapi
    for _ in range(20):
        if not stop.PyThreadState_SetAsyncExc(*args):
            return
        time.sleep(0.01)
