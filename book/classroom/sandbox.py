"""Where answers run and do no harm: no network, no files but libraries, little memory and time."""

import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

from book.build import ROOT

INSIDE = Path(__file__).with_name("inside.py")
SECONDS, IN_ALL = 10, 90  # for an answer, and for a submission; a check gives up after 30 by itself
MEMORY = 4 << 30  # of addresses; torch takes half of them without using them
LIMITS = [f"--as={MEMORY}", f"--cpu={IN_ALL}", "--nproc=512", f"--fsize={16 << 20}", "--core=0"]
LIBRARIES = {"/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives"}
ENDED = ["Ended", "The program ended before this cell: by itself, or because it took too long."]


def environment() -> dict[str, str]:
    """What a program in the sandbox knows of its surroundings."""
    packages = [path for path in sys.path if path.endswith("-packages")]
    return {
        "PATH": os.defpath,
        "HOME": "/tmp",
        "LANG": "C.UTF-8",
        "MPLBACKEND": "agg",
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *packages]),
    }


def bubblewrap() -> list[str]:
    """The command in front of a program that shuts it in."""
    packages = [path for path in sys.path if path.endswith("-packages")]
    seen = {*LIBRARIES, sys.prefix, sys.base_prefix, *packages, str(ROOT / "gdlib"), str(INSIDE)}
    readable = [part for path in sorted(seen) for part in ("--ro-bind-try", path, path)]
    named = [part for name, value in environment().items() for part in ("--setenv", name, value)]
    return [
        "bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv",
        "--proc", "/proc", "--dev", "/dev", "--size", str(256 << 20), "--tmpfs", "/tmp", *readable,
        *named, "--chdir", "/tmp", "--", "prlimit", *LIMITS, "--",
    ]  # fmt: skip


def docker(image: str) -> list[str]:
    """The same with Docker, from an image with a Python that has requirements.txt."""
    named = [part for name, value in environment().items() for part in ("--env", f"{name}={value}")]
    return [
        "docker", "run", "--rm", "--interactive", "--network", "none", "--read-only",
        "--tmpfs", "/tmp", "--memory", "4g", "--cpus", "1", "--pids-limit", "512",
        "--cap-drop", "ALL", "--security-opt", "no-new-privileges", *named,
        "--volume", f"{ROOT / 'gdlib'}:{ROOT / 'gdlib'}:ro", "--volume", f"{INSIDE}:{INSIDE}:ro",
        "--workdir", "/tmp", image,
    ]  # fmt: skip


def works(wall: list[str]) -> bool:
    """Whether a sandbox can be had here: a container of its own may forbid it."""
    if shutil.which(wall[0]) is None:
        return False
    return subprocess.run([*wall, "true"], capture_output=True).returncode == 0


def run(cells: list[dict], wall: list[str]) -> list[dict]:
    """Run the cells of a submission behind a wall: for each what it printed, and its error.

    A cell is its ``source``; one that marks has ``starter``, too, the answer that must not pass.
    """
    token = secrets.token_hex(16)
    request = json.dumps({"token": token, "seconds": SECONDS, "cells": cells})
    with subprocess.Popen(
        [*wall, "python3" if "docker" in wall else sys.executable, "-s", str(INSIDE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(request.encode(), timeout=IN_ALL)
        except subprocess.TimeoutExpired as late:
            process.kill()
            said = late.stdout or b""
    outcomes: dict[int, dict] = {}
    for line in said.decode(errors="replace").splitlines():
        if line.startswith(token):  # an answer's own processes may say a thing twice: once counts
            number, outcome = json.loads(line.removeprefix(token))
            outcomes.setdefault(number, outcome)
    return [outcomes.get(n, {"text": "", "error": ENDED}) for n in range(len(cells))]
