"""Three browsers with the same verbs: open a page, run a script in it, press, click, complain.

Playwright drives Chromium. A stock Firefox speaks WebDriver BiDi, the W3C's protocol on a web
socket, and WebKitGTK brings a WebDriver, the older protocol over http: both are JSON and no more.
"""

import atexit
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeVar

import websocket
from playwright.sync_api import Browser, ConsoleMessage, Page, Response, Route

T = TypeVar("T")

# All of the page has been seen, and every explorer works: it comes alive when it nears the screen.
WAKE = """async () => {
  const late = performance.now() + 20000;
  for (const root of document.querySelectorAll('.explorer:has(.explorer-data)')) {
    root.scrollIntoView({ block: 'center', behavior: 'instant' });
    while (!('ready' in root.dataset)) {
      if (performance.now() > late) throw Error(root.id + ' does not come alive');
      await new Promise((done) => setTimeout(done, 10));
    }
  }
  for (const top of [document.documentElement.scrollHeight, 0]) {
    scrollTo({ top, behavior: 'instant' });
    await new Promise((done) => setTimeout(done, 50));
  }
}"""
# As both protocols of the W3C write them.
KEYS = {"Home": "\ue011", "End": "\ue010", "PageDown": "\ue00f", "PageUp": "\ue00e"}


class Visit:
    """A page on a Chromium that can reach only ``address``, and all that went wrong there."""

    def __init__(
        self,
        browser: Browser,
        address: str,
        width: int = 1280,
        height: int = 900,
        mode: str = "light",
        **settings: Any,
    ):
        self.address, self.complaints = address, []
        scheme = "dark" if mode == "dark" else "light"
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, **settings
        )
        self.context.add_init_script(f"localStorage.mode = localStorage.theme = '{mode}'")
        self.page = self.context.new_page()
        self.page.route("**/*", self._gate)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(f"threw: {error}"))
        self.page.on("requestfailed", lambda r: self.complaints.append(f"not found: {r.url}"))
        self.page.on("response", self._judge)

    def _gate(self, route: Route) -> None:
        url = route.request.url
        if url.startswith((self.address, "data:", "blob:")):
            route.continue_()
        else:
            self.complaints.append(f"asked another host: {url}")
            route.abort()

    def _judge(self, response: Response) -> None:
        if response.status >= 400:
            self.complaints.append(f"status {response.status}: {response.url}")

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"console: {message.text}")

    def open(self, name: str) -> Page:
        """Load a page of the book and wait until its sliders work."""
        self.page.goto(f"{self.address}/{name}.html", wait_until="load")
        self.run(WAKE)
        return self.page

    def run(self, function: str, *arguments: object) -> Any:
        """What a JavaScript function says in the page, also one that takes its time."""
        return self.page.evaluate(f"arguments => ({function})(...arguments)", list(arguments))

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    def click(self, x: float, y: float) -> None:
        self.page.mouse.click(x, y)

    def close(self) -> None:
        self.context.close()

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Remote:
    """What Firefox and WebKit share: the W3C's way to write keys and pointers."""

    def __init__(self, address: str):
        self.address, self.complaints = address, []

    def open(self, name: str) -> None:
        """Load a page of the book and wait until its sliders work."""
        self.complaints = []
        self.go(f"{self.address}/{name}.html")
        self.run(WAKE)

    def press(self, key: str) -> None:
        self.act("key", *({"type": what, "value": KEYS[key]} for what in ("keyDown", "keyUp")))

    def click(self, x: float, y: float) -> None:
        move = {"type": "pointerMove", "x": round(x), "y": round(y)}
        buttons = ({"type": what, "button": 0} for what in ("pointerDown", "pointerUp"))
        self.act("pointer", move, *buttons)

    def act(self, device: str, *actions: dict) -> None:
        self.perform([{"type": device, "id": device, "actions": actions}])

    def go(self, url: str) -> None:
        raise NotImplementedError

    def run(self, function: str, *arguments: object) -> Any:
        raise NotImplementedError

    def perform(self, actions: list[dict]) -> None:
        raise NotImplementedError


# Firefox says nothing of a file that is not there.
NOT_FOUND = """() => addEventListener("error", ({ target }) => {
  const url = target.src ?? target.href;
  if (url) console.error("not found: " + url);
}, true)"""


