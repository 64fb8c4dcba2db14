"""Pages that keep to themselves: a policy before all else, and nothing stored unasked."""

import re

import pytest

from book import privacy
from tests.browsers import WAKE
from tests.conftest import SITE

# Not the site's own index.html: it is one line, which leads to the book's.
HTML = sorted(p for folder in ("book", "notebooks") for p in (SITE / folder).rglob("*.html"))
# What a browser keeps for a page, under every name it has for it.
KEPT = """async () => [
  document.cookie, ...Object.keys(localStorage), ...Object.keys(sessionStorage),
  ...(await indexedDB.databases()).map(({ name }) => name), ...await caches.keys(),
  ...(await navigator.serviceWorker.getRegistrations()).map(({ scope }) => scope),
].filter(Boolean).sort()"""


def test_the_policy_stands_before_all_that_it_governs():
    assert HTML
    for page in HTML:
        html = page.read_text(encoding="utf8")
        policy = html.index('http-equiv="Content-Security-Policy"')
        assert policy < min(html.index("<script"), html.index("<link"), html.index("</head>"))
        # A script in an attribute would be refused, and its button dead.
        assert not re.search(
            r"<[^>]+\son[a-z]+=", re.sub(r"<script.*?</script>", "", html, flags=re.S)
        )


def test_a_page_allows_its_own_inline_scripts_and_no_others():
    html = '<head><meta charset="utf-8"><script>let a = 1</script><script src="b.js"></script>'
    once = privacy.guarded(html)
    assert once.count("'sha256-") == 1
    assert (
        privacy.guarded(html.replace("= 1", "= 2")).split("sha256-")[1] != once.split("sha256-")[1]
    )
    assert "sha256" not in privacy.guarded(html.replace("<script>", '<script type="text/plain">'))


def test_another_version_of_the_theme_is_not_mended_blindly(tmp_path):
    (tmp_path / "_static" / "scripts").mkdir(parents=True)
    theme = tmp_path / "_static" / "scripts" / "pydata-sphinx-theme.js"
    theme.write_text(privacy.STORES.replace("mode", "colour"), encoding="utf8")
    with pytest.raises(ValueError, match="what does this version store"):
        privacy.keep(tmp_path, [])


@pytest.mark.parametrize("name", ["notebooks/03_mini_batches", "book/index", "search"])
def test_a_visit_leaves_nothing_behind_until_the_reader_chooses_the_dark_mode(
    browser, server, name
):
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{server}/{name}.html?q=momentum", wait_until="load")
    page.evaluate(WAKE)
    for slider in page.query_selector_all("input[type=range]")[:3]:
        slider.press("End")
    for button in page.query_selector_all("[data-do=link]")[:1]:
        button.click()
    assert page.evaluate(KEPT) == [] and context.cookies() == []
    page.reload(wait_until="load")
    assert page.evaluate(KEPT) == []
    for _ in range(3):  # the button goes through the modes
        page.click(".theme-switch-button:visible")
        if page.evaluate("document.documentElement.dataset.theme") == "dark":
            break
    assert page.evaluate(KEPT) == ["mode", "theme"] and context.cookies() == []
    page.reload(wait_until="load")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    context.close()
