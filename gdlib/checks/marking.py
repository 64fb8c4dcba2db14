"""A check that gives a mark: it raises where the others say "Not yet."."""

import time
from collections.abc import Callable
from typing import Any

from gdlib.checks.judging import IN_ALL, NotYet, _deadline, _told


def mark(check: Callable[[Any], None], answer: Any) -> None:
    """Run a check on an answer, and raise ``AssertionError`` unless it is right.

    The message is what the check says to a reader. Prints what it praises.
    """
    token = _deadline.set(time.monotonic() + IN_ALL)
    try:
        praise = check.__wrapped__(answer)  # pyright: ignore[reportFunctionMemberAccess]
    except NotYet as reason:
        raise AssertionError(f"Not yet. {reason}") from None
    except Exception as error:
        raise AssertionError(f"Not yet. It could not be judged: {_told(error)}") from None
    finally:
        _deadline.reset(token)
    print(f"Right. {praise}")
