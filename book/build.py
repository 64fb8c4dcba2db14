"""Build the book, or execute the chapters and write them back. Called by ``make``.

python book/build.py html        every chapter from scratch, then _build/html
python book/build.py notebooks   every chapter from scratch, back into notebooks/ with text only
python book/build.py notebooks notebooks/03_mini_batches.ipynb   only this one
python book/build.py chapter 3      this one executed, compared, and built into _build/chapter
python book/build.py seeds 1000 [notebooks/…]   with every seed shifted by 1000, written nowhere
"""

import asyncio
import os
import re
import shutil
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

from gdlib.explore.page import ANSWER

Executed = tuple[Path, nbformat.NotebookNode, float]  # a chapter, with outputs, and its seconds

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # as a script: the book's own modules stand beside this one
    sys.path.insert(0, str(ROOT))
SITE = ROOT / "_build" / "html"
EXECUTED = ROOT / "_build" / "executed"  # the chapters with all outputs, for `make class`
CHAPTER = ROOT / "_build" / "chapter"  # `make chapter`: the other chapters without pictures
# Sphinx writes here; only a complete site is moved to SITE.
UNFINISHED = ROOT / "_build" / "unfinished"
# Chapters that are executed at a time, one thread each: a second thread gains a chapter little.
AT_A_TIME = min(4, os.cpu_count() or 1)


class Stopped(Exception):
    """A chapter did not reach its end; says which cell, and why."""


def chapters() -> list[Path]:
    """The notebooks that _toc.yml names, in its order."""
    toc = (ROOT / "_toc.yml").read_text(encoding="utf8")
    return [ROOT / f"{name}.ipynb" for name in re.findall(r"file:\s*(notebooks/\S+)", toc)]


def explain(chapter: Path, error: Exception) -> str:
    """Which cell of which chapter failed, and with what."""
    cells = [c for c in nbformat.read(chapter, as_version=4).cells if c.cell_type == "code"]
    failed = [n for n, c in enumerate(cells, 1) if c.source.strip() and c.source in str(error)]
    number = f"code cell {failed[0]} of {len(cells)}" if failed else "a code cell"
    return f"{error}\n{chapter.relative_to(ROOT)}, {number}, stopped with the error above."


async def fill(cache: str, only: list[Path] | None) -> None:
    """Execute the chapters, and lay them where Sphinx finds them instead of executing them.

    With ``only`` these are executed and compared; the others keep the text outputs they have.
    """
    from jupyter_cache import get_cache
    from jupyter_cache.base import CacheBundleIn

    from book import compare

    def lay(chapter: Path, notebook: nbformat.NotebookNode) -> None:
        for output in (o for cell in notebook.cells for o in cell.get("outputs", [])):
            output.get("data", {}).pop(ANSWER, None)  # a type that myst-nb warns of
        done = CacheBundleIn(notebook, str(chapter))
        get_cache(cache).cache_notebook_bundle(done, check_validity=False, overwrite=True)

    for chapter in set(chapters()) - set(only or chapters()):
        lay(chapter, nbformat.read(chapter, as_version=4))
    async for chapter, notebook, seconds in executed(only or chapters()):
        if only:
            told = compare.difference(nbformat.read(chapter, as_version=4), notebook)
            print(f"{chapter.relative_to(ROOT)} … {seconds:.0f} s", flush=True)
            print(told or "Its text outputs are what is stored.", flush=True)
        else:
            EXECUTED.mkdir(exist_ok=True, parents=True)
            nbformat.write(notebook, EXECUTED / chapter.name)
        lay(chapter, notebook)


