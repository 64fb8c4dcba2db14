"""The processes of chapter 9: they finish, their results hold, and none of them stays behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import psutil
import pytest
import torch
from jupyter_client.manager import KernelManager
from torch import Tensor, nn

from tests.conftest import ROOT

SCRIPT = ROOT / "notebooks" / "processes.py"
QUIET = {**os.environ, "OMP_NUM_THREADS": "1"}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the launch was tried on Linux")


def launcher() -> str:
    """The cell of the chapter that defines ``torchrun``, with its imports."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code" and cell.source.startswith("def torchrun("):
                return f"import os, subprocess, sys\n{cell.source}\n"
    raise LookupError("no chapter defines torchrun")


def of(folder: Path) -> list[int]:
    """The processes that live and whose command line names this folder: agents and workers."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = " ".join(process.info["cmdline"] or ())
        if str(folder) in words and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process.pid)
    return found


def wait(until: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


def call(folder: Path, script: Path, *, seconds: int = 100) -> subprocess.Popen:
    """A process that calls the chapter's launcher. It heads a group, as a kernel does."""
    # Whatever started the tests may have told its children to ignore an interrupt.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code = f"{heard}{launcher()}torchrun({str(script)!r}, {str(folder)!r}, 0, seconds={seconds})"
    return subprocess.Popen(
        [sys.executable, "-c", code], env=QUIET, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture
def stuck(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A folder and a script that does not end: one process waits for another, which sleeps."""
    folder, script = tmp_path / "found", tmp_path / "stuck.py"
    folder.mkdir()
    script.write_text(
        "import sys, time\nfrom pathlib import Path\nimport torch.distributed as dist\n"
        "dist.init_process_group('gloo')\n"
        "(Path(sys.argv[1]) / str(dist.get_rank())).touch()\n"
        "dist.barrier() if dist.get_rank() else time.sleep(600)\n"
    )
    yield folder, script
    for left in of(folder):  # a test that failed
        os.kill(left, signal.SIGKILL)


def one_process(start: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Descent with momentum 0.9 on whole batches, in the formulas of chapter 5."""
    net = nn.Sequential(nn.Linear(6, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))
    names = [(name, w.shape) for name, w in net.named_parameters()]

    def loss(w: Tensor, x: Tensor, y: Tensor) -> Tensor:
        pieces = w.split([shape.numel() for _, shape in names])
        weights = {name: p.view(shape) for (name, shape), p in zip(names, pieces, strict=True)}
        return (torch.func.functional_call(net, weights, (x,)) - y).square().mean()

    w, velocity = start, torch.zeros_like(start)
    for x_step, y_step in zip(x, y, strict=True):
        velocity = 0.9 * velocity + torch.func.grad(loss)(w, x_step, y_step)
        w = w - 0.05 * velocity
    return w


def holds(folder: Path) -> None:
    found = torch.load(folder / "results.pt", weights_only=True)
    whole = one_process(found["start"], found["x"].flatten(1, 2), found["y"].flatten(1, 2))
    for end in found["by hand"] + found["ddp"]:
        torch.testing.assert_close(end, whole, rtol=0, atol=1e-12)
    first, second, *_ = found["alone"]
    assert (first - second).abs().max() > 0.1
    assert torch.equal(found["resumed"], found["straight"])
    assert torch.equal(found["read"][1], found["straight"])
    replicated, _ = found["replicated"]
    for name in ("sharded optimiser", "fully sharded"):
        torch.testing.assert_close(found[name][0], replicated)
    processes = len(found["ddp"])
    ring = 2 * (processes - 1) / processes
    assert all(abs(sent / 4e6 / ring - 1) < 0.005 for sent in found["bytes of all_reduce"])


def test_four_processes_are_one_descent_too_and_send_what_a_ring_sends(tmp_path):
    code = f"{launcher()}torchrun({str(SCRIPT)!r}, {str(tmp_path)!r}, 0, processes=4)"
    subprocess.run([sys.executable, "-c", code], env=QUIET, check=True, timeout=180)
    holds(tmp_path)
    assert not of(tmp_path)


def test_three_copies_at_once_finish_and_their_results_hold(tmp_path):
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    for copy in [call(folder, SCRIPT) for folder in folders]:
        assert copy.communicate(timeout=120)[1] == ""
        assert copy.returncode == 0
    for folder in folders:
        holds(folder)
    assert not of(tmp_path)


CUT_OFF = """
import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh", b"lo", 0x41))  # loopback is up
socket.sethostname("a-name-that-nobody-resolves")
"""


def test_the_script_needs_no_network_and_no_name_of_its_machine(tmp_path):
    cut_off = ["unshare", "--map-root-user", "--net", "--uts"]
    try:
        allowed = subprocess.run([*cut_off, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        allowed = False
    if not allowed:  # a matter of the system's rules, not of what is installed
        pytest.skip("unshare is missing or forbidden")
    code = f"{CUT_OFF}{launcher()}torchrun({str(SCRIPT)!r}, {str(tmp_path)!r}, 1)"
    command = [*cut_off, sys.executable, "-c", code]
    done = subprocess.run(command, env=QUIET, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    holds(tmp_path)


def test_a_script_that_fails_is_quoted_and_leaves_no_process(tmp_path):
    script = tmp_path / "failing.py"
    script.write_text("import os, time\ntime.sleep(600) if os.environ['RANK'] == '1' else 1 / 0\n")
    caller = call(tmp_path, script)
    said = caller.communicate(timeout=60)[1]
    assert caller.returncode == 1
    assert "RuntimeError" in said and "failing.py" in said
    assert not of(tmp_path)


def test_after_the_deadline_no_process_is_left(stuck):
    folder, script = stuck
    caller = call(folder, script, seconds=8)
    assert "TimeoutExpired" in caller.communicate(timeout=60)[1]
    assert not of(folder)


@pytest.mark.parametrize("when", ["while it starts", "while it runs"])
def test_an_interrupt_leaves_no_process(stuck, when):
    folder, script = stuck
    caller = call(folder, script)
    few = 2 if when == "while it starts" else 4  # the caller and the agent; two workers, too
    wait(lambda: len(of(folder)) >= few)
    if when == "while it runs":
        wait(lambda: len(list(folder.iterdir())) == 2)
    os.killpg(caller.pid, signal.SIGINT)  # as a terminal does, and a kernel's interrupt
    assert "KeyboardInterrupt" in caller.communicate(timeout=60)[1]
    assert not of(folder)


def test_an_interrupted_kernel_leaves_no_process_and_goes_on(stuck):
    folder, script = stuck
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env=QUIET, cwd=str(ROOT / "notebooks"))
    client = manager.client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=60)
        message = client.execute(f"{launcher()}torchrun({str(script)!r}, {str(folder)!r}, 0)")
        wait(lambda: len(list(folder.iterdir())) == 2)
        assert len(of(folder)) == 3  # the agent and two workers
        manager.interrupt_kernel()
        reply = client.get_shell_msg(timeout=60)
        assert reply["parent_header"]["msg_id"] == message
        assert reply["content"]["ename"] == "KeyboardInterrupt"
        assert not of(folder)
        client.execute("1 + 1")
        assert client.get_shell_msg(timeout=60)["content"]["status"] == "ok"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
