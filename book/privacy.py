"""Make the pages keep to themselves: they load their own files, and store what was asked for.

The policy stands in the page, so that it holds on any web space and from a stick.
"""

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

# The book's own scripts and pictures; styles in attributes, as matplotlib draws; no requests.
POLICY = (
    "default-src 'none'; script-src 'self'{hashes}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; form-action 'self'; base-uri 'none'"
)
INLINE = re.compile(r"<script(?![^>]*\b(?:src|type)=)[^>]*>(.*?)</script>", re.DOTALL)
CHARSET = re.compile(r"<meta charset=[^>]*>")
# A button of the theme with a script in an attribute, which the policy forbids; reading.js prints.
PRINTS = ' onclick="window.print()"'
# What the theme's script stores unasked, and what it does instead: the mode is written down once
# the reader has chosen another one, and where the contents were scrolled to is not.
STORES = 'localStorage.setItem("mode",e),localStorage.setItem("theme",n)'
UNASKED = {
    STORES: f'(localStorage.getItem("mode")||"light"!==e)&&({STORES})',
    'sessionStorage.setItem("sidebar-scroll-top",e.scrollTop)': "",
}


def keep(site: Path, pages: list[Path]) -> None:
    """Write the policy into every page, and mend the theme's script. Raises ``ValueError``."""
    theme = site / "_static" / "scripts" / "pydata-sphinx-theme.js"
    script = theme.read_text(encoding="utf8")
    for stores, instead in UNASKED.items():
        if script.count(stores) != 1:
            raise ValueError(f"{theme.name} does not say {stores!r}: what does this version store?")
        script = script.replace(stores, instead)
    theme.write_text(script, encoding="utf8")
    for page in pages:
        page.write_text(guarded(page.read_text(encoding="utf8")), encoding="utf8")


def guarded(html: str) -> str:
    """A page with its policy, before the first thing that it governs."""
    html = html.replace(PRINTS, " data-print")
    scripts = dict.fromkeys(match[1] for match in INLINE.finditer(html))
    digests = (b64encode(sha256(text.encode()).digest()).decode() for text in scripts)
    policy = POLICY.format(hashes="".join(f" 'sha256-{digest}'" for digest in digests))
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    return CHARSET.sub(lambda charset: charset[0] + meta, html, count=1)
