#!/usr/bin/env python3
"""Draws the README's pictures, from the tables in docs/results.md where they show results.

    docs/pictures.py

Writes docs/layers.svg (which pairs of tokens each layer sees), docs/accuracy.svg (accuracy against
FLOPs), docs/serving.svg (a store's latency and quality by P) and docs/long_inputs.svg (T5's time by
the number of segments); they need gnuplot. Run it again when a table has changed. White background,
so that the pictures are readable on dark pages, too.
"""
import pathlib
import re
import subprocess
import sys

DOCS = pathlib.Path(__file__).resolve().parent
FONT = "Helvetica,Arial,sans-serif"
BLUE, ORANGE, GREEN, GREY = "#1f5fa8", "#c0561c", "#2e8540", "#606060"  # as in eval/plot.cpp


# ---- layers.svg

NUM_LAYERS, NUM_INDEPENDENT = 6, 3  # L, P
SEGMENTS = (("claim", 4, BLUE), ("evidence 1", 5, ORANGE), ("evidence 2", 3, GREEN))
CELL, GAP, SPLIT_GAP, MARGIN, TOP = 9, 12, 60, 24, 84  # pixels


def text(x, y, words, size=13, colour="#222222", anchor="middle"):
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{colour}" '
        f'text-anchor="{anchor}">{words}</text>'
    )


def matrix(name, joint):
    """A layer's square, to be used by name: a row is a token, a column what it sees."""
    owner = [colour for _, length, colour in SEGMENTS for _ in range(length)]
    squares = {}
    for row, own in enumerate(owner):
        for column, seen in enumerate(owner):
            fill = own if own == seen else "#b8b8b8" if joint else "#eeeeee"
            square = f"M{column * CELL} {row * CELL}h{CELL - 1}v{CELL - 1}h{1 - CELL}z"
            squares[fill] = squares.get(fill, "") + square
    paths = "".join(f'<path fill="{fill}" d="{path}"/>' for fill, path in squares.items())
    return f'<g id="{name}">{paths}</g>'


def layers_svg():
    num_tokens = sum(length for _, length, _ in SEGMENTS)
    side = num_tokens * CELL
    pairs = {False: sum(length**2 for _, length, _ in SEGMENTS), True: num_tokens**2}
    body = ["<defs>", matrix("own", joint=False), matrix("whole", joint=True), "</defs>"]
    lefts, left = [], MARGIN
    for layer in range(NUM_LAYERS):
        left += (SPLIT_GAP - GAP) * (layer == NUM_INDEPENDENT)
        lefts.append(left)
        joint = layer >= NUM_INDEPENDENT
        name = "whole" if joint else "own"
        body.append(f'<use href="#{name}" x="{left}" y="{TOP}"/>')
        body.append(text(left + side / 2, TOP + side + 17, f"layer {layer + 1}"))
        body.append(text(left + side / 2, TOP + side + 33, f"{pairs[joint]} pairs", 12, GREY))
        left += side + GAP
    width, height = left - GAP + MARGIN, TOP + side + 102
    phases = (
        (lefts[0], lefts[NUM_INDEPENDENT - 1], "P independent layers: its own segment"),
        (lefts[NUM_INDEPENDENT], lefts[-1], "L − P joint layers: the whole example"),
    )
    for begin, last, words in phases:
        end = last + side
        body.append(text((begin + end) / 2, TOP - 30, words, 15))
        body.append(
            f'<path d="M{begin:g} {TOP - 10}v-8H{end:g}v8" fill="none" stroke="{GREY}"/>'
        )
    arrow = lefts[NUM_INDEPENDENT] - SPLIT_GAP / 2
    body.append(text(arrow, TOP + side / 2 - 10, "join", 13))
    body.append(
        f'<path d="M{arrow - 20:g} {TOP + side / 2:g}h38m-7 -5l8 5l-8 5" fill="none" '
        'stroke="#222222" stroke-width="1.5"/>'
    )
    body.append(text(width / 2, 22, "What a token sees (row: the token, column: what it sees)", 15))
    x = MARGIN
    for name, length, colour in SEGMENTS:
        y = height - 50
        body.append(f'<rect x="{x:g}" y="{y}" width="11" height="11" fill="{colour}"/>')
        body.append(text(x + 17, y + 10, f"{name}, {length} tokens", 13, anchor="start"))
        x += (width - 2 * MARGIN) / len(SEGMENTS)
    words = "Up to layer P a segment’s states depend on it alone: computed once, used again"
    body.append(text(MARGIN, height - 14, words, 13, anchor="start"))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" font-family="{FONT}">\n'
        '<rect width="100%" height="100%" fill="white"/>\n'
    )
    return head + "\n".join(body) + "\n</svg>\n"


