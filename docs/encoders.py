"""Write docs/encoders.md: every preset of the zoo, counted, beside what its paper states. `python docs/encoders.py`."""

from __future__ import annotations

import sys
from pathlib import Path

from mmvideo.cli.describe import about_family
from mmvideo.encoders import zoo
from mmvideo.evaluation import profile
from mmvideo.registry import find

TARGET = Path(__file__).with_name("encoders.md")
HEAD = """# The encoder zoo

Every preset, one clip of its input. Parameters and multiply-adds are counted on shapes alone (matrix products and
convolutions; a multiply-add counts once); *published* is what the source states, *top-1* too: these weights are the
authors', not ours. `mmvideo show PRESET` names the source, explains every difference and says where weights come from;
`mmvideo profile PRESET` measures time and memory here. Written by `python docs/encoders.py`.
Small members side by side on the same tasks: [encoders-compared.md](encoders-compared.md). Which test proves which
family, and ratios of speed: [encoders-proofs.md](encoders-proofs.md).
"""
BESIDE = {
    "C3D": "c3d-ucf101", "I3D-R50 8x8": "i3d-r50-8x8", "I3D Inception": "i3d-inception", "R(2+1)D-18": "r2plus1d-18",
    "SlowFast R50 4x16": "slowfast-r50-4x16", "SlowFast R50 8x8": "slowfast-r50-8x8",
    "SlowFast R101 8x8": "slowfast-r101-8x8", "SlowFast R101 8x8 + NL": "slowfast-r101-8x8-nl",
    "SlowFast R101 16x8 + NL": "slowfast-r101-16x8-nl", "TSM-R50, 8 frames": "tsm-r50-8f",
    "TimeSformer-B": "timesformer-b-divided", "ViViT-B, factorised encoder": "vivit-b-factorised-encoder",
    "MViTv2-S": "mvit-v2-s-16x4", "MViTv2-B": "mvit-v2-b-32x3", "VideoMAE-B": "videomae-b",
    "MoViNet-A0": "movinet-a0-base", "MoViNet-A5": "movinet-a5-base", "X3D-M": "x3d-m", "Video Swin-T": "video-swin-t"}
"""Networks that are quoted most, by the names that papers use."""
COLUMNS = ("preset", "input", "M params", "published", "G mult-adds", "published", "tokens", "top-1 (published)",
           "licence")
COUNTED = (2, 4, 6)
"""Columns that have to be counted; the others can be checked without building anything."""


def known(name: str, kind: str) -> list[str]:
    """Return the cells of a preset; those in COUNTED are empty."""
    preset = zoo.preset_of(name, kind)
    i, stated = preset.input, preset.published
    clip = f"{i.num_frames} x {i.height} x {i.width}" if kind == "encoders" else f"{i.seconds:g} s, {i.sample_rate} Hz"
    if stated is None:
        return [f"`{name}`", clip, "", "", "", "", "", "", preset.licence]
    mark = " *" if stated.difference else ""
    work = "" if stated.gflops is None else f"{stated.gflops:.4g}{' operations' if stated.unit == 'operations' else ''}"
    return [f"`{name}`", clip, "", "" if stated.params_millions is None else f"{stated.params_millions:g}{mark}", "",
            f"{work}{mark}" if work else "", "", "" if stated.top1 is None else f"{stated.top1:g} ({stated.top1_on})",
            preset.licence]


def row(name: str, kind: str) -> list[str]:
    """Return all cells of a preset."""
    cells, counted = known(name, kind), profile.count_preset(name)
    cells[2], cells[4], cells[6] = f"{counted.params / 1e6:.2f}", f"{counted.gflops:.2f}", str(counted.tokens)
    return cells


def beside() -> list[str]:
    """Return the table of the networks that are quoted most, with differences and sources."""
    lines = ["## Beside what is published", "", "Ours, what the source states, and the difference in per cent. A "
             "multiply-add counts once; papers call these FLOPs.", "",
             "| network | M params | published | % | G mult-adds | published | % | source |", "|" + "---|" * 8]
    for name, of in BESIDE.items():
        preset, counted = zoo.preset_of(of), profile.count_preset(of)
        stated, (gap_params, gap_work) = preset.published, profile.differences(counted, preset)
        cells = [f"{counted.params / 1e6:.2f}", _or_dash(stated.params_millions), _or_dash(gap_params, "+.1f"),
                 f"{counted.gflops:.2f}", _or_dash(stated.gflops, ".4g"), _or_dash(gap_work, "+.1f")]
        lines.append(f"| {name} | {' | '.join(cells)} | {stated.source} |")
    return lines


def _or_dash(value: float | None, form: str = "g") -> str:
    return "" if value is None else format(value, form)


def explained() -> list[str]:
    """Return why figures of presets that are marked differ."""
    lines = ["", "## Why some differ", ""]
    for kind in profile.KINDS:
        for name, preset in zoo.presets(kind).items():
            if preset.published and preset.published.difference:
                lines.append(f"- `{name}`: {preset.published.difference} ({preset.published.source}).")
    return lines


def text() -> str:
    """Return the whole page."""
    parts = [HEAD, *beside()]
    for kind in profile.KINDS:
        for family in zoo.families(kind):
            parts += [f"\n## {family}", f"{about_family(family, kind)}.\n", "| " + " | ".join(COLUMNS) + " |",
                      "|" + "---|" * len(COLUMNS)]
            for name in find(kind, family).PRESETS:
                sys.stderr.write(f"{name}\n")
                parts.append("| " + " | ".join(row(name, kind)) + " |")
    return "\n".join([*parts, "", "\\* one of the two differs by more than 0.5 % (parameters) or 2 % (operations), for "
                      "the reason below.", *explained(), ""])


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
