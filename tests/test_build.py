"""The two verbs of book/build.py, on a book of one small chapter."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from book import build
from tests.conftest import ROOT

GOOD = 'print("loss 0.25")'
BAD = "lr = 0.1\nlr / 0"


def run(*words: str) -> int:
    """What ``make`` calls, in a thread of its own: in this one a browser's event loop may run."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(build.main, *words).result()


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A folder with a front page and a chapter; returns a function that writes the chapter."""
    (tmp_path / "_config.yml").write_text(
        "title: small\nexecute: {execute_notebooks: force, raise_on_error: true}\n"
        "exclude_patterns: [_build]\n"
    )
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: front\nchapters:\n- file: notebooks/01_small\n"
    )
    (tmp_path / "front.md").write_text("# Front\n")
    (tmp_path / "notebooks").mkdir()
    for name in ("IPYTHONDIR", "TQDM_DISABLE", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "")  # what main() sets ends with the test
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "SITE", tmp_path / "_build" / "html")
    monkeypatch.setattr(build, "EXECUTED", tmp_path / "_build" / "executed")
    monkeypatch.setattr(build, "CHAPTER", tmp_path / "_build" / "chapter")
    monkeypatch.setattr(build, "UNFINISHED", tmp_path / "_build" / "unfinished")
    chapter = tmp_path / "notebooks" / "01_small.ipynb"

    def write(*sources: str):
        cells = [new_markdown_cell("# Small"), *map(new_code_cell, sources)]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), chapter)
        return chapter

    return write


def test_a_good_book_is_built_and_its_first_address_works(book):
    book(GOOD)
    assert run("html") == 0
    assert "loss 0.25" in (build.SITE / "notebooks" / "01_small.html").read_text()
    assert "url=front.html" in (build.SITE / "index.html").read_text()
    assert not build.UNFINISHED.exists()


def test_one_chapter_is_executed_compared_and_built_beside_the_site(book, capsys):
    book(GOOD)
    assert run("notebooks") == 0 and run("html") == 0
    assert run("chapter", "1") == 0
    assert "Its text outputs are what is stored" in capsys.readouterr().out
    second = book(GOOD, 'print("as it stands")')
    notebook = nbformat.read(second, as_version=4)
    notebook.cells[1].outputs = [new_output("stream", text="loss 0.5\n")]
    nbformat.write(notebook, second)
    other = second.with_name("02_other.ipynb")
    notebook.cells[1].source, notebook.cells[2].source = "1 / 0", "not executed"
    nbformat.write(notebook, other)
    toc = build.ROOT / "_toc.yml"
    toc.write_text(f"{toc.read_text()}- file: notebooks/02_other\n")
    before = second.read_text()
    assert run("chapter", "1") == 0
    said = capsys.readouterr().out
    assert "code cell 1 of 2:" in said and "-loss 0.5" in said and "+loss 0.25" in said
    assert "loss 0.25" in (build.CHAPTER / "notebooks" / "01_small.html").read_text()
    assert "loss 0.5" in (build.CHAPTER / "notebooks" / "02_other.html").read_text()
    assert second.read_text() == before and build.SITE.exists()


def test_a_chapter_that_there_is_not_is_named(book, capsys):
    book(GOOD)
    assert run("chapter", "7") == 1
    assert "There is no chapter 7" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["", "https://github.com/someone/downhill"])
def test_buttons_lead_to_the_repository_when_it_has_an_address(book, address):
    book(GOOD)
    config = build.ROOT / "_config.yml"
    config.write_text(
        f"{config.read_text()}repository: {{url: '{address}', branch: main}}\n"
        "launch_buttons: {notebook_interface: jupyterlab, binderhub_url: 'https://mybinder.org',"
        " colab_url: 'https://colab.research.google.com', jupyterhub_url: 'https://hub.school'}\n"
    )
    assert run("html") == 0
    page = (build.SITE / "notebooks" / "01_small.html").read_text()
    for part in (
        "mybinder.org/v2/gh/someone/downhill/main?urlpath=lab/tree/notebooks/01_small.ipynb",
        "colab.research.google.com/github/someone/downhill/blob/main/notebooks/01_small.ipynb",
        "hub.school/hub/user-redirect/git-pull?repo=https%3A//github.com/someone/downhill",
        "someone/downhill/issues/new",
        "someone/downhill/edit/main/notebooks/01_small.ipynb",
    ):
        assert (part in page) == bool(address), part
    assert address or not any(
        name in page for name in ("mybinder.org/v2", "research.google", "hub.school")
    )


def test_colab_s_cell_and_the_badges_come_and_go_with_the_address(book):
    chapter = book(GOOD)
    readme, config = build.ROOT / "README.md", build.ROOT / "_config.yml"
    readme.write_text("# Small\n\n<!-- badges -->\n\nText.\n")
    without, text = readme.read_text(), config.read_text()
    assert run("notebooks") == 0
    before = chapter.read_text()
    config.write_text(f"{text}repository: {{url: 'https://github.com/someone/downhill'}}\n")
    assert run("notebooks") == 0
    fetch = nbformat.read(chapter, as_version=4).cells[1]
    assert "git clone --quiet --depth 1 https://github.com/someone/downhill" in fetch.source
    assert fetch.outputs == [] and fetch.execution_count == 1
    assert "mybinder.org/v2/gh/someone/downhill/main?" in readme.read_text()
    readme.rename(readme.with_suffix(".txt"))  # a small book has no pages but its own
    assert run("html") == 0
    readme.with_suffix(".txt").rename(readme)
    page = (build.SITE / "notebooks" / "01_small.html").read_text()
    assert "git clone" not in page and "loss 0.25" in page
    config.write_text(text)
    assert run("notebooks") == 0
    assert (chapter.read_text(), readme.read_text()) == (before, without)


MEETING = """
import time
from pathlib import Path
with Path("{own}").open("a") as file:
    file.write("executed\\n")