# ---- accuracy.svg


def table(heading):
    """The rows of the first table below a heading of docs/results.md, as {column: cell}."""
    lines = (DOCS / "results.md").read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if line.startswith("#") and line.lstrip("# ") == heading:
            break
    else:
        sys.exit(f"pictures.py: docs/results.md has no heading '{heading}'")
    rows = []
    for line in lines[number + 1 :]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip()[1:-1].split("|")])
        elif rows:
            break
    return [dict(zip(rows[0], row)) for row in rows[2:]]


def numbers(cell):
    return [float(n) for n in re.findall(r"\d+(?:\.\d+)?", cell)]


def demo_points():
    """(P, share of the stock model's FLOPs, the same with the cache, accuracy, low, high)"""
    for row in table("The demo: WordNet facts"):
        p = int(numbers(row["schedule"])[0])
        accuracy = numbers(row["test accuracy, % [95 %]"])
        share = 1.0 if p == 0 else numbers(row["encoder FLOPs"])[0]
        cached = numbers(row["encoder, cached"]) or [share]
        yield (p, share, cached[0], *accuracy)


def sick_points():
    """As demo_points, of dropout 0; low and high are of the seeds."""
    flops = {row["schedule"]: row for row in table("SICK: FLOPs")}
    for row in table("SICK: MiniLM, three seeds"):
        if "cls_segments" not in row["segments, pooling"]:
            continue
        p = int(numbers(row["schedule"])[0])
        seeds = numbers(row["its seeds"])
        share = 1.0 if p == 0 else numbers(flops[row["schedule"]]["encoder FLOPs"])[0]
        cached = numbers(flops[row["schedule"]]["encoder, cached"]) or [share]
        yield (p, share, cached[0], numbers(row["dropout 0"])[0], min(seeds), max(seeds))


def panel(name, title, points):
    rows = "\n".join(
        f'{100 * share} {100 * cached} {value} {low} {high} "P = {p}"'
        for p, share, cached, value, low, high in points
    )
    return f"""${name} << EOD
{rows}
EOD
set title '{title}'
plot ${name} using 1:3:($2-$1):(0) with vectors nohead lc rgb '#a0a0a0' dt 2 notitle, \\
  ${name} using 1:3:4:5 with yerrorbars pt 7 ps 0.9 lw 1.4 lc rgb '{BLUE}' \\
    title 'all layers computed', \\
  ${name} using ($2 < $1 ? $2 : NaN):3 with points pt 6 ps 0.9 lw 1.6 lc rgb '{ORANGE}' \\
    title 'first P layers from a cache (counted)', \\
  ${name} using 1:3:6 with labels left offset 1,0.2 tc rgb '{BLUE}' notitle
"""


def accuracy_svg():
    script = f"""set terminal svg size 880,360 font '{FONT},13' background rgb 'white' noenhanced
set encoding utf8
set grid lc rgb '#e4e4e4'
set border 3
set tics nomirror out
set key below left Left reverse samplen 2 width 2 height 0.5
set xrange [0:118]
set xtics 0,20,100
set xlabel "encoder FLOPs of an example, % of the stock model's"
set ylabel 'test accuracy, %'
set multiplot layout 1,2
set yrange [58:76]
{panel("demo", "make demo: WordNet facts, one seed (bars: 95 % intervals)", demo_points())}
set yrange [80:90]
{panel("sick", "SICK, mean of three seeds (bars: the seeds)", sick_points())}
unset multiplot
"""
    return plotted(script)


def plotted(script):
    done = subprocess.run(["gnuplot"], input=script, capture_output=True, text=True)
    if done.returncode != 0 or "</svg>" not in done.stdout:
        sys.exit(f"pictures.py: gnuplot failed: {done.stderr}")
    return done.stdout


# ---- serving.svg


def ranking_points(one_sided):
    """(P, MAP, low, high) of WikiQA with standalone segments."""
    for row in table("wikiqa"):
        if "standalone" in row["segments, pooling"] and ("one-sided" in row["model"]) == one_sided:
            p = int(numbers(row["model"])[0])
            if not one_sided or p < 5:  # at P = 5 it is the same model
                yield (p, *numbers(row["map [95 %]"]))


