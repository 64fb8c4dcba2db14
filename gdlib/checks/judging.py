"""Run a reader's answer, safely, and say what happened: what every check is built on."""

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import FrameType
from typing import Any

SECONDS = 5.0


class NotYet(Exception):
    """What is wrong with an answer, in a sentence for the reader."""


class _TooSlow(BaseException):
    """Not an Exception, so that ``except Exception`` in an answer cannot swallow it."""


def check(judge: Callable[[Any], str]) -> Callable[[Any], None]:
    """A judge, which returns praise or raises ``NotYet``, as a check that prints either."""

    @wraps(judge)
    def check(answer: Any) -> None:
        try:
            print(f"Right. {judge(answer)}")
        except NotYet as reason:
            print(f"Not yet. {reason}")

    return check


def ask(answer: Any, *args: Any, about: str) -> Any:
    """What the answer returns for ``args``, which ``about`` names; ``NotYet`` if it cannot."""
    if not callable(answer):
        raise NotYet(f"The check needs the function itself, got {answer!r}.")
    try:
        with _time_limit():
            return answer(*args)
    except _TooSlow:
        raise NotYet(f"{about}: no answer within {SECONDS:g} s; does a loop never end?") from None
    except (Exception, SystemExit) as error:
        raise NotYet(f"{about}: your code stopped with {type(error).__name__}: {error}") from None


def number(value: Any, about: str) -> float:
    """The value as a float; ``NotYet`` unless it is one finite number."""
    if value is None:
        raise NotYet(f"{about}: your function returned None; is there a return?")
    try:
        result = math.nan if isinstance(value, str | bool) else float(value)
    except (TypeError, ValueError, RuntimeError):
        result = math.nan
    if not math.isfinite(result):
        raise NotYet(f"{about}: expected one finite number, got {value!r:.60}.")
    return result


@contextmanager
def _time_limit() -> Iterator[None]:
    """Stop Python code that runs too long; unlike a signal, this works on Windows as well."""
    before, deadline = sys.gettrace(), time.monotonic() + SECONDS

    def watch(frame: FrameType, event: str, arg: Any) -> Callable:
        frame.f_trace_opcodes = True  # a loop on one line has no line events
        if time.monotonic() > deadline:
            raise _TooSlow
        return watch

    sys.settrace(watch)
    try:
        yield
    finally:
        sys.settrace(before)
