"""Buttons that lead to the repository: run, ask, edit. Without its address there are none."""

from pathlib import Path

import yaml


def theme_options(config: Path) -> dict:
    """The theme's options of a _config.yml, with the buttons if ``repository: url`` is set."""
    settings = yaml.safe_load(config.read_text(encoding="utf8"))
    options = settings.get("sphinx", {}).get("config", {}).get("html_theme_options", {})
    repository = settings.get("repository", {})
    if not repository.get("url"):
        # Jupyter Book hands the theme its launch_buttons all the same; each leads nowhere.
        return {**options, "launch_buttons": dict.fromkeys(settings.get("launch_buttons", {}), "")}
    buttons = ("repository", "issues", "edit_page")
    return {
        **options,
        "repository_url": repository["url"],
        "repository_branch": repository.get("branch", "main"),
        "launch_buttons": settings.get("launch_buttons", {}),
        **{f"use_{name}_button": True for name in buttons},
    }