def build_html(site: Path, only: list[Path] | None = None) -> str | None:
    """Build the site. Returns what went wrong, or None when it stands complete in ``site``."""
    from jupyter_book.sphinx import build_sphinx
    from sphinx.util.console import nocolor

    from book import launch, pages

    if not sys.stdout.isatty():
        nocolor()
    # An old site next to a failed build would look like its result.
    shutil.rmtree(site, ignore_errors=True)
    if not only:
        shutil.rmtree(EXECUTED, ignore_errors=True)
    shutil.rmtree(UNFINISHED, ignore_errors=True)
    cache = str(UNFINISHED / "executed")
    # Only on Linux does chapter 9 launch processes; elsewhere the predictions lack theirs.
    ignored = ["myst.domains"] if sys.platform == "linux" else ["myst.domains", "mystnb.glue_ref"]
    try:
        asyncio.run(fill(cache, only))
        result = build_sphinx(
            ROOT,
            UNFINISHED / "html",
            path_config=ROOT / "_config.yml",
            noconfig=True,
            confoverrides={
                "html_theme_options": launch.theme_options(ROOT / "_config.yml"),
                "external_toc_path": str(ROOT / "_toc.yml"),
                "latex_individualpages": False,
                "nb_execution_mode": "cache",
                "nb_execution_cache_path": cache,
                "nitpicky": True,
                "suppress_warnings": ignored,
            },
            warningiserror=True,
            keep_going=True,
            quiet=True,  # warnings and errors only
        )
        if isinstance(result, BaseException):  # an interrupt too
            return f"{type(result).__name__}: {result}"
        if result:
            return "The build gave warnings (see WARNING above), and a warning is an error here."
        pages.finish(UNFINISHED / "html")
        (UNFINISHED / "html").rename(site)
    finally:
        shutil.rmtree(UNFINISHED, ignore_errors=True)
    return None


def keep_text(notebook: nbformat.NotebookNode) -> None:
    """Drop what a diff cannot show and nbval does not compare: pictures, pages, widgets."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            for kind in list(output.get("data", {})):
                if kind.startswith("image/") or "widget" in kind or kind in ("text/html", ANSWER):
                    del output.data[kind]
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )


# A figure's caption, in the Markdown cell below it: its label, its name in bold, what it shows.
CAPTION = re.compile(r"\((?:figure|explorer)-[\w-]+\)=\n\*\*((?:Figure|Explorer) \d+\.\d+)\.\*\* ")


def fold(notebook: nbformat.NotebookNode) -> None:
    """Fold in JupyterLab what the page folds, and name the page's folds after what they make."""
    from book.launch import FETCH

    code = [c for c in notebook.cells if c.cell_type == "code" and c.get("id") != FETCH]
    imports = next(iter(code), None)
    name = "How this is made"
    for cell in reversed(notebook.cells):  # a figure's code stands above its caption
        if caption := CAPTION.match(cell.source):
            name = f"How {caption[1].lower()} is made"
        tags = cell.metadata.get("tags", [])
        for old in ("jupyter", "mystnb"):
            cell.metadata.pop(old, None)
        if "hide-cell" in tags:
            cell.metadata["jupyter"] = {"source_hidden": True, "outputs_hidden": True}
            solves = any(tag.startswith("solution-") for tag in tags)
            cell.metadata["mystnb"] = prompts("Show the solution" if solves else "Show the code")
        elif cell.get("id") == FETCH:
            cell.metadata["jupyter"] = {"source_hidden": True}
        elif "hide-input" in tags:
            cell.metadata["jupyter"] = {"source_hidden": True}
            cell.metadata["mystnb"] = prompts("The imports" if cell is imports else name)


def prompts(name: str) -> dict[str, str]:
    """What myst-nb writes on a fold, closed and open."""
    return {"code_prompt_show": name, "code_prompt_hide": name}


async def executed(only: list[Path], **options: bool) -> AsyncIterator[Executed]:
    """Chapters with the outputs of fresh kernels, each when it is done; the last begin first.

    The kernels are of one process, which deals each its ports: two of two processes may race for
    one. Raises ``Stopped`` for the first chapter that fails; the others are broken off.
    """
    gate = asyncio.Semaphore(AT_A_TIME)

    async def execute(chapter: Path) -> Executed:
        async with gate:
            started = time.perf_counter()
            notebook = nbformat.read(chapter, as_version=4)
            client = NotebookClient(
                notebook,
                timeout=300,
                kernel_name="python3",
                record_timing=False,
                resources={"metadata": {"path": str(chapter.parent)}},
                **options,
            )
            try:
                await client.async_execute()
            except (CellExecutionError, CellTimeoutError) as error:
                raise Stopped(explain(chapter, error)) from None
            return chapter, notebook, time.perf_counter() - started

    waiting = [asyncio.create_task(execute(chapter)) for chapter in reversed(only)]
    try:
        for done in asyncio.as_completed(waiting):
            yield await done
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)  # their kernels end, too