def serving_svg():
    times = {row[""].strip("`"): row for row in table("Segments from a store")}
    stored = {name: numbers(row["ms"])[0] for name, row in times.items()}
    # "times without the store" is the uncached model's time over the stored one's.
    computed = {name: stored[name] * numbers(row["times without the store"])[0]
                for name, row in times.items() if name.startswith("P")}
    layers = range(7)
    seeds = min(int(row["seeds"]) for row in table("wikiqa") if "standalone" in
                row["segments, pooling"])
    seeds = f"mean of {seeds} seeds" if seeds > 1 else "one seed"
    stock = next(numbers(row["map [95 %]"]) for row in table("wikiqa")
                 if "the baseline" in row["model"])

    def block(name, rows):
        return f"${name} << EOD\n" + "".join(" ".join(map(str, row)) + "\n" for row in rows) + "EOD"

    blocks = [block("stored", ((p, stored[f"P = {p}"]) for p in layers)),
              block("computed", ((p, computed[f"P = {p}"]) for p in layers)),
              block("one_stored", [(3, stored["P = 3, one-sided"])]),
              block("quality", ranking_points(one_sided=False)),
              block("one_quality", ranking_points(one_sided=True))]
    head = f"set terminal svg size 880,380 font '{FONT},13' background rgb 'white' noenhanced\n"
    return plotted(head + f"""\
set encoding utf8
{chr(10).join(blocks)}
set grid lc rgb '#e4e4e4'
set border 3
set tics nomirror out
set key below left Left reverse samplen 2 width 2 height 0.5
set xrange [-0.3:6.3]
set xtics 0,1,6
set xlabel 'P, layers in which a segment is by itself (of 6)' offset 0,0.4
set multiplot layout 1,2
set title 'A new query against 1000 stored passages'
set logscale y
set yrange [5:20000]
set ytics ('10 ms' 10, '100 ms' 100, '1 s' 1000, '10 s' 10000)
plot {stored["transformers"]} lc rgb '#222222' dt 2 title 'transformers', \\
  $computed with linespoints pt 7 ps 0.7 lw 1.6 lc rgb '{GREY}' title 'all computed', \\
  $stored with linespoints pt 7 ps 0.7 lw 1.6 lc rgb '{BLUE}' title 'passages from the store', \\
  $one_stored with points pt 9 ps 1.2 lc rgb '{ORANGE}' title 'the same, one-sided'
set title 'WikiQA, MAP, {seeds} (bars: 95 % intervals)'
unset logscale y
set yrange [66:86]
set ytics auto
plot {stock[0]} lc rgb '#222222' dt 2 title 'the stock model', \\
  $quality with yerrorbars pt 7 ps 0.9 lw 1.4 lc rgb '{BLUE}' title 'standalone segments', \\
  $quality with lines lw 1.4 lc rgb '{BLUE}' notitle, \\
  $one_quality using ($1+0.12):2:3:4 with yerrorbars pt 9 ps 1.1 lw 1.4 lc rgb '{ORANGE}' \\
    title 'one-sided'
unset multiplot
""")


# ---- long_inputs.svg


def long_inputs_svg():
    rows = table("T5: long inputs")
    models = [name for name in rows[0] if name not in ("segments", "")]
    colours = dict(zip(models, ("#222222", GREEN, ORANGE, BLUE, GREY)))
    blocks, panels = [], []
    for what, name in (("prediction, s", "prediction"), ("training step, s", "step")):
        lines = [(numbers(row["segments"])[0], row) for row in rows if row[""] == what]
        plots = []
        for number, model in enumerate(models):
            points = [(n, numbers(row[model])[0]) for n, row in lines if numbers(row[model])]
            block = f"{name}{number}"
            blocks.append(f"${block} << EOD\n" + "".join(f"{n} {s}\n" for n, s in points) + "EOD")
            if points:
                dashes = " dt 2" if model == "transformers" else ""
                # No line over what was not measured.
                measured = [bool(numbers(row[model])) for _, row in lines]
                gap = False in measured[: len(measured) - measured[::-1].index(True)]
                style = "points" if gap else "linespoints"
                plots.append(f"${block} using 1:2 with {style} pt 7 ps 0.7 lw 1.6{dashes} "
                             f"lc rgb '{colours[model]}' title '{model}'")
        panels.append(f"set title '{what.split(',')[0]}'\nplot " + ", \\\n  ".join(plots))
    return plotted(f"""set terminal svg size 880,360 font '{FONT},13' background rgb 'white'
set encoding utf8
{chr(10).join(blocks)}
set grid lc rgb '#e4e4e4'
set border 3
set tics nomirror out
set key top left Left reverse samplen 2
set logscale xy 2
set xtics (1, 2, 4, 8, 16)
set ytics (0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)
set xrange [0.9:18]
set xlabel 'segments of 512 tokens'
set ylabel 'seconds for an example'
set multiplot layout 1,2
{panels[0]}
{panels[1]}
unset multiplot
""")


def main():
    if len(sys.argv) > 1:
        sys.exit(__doc__)
    for name, draw in (("layers.svg", layers_svg), ("accuracy.svg", accuracy_svg),
                       ("serving.svg", serving_svg), ("long_inputs.svg", long_inputs_svg)):
        (DOCS / name).write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
