"""The report of a job: one HTML file with what was seen and said, what failed and why, and where the time went."""

from __future__ import annotations

import base64
import html
import json
import time
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from mmvideo.jobs.display import duration_text
from mmvideo.jobs.ledger import Ledger
from mmvideo.jobs.sinks import write_whole
from mmvideo.wording import plural

NAME = "report.html"
_MOST_FAILURES, _MOST_CARDS, _BARS = 200, 120, 60
_STYLE = """
:root { --ink: #1b1f24; --soft: #667; --line: #dde1e6; --card: #fff; --page: #f6f7f9; --good: #2a7de1;
  --bad: #c9372c }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8eaed; --soft: #9aa2ad; --line: #343a42; --card: #1f242b; --page: #15181c; --good: #63a4ff;
    --bad: #ff7a6e } }
* { box-sizing: border-box } body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif }
main { max-width: 1120px; margin: 0 auto; padding: 32px 20px 80px }
h1 { font-size: 26px; margin: 0 } h2 { font-size: 18px; margin: 40px 0 12px } .soft { color: var(--soft) }
.figures { display: flex; flex-wrap: wrap; gap: 12px; margin-top: 20px }
.figures div { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 12px 18px; min-width: 120px }
.figures b { display: block; font-size: 22px; font-variant-numeric: tabular-nums } .bad b { color: var(--bad) }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(250px, 1fr)); grid-auto-rows: 240px; gap: 14px }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; overflow: hidden; display: flex;
  flex-direction: column }
.card img { width: 100%; height: 72px; flex: none; object-fit: contain; background: var(--line) }
.card p { margin: 10px 12px 4px; flex: 1; min-height: 0; overflow: auto; overflow-wrap: anywhere }
.card .caveat { color: var(--bad); margin-bottom: 0; flex: none }
.card small { display: block; margin: 0 12px 10px; color: var(--soft); overflow-wrap: anywhere; flex: none;
  max-height: 4.5em; overflow: auto }
table { width: 100%; border-collapse: collapse; background: var(--card); border: 1px solid var(--line) }
th, td { text-align: left; padding: 7px 12px; border-top: 1px solid var(--line); vertical-align: top;
  overflow-wrap: anywhere }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
summary { cursor: pointer; padding: 8px 0 } svg { width: 100%; height: 150px; display: block }
.bar { height: 12px; background: var(--good); border-radius: 3px; min-width: 1px }
"""


_FLAGGED = {"cut": "cut at max_new_tokens", "repeated": "repeat themselves", "empty": "without words",
            "outside": "outside the domain"}
"""Flag of a row -> what the report calls it."""


def write_report(folder: Path, ledger: Ledger) -> Path:
    """Write report.html into the job's folder and return its path."""
    path = folder / NAME
    counts, failures = ledger.counts(), ledger.failures()
    runs = json.loads(ledger.meta("runs") or "[]")
    about = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    body = [_head(about, counts, runs, ledger.flags()), _cards(folder, ledger), _failures(failures),
            _throughput(ledger, runs)]
    page = (f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f"<title>{html.escape(about['pipeline'])}: {plural(counts['done'], 'clip')}</title><style>{_STYLE}</style>"
            f"<main>{''.join(body)}</main></html>\n")
    write_whole(path, [page.encode()])
    return path


def _head(about: dict[str, Any], counts: dict[str, int], runs: list[dict[str, Any]], flags: dict[str, int]) -> str:
    total, failed = sum(counts.values()), counts["failed"] + counts["quarantined"]
    seconds, done = sum(run["seconds"] for run in runs), sum(run["done"] for run in runs)
    figures = [("clips", f"{total:,}", ""), ("done", f"{counts['done']:,}", ""),
               ("failed", f"{failed:,}", "bad" if failed else ""),
               ("left", f"{counts['pending'] + counts['running']:,}", ""),
               ("videos/s", f"{done / max(seconds, 1e-9):.2f}", ""), ("in all", duration_text(seconds), "")]
    figures[3:3] = [(words, f"{flags[flag]:,}", "bad") for flag, words in _FLAGGED.items() if flags.get(flag)]
    boxes = "".join(f'<div class="{kind}"><b>{value}</b>{name}</div>' for name, value, kind in figures)
    made = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    return (f"<h1>{html.escape(about['pipeline'])}</h1><div class=soft>{html.escape(about['model'] or 'no model')}, "
            f"weights {about['weights_sha256'][:12]}, configuration {about['config'][:12]}<br>{html.escape(made)}; "
            f"{plural(len(runs), 'run')}, the last "
            f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime(runs[-1]['at'])) if runs else '-'} UTC</div>"
            f'<div class="figures">{boxes}</div>')


