"""Make the teacher's kit out of the built book: python -m book.classroom. Called by ``make``."""

import shutil
import sys
from pathlib import Path

from book.build import EXECUTED, ROOT
from book.classroom import assignments, handouts, questions, sheets, slides

CLASS = ROOT / "_build" / "class"

# What the kit holds: a folder's name, and the function that fills it and says what is there.
PARTS = {
    "slides": slides.fill,
    "handouts": handouts.fill,
    "sheets": sheets.fill,
    "questions": questions.fill,
    "course": assignments.fill,
}


def main() -> int:
    """Make every part of the kit from scratch, and say where it lies. Returns the exit status."""
    if not EXECUTED.is_dir():
        print("The kit is made of the built book: run `make book` first.", file=sys.stderr)
        return 1
    shutil.rmtree(CLASS, ignore_errors=True)
    for name, fill in PARTS.items():
        folder: Path = CLASS / name
        folder.mkdir(parents=True)
        print(f"_build/class/{name}: {fill(folder)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
