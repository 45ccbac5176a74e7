"""Answers about colours: of a thing, of clothes and hair by the part of a person, of the background, of the film."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mmvideo.everyday.questions.lists import word_set
from mmvideo.everyday.questions.nouns import NOUNS, Noun
from mmvideo.everyday.questions.query import Query
from mmvideo.everyday.questions.seen import SpanFacts, basic_colour, join_with_and
from mmvideo.everyday.questions.told import Told, proven

if TYPE_CHECKING:
    from mmvideo.objects.tracks import ObjectTrack

_SHINING = frozenset({"traffic light", "tv", "laptop", "cell phone"})
"""Classes whose colour is not that of most of their pixels."""
_PARTS = {
    "upper": word_set("shirt jacket coat top sweater hoodie clothes t-shirt uniform suit dress jersey vest blouse "
                      "pullover cardigan sweatshirt tshirt clothing outfit blazer robe"),
    "lower": word_set("trousers pants jeans shorts skirt leggings legging tights slacks"),
    "hair": word_set("hair"), "tie": word_set("tie necktie bowtie"),
    "shoes": word_set("shoe shoes boot boots sneaker sneakers sandal sandals")}
_OUTER = word_set("jacket coat suit blazer robe cardigan")
"""Clothes that are seen at the sides where something else is worn below them."""
_HAIR = {"yellow": "blond", "orange": "blond", "white": "grey", "grey": "grey", "black": "black", "brown": "brown",
         "red": "red"}
"""What a colour is called in hair; others are none of it."""
_BEHIND = {**dict.fromkeys(("background", "wall", "backdrop"), "background"),
           **dict.fromkeys(("sky", "ceiling"), "top"),
           **dict.fromkeys(("floor", "ground", "carpet", "road", "street", "pavement", "grass", "court"), "bottom")}
"""What is behind everything, and in which part of the picture."""
_GREYEST = 0.006
"""Colourfulness up to which a film counts as black and white."""
_CLEAR = 0.3
"""Share from which a second colour is named too."""


def answer_colour(query: Query, seen: SpanFacts) -> Told | None:
    """What colour is the car? Is his shirt red? Is the film in black and white?"""
    film = _film(query, seen)
    if film is not None:
        return film
    noun, owner = query.subject, query.other
    if noun is None:
        top = re.search(r"\b(?:his|her|their) top\b", query.text.lower())
        return _part(query, seen, "upper", NOUNS["person"]) if top else None
    part = next((name for name, words in _PARTS.items() if noun.text in words), "")
    if noun.person and not part:  # "the woman's leggings", whose last word may be no noun that is known
        named = re.findall(r"[a-z-]+", query.text.lower())[-1:]
        part = next((name for name, words in _PARTS.items() if named and named[0] in words), "")
    if noun.person and (query.verb == "wear" or noun.text == "person"):
        part = "upper"
    region = "background" if "background" in query.text.lower() else _BEHIND.get(noun.text, "")
    if region:
        return _coloured(query, seen, seen.facts.part_colours.get((0, region), {}), None, .5)
    side = next((name for name in ("left", "right") if re.search(rf"\b{name}\b", query.text.lower())), "")
    if side and not part and not noun.labels and not noun.person:
        return _stands_out(query, seen, side)
    if part:
        wearer = owner if owner is not None and owner.person else noun if noun.person else NOUNS["person"]
        return _part(query, seen, part, wearer)
    if not noun.labels or noun.person or noun.kind or noun.labels & _SHINING:
        return None
    tracks = [track for track in seen.tracks(noun.with_(colour="")) if track.colours and seen.sureness(track) >= .35]
    if not tracks:
        return None
    sure = seen.sureness(tracks[0]) * .7 * (1 if len(tracks) == 1 else .8)
    shares = {name: .5 / (k + 1) for k, name in enumerate(tracks[0].colours)}
    if query.yes_no:  # any of them may be meant
        shares = {name: max(shares.get(name, 0), .3) for one in tracks for name in one.colours} | shares
    return _coloured(query, seen, shares, tracks[0], sure)


def _stands_out(query: Query, seen: SpanFacts, side: str) -> Told | None:
    """Answer of a thing at one side by the colour that the other side has least of."""
    parts = seen.facts.part_colours
    here, there = parts.get((0, side), {}), parts.get((0, "left" if side == "right" else "right"), {})
    more = {name: share - there.get(name, 0.0) for name, share in here.items() if name not in {"grey", "black"}}
    best = max(more, key=lambda name: more[name], default="")
    return _coloured(query, seen, {best: here[best]}, None, .45) if best and more[best] >= .05 else None


def _film(query: Query, seen: SpanFacts) -> Told | None:
    """Say whether the film has colours, where that is asked."""
    text, measured = query.text.lower(), seen.facts.colourfulness
    asked = re.search(r"\bin colou?r\b|\b(?:coloured|monochrome|black[ -]and[ -]white) (?:film|video|movie|picture|"
                      r"clip|footage)|(?:film|video|movie|picture|clip|footage)\b.*"
                      r"\b(?:black[ -]and[ -]white|monochrome)", text)
    if measured is None or not asked:
        return None
    grey = measured <= _GREYEST
    why = "its pixels have no colour" if grey else "its pixels have colours"
    proof = proven((), [(seen.start, seen.end)], why)
    if query.yes_no:
        wanted = bool(re.search("black|monochrome", text))
        return Told("yes" if (grey == wanted) != query.negated else "no", .9, proof, query.family, why)
    return Told("black and white" if grey else "in colour", .9, proof, query.family, why)


def _part(query: Query, seen: SpanFacts, part: str, wearer: Noun) -> Told | None:
    """Answer of the hair or clothes of the person who is meant: the most prominent where several fit."""
    tracks = [track for track in seen.tracks(wearer.with_(colour="")) if seen.sureness(track) >= .35]
    outer = [track for track in tracks if query.subject is not None and query.subject.text in _OUTER
             and (track.number, "outer") in seen.facts.part_colours]
    measured = outer or [track for track in tracks if (track.number, part) in seen.facts.part_colours]
    part = "outer" if outer else part
    if not measured:
        return _whole(query, seen, part, tracks)
    track = measured[0]
    shares = dict(seen.facts.part_colours[track.number, part])
    if part == "hair":
        hair: dict[str, float] = {}
        for name, share in shares.items():
            if name in _HAIR:
                hair[_HAIR[name]] = hair.get(_HAIR[name], 0) + share
        shares = dict(sorted(hair.items(), key=lambda one: -one[1])[:1])
    most = max(shares.values(), default=0)
    several = 1 if len(measured) == 1 or wearer.side else .7
    small = .75 if part in ("hair", "tie", "shoes") else 1
    sure = min(.85, seen.sureness(track) * (.45 + .4 * most)) * several * small
    return _coloured(query, seen, shares, track, sure)


def _whole(query: Query, seen: SpanFacts, part: str, tracks: list[ObjectTrack]) -> Told | None:
    """Answer of upper clothes from the colours of the track itself."""
    coloured = [track for track in tracks if track.colours]
    if part != "upper" or not coloured:
        return None
    track = coloured[0]
    sure = seen.sureness(track) * .55 * (1 if len(coloured) == 1 else .7)
    return _coloured(query, seen, {name: .5 / (k + 1) for k, name in enumerate(track.colours)}, track, sure)


def _coloured(query: Query, seen: SpanFacts, shares: Mapping[str, float], track: ObjectTrack | None,
              sure: float) -> Told | None:
    """Say the colour, whether it is the one that is asked for, or which of those that are offered."""
    if not shares:
        return None
    names = [name for k, (name, share) in enumerate(shares.items()) if k == 0 or (k == 1 and share >= _CLEAR)]
    why = f"looks {join_with_and(names)}"
    proof = proven([track] if track is not None else (), [] if track is not None else [(seen.start, seen.end)], why,
                   seen.window)
    if len(query.choices) > 1:
        offered = {choice: shares.get(basic_colour(choice), 0.0) for choice in query.choices}
        best = max(offered, key=lambda choice: offered[choice])
        return Told(best, min(.95, sure + .15), proof, query.family, why) if offered[best] > 0 else None
    if query.yes_no and query.attribute:
        share = shares.get(basic_colour(query.attribute), 0.0)
        holds = share >= .25
        confidence = max(.5, sure) if not holds or basic_colour(query.attribute) == names[0] else .52
        return Told("yes" if holds != query.negated else "no", confidence, proof, query.family, why)
    return Told(join_with_and(names), sure, proof, query.family, "colour of most of its pixels")


__all__ = ["answer_colour"]
