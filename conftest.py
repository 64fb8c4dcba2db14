"""What `pytest --nbval notebooks` compares, and how its kernels start."""

import getpass
import os
import tempfile
from pathlib import Path

from filelock import FileLock

from gdlib.explore.page import ANSWER

os.environ["TQDM_DISABLE"] = "1"  # a progress bar is for the person who waits
# A kernel's ports are chosen before it takes them. Two that start at once may choose the same one.
STARTING = Path(tempfile.gettempdir()) / f"downhill-kernel-{getpass.getuser()}.lock"


def pytest_collectstart(collector):
    if not hasattr(collector, "skip_compare"):  # not a notebook
        return
    # nbval skips pictures and widgets already. HTML is not in git either (`make notebooks` drops
    # it); the text/plain beside it is, and is compared. Pages are looked at in a browser.
    collector.skip_compare += ("text/html", "image/svg+xml", ANSWER)
    start = collector.setup

    def one_at_a_time():
        with FileLock(STARTING):
            start()

    collector.setup = one_at_a_time
