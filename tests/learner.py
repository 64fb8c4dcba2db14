"""A learner's browser for the test of the room: the hub's pages, and a kernel over its socket."""

import json
import secrets
import time
from dataclasses import dataclass, field
from urllib.parse import urlencode

import pytest
import requests
from websocket import WebSocket, create_connection


@dataclass
class Learner:
    """A learner's browser: a session with the hub's cookies, and the sockets of its kernels."""

    hub: str
    name: str
    password: str
    http: requests.Session = field(default_factory=requests.Session)

    @property
    def server(self) -> str:
        return f"{self.hub}/user/{self.name}/"

    def login(self) -> None:
        page = f"{self.hub}/hub/login"
        self.http.get(page).raise_for_status()
        form = {"username": self.name, "password": self.password}
        form["_xsrf"] = self.cookie("/hub/")
        answer = self.http.post(page, data=form, allow_redirects=False)
        assert answer.status_code == 302, f"{self.name} is not let in: {answer.status_code}"

    def cookie(self, path: str) -> str:
        return next(c.value or "" for c in self.http.cookies if (c.name, c.path) == ("_xsrf", path))

    def start(self) -> None:
        """Start the learner's server and wait until JupyterLab's page is there."""
        self.http.get(f"{self.hub}/hub/spawn")
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            page = self.http.get(self.server + "lab")
            if page.ok and page.url.startswith(self.server):
                return
            time.sleep(0.5)
        pytest.fail(f"no server for {self.name} after three minutes")

    def ask(self, method: str, path: str, /, **said: object) -> requests.Response:
        """A call of the learner's own server, as its JupyterLab makes it."""
        headers = {"X-XSRFToken": self.cookie(f"/user/{self.name}/")}
        return self.http.request(method, self.server + "api/" + path, headers=headers, json=said)

    def new_kernel(self) -> str:
        answer = self.ask("POST", "kernels", name="python3")
        answer.raise_for_status()
        return answer.json()["id"]

    def listen(self, kernel: str) -> WebSocket:
        cookies = self.http.get(self.server + "api/status").request.headers["Cookie"]
        query = urlencode({"_xsrf": self.cookie(f"/user/{self.name}/")})
        address = f"{self.server}api/kernels/{kernel}/channels?{query}"
        return create_connection(address.replace("http", "ws", 1), cookie=cookies, timeout=300)

    def run(self, socket: WebSocket, code: str) -> str:
        """Run one cell: what it printed. An error fails the test with its traceback."""
        name = secrets.token_hex(8)
        header = {"msg_id": name, "msg_type": "execute_request", "session": self.name}
        header |= {"username": self.name, "version": "5.4"}
        content = {"code": code, "silent": False, "stop_on_error": False}
        socket.send(
            json.dumps(
                {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}}
                | {"content": content, "buffers": []}
            )
        )
        printed = ""
        while True:
            message = read(socket)
            kind, content = message["header"]["msg_type"], message["content"]
            if message["parent_header"].get("msg_id") != name:
                continue
            if kind == "error":
                pytest.fail("\n".join([code, *content["traceback"]]))
            if kind == "stream":
                printed += content["text"]
            if kind == "status" and content["execution_state"] == "idle":
                return printed


def read(socket: WebSocket) -> dict:
    """The next message; one with buffers (a widget's arrays) is binary, its JSON comes first."""
    data = socket.recv()
    if isinstance(data, str):
        return json.loads(data)
    offsets = [int.from_bytes(data[i : i + 4], "big") for i in (0, 4, 8)]
    return json.loads(data[offsets[1] : offsets[2] if offsets[0] > 1 else None])
