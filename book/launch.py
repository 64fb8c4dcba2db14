"""What leads to the repository: buttons, badges, Colab's cell. Without its address: nothing."""

import copy
import re
from pathlib import Path

import nbformat
import yaml
from nbformat.v4 import new_code_cell

BADGES = re.compile(r"<!-- badges -->\n(?:.+\n)*")  # one paragraph of README
FETCH = "fetch-the-book"  # the identity of Colab's cell


def settings(config: Path) -> dict:
    """A _config.yml, with an address of the repository that may be empty."""
    return {"repository": {"url": ""}, **yaml.safe_load(config.read_text(encoding="utf8"))}


def theme_options(config: Path) -> dict:
    """The theme's options of a _config.yml, with the buttons if ``repository: url`` is set."""
    said = settings(config)
    options = said.get("sphinx", {}).get("config", {}).get("html_theme_options", {})
    repository, buttons = said["repository"], said.get("launch_buttons", {})
    if not repository["url"]:
        # Jupyter Book hands the theme its launch_buttons all the same; each leads nowhere.
        return {**options, "launch_buttons": dict.fromkeys(buttons, "")}
    return {
        **options,
        "repository_url": repository["url"],
        "repository_branch": repository.get("branch", "main"),
        "launch_buttons": buttons,
        **{f"use_{name}_button": True for name in ("repository", "issues", "edit_page")},
    }


def with_cell(notebook: nbformat.NotebookNode, config: Path) -> nbformat.NotebookNode:
    """The chapter with the cell that fetches the book in Colab, if there is an address."""
    url = settings(config)["repository"]["url"]
    source = (
        "# In Colab the book is fetched first; elsewhere this cell does nothing.\n"
        "import sys\n"
        "from importlib.util import find_spec\n\n"
        'if "google.colab" in sys.modules and not find_spec("gdlib"):\n'
        f"    !git clone --quiet --depth 1 {url} /content/book\n"
        "    %pip install --quiet /content/book\n"
        "    %cd -q /content/book/notebooks"
    )
    here = [cell for cell in notebook.cells if cell.id == FETCH]
    if url and not here:
        here = [new_code_cell(id=FETCH, metadata={"tags": ["remove-cell"]})]
        notebook.cells.insert(1, here[0])
    for cell in here:
        cell.source = source
    if not url:
        notebook.cells = [cell for cell in notebook.cells if cell.id != FETCH]
    return notebook


def with_badges(readme: str, config: Path) -> str:
    """README with the badges of its tests, Binder and Colab, if there is an address."""
    repository = settings(config)["repository"]
    url, branch = repository["url"], repository.get("branch", "main")
    badges = ""
    if url:
        name = url.removeprefix("https://github.com/")
        first = "notebooks/01_gradient_descent.ipynb"
        badges = (
            f"[![tests]({url}/actions/workflows/book.yml/badge.svg)]({url}/actions)\n"
            f"[![Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/{name}/"
            f"{branch}?urlpath=lab/tree/{first})\n"
            "[![Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
            f"(https://colab.research.google.com/github/{name}/blob/{branch}/{first})\n"
        )
    return BADGES.sub(f"<!-- badges -->\n{badges}", readme)


def prepare(root: Path, chapters: list[Path]) -> None:
    """Write cell and badges where they are missing, or take away what is there without address."""
    config, readme = root / "_config.yml", root / "README.md"
    for chapter in chapters:
        notebook = nbformat.read(chapter, as_version=4)
        before = copy.deepcopy(notebook)
        if with_cell(notebook, config) != before:
            nbformat.write(notebook, chapter)
    if readme.exists():
        readme.write_text(with_badges(readme.read_text(encoding="utf8"), config), encoding="utf8")
