"""A room on one machine: the hub that book/teaching/server.md describes is started and used.

``DOWNHILL_ROOM=30`` fills the room and holds it to the time and memory that the page promises.
"""

import contextlib
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import psutil
import pytest
import requests
from learner import Learner

from conftest import ROOT, need

HUB = ROOT / "book" / "teaching" / "hub"
SEATS = int(os.environ.get("DOWNHILL_ROOM", "3"))
CHAPTER = "01_gradient_descent.ipynb"
OPENING = 3  # cells: imports, the first explorer, the first computation
WHOLE = SEATS >= 10  # a few learners run the opening only
BEAT = max(1, SEATS // 3)  # seconds between a server's signs of life

# The page's configuration on another port; the culler waits for a file, and is quick.
CONFIG = """
load_subconfig({config!r})
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_port = {port} + 1
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{port_api}"
c.Spawner.environment["JUPYTERHUB_ACTIVITY_INTERVAL"] = "{beat}"
cull = c.JupyterHub.services[0]["command"]
cull[-1:] = ["--timeout={idle}", "--cull-every=1"]
cull[:] = ["sh", "-c", 'until [ -e {state}/cull ]; do sleep 0.2; done; exec "$@"', "sh", *cull]
"""


# Where Python lies in a closed folder (/root), the hub sees that folder with only Python in it.
OPENED = """
mkdir -p {state}/python && mount --bind {prefix} {state}/python &&
mount -t tmpfs -o mode=0755 opened {closed} && mkdir -p -m 0755 {prefix} &&
mount --bind {state}/python {prefix} && exec "$@"
"""


def readable_by_all(command: list[str], state: Path) -> list[str]:
    prefix = Path(sys.base_prefix).resolve()
    closed = [folder for folder in prefix.parents if not folder.stat().st_mode & 0o001]
    if not closed:
        return command
    opened = OPENED.format(state=state, prefix=prefix, closed=closed[-1])
    return ["unshare", "--mount", "sh", "-c", opened, "sh", *command]


@pytest.fixture(scope="module")
def room() -> Iterator[tuple[list[Learner], Path]]:
    """A hub and accounts for a room; afterwards nothing of them is left."""
    if os.geteuid() != 0:
        pytest.skip("only root can make accounts")
    hub = Path(sys.executable).parent / "jupyterhub"
    need(hub.exists(), "no JupyterHub: make .venv/bin/configurable-http-proxy")
    port = 20_000 + secrets.randbelow(10_000) // 3 * 3
    class_, known = secrets.token_hex(2), had_group()
    with tempfile.TemporaryDirectory(prefix="room") as folder:
        state = Path(folder)
        state.chmod(0o711)
        names = [f"r{class_}-{i}" for i in range(SEATS)]
        (state / "names").write_text("".join(f"{name}\n" for name in names))
        made = subprocess.run(
            ["sh", HUB / "learners.sh", state / "names"],
            env={**os.environ, "HOMES": folder},
            capture_output=True,
            text=True,
        )
        config = state / "config.py"
        config.write_text(
            CONFIG.format(
                config=str(HUB / "jupyterhub_config.py"),
                port=port,
                port_api=port + 2,
                state=state,
                beat=BEAT,
                idle=4 * BEAT,
            )
        )
        log = (state / "log").open("w")
        process = subprocess.Popen(
            readable_by_all([str(hub), "-f", str(config)], state),
            cwd=state,
            env={**os.environ, "STATE_DIRECTORY": f"{state}/hub"},
            stdout=log,
            stderr=log,
        )
        try:
            assert made.returncode == 0, made.stderr
            address = f"http://127.0.0.1:{port}"
            until(lambda: answers(address), 60, lambda: (state / "log").read_text()[-3000:])
            passwords = dict(line.split("\t") for line in made.stdout.splitlines())
            yield [Learner(address, *both) for both in passwords.items()], state
        finally:
            process.terminate()  # the hub stops all servers; what does not stop is killed
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(90)
            process.kill()
            log.close()
            for left in psutil.process_iter(["username"]):
                if left.info["username"] in names:
                    left.kill()
            for name in names:
                subprocess.run(["userdel", "--force", "--remove", name], capture_output=True)
            if not known:
                subprocess.run(["groupdel", "downhill"], capture_output=True)


def had_group() -> bool:
    return subprocess.run(["getent", "group", "downhill"], capture_output=True).returncode == 0


def answers(address: str) -> bool:
    try:
        return requests.get(address + "/hub/health", timeout=1).ok
    except requests.ConnectionError:
        return False


def until(there: Callable[[], bool], seconds: float, why: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline, why()
        time.sleep(0.2)


def memory(names: list[str]) -> tuple[float, float, float]:
    """What the learners' processes hold, in GiB: PSS, RSS; and their processor seconds."""
    pss = rss = cpu = 0.0
    for process in psutil.process_iter(["username"]):
        if process.info["username"] in names:
            text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
            kib = {k: int(v) for k, v in re.findall(r"(?m)^(Pss|Rss):\s+(\d+) kB", text)}
            pss, rss = pss + kib["Pss"] / 2**20, rss + kib["Rss"] / 2**20
            cpu += sum(process.cpu_times()[:2])
    return pss, rss, cpu


def test_everybody_in_the_room_logs_in_opens_the_chapter_and_runs_it(room):
    learners, _ = room
    names, began, held = [learner.name for learner in learners], time.monotonic(), []
    opened = Barrier(SEATS, lambda: held.append(memory(names)))

    def lesson(learner: Learner) -> list[float]:
        marks = []
        learner.login()
        marks.append(time.monotonic() - began)
        learner.start()
        marks.append(time.monotonic() - began)
        content = learner.ask("GET", f"contents/{CHAPTER}").json()["content"]
        cells = [cell["source"] for cell in content["cells"] if cell["cell_type"] == "code"]
        socket = learner.listen(learner.new_kernel())
        for source in cells[:OPENING]:
            learner.run(socket, source)
        marks.append(time.monotonic() - began)
        opened.wait(600)
        for source in cells[OPENING:] if WHOLE else ():
            learner.run(socket, source)
        return [*marks, time.monotonic() - began]

    with ThreadPoolExecutor(SEATS) as pool:
        marks = list(pool.map(lesson, learners))

    last = [max(column) for column in zip(*marks, strict=True)]
    held.append(memory(names))
    parts = ("is in", "has a server", "has run the opening", "has run the chapter")
    said = ", ".join(f"{part} after {t:.0f} s" for part, t in zip(parts, last, strict=True))
    print(f"\nthe last of {SEATS} {said}" if WHOLE else "")
    for pss, rss, cpu in held if WHOLE else ():
        print(f"PSS {pss:.1f} GiB, RSS {rss:.1f} GiB, {cpu:.0f} s of processor time")
    assert held[0][0] < 14 and last[2] < 120


def test_nobody_reads_what_another_one_wrote(room):
    (ada, bob, *_), state = room
    note = state / bob.name / "downhill" / "note.txt"
    wrote = bob.ask("PUT", "contents/note.txt", type="file", format="text", content="mine")
    assert wrote.ok and note.read_text() == "mine"

    socket = ada.listen(ada.new_kernel())
    tries = (
        f"open({str(note)!r}).read()",
        f"__import__('os').listdir({str(state / bob.name)!r})",
        f"open({str(state / 'hub' / 'hub.sqlite')!r}, 'rb').read()",
        f"open({str(state / 'hub' / 'cookie_secret')!r}, 'rb').read()",
        f"__import__('os').kill({a_process_of(bob)}, 9)",
        f"open('/proc/{a_process_of(bob)}/environ').read()",
    )
    for attempt in tries:
        code = f"try:\n    {attempt}; print('done')\nexcept PermissionError:\n    print('refused')"
        assert ada.run(socket, code) == "refused\n", attempt
    assert ada.http.get(bob.server + "api/contents/note.txt").status_code in (403, 404)

    # The server's port asks for a token. A kernel has one, for the output of its own children; over
    # TCP it would have five more, and one of them tells whoever asks what bob computes.
    listening = {
        process.pid: [c for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        for process in processes_of(bob)
    }
    assert max(map(len, listening.values())) == 1


def test_a_kernel_that_fills_the_memory_or_is_killed_loses_nothing_that_was_saved(room):
    (ada, *_), _ = room
    kernel = ada.new_kernel()
    socket = ada.listen(kernel)
    greedy = "try:\n    x = bytearray(2 * 10**9)\nexcept MemoryError:\n    print('full')"
    assert ada.run(socket, greedy) == "full\n"

    notebook = ada.ask("GET", f"contents/{CHAPTER}").json()["content"]
    notebook["cells"][0]["source"] = "# Ada was here"
    saved = ada.ask("PUT", f"contents/{CHAPTER}", type="notebook", content=notebook)
    assert saved.ok
    pid = int(ada.run(socket, "here = 1; import os; print(os.getpid())"))
    os.kill(pid, 9)
    until(lambda: not psutil.pid_exists(pid), 10, lambda: "the kernel does not die")
    socket = ada.listen(kernel)
    until(
        lambda: ada.run(socket, "print('here' in globals())") == "False\n", 20, lambda: "no new one"
    )

    kept = ada.ask("GET", f"contents/{CHAPTER}").json()["content"]
    assert kept["cells"][0]["source"] == "# Ada was here"


def test_the_culler_stops_who_is_idle_and_nobody_else(room):
    (ada, bob, *_), state = room
    socket = ada.listen(ada.new_kernel())
    bob.ask("GET", "status")
    (state / "cull").touch()

    busy = ThreadPoolExecutor(1).submit(
        ada.run,
        socket,
        f"import time\nfor _ in range({80 * BEAT}):\n    print('.'); time.sleep(0.2)",
    )
    until(lambda: not processes_of(bob), 12 * BEAT, lambda: "an idle server is still there")
    assert processes_of(ada) and not busy.done()


def processes_of(learner: Learner) -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["username"]) if p.info["username"] == learner.name]


def a_process_of(learner: Learner) -> int:
    return processes_of(learner)[0].pid