deadline = time.monotonic() + 30
while not Path("{other}").exists() and time.monotonic() < deadline:
    time.sleep(0.05)
print("loss 0.25, beside", Path("{other}").exists())
"""


def test_two_chapters_are_executed_side_by_side_and_once_each(book, monkeypatch):
    monkeypatch.setattr(build, "AT_A_TIME", 2)
    first = book(MEETING.format(own="one", other="two"))
    second = first.with_name("02_small.ipynb")
    first.rename(second)
    book(MEETING.format(own="two", other="one"))
    toc = build.ROOT / "_toc.yml"
    toc.write_text(f"{toc.read_text()}- file: notebooks/02_small\n")
    assert run("html") == 0
    for chapter in (first, second):
        page = build.SITE / "notebooks" / f"{chapter.stem}.html"
        assert "loss 0.25, beside True" in page.read_text()
    assert [first.with_name(name).read_text() for name in ("one", "two")] == ["executed\n"] * 2


def kernels(marker: str) -> list[psutil.Process]:
    """The processes that were started with this in their environment."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("DOWNHILL_TEST") == marker:
                found.append(process)
    return found


def test_an_interrupt_ends_the_build_and_its_kernels(book):
    chapter = book("import time; time.sleep(120)")
    marker = str(chapter)
    code = (
        "from pathlib import Path; from book import build; import sys; "
        f"build.ROOT = Path({str(build.ROOT)!r}); sys.exit(build.main('notebooks', {marker!r}))"
    )
    build_ = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "DOWNHILL_TEST": marker}
    )
    for _ in range(300):
        if len(kernels(marker)) == 2:
            break
        time.sleep(0.1)
    assert len(kernels(marker)) == 2  # the build, and its kernel
    time.sleep(2)  # by now the cell runs
    build_.send_signal(signal.SIGINT)
    assert build_.wait(timeout=30) != 0
    assert kernels(marker) == []


def test_a_failing_cell_is_named_and_leaves_no_site(book, capfd):
    book(GOOD)
    assert run("html") == 0
    book(GOOD, BAD)
    assert run("html") == 1
    said = capfd.readouterr().err
    assert "notebooks/01_small.ipynb, code cell 2 of 2" in said
    assert "lr / 0" in said and "ZeroDivisionError" in said
    assert not build.SITE.exists() and not build.UNFINISHED.exists()


