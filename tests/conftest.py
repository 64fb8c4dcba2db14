"""A real browser for the tests that need one, and paths that every test agrees on."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
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
