"""Cut the font of the formulas out of STIX Two Math, and fit it to what browsers do.

python book/font.py STIXTwoMath-Regular.ttf    writes book/assets/fonts/formulas.woff2

Run once, with `pip install brotli`; the font is version 2.11 from https://github.com/stipub/stixfonts.
"""

import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

FONT = Path(__file__).parent / "assets" / "fonts" / "formulas.woff2"
# Latin, Greek, accents, spaces, script and double-struck capitals, arrows, operators, fences.
CHARACTERS = """
20-7E A0 AC AF B1 B7 BD D7 131 237 2C6 2C7 2D8-2DA 2DC 302-304 307 308 30C 338 391-3A9 3B1-3C9 3D1
3D5 3F5 2002-200B 2016 2026 2032-2034 203E 2061-2063 20D7 2102 210B 210E 2110 2112 2113 2115
211A-211D 2119 2124 2130 2131 2133 2190-2194 21A6 21D0-21D4 2200-2211 2212-221E 2223-222B 223C 2248
2260 2261 2264 2265 226A 226B 2282-2287 2295 2297 2299 22A4 22A5 22C5 22EE-22F1 2308-230B 23DE 23DF
27E8 27E9 27F5-27FA 1D400-1D433 1D434-1D467 1D49C-1D4B5 1D538-1D551 1D6E2-1D71B
"""


def cut(font: TTFont) -> None:
    """Keep CHARACTERS and their tall forms; the optical sizes would double the file."""
    options = subset.Options(layout_features=["ss04"], hinting=False)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=subset.parse_unicodes(CHARACTERS))
    cutter.subset(font)


def narrow(font: TTFont) -> None:
    """Make tall fences and roots hardly wider than low ones.

    Chromium reserves the width of the widest form for every one, which tears formulas apart.
    """
    variants = font["MATH"].table.MathVariants
    for low, forms in zip(
        variants.VertGlyphCoverage.glyphs, variants.VertGlyphConstruction, strict=True
    ):
        widest = font["hmtx"][low][0] * (1.0 if low == "uni221A" else 1.15)
        parts = forms.GlyphAssembly.PartRecords if forms.GlyphAssembly else []
        names = [v.VariantGlyph for v in forms.MathGlyphVariantRecord] + [p.glyph for p in parts]
        for name in dict.fromkeys(names):
            width, bearing = font["hmtx"][name]
            glyph = font["glyf"][name]
            if width > widest and glyph.numberOfContours > 0:
                glyph.coordinates.scale((widest / width, 1))
                glyph.coordinates.toInt()
                glyph.recalcBounds(font["glyf"])
                font["hmtx"][name] = round(widest), glyph.xMin


def level(font: TTFont) -> None:
    """Put the subscripts of w and y, the superscripts of x and f on one line, as TeX does."""
    constants = font["MATH"].table.MathConstants
    constants.SubscriptBaselineDropMin.Value = -40
    constants.SuperscriptBaselineDropMax.Value = 400


def main(source: str) -> None:
    font = TTFont(source)
    for change in (cut, narrow, level):
        change(font)
    font.flavor = "woff2"
    font.save(FONT)
    print(f"{FONT}: {FONT.stat().st_size} bytes")


if __name__ == "__main__":
    main(sys.argv[1])
