"""What runs inside the sandbox: the cells of one submission, in order, and a line of JSON for each.

It reads from its input ``{"token", "seconds", "cells": [{"source", "starter"}]}`` and writes, for
each cell that ended, the token, its number and ``{"text", "error"}``. Nothing that is worth reading
is in reach of a learner's code. An answer that changes what the checks are made of earns no mark,
and neither does one after which a check passes the unchanged starter, too.
"""

import contextlib
import io
import json
import math
import os
import signal
import sys
import traceback
import types

LONGEST = 10_000  # characters of what a cell prints


class TimeUp(BaseException):
    """A cell took too long."""


class Paper(io.StringIO):
    """Takes what a cell prints, and no more than fits."""

    def write(self, text: str) -> int:
        if self.tell() < LONGEST:
            super().write(text[: LONGEST - self.tell()])
        return len(text)


def made_of(modules: dict[str, types.ModuleType]) -> dict:
    """The functions and classes of modules, down to their code: what an answer must leave alone."""
    seen: dict = {}
    for name, module in modules.items():
        seen[name] = id(sys.modules.get(name))
        for key, thing in vars(module).items():
            if callable(thing) and "seed" not in key:  # torch itself wraps these, when it compiles
                seen[name, key] = id(thing), id(getattr(thing, "__code__", None))
            if isinstance(thing, type) and thing.__module__ in modules:
                seen |= {(name, key, k): id(v) for k, v in vars(thing).items() if callable(v)}
    return seen


def main() -> None:
    request = json.load(sys.stdin)
    told = os.fdopen(os.dup(1), "w", encoding="utf8")
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    import torch

    from gdlib import checks
    from gdlib.checks.marking import mark

    kept = ("gdlib", "builtins", "torch.testing", "torch.functional", "math")
    modules = {n: m for n, m in sys.modules.items() if n == "torch" or n.startswith(kept)}
    clean = {name: getattr(checks, name) for name in checks.__all__}
    clean |= {"mark": mark, "torch": torch, "math": math}
    before, names = made_of(modules), {"__name__": "__main__"}

    def ring(*_: object) -> None:
        raise TimeUp(f"no end after {request['seconds']} seconds")

    signal.signal(signal.SIGALRM, ring)

    def run(source: str, space: dict, seconds: int) -> tuple[str, list[str] | None]:
        paper, error = Paper(), None
        signal.alarm(seconds)
        try:
            with contextlib.redirect_stdout(paper), contextlib.redirect_stderr(paper):
                exec(compile(source, "cell", "exec"), space)
        except BaseException as raised:
            shown = traceback.format_exception_only(raised)[-1].strip()
            error = [type(raised).__name__, shown[:2000]]
        finally:
            signal.alarm(0)
        return paper.getvalue(), error

    for number, cell in enumerate(request["cells"]):
        starter = cell.get("starter")
        space = names if starter is None else {**names, **clean}
        text, error = run(cell["source"], space, request["seconds"] * (1 if starter is None else 4))
        now = made_of(modules)  # imports add to it; nothing that was there may change
        if any(now.get(thing) != was for thing, was in before.items()):
            error = ["Tampered", "This code changes what the checks are made of."]
        elif starter and not error:
            control = {**names, **clean}
            run(starter, control, request["seconds"])
            if run(cell["source"], {**control, **clean}, 4 * request["seconds"])[1] is None:
                error = ["Tampered", "After this answer the check passes what is wrong, too."]
        told.write(f"{request['token']}{json.dumps([number, {'text': text, 'error': error}])}\n")
        told.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
