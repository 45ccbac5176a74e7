"""The report of an evaluation on labelled clips: one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mmvideo.errors import InvalidInput, MediaError
from mmvideo.labelled.clip_cache import FrameSpec, decode_clip
from mmvideo.labelled.measures import MAIN
from mmvideo.labelled.rows import ClipRow

NAME = "report.html"
_THUMBNAIL = FrameSpec(2, 96)
_MOST_NAMES = 40
"""Labels of a confusion matrix at most."""
_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #667; --line: #d8dde3; --card: #fff; --page: #f6f7f9;
  --good: #2a7de1; --bad: #c9372c }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --soft: #9aa2ad; --line: #343a42; --card: #1f242b;
  --page: #15181c; --good: #63a4ff; --bad: #ff7a6e } }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif }
main { max-width: 1120px; margin: 0 auto; padding: 32px 20px 80px }
h1 { font-size: 26px; margin: 0 } h2 { font-size: 18px; margin: 36px 0 10px } .soft { color: var(--soft) }
.wide { overflow-x: auto } table { border-collapse: collapse; background: var(--card); border: 1px solid var(--line) }
th, td { text-align: left; padding: 5px 11px; border-top: 1px solid var(--line); vertical-align: top }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.bar { height: 10px; background: var(--good); border-radius: 3px; min-width: 1px }
.grid td, .grid th { padding: 2px 6px; font-size: 12px; text-align: center } .grid th.row { text-align: right }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(260px, 1fr)); gap: 14px }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; overflow: hidden }
.card img { width: 100%; display: block } .card p { margin: 8px 12px } .card small { color: var(--soft);
  overflow-wrap: anywhere } .bad { color: var(--bad) } svg { max-width: 320px; width: 100% }
"""


def write_clips_report(folder: Path, figures: dict[str, Any], rows: Sequence[ClipRow], truth: np.ndarray,
                 scores: Sequence[np.ndarray], *, worst: int) -> Path:
    """Write report.html and return its path.

    Args:
        figures: what figures.json holds.
        rows: the clips, in the order of `truth` and of each model's `scores`.
        worst: how many clips are shown.
    """
    names = list(figures["models"])
    title = f"{figures['data']}: {' and '.join(names)}"
    body = [f"<h1>{html.escape(title)}</h1><div class=soft>{figures['clips']} clips"
            + (f", {figures['skipped']} that could not be read are left out" if figures["skipped"] else "")
            + "; brackets are 95 % intervals</div>", _summary(figures), _paired(figures)]
    if figures["task"] == "classes":
        body += [_classes(figures), _groups(figures), _confusion(figures), _calibration(figures)]
    if figures["task"] == "tags":
        body.append(_tags(figures))
    body.append(_worst(figures, rows, truth, scores, worst))
    page = (f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f"<title>{html.escape(title)}</title><style>{_STYLE}</style><main>{''.join(body)}</main></html>\n")
    target = folder / NAME
    target.write_text(page, encoding="utf-8")
    return target


def _table(head: Iterable[str], lines: Iterable[Iterable[tuple[str, str]]], kind: str = "") -> str:
    """Return a table; a cell is (class, HTML)."""
    top = "".join(f"<th>{one}</th>" for one in head)
    inner = "".join("<tr>" + "".join(f'<td class="{style}">{text}</td>' for style, text in line) + "</tr>"
                    for line in lines)
    return f'<div class=wide><table class="{kind}"><tr>{top}</tr>{inner}</table></div>'


