#!/usr/bin/env python3
"""Draws report.svg, the picture in the README: what `hitmap analyze testdata/access.log` prints on a terminal.

    python3 testdata/readme/report.py [PROGRAM]

PROGRAM is a built hitmap; without it, `cargo run --release` builds and runs one. The script runs it with
`--color always` at 100 columns and turns the ANSI output into SVG. Only the Python standard library is needed.
"""

import os
import re
import subprocess
import sys
from html import escape
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
COLUMNS = 100
COMMAND = ["analyze", "testdata/access.log"]

# Pixels.
CELL_WIDTH, LINE_HEIGHT, BASELINE, FONT_SIZE, MARGIN = 8, 18, 13, 13, 16
BACKGROUND, TEXT = "#161b22", "#e6edf3"
# The ANSI attributes that hitmap uses, as CSS.
STYLES = {
    "1": "font-weight:bold",
    "2": "fill:#8b949e",
    "31": "fill:#ff7b72",
    "32": "fill:#3fb950",
    "33": "fill:#d29922",
    "36": "fill:#39c5cf",
}
# Bars and shades are drawn, because fonts disagree about their width.
BARS = {character: (8 - eighths) / 8 for eighths, character in enumerate("█▉▊▋▌▍▎▏")}
SHADES = {"░": 0.25, "▒": 0.5, "▓": 0.75}


def runs(line):
    """Splits a line at its escape sequences: (column, attribute or "", text)."""
    column, attribute = 0, ""
    for index, piece in enumerate(re.split(r"\x1b\[([0-9]+)m", line)):
        if index % 2:
            attribute = "" if piece == "0" else piece
        elif piece:
            yield column, attribute, piece
            column += len(piece)


def draw(line, top):
    """The SVG elements of one line whose upper edge is at `top`."""
    # Rows of bars have a gap between them; rows of the heat map touch.
    gap = 0 if any(shade in line for shade in SHADES) else 2
    for column, attribute, text in runs(line):
        style = f' class="a{attribute}"' if attribute else ""
        # A piece is a row of equal blocks, or words with single blanks between them.
        for match in re.finditer(r"█+|[▏▎▍▌▋▊▉]|░+|▒+|▓+|[^\s█▏▎▍▌▋▊▉░▒▓]+(?: [^\s█▏▎▍▌▋▊▉░▒▓]+)*", text):
            piece = match.group()
            x = MARGIN + (column + match.start()) * CELL_WIDTH
            width = len(piece) * CELL_WIDTH
            if piece[0] in BARS:
                width = (len(piece) - 1 + BARS[piece[0]]) * CELL_WIDTH
                yield f'<rect{style} x="{x}" y="{top + gap}" width="{width:g}" height="{LINE_HEIGHT - 2 * gap}"/>'
            elif piece[0] in SHADES:
                shade = SHADES[piece[0]]
                yield f'<rect{style} x="{x}" y="{top}" width="{width}" height="{LINE_HEIGHT}" opacity="{shade}"/>'
            else:
                yield f'<text{style} x="{x}" y="{top + BASELINE}" textLength="{width}">{escape(piece)}</text>'


def main():
    program = [str(Path(sys.argv[1]).resolve())] if len(sys.argv) > 1 else ["cargo", "run", "--release", "--quiet", "--"]
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "LC_ALL": "C.UTF-8"}
    command = [*program, *COMMAND, "--color", "always"]
    report = subprocess.run(command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, check=True)
    prompt = "\x1b[32m$\x1b[0m " + " ".join(["hitmap", *COMMAND])
    lines = [prompt, ""] + report.stdout.decode().splitlines()

    width = COLUMNS * CELL_WIDTH + 2 * MARGIN
    height = len(lines) * LINE_HEIGHT + 2 * MARGIN
    svg = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        "<style>",
        f"text {{ font: {FONT_SIZE}px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace }}",
        f"text, rect {{ fill: {TEXT} }}",
        *(f".a{attribute} {{ {style} }}" for attribute, style in STYLES.items()),
        "</style>",
        f'<rect width="{width}" height="{height}" rx="8" style="fill:{BACKGROUND}"/>',
        *(element for row, line in enumerate(lines) for element in draw(line, MARGIN + row * LINE_HEIGHT)),
        "</svg>",
    ]
    (HERE / "report.svg").write_text("\n".join(svg) + "\n")


if __name__ == "__main__":
    main()