class Firefox(Remote):
    """A stock Firefox, headless, over WebDriver BiDi."""

    def __init__(self, program: str, profile: Path, address: str):
        super().__init__(address)
        port = free_port()
        self.process = start(
            *(program, "--headless", "--no-remote", "--profile", str(profile)),
            *("--remote-debugging-port", str(port)),
        )
        url = f"ws://127.0.0.1:{port}/session"
        self.socket = patiently(
            lambda: websocket.create_connection(url, timeout=60, suppress_origin=True)
        )
        self.sent = 0
        self.send("session.new", capabilities={})
        self.send("session.subscribe", events=["log.entryAdded"])
        self.send("script.addPreloadScript", functionDeclaration=NOT_FOUND)
        self.context = self.send("browsingContext.getTree")["contexts"][0]["context"]
        self.tell("browsingContext.setViewport", viewport={"width": 1280, "height": 900})

    def send(self, method: str, **params: object) -> dict:
        """A command's answer; what the page complains of meanwhile is kept."""
        self.sent += 1
        self.socket.send(json.dumps({"id": self.sent, "method": method, "params": params}))
        while (answer := json.loads(self.socket.recv())).get("id") != self.sent:
            text = answer.get("params", {}).get("text") or ""
            # Firefox lays out a page while it arrives, and may meet a formula whose second half is
            # still on its way; that formulas are whole is tested in Chromium (test_reading).
            half = "Incorrect number of children for" in text
            if answer["params"]["level"] == "error" and not half:
                self.complaints.append(f"console: {text}")
        if answer["type"] == "error":
            raise RuntimeError(f"{method}: {answer['message']}")
        return answer["result"]

    def tell(self, method: str, **params: object) -> dict:
        """A command to the one tab."""
        return self.send(method, context=self.context, **params)

    def go(self, url: str) -> None:
        self.tell("browsingContext.navigate", url=url, wait="complete")

    def run(self, function: str, *arguments: object) -> Any:
        called = f"Promise.resolve(({function})(...{json.dumps(arguments)}))"
        answer = self.send(
            "script.evaluate",
            expression=f"{called}.then((value) => JSON.stringify(value ?? null))",
            target={"context": self.context},
            awaitPromise=True,
        )
        if answer["type"] == "exception":
            raise RuntimeError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])

    def perform(self, actions: list[dict]) -> None:
        self.tell("input.performActions", actions=actions)

    def close(self) -> None:
        self.send("browser.close")
        self.socket.close()
        self.process.wait(30)


# WebKit's driver passes on nothing of what a page says on its console: this listens in the page.
LISTEN = """<script>window.complaints = [];
{
  const hear = (what) => complaints.push(String(what)), error = console.error;
  console.error = (...said) => { hear("console: " + said.join(" ")); error(...said); };
  addEventListener("error", ({ message, target }) =>
    hear(message ? "threw: " + message : "not found: " + (target.src ?? target.href)), true);
  addEventListener("unhandledrejection", ({ reason }) => hear("threw: " + reason));
}
</script>"""


class WebKit(Remote):
    """WebKitGTK's MiniBrowser over its WebDriver, on a screen in memory.

    It reads a copy of the site, in ``folder``, whose pages listen for ``console.error``, errors
    that nobody catches, and files that do not load.
    """

    def __init__(self, site: Path, folder: Path):
        shutil.copytree(site, folder, dirs_exist_ok=True)
        for page in folder.rglob("*.html"):
            html = page.read_text(encoding="utf8")
            page.write_text(html.replace("<head>", f"<head>{LISTEN}", 1), encoding="utf8")
        super().__init__(folder.as_uri())
        self.screen, display = open_screen()
        # In a container, or as root, WebKit cannot build its sandbox; these pages are our own.
        alone = {"DISPLAY": display, "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1"}
        self.port, self.session = free_port(), ""
        self.driver = start("WebKitWebDriver", f"--port={self.port}", env={**os.environ, **alone})
        self.session = "/" + patiently(lambda: self.send("", capabilities={}))["sessionId"]
        self.send("/window/rect", x=0, y=0, width=1280, height=1000)

    @property
    def complaints(self) -> list[str]:
        return self.run("() => complaints")

    @complaints.setter
    def complaints(self, _: list[str]) -> None:
        """Every page begins with none."""

    def send(self, command: str, verb: str = "POST", **params: object) -> Any:
        """A command's answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        body = json.dumps(params) if verb == "POST" else None
        connection.request(verb, f"/session{self.session}{command}", body)
        with connection.getresponse() as answer:
            said = json.load(answer)["value"]
        if answer.status != 200:
            raise RuntimeError(f"{command}: {said['error']}: {said['message']}")
        return said

    def go(self, url: str) -> None:
        self.send("/url", url=url)

    def run(self, function: str, *arguments: object) -> Any:
        script = f"return ({function})(...arguments)"
        return self.send("/execute/sync", script=script, args=arguments)

    def perform(self, actions: list[dict]) -> None:
        self.send("/actions", actions=actions)

    def close(self) -> None:
        self.send("", "DELETE")
        for process in (self.driver, self.screen):
            process.terminate()
            process.wait(30)


def start(*command: str, **settings: Any) -> subprocess.Popen:
    """A program that says nothing, and that ends with the tests at the latest."""
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, **silent, **settings)
    atexit.register(process.kill)
    return process


def open_screen() -> tuple[subprocess.Popen, str]:
    """A screen that exists only in memory, and its name."""
    read, write = os.pipe()
    size = ("-screen", "0", "1400x1200x24")
    screen = start("Xvfb", "-displayfd", str(write), "-nolisten", "tcp", *size, pass_fds=[write])
    os.close(write)
    with os.fdopen(read) as said:
        return screen, f":{said.readline().strip()}"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def patiently(attempt: Callable[[], T], seconds: float = 30) -> T:
    """What comes of an attempt once the program that it turns to listens."""
    late = time.monotonic() + seconds
    while True:
        try:
            return attempt()
        except (OSError, websocket.WebSocketException):
            if time.monotonic() > late:
                raise
            time.sleep(0.05)