def _with_interval(value: float | None, interval: Sequence[float] | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" + (f" <span class=soft>[{interval[0]:.3f}, {interval[1]:.3f}]</span>" if interval else "")


def _summary(figures: dict[str, Any]) -> str:
    models = figures["models"]
    keys = list(next(iter(models.values()))["intervals"])
    lines = [[("", html.escape(name)), *(("n", _with_interval(one[key], one["intervals"][key])) for key in keys)]
             for name, one in models.items()]
    return "<h2>Figures</h2>" + _table(["model", *(key.replace("_", " ") for key in keys)], lines)


def _paired(figures: dict[str, Any]) -> str:
    if not figures["paired"]:
        return ""
    lines = []
    for pair in figures["paired"]:
        low, high = pair["interval"]
        alone = (f"{pair['only_first']} and {pair['only_other']}", f"{pair['p']:.3g}") if "p" in pair else ("-", "-")
        lines.append([("", f"{html.escape(pair['first'])} minus {html.escape(pair['other'])}"),
                      ("n", f"{pair['difference']:+.3f} <span class=soft>[{low:+.3f}, {high:+.3f}]</span>"),
                      ("n", alone[0]), ("n", alone[1])])
    return "<h2>On the same clips</h2>" + _table(
        ["models", MAIN[figures["task"]].replace("_", " "), "right alone", "p (McNemar)"], lines)


def _classes(figures: dict[str, Any]) -> str:
    models = figures["models"]
    first = next(iter(models.values()))["per_class"]
    lines = []
    for i, one in enumerate(first):
        if one["clips"]:
            cells = [("", html.escape(one["name"])), ("n", str(one["clips"]))]
            for measured in models.values():
                found = measured["per_class"][i]
                cells += [("n", _with_interval(found["recall"], found["interval"])),
                          ("", f'<div class=bar style="width:{120 * (found["recall"] or 0):.0f}px"></div>')]
            lines.append(cells)
    head = ["label", "clips", *(x for name in models for x in (f"right: {html.escape(name)}", ""))]
    return "<h2>Labels</h2>" + _table(head, lines)


def _groups(figures: dict[str, Any]) -> str:
    models = figures["models"]
    first = next(iter(models.values()))["per_group"]
    if len(first) < 2:
        return ""
    lines = [[("", html.escape(one["name"])), ("n", str(one["clips"])),
              *(("n", _with_interval(m["per_group"][i]["accuracy"], m["per_group"][i]["interval"]))
                for m in models.values())] for i, one in enumerate(first)]
    return "<h2>Groups</h2>" + _table(["group", "clips", *map(html.escape, models)], lines)


def _tags(figures: dict[str, Any]) -> str:
    models = figures["models"]
    first = next(iter(models.values()))["per_class"]
    lines = [[("", html.escape(one["name"])), ("n", str(one["clips"])),
              *(("n", _with_interval(m["per_class"][i]["average_precision"], None)) for m in models.values())]
             for i, one in enumerate(first) if one["clips"]]
    return "<h2>Tags: average precision</h2>" + _table(["tag", "clips", *map(html.escape, models)], lines)


def _confusion(figures: dict[str, Any]) -> str:
    parts = []
    for name, measured in figures["models"].items():
        matrix = np.array(measured["confusion"])
        seen = [i for i in range(len(matrix)) if matrix[i].sum() or matrix[:, i].sum()]
        seen = sorted(seen, key=lambda i: -matrix[i].sum())[:_MOST_NAMES]
        labels = [html.escape(figures["labels"][i]) for i in seen]
        head = "<th></th>" + "".join(f"<th>{label}</th>" for label in labels)
        lines = []
        for i, label in zip(seen, labels, strict=True):
            total = max(int(matrix[i].sum()), 1)
            cells = "".join(f'<td style="background:color-mix(in srgb, var(--{"good" if i == j else "bad"}) '
                            f'{60 * matrix[i, j] / total:.0f}%, transparent)">{matrix[i, j] or ""}</td>' for j in seen)
            lines.append(f"<tr><th class=row>{label}</th>{cells}</tr>")
        parts.append(f"<p>{html.escape(name)}: rows are what is true, columns what it says</p>"
                     f'<div class=wide><table class=grid><tr>{head}</tr>{"".join(lines)}</table></div>')
    return "<h2>What is taken for what</h2>" + "".join(parts)


def _calibration(figures: dict[str, Any]) -> str:
    parts = []
    for name, measured in figures["models"].items():
        dots = "".join(f'<circle cx="{30 + 200 * b["confidence"]:.1f}" cy="{210 - 200 * b["accuracy"]:.1f}" '
                       f'r="{2 + 8 * (b["clips"] / measured["clips"]) ** 0.5:.1f}" fill="var(--good)" '
                       f'fill-opacity="0.7"/>' for b in measured["calibration"])
        parts.append(f'<svg viewBox="0 0 240 245" role="img" aria-label="calibration of {html.escape(name)}">'
                     '<path d="M30 10V210H230M30 210L230 10" fill="none" stroke="var(--line)"/>'
                     f'{dots}<text x="130" y="228" font-size="10" text-anchor="middle" fill="currentColor">confidence'
                     f'</text><text x="34" y="20" font-size="10" fill="currentColor">accuracy: {html.escape(name)}'
                     "</text></svg>")
    return ("<h2>Calibration</h2><p class=soft>On the line, a model is right as often as it says; dots are larger "
            f"where more clips are.</p>{''.join(parts)}")


def _worst(figures: dict[str, Any], rows: Sequence[ClipRow], truth: np.ndarray, scores: Sequence[np.ndarray],
           most: int) -> str:
    """Show the clips on which the first model is surest and wrong, or off the most."""
    first, labels, task = scores[0], figures["labels"], figures["task"]
    if task == "classes":
        wrong = np.where(first.argmax(1) == truth, -1.0, first.max(1))
    elif task == "tags":
        wrong = np.abs(first - truth).max(1)
    else:
        wrong = np.abs(first - truth).sum(1)
    order = [int(i) for i in np.argsort(-wrong, kind="stable") if wrong[i] > 0][:most]
    cards = []
    for i in order:
        says = []
        for name, values in zip(figures["models"], scores, strict=True):
            if task == "numbers":
                said = ", ".join(f"{value:.4g}" for value in values[i])
            elif task == "tags":
                said = ", ".join(f"{html.escape(labels[j])} {values[i, j]:.0%}" for j in np.argsort(-values[i])[:4])
            else:
                best = int(values[i].argmax())
                style = "" if best == truth[i] else " class=bad"
                said = f"<span{style}>{html.escape(labels[best])} {values[i, best]:.0%}</span>"
            says.append(f"{html.escape(name)}: {said}")
        true = ", ".join(rows[i].labels) or ", ".join(f"{value:.4g}" for value in rows[i].targets)
        cards.append(f"<div class=card>{_strip(rows[i])}<p><b>{html.escape(true)}</b><br>{'<br>'.join(says)}</p>"
                     f"<p><small>{html.escape(rows[i].clip)} {rows[i].span} {html.escape(rows[i].group)}</small></p>"
                     "</div>")
    if not cards:
        return ""
    what = "Surest and wrong" if task == "classes" else "Furthest off"
    return f"<h2>{what}: {html.escape(next(iter(figures['models'])))}</h2><div class=cards>{''.join(cards)}</div>"


def _strip(row: ClipRow) -> str:
    """Return four frames of a clip beside one another, as a picture in the page."""
    with suppress(MediaError, InvalidInput):
        frames = decode_clip(row, _THUMBNAIL)
        picture = Image.fromarray(np.concatenate(list(frames), 1))
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=70)
        data = base64.b64encode(file.getvalue()).decode()
        return f'<img alt="frames of {html.escape(row.clip)}" src="data:image/jpeg;base64,{data}">'
    return ""


__all__ = ["NAME", "write_clips_report"]
