"""What is said of video encoders, each with a verdict from the intervals of a comparison."""

from __future__ import annotations

from dataclasses import dataclass

from mmvideo.evaluation.intervals import Count, difference_interval, pooled, wilson
from mmvideo.toybox.tasks import BAG_OF_FRAMES, LABELS

SEEN, REFUTED, OPEN, ABSENT = "seen", "refuted", "undecided", "not measured"
MOTION = ("direction", "speed", "order")
Counts = dict[str, dict[str, Count]]


@dataclass(frozen=True)
class Verdict:
    """A claim, what became of it, and the figures."""

    claim: str
    verdict: str
    why: str


@dataclass(frozen=True)
class Better:
    """The first preset is more accurate than the second on some tasks, by at least `margin`."""

    claim: str
    one: str
    other: str
    tasks: tuple[str, ...]
    margin: float = 0.0
    same_cost: bool = False
    """Whether both must cost the same, within 5 %."""


CLAIMS = (
    Better("slow fusion beats early fusion on motion", "slow-fusion-tiny", "early-fusion-tiny", MOTION),
    Better("the flow stream beats the RGB stream on motion", "two-stream-tiny-flow", "two-stream-tiny-rgb", MOTION),
    Better("TSM is far above the same 2D network at the same cost (20 points or more on direction and order)",
           "tsm-tiny", "single-frame-tiny", ("direction", "order"), margin=0.2, same_cost=True),
    Better("with sound, better than with the picture alone where sound matters", "audio-visual-tiny-mid",
           "videomae-tiny", ("sounding",)),
)


def verdicts(counts: Counts, gmacs: dict[str, float]) -> list[Verdict]:
    """Judge every claim.

    Args:
        counts: preset -> task -> (right, asked).
        gmacs: preset -> billions of multiply-adds a clip.
    """
    return [verdict for task in BAG_OF_FRAMES for verdict in _frames_alone(counts, task)] + [
        _better(c, counts, gmacs) for c in CLAIMS]


def _frames_alone(counts: Counts, task: str) -> list[Verdict]:
    """Judge frames without their order against chance, and where they may know more, against what they may know."""
    chance, ceiling = 1 / len(LABELS[task]), BAG_OF_FRAMES[task]
    said = [_at_most(counts, task, chance, f"frames seen one by one are at chance ({chance:.0%}) on {task}")]
    if ceiling > chance:
        said.append(_at_most(counts, task, ceiling, f"frames seen one by one are no better on {task} than a film and "
                                                    f"the same film backwards allow ({ceiling:.0%})"))
    return said


def _at_most(counts: Counts, task: str, bound: float, claim: str, preset: str = "single-frame-tiny") -> Verdict:
    if preset not in counts or task not in counts[preset]:
        return Verdict(claim, ABSENT, f"needs {preset} on {task}")
    low, high = wilson(counts[preset][task])
    why = f"{preset}: {_percent(counts[preset][task])} [{low:.1%}, {high:.1%}]"
    return Verdict(claim, REFUTED if low > bound else SEEN, why)


def _better(claim: Better, counts: Counts, gmacs: dict[str, float]) -> Verdict:
    for preset in (claim.one, claim.other):
        if missing := [t for t in claim.tasks if t not in counts.get(preset, {})]:
            return Verdict(claim.claim, ABSENT, f"needs {preset} on {', '.join(missing)}")
    one, other = (pooled([counts[p][t] for t in claim.tasks]) for p in (claim.one, claim.other))
    low, high = difference_interval(one, other)
    why = (f"{claim.one} {_percent(one)}, {claim.other} {_percent(other)} on {', '.join(claim.tasks)}; "
           f"difference [{low:+.1%}, {high:+.1%}]")
    verdict = SEEN if low > claim.margin else REFUTED if high < claim.margin else OPEN
    if claim.same_cost:
        ratio = gmacs[claim.one] / gmacs[claim.other]
        why += f"; {gmacs[claim.one]:.3f} and {gmacs[claim.other]:.3f} G multiply-adds"
        verdict = REFUTED if abs(ratio - 1) > 0.05 else verdict
    return Verdict(claim.claim, verdict, why)


def _percent(count: Count) -> str:
    return f"{count[0] / max(count[1], 1):.1%}"