def _cards(folder: Path, ledger: Ledger) -> str:
    """Show the frames that were seen of some clips, each with its words."""
    cards = []
    pictures = sorted((folder / "thumbnails").glob("*.jpg"), key=lambda path: int(path.stem))
    for picture in pictures:
        row = ledger.done_row(int(picture.stem))
        if row is None:
            continue
        data = base64.b64encode(picture.read_bytes()).decode()
        cut = ", cut at max_new_tokens" if row.get("finish_reason") == "length" else ""
        cards.append(f'<div class=card><img alt="frames of {html.escape(row["id"])}" '
                     f'src="data:image/jpeg;base64,{data}">{_caveat(row)}<p>{html.escape(row["text"])}</p>'
                     f"<small>{html.escape(row['id'])}{_sure(row)}{cut}</small></div>")
        if len(cards) == _MOST_CARDS:
            break
    if not cards:
        return ""
    return f"<h2>What was seen and said</h2><div class=cards>{''.join(cards)}</div>"


def _caveat(row: dict[str, Any]) -> str:
    """Say above the words of a row that the model does not know such clips; nothing where it does, or did not judge."""
    return "<p class=caveat>Outside what the model knows:</p>" if row["in_domain"] is False else ""


def _sure(row: dict[str, Any]) -> str:
    """Say how sure the model is, which means nothing outside its domain."""
    judged = ", not judged whether the model knows such clips" if row["in_domain"] is None else ""
    return "" if row["confidence"] is None or row["in_domain"] is False else f", {row['confidence']:.0%} sure{judged}"


def _failures(failures: list[tuple[str, str, str, str]]) -> str:
    if not failures:
        return "<h2>Failures</h2><p class=soft>None.</p>"
    parts = []
    ordered = sorted(failures, key=lambda one: one[2])
    for kind, group in groupby(ordered, key=lambda one: one[2]):
        members = list(group)
        rows = "".join(f"<tr><td>{html.escape(name)}</td><td>{html.escape(message)}</td></tr>"
                       for name, _, _, message in members[:_MOST_FAILURES])
        more = f"<p class=soft>and {len(members) - _MOST_FAILURES} more, in failures.jsonl</p>" \
            if len(members) > _MOST_FAILURES else ""
        parts.append(f"<details{' open' if len(members) < 6 else ''}><summary><b>{html.escape(kind)}</b> "
                     f"{len(members)}</summary><table><tr><th>clip</th><th>why</th></tr>{rows}</table>{more}</details>")
    return f"<h2>Failures by class</h2>{''.join(parts)}"


def _throughput(ledger: Ledger, runs: list[dict[str, Any]]) -> str:
    """Draw clips a second over time, pauses between runs left out, and the seconds of each stage."""
    times = ledger.finished_at()
    drawn = _bars(times) if len(times) > 1 else "<p class=soft>Too few clips to draw.</p>"
    stages: dict[str, float] = {}
    for run in runs:
        for name, seconds in run["stages"].items():
            stages[name] = stages.get(name, 0.0) + seconds
    longest = max(stages.values(), default=0.0)
    rows = "".join(f"<tr><td>{html.escape(name)}</td><td class=n>{seconds:.2f} s</td><td style='width:60%'>"
                   "<div class=bar "
                   f"style='width:{100 * seconds / max(longest, 1e-9):.1f}%'></div></td></tr>"
                   for name, seconds in stages.items())
    table = f"<table><tr><th>stage</th><th class=n>seconds</th><th></th></tr>{rows}</table>" if rows else ""
    return f"<h2>Throughput over time</h2>{drawn}<h2>Where the time went</h2><p>{_where(runs)}</p>{table}"


def _where(runs: list[dict[str, Any]]) -> str:
    """Say what workers and networks did, of the runs that measured it."""
    measured = [run for run in runs if run["decode"] is not None]
    sums = {key: sum(run[key] for run in measured) for key in ("decode", "compute", "waiting", "blocked")}
    if not measured:
        return "Not measured: the work was done in other processes."
    if any(run.get("whole") for run in measured):
        return (f"Each worker holds the networks; together they fetched, decoded and computed for {sums['decode']:.1f} "
                "s.")
    return (f"Workers fetched and decoded for {sums['decode']:.1f} s, networks ran for {sums['compute']:.1f} s and "
            f"waited {sums['waiting']:.1f} s for clips; decoded clips waited {sums['blocked']:.1f} s for networks.")


def _bars(times: list[float]) -> str:
    pauses, shift = [times[0]], 0.0
    for before, now in pairwise(times):
        gap = now - before
        shift += gap - 30.0 if gap > 30.0 else 0.0  # a pause between runs is drawn as half a minute
        pauses.append(now - shift)
    start, length = pauses[0], max(pauses[-1] - pauses[0], 1e-3)
    counts = [0] * min(_BARS, len(times))
    for at in pauses:
        counts[min(len(counts) - 1, int((at - start) / length * len(counts)))] += 1
    width, most = 1000 / len(counts), max(counts)
    per_second = most * len(counts) / length
    bars = "".join(f'<rect x="{n * width:.1f}" y="{130 - 115 * count / most:.1f}" width="{width * 0.85:.1f}" '
                   f'height="{115 * count / most:.1f}" fill="var(--good)"/>' for n, count in enumerate(counts))
    return ('<svg viewBox="0 0 1000 150" preserveAspectRatio="none" role="img" aria-label="clips a second">'
            f"{bars}</svg>"
            f"<p class=soft>from 0 to {duration_text(length)}; highest bar {per_second:.2f} videos/s</p>")


__all__ = ["NAME", "write_report"]
