"""A kernel that can do no harm: no network, no files but the libraries, little memory and time."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import Execute

from book.classroom.chapters import ROOT

MEMORY = 4 << 30  # of addresses; torch takes half of them without using them
SECONDS = {"answer": 10, "check": 35, "in all": 90}  # a check gives up by itself after 30
PRINTED = 1 << 20  # characters that one submission may print
ENDED = "The kernel ended: nothing from here on was run."
LIMITS = [f"--as={MEMORY}", "--cpu=90", "--nproc=512", f"--fsize={16 << 20}", "--core=0"]
LIBRARIES = {"/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives"}


def bubblewrap(folder: Path) -> list[str]:
    """The command in front of a kernel's that shuts it in, with one folder to speak through."""
    packages = [path for path in sys.path if path.endswith("-packages")]
    seen = {*LIBRARIES, sys.prefix, sys.base_prefix, *packages, str(ROOT / "gdlib")}
    readable = [part for path in sorted(seen) for part in ("--ro-bind-try", path, path)]
    named = {"PATH": os.defpath, "HOME": "/tmp", "OMP_NUM_THREADS": "1", "LANG": "C.UTF-8"}
    named["PYTHONPATH"] = os.pathsep.join([str(ROOT), *packages])
    environment = [part for name, value in named.items() for part in ("--setenv", name, value)]
    return [
        "bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv",
        "--proc", "/proc", "--dev", "/dev", "--size", str(256 << 20), "--tmpfs", "/tmp", *readable,
        "--bind", str(folder), str(folder), *environment, "--chdir", "/tmp", "--",
        "prlimit", *LIMITS, "--",
    ]  # fmt: skip


def docker(folder: Path, image: str) -> list[str]:
    """The same with Docker, from an image that holds Python, requirements.txt and this folder."""
    return [
        "docker", "run", "--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp",
        "--memory", "4g", "--cpus", "1", "--pids-limit", "512", "--cap-drop", "ALL",
        "--security-opt", "no-new-privileges", "--env", "OMP_NUM_THREADS=1", "--env", "HOME=/tmp",
        "--volume", f"{folder}:{folder}", "--workdir", "/tmp", image,
    ]  # fmt: skip


def works(command: list[str]) -> bool:
    """Whether a sandbox can be had here: a container of its own may forbid it."""
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run([*command, "true"], capture_output=True).returncode == 0


class Sandboxed(AsyncKernelManager):
    """Starts the kernel behind ``wall``; they speak through sockets in a folder, not ports."""

    wall: Sequence[str] = ()
    folder: Path

    def __init__(self, **kwargs: Any) -> None:
        connection = str(self.folder / f"{time.monotonic_ns()}.json")
        super().__init__(transport="ipc", connection_file=connection, **kwargs)
        if self.kernel_spec:
            self.kernel_spec.interrupt_mode = "message"  # a signal would reach the wall only

    def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
        return [*self.wall, *super().format_kernel_cmd(extra_arguments)]


class Watched(Execute):
    """Executes a submission: so long for a cell, so long in all, and so much printed."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(kernel_manager_class=Sandboxed, shutdown_kernel="immediate", **kwargs)

    def preprocess(self, nb: NotebookNode, *args: Any, **kwargs: Any) -> Any:
        self.until, self.printed = time.monotonic() + SECONDS["in all"], 0
        self.timeout_func, self.dead = self.seconds_left, False
        return super().preprocess(nb, *args, **kwargs)

    @contextmanager
    def setup_kernel(self, **kwargs: Any) -> Iterator[None]:
        with super().setup_kernel(stdout=DEVNULL, stderr=DEVNULL, **kwargs):
            yield

    def preprocess_cell(self, cell: NotebookNode, *args: Any) -> Any:
        """Execute a cell. A kernel that has ended fails this cell and those below."""
        if not self.dead:
            try:
                return super().preprocess_cell(cell, *args)
            except DeadKernelError:
                self.dead = True
        if cell.cell_type == "code":
            cell.outputs.append(
                new_output("error", ename="DeadKernel", evalue="", traceback=[ENDED])
            )
        return cell, args[0]

    def seconds_left(self, cell: NotebookNode) -> float:
        """How long a cell may take. A check stops an answer by itself, and says why."""
        kind = "check" if cell.metadata.get("nbgrader", {}).get("locked") else "answer"
        return max(0.5, min(SECONDS[kind], self.until - time.monotonic()))

    def process_message(self, msg: dict, cell: NotebookNode, cell_index: int) -> Any:
        if msg["msg_type"] in ("stream", "display_data", "update_display_data", "execute_result"):
            self.printed += len(str(msg["content"]))
            if self.printed > PRINTED:
                return None
        return super().process_message(msg, cell, cell_index)