def test_a_warning_leaves_no_site(book, capfd):
    chapter = book(GOOD)
    chapter.write_text(chapter.read_text().replace("# Small", "# Small {doc}`nowhere`"))
    assert run("html") == 1
    assert "nowhere" in capfd.readouterr().err
    assert not build.SITE.exists()


def test_chapters_are_executed_and_keep_only_text(book):
    chapter = book(GOOD, "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()", "1 + 1")
    assert run("notebooks") == 0
    cells = nbformat.read(chapter, as_version=4).cells[1:]
    assert [c.execution_count for c in cells] == [1, 2, 3]
    assert cells[0].outputs[0].text == "loss 0.25\n"
    assert set(cells[1].outputs[0].data) == {"text/plain"}
    assert cells[2].outputs[0].data == {"text/plain": "2"}
    written = chapter.read_text()
    assert run("notebooks") == 0
    assert chapter.read_text() == written


def test_a_chapter_that_fails_stays_as_it_was(book, capfd):
    chapter = book(GOOD, BAD)
    before = chapter.read_text()
    assert run("notebooks", str(chapter)) == 1
    assert "code cell 2 of 2" in capfd.readouterr().err
    assert chapter.read_text() == before


SEEDED = """
import numpy as np, torch
from sklearn.utils import check_random_state
print(int(torch.randint(1000, (), generator=torch.Generator().manual_seed(4))))
torch.manual_seed(4)
print(int(torch.randint(1000, ())), np.random.default_rng(4).integers(1000))
print(check_random_state(4).randint(1000), np.random.RandomState(4).randint(1000))
"""


def test_shifted_seeds_are_the_seeds_that_much_further_on(book, capsys, monkeypatch):
    (build.ROOT / "book").mkdir()
    (build.ROOT / "book" / "seeds.py").write_text((ROOT / "book" / "seeds.py").read_text())
    chapter = book(SEEDED.replace("4", "7"))
    assert run("notebooks", str(chapter)) == 0
    here = nbformat.read(chapter, as_version=4).cells[1].outputs[0].text
    printing = SEEDED.replace("print(", "said(")
    lead = "lines = []\ndef said(*a): lines.append(' '.join(map(str, a)))"
    before = book(lead, printing, f"assert lines == {here.splitlines()}", "1 / 0").read_text()
    assert run("seeds", "3", str(chapter)) == 1
    out, err = capsys.readouterr()
    assert "1 cells fail" in out and "code cell 4 of 4: ZeroDivisionError" in err
    assert chapter.read_text() == before


def test_keeping_text_drops_pictures_pages_and_widgets():
    data = {
        "image/png": "…",
        "image/svg+xml": "<svg/>",
        "text/html": "<p>",
        "application/vnd.jupyter.widget-view+json": {},
        "text/plain": "Explorer 'ravine'",
        "text/latex": "$x$",
    }
    key = {"scrapbook": {"name": "P1.1", "mime_prefix": ""}}
    cell = new_code_cell("x", outputs=[new_output("display_data", data=data, metadata=key)])
    notebook = new_notebook(
        cells=[cell], metadata={"widgets": {}, "language_info": {"name": "python", "version": "3"}}
    )
    build.keep_text(notebook)
    assert set(cell.outputs[0].data) == {"text/plain", "text/latex"}
    assert cell.outputs[0].metadata == key
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert "version" not in notebook.metadata.language_info


def test_folds_are_named_after_what_they_make():
    def code(*tags):
        return new_code_cell("x", metadata={"tags": list(tags), "jupyter": {}})

    caption = new_markdown_cell("(figure-waves)=\n**Figure 3.4.** Waves.")
    cells = [code("hide-input"), code(), code("hide-input"), code("hide-input"), caption]
    cells += [code("hide-cell", "solution-one"), code("hide-cell"), code()]
    build.fold(new_notebook(cells=cells))
    names = [cell.metadata.get("mystnb", {}).get("code_prompt_show") for cell in cells]
    made = "How figure 3.4 is made"
    solved = ["Show the solution", "Show the code"]
    assert names == ["The imports", None, made, made, None, *solved, None]
    folded = [cell.metadata.get("jupyter") for cell in cells]
    source, both = {"source_hidden": True}, {"source_hidden": True, "outputs_hidden": True}
    assert folded == [source, None, source, source, None, both, both, None]
