"""Real browsers and the built site for the tests that need them, and paths that all agree on."""

import os
import re
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_build" / "html"
# Every page, but of the twelve self-tests and the twelve guides one: they are made alike.
ALIKE = r"(?!book/(?:questions|teaching)/\d\d_)|book/(?:questions|teaching)/03_"
TOC = (ROOT / "_toc.yml").read_text(encoding="utf8")
PAGES = [n for n in re.findall(r"(?:root|file): (\S+)", TOC) if re.match(ALIKE, n)]
NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
)
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def find_browser() -> str | None:
    """The installed Chromium: the one that ``CHROMIUM`` names, else the first on the path."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


def need(there: bool, reason: str) -> None:
    """Skip the test where something it needs is missing; with ``CI=true`` fail instead."""
    if not there and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if not there:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium. Without one the test is skipped, and with ``CI=true`` it fails."""
    path = find_browser()
    need(
        path is not None, "no Chromium: install one (Debian: apt install chromium) or set CHROMIUM"
    )
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield chromium
        chromium.close()


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """A test prints nothing of its own."""


class Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that leaves a page closes connections; that is no error of the page."""


@pytest.fixture(scope="session")
def files() -> str:
    """The site's root as a folder."""
    need(SITE.is_dir(), "no _build/html: run `make book` first")
    return SITE.as_uri()


@pytest.fixture(scope="session")
def server(files: str) -> Iterator[str]:
    """The site's root on a loopback server."""
    http = Server(("127.0.0.1", 0), partial(Silent, directory=SITE))
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()


@pytest.fixture(params=["server", "files"])
def address(request: pytest.FixtureRequest) -> str:
    """Both, for whatever might work on one of them only."""
    return request.getfixturevalue(request.param)
