"""Zip the built site for a stick: unzip it, open downhill/index.html. Called by ``make zip``."""

import sys
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

SITE = Path(__file__).resolve().parent.parent / "_build" / "html"


def pack(site: Path, to: Path) -> None:
    """Write the site into one folder of a zip: the same site, to the byte the same zip."""
    with ZipFile(to, "w", ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(path for path in site.rglob("*") if path.is_file()):
            entry = ZipInfo(f"downhill/{path.relative_to(site).as_posix()}")  # dated 1980
            entry.compress_type, entry.external_attr = ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, path.read_bytes())


def main() -> int:
    """Zip the book, and say how large that is. Returns the exit status."""
    if not (SITE / "index.html").is_file():
        print(f"There is no {SITE / 'index.html'}: run `make book` first.", file=sys.stderr)
        return 1
    to = SITE.parent / "downhill.zip"
    pack(SITE, to)
    print(f"{to} ({to.stat().st_size / 1e6:.0f} MB).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
