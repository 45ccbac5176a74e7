"""Wordings of questions about a picture, by family; braces hold what is filled in, {tail} names the picture."""

from __future__ import annotations

import random

TAILS = ("", "", "", "", " in the video", " in the video", " in this video", " in the picture", " in the clip",
         " in the scene", " here", " in this clip", " in the footage", " in the image")

WORDINGS: dict[str, tuple[str, ...]] = {
    "exist": (
        "is there {a}{tail}?", "is there {a}{tail}?", "do you see {a}{tail}?", "can you see {a}{tail}?",
        "does the video show {a}?", "is {a} visible{tail}?", "does {a} appear{tail}?", "are there any {many}{tail}?",
        "any {many}{tail}?", "is there {any}{tail}?", "do we see {a}{tail}?", "are any {many} visible?",
        "is {a} shown{tail}?", "can {a} be seen{tail}?", "does this show {a}?"),
    "exist_mass": (
        "is there {a}{tail}?", "is there any {a}{tail}?", "do you see {a}{tail}?", "can you see any {a}{tail}?",
        "is {a} visible{tail}?", "does the video show {a}?", "do we see {a}{tail}?", "can {a} be seen{tail}?"),
    "count": (
        "how many {many} are there{tail}?", "how many {many} are there{tail}?", "how many {many} do you see{tail}?",
        "how many {many} can you see{tail}?", "how many {many} are {in_it}?", "what is the number of {many}{tail}?",
        "count the {many}{tail}.", "how many {many} appear{tail}?", "how many {many}?",
        "how many {many} are visible{tail}?",
        "what number of {many} can be seen{tail}?", "how many {many} does the video show?"),
    "count_check": (
        "are there {n} {many}{tail}?", "are there {n} {many}{tail}?", "do you see {n} {many}{tail}?",
        "does the video show {n} {many}?", "are {n} {many} visible{tail}?", "are there exactly {n} {many}{tail}?",
        "can you see {n} {many}{tail}?", "is the number of {many} {n}?", "do {n} {many} appear{tail}?"),
    "count_check_one": (
        "is there one {one}{tail}?", "is there only one {one}{tail}?", "is there just one {one}{tail}?",
        "is there a single {one}{tail}?", "do you see just one {one}{tail}?", "does the video show only one {one}?",
        "is only one {one} visible{tail}?", "is there exactly one {one}{tail}?"),
    "colour": (
        "what {colour} {is} {x}{tail}?", "what {colour} {is} {x}?", "which {colour} {is} {x}?",
        "what is the {colour} of {x}{tail}?",
        "what {colour} {does} {x} have?", "tell me the {colour} of {x}.", "{x} {is} what {colour}?",
        "what's the {colour} of {x}?", "of what {colour} {is} {x}{tail}?", "which {colour} {does} {x} have{tail}?"),
    "colour_check": (
        "{is} {x} {c}?", "{is} {x}{tail} {c}?", "{is} the colour of {x} {c}?".replace("{is} the colour",
        "is the {colour}"),
        "{is} there {a_c} {bare}{tail}?", "do you see {a_c} {bare}{tail}?", "{does} {x} look {c}?",
        "would you say {x} {is} {c}?", "{is} {x} {c} in {colour}?", "can you see {a_c} {bare}?"),
    "doing": (
        "what {is} {x} doing{tail}?", "what {is} {x} doing?", "what {does} {x} do{tail}?", "what {is} {x} up to?",
        "what action {is} {x} performing?", "what {is} {x} doing here?", "what activity {is} {x} doing{tail}?",
        "what {is} {x} seen doing{tail}?", "describe what {x} {is} doing.", "what does the video show {x} doing?",
        "what is happening with {x}?", "what {is} {x} busy with?"),
    "doing_check": (
        "{is} {x} {v}?", "{is} {x} {v}{tail}?", "{is} {x} {v} here?", "does the video show {x} {v}?",
        "can you see {x} {v}?", "{is} {x} shown {v}?", "do you see {x} {v}{tail}?", "would you say {x} {is} {v}?",
        "is it true that {x} {is} {v}?"),
    "who": (
        "who is {v}?", "who is {v}{tail}?", "who's {v}?", "who or what is {v}?", "who do you see {v}?",
        "who can be seen {v}{tail}?", "who is shown {v}?", "which person or animal is {v}?", "tell me who is {v}.",
        "who is it that is {v}?"),
    "where": (
        "where {is} {x}{tail}?", "where {is} {x}?", "where can {x} be seen?", "where do you see {x}?",
        "where {is} {x} {v}?",
        "in what place {is} {x}?", "where {is} {x} located?", "where {is} {x} {v}{tail}?", "tell me where {x} {is}.",
        "at what place {is} {x}?"),
    "wearing": (
        "what {is} {x} wearing?", "what {is} {x} wearing{tail}?", "what {does} {x} wear?", "what {is} {x} dressed in?",
        "what clothes {is} {x} wearing?", "what {has} {x} got on?", "which clothes {does} {x} wear{tail}?",
        "how {is} {x} dressed?", "what kind of clothes {does} {x} wear?", "what clothing {does} {x} have on?"),
    "wearing_check": (
        "{is} {x} wearing {a}?", "{is} {x} wearing {a}{tail}?", "{does} {x} wear {a}?", "{does} {x} have {a} on?",
        "{is} {x} dressed in {a}?", "can you see {x} wearing {a}?", "do you see {x} wearing {a}?", "{is} {x} in {a}?",
        "does the video show {x} wearing {a}?"),
    "holding": (
        "what {is} {x} holding?", "what {is} {x} holding{tail}?", "what {does} {x} hold?", "what {is} {x} carrying?",
        "what {does} {x} have{mouth}?", "what object {is} {x} holding{tail}?", "which thing {is} {x} carrying?",
        "what {does} {x} carry?", "tell me what {x} {is} holding.", "what can be seen{mouth_of} {x}?"),
    "object": (
        "what {is} {x} {v}?", "what {is} {x} {v}{tail}?", "what {is} {x} {v} here?", "tell me what {x} {is} {v}.",
        "what do you see {x} {v}?", "what can {x} be seen {v}?", "what {is} {x} shown {v}?",
        "what does the video show {x} {v}?", "what thing {is} {x} {v}?"),
    "inout": (
        "is it indoors or outdoors?", "is this indoors or outdoors?", "is the scene indoors or outdoors?",
        "does this take place inside or outside?", "are they inside or outside?", "indoors or outdoors?",
        "is the video filmed indoors or outdoors?", "is it inside or outdoors?", "was this recorded outside or inside?",
        "does it happen outdoors or indoors?"),
    "inout_check": (
        "is it {side}?", "is this {side}?", "is the scene {side}?", "does this take place {side}?", "are they {side}?",
        "is the video filmed {side}?", "was this recorded {side}?", "does it happen {side}?", "are we {side}{tail}?"),
    "scene": (
        "what kind of place is this?", "where does this take place?", "where is this?", "what kind of scene is it?",
        "where does the video take place?", "what place is shown{tail}?", "where was this filmed?",
        "what is the setting?",
        "what sort of place is shown?", "where does it happen?", "what is the location of this video?"),
    "what": (
        "what is in the picture?", "what is in the video?", "what do you see{tail}?", "what can you see{tail}?",
        "what is shown{tail}?", "what objects are there{tail}?", "what is there to see{tail}?",
        "what can be seen{tail}?",
        "who and what is in the video?", "what does the video show?", "which things do you see{tail}?"),
    "choice": (
        "is it {a} or {b}?", "is this {a} or {b}?", "is there {a} or {b}{tail}?", "do you see {a} or {b}{tail}?",
        "does the video show {a} or {b}?", "{a} or {b}?", "what is shown, {a} or {b}?", "which is it, {a} or {b}?",
        "is {a} or {b} visible{tail}?"),
    "colour_choice": (
        "{is} {x} {c} or {d}?", "{is} {x} {c} or {d}?", "{is} {x}{tail} {c} or {d}?",
        "what {colour} {is} {x}, {c} or {d}?",
        "which {colour} {does} {x} have, {c} or {d}?", "{does} {x} look {c} or {d}?",
        "{c} or {d}: what {colour} {is} {x}?",
        "would you call {x} {c} or {d}?"),
    "sport": (
        "what sport is this?", "what sport is being played?", "which sport is shown{tail}?",
        "what game is being played?",
        "what sport is it?", "what sport do you see{tail}?", "what kind of sport is this?", "which sport do they do?",
        "what are they playing?", "what sport can be seen{tail}?"),
    "animal": (
        "what animal is this?", "what animal is there{tail}?", "which animal is shown{tail}?",
        "what kind of animal is it?",
        "what animal do you see{tail}?", "which animal appears{tail}?", "what animal can be seen{tail}?",
        "what type of animal is visible?"),
    "people_check": (
        "is there anyone{tail}?", "do you see anybody{tail}?", "are there people{tail}?", "is there a person{tail}?",
        "are there any people{tail}?", "can you see someone{tail}?", "is somebody visible{tail}?",
        "does anyone appear{tail}?",
        "is there a human{tail}?", "do people appear{tail}?"),
}


def worded(family: str, rng: random.Random, **words: str) -> str:
    """Return one wording of a family, filled in, with "in the video" and the like at times."""
    wording = rng.choice(WORDINGS[family])
    words.setdefault("tail", rng.choice(TAILS))
    words.setdefault("colour", rng.choice(("colour", "color")))
    words.setdefault("in_it", rng.choice(("in the video", "in the picture", "in it", "in the scene")))
    return wording.format(**words)


__all__ = ["TAILS", "WORDINGS", "worded"]