async def execute_chapters(only: list[Path]) -> None:
    """Execute chapters and write them back. A chapter that fails is left as it was."""
    from book.launch import prepare

    prepare(ROOT, only or chapters())
    async for chapter, notebook, seconds in executed(only or chapters()):
        keep_text(notebook)
        fold(notebook)
        nbformat.write(notebook, chapter)
        print(f"{chapter.relative_to(ROOT)} … {seconds:.0f} s", flush=True)


def failures(notebook: nbformat.NotebookNode) -> list[str]:
    """The code cells that raised, each with its number and what it raised."""
    cells = [c for c in notebook.cells if c.cell_type == "code"]
    errors = [(n, o) for n, c in enumerate(cells, 1) for o in c.outputs if o.output_type == "error"]
    return [f"code cell {n} of {len(cells)}: {o.ename}: {o.evalue}" for n, o in errors]


async def shift_seeds(by: int, only: list[Path]) -> str | None:
    """Execute chapters with every seed shifted, and say which cells fail; nothing is written."""
    startup = Path(os.environ["IPYTHONDIR"]) / "profile_default" / "startup"
    startup.mkdir()
    code = (
        f"import sys\nsys.path.append({str(ROOT)!r})\nfrom book.seeds import shift\nshift({by})\n"
    )
    (startup / "seeds.py").write_text(f"{code}del sys.path[-1], sys, shift\n", encoding="utf8")
    failed = []
    async for chapter, notebook, _ in executed(only or chapters(), allow_errors=True):
        name, found = chapter.relative_to(ROOT), failures(notebook)
        said = f"{len(found)} cells fail" if found else "all holds"
        print(f"{name}, seeds + {by} … {said}", flush=True)
        failed += [f"{name}, {failure}" for failure in found]
    return "\n".join(failed) or None


def quieten(profile: Path) -> None:
    """Make the chapters' kernels say what the chapters say, on every machine.

    A profile of their own keeps the user's IPython settings out, and a kernel's warning that it
    listens on loopback; a progress bar is for the person who waits.
    """
    (profile / "profile_default").mkdir()
    config = profile / "profile_default" / "ipython_kernel_config.py"
    config.write_text('c = get_config()\nc.IPKernelApp.log_level = "ERROR"\n', encoding="utf8")
    os.environ["IPYTHONDIR"] = str(profile)
    os.environ["TQDM_DISABLE"] = "1"
    os.environ["OMP_NUM_THREADS"] = "1"


def main(verb: str, *names: str) -> int:
    """Do what ``verb`` says, and say how it went. Returns the exit status."""
    started = time.perf_counter()
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        quieten(Path(profile))
        only = [Path(name).resolve() for name in names if name.endswith(".ipynb")]
        try:
            if verb == "html":
                print("Executing every chapter and building the pages, a few minutes …", flush=True)
                problem = build_html(SITE)
            elif verb == "chapter":
                only = [c for c in chapters() if int(c.name[:2]) == int(names[0])]
                problem = build_html(CHAPTER, only) if only else f"There is no chapter {names[0]}."
            elif verb == "seeds":
                problem = asyncio.run(shift_seeds(int(names[0]), only))
            else:
                problem = asyncio.run(execute_chapters(only))
        except Stopped as stopped:
            problem = str(stopped)
    if problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1
    done = {
        "html": f"Open {SITE / 'index.html'}",
        "chapter": f"Open {CHAPTER / 'notebooks' / only[0].stem}.html" if only else "",
        "seeds": "Every statement holds with these seeds",
        "notebooks": "The chapters are up to date",
    }[verb]
    print(f"\n{done} ({time.perf_counter() - started:.0f} s).")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
