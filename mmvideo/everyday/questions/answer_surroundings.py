"""Answers about what surrounds the people and things: weather, season, and what is behind everything."""

from __future__ import annotations

from mmvideo.everyday.questions.answer_things import yes_no
from mmvideo.everyday.questions.nouns import a_noun
from mmvideo.everyday.questions.query import Query
from mmvideo.everyday.questions.seen import SpanFacts, join_with_and
from mmvideo.everyday.questions.told import Told, cannot_tell, proven

_INDOORS = 0.75
_BLUE, _GREY = 0.35, 0.5
"""Shares of the upper part of the picture from which the sky is clear, or overcast."""
_SUMMER = ("beach", "ocean", "swimming", "surf", "surfer", "surfing", "pool", "sunny", "shirtless", "bathing")
_SCENERY = {
    "tree": "trees",
    "building": "a building",
    "wall": "a wall",
    "mountain": "mountains",
    "hill": "a hill",
    "ocean": "the ocean",
    "water": "water",
    "lake": "a lake",
    "river": "a river",
    "beach": "a beach",
    "crowd": "a crowd",
    "fence": "a fence",
    "forest": "a forest",
    "wood": "woods",
    "house": "a house",
    "city": "a city",
    "sky": "the sky",
    "snow": "snow",
    "grass": "grass",
    "field": "a field",
    "rock": "rocks",
    "cliff": "a cliff",
    "street": "a street",
    "road": "a road",
    "car": "cars",
    "bridge": "a bridge",
    "stairs": "stairs",
    "door": "a door",
    "window": "a window",
    "stage": "a stage",
    "curtain": "a curtain",
}
"""Words for what is behind people, and how an answer says them."""
_LEAST_SCENERY = 0.15


_MASSES = frozenset({"snow", "grass", "mountains or rocks", "sand or dirt"})


def kind_of_place(seen: SpanFacts) -> str:
    """Return where all pictures likely are: "in a street", else "indoors" or "outdoors"; "" where that is not clear."""
    placed: dict[str, float] = {}
    for place in (place for shot in seen.shots for place in shot.places):
        placed[place.name] = max(place.confidence, placed.get(place.name, 0))
    best = max(placed, key=lambda name: placed[name], default="")
    if best and placed[best] >= 0.5:
        return f"in {best if best in _MASSES else a_noun(best)}"
    judged = [shot.indoors for shot in seen.shots if shot.indoors is not None]
    inside = sum(judged) / len(judged) if judged else 0.5
    return "indoors" if inside >= 0.85 else "outdoors" if inside <= 0.15 else ""


def _indoors(seen: SpanFacts) -> float:
    judged = [shot.indoors for shot in seen.shots if shot.indoors is not None]
    return sum(judged) / len(judged) if judged else 0.5


def _snowy(seen: SpanFacts) -> float:
    placed = max(
        (place.confidence for shot in seen.shots for place in shot.places if place.name == "snow"), default=0.0
    )
    return max(placed, seen.word(("snow", "snowy")))


def _weather(seen: SpanFacts) -> tuple[str, float, str]:
    """Return the weather as snow, rain, sun or cloud, how sure that is, and why."""
    rain = max(
        [0.9 * (part.confidence or 0.6) for part in seen.facts.sounds if part.text == "rain"]
        + [seen.word(("rain", "rainy", "raining"))]
    )
    snow = _snowy(seen)
    if max(rain, snow) >= 0.4:
        return ("rain", rain, "rain is heard or seen") if rain > snow else ("snow", 0.8 * snow, "snow is seen")
    sky = seen.facts.part_colours.get((0, "top"), {})
    blue, grey = sky.get("blue", 0.0), sky.get("grey", 0.0) + sky.get("white", 0.0)
    if blue >= _BLUE or seen.word(("sunny",)) >= 0.15:
        return "sun", 0.65, "the sky is blue" if blue >= _BLUE else "the picture looks sunny"
    if grey >= _GREY:
        return "cloud", 0.5, "the upper part of the picture is grey or white"
    bright = [shot.brightness for shot in seen.shots if shot.brightness is not None]
    sunny = not bright or sum(bright) / len(bright) >= 0.4
    return ("sun", 0.45, "the picture is bright") if sunny else ("cloud", 0.4, "the picture is rather dark")


_WEATHER_SAID = {"snow": "snowy", "rain": "rainy", "sun": "sunny", "cloud": "cloudy"}


def answer_weather(query: Query, seen: SpanFacts) -> Told | None:
    """What is the weather like? Is it raining? Which season is it?"""
    if query.attribute.startswith("season"):
        told, asked = _season(query, seen), query.attribute.removeprefix("season").strip()
        if asked and told.knows:
            return yes_no(query, told.confidence if told.text == asked else 1 - told.confidence, (), told.reason, seen)
        return told
    kind, sure, why = _weather(seen)
    if _indoors(seen) >= _INDOORS and kind != "rain":
        if query.yes_no and query.attribute in {"rain", "snow"}:
            return yes_no(query, 0.1, (), f"no {query.attribute} is heard or seen", seen)
        return cannot_tell(query.family, "it is indoors, where the weather is not seen")
    proof = proven((), [(seen.start, seen.end)], why)
    if query.yes_no:
        if query.attribute in {"wind", "fog"}:
            return None
        if query.attribute in {"rain", "snow"}:
            return yes_no(query, sure if kind == query.attribute else 0.2, (), why, seen, 0.85)
        return yes_no(query, sure if kind == query.attribute else 1 - sure, (), why, seen, 0.75)
    return Told(_WEATHER_SAID[kind], sure, proof, query.family, why)


def _season(query: Query, seen: SpanFacts) -> Told:
    snow, warm = _snowy(seen), seen.word(_SUMMER)
    if snow >= 0.4 or seen.word(("winter",)) >= 0.3:
        text, sure, why = "winter", 0.8, "snow is seen"
    elif _indoors(seen) >= _INDOORS:
        return cannot_tell(query.family, "indoors no season is seen")
    elif warm >= 0.15 or seen.word(("grass", "grassy", "lawn")) >= 0.3:
        text, sure, why = "summer", 0.55, "it looks warm or green"
    else:
        text, sure, why = "summer", 0.35, "no snow is seen"
    return Told(text, sure, proven((), [(seen.start, seen.end)], why), query.family, why)


def answer_background(query: Query, seen: SpanFacts) -> Told | None:
    """What is in the background?"""
    likely: dict[str, float] = {}
    for word, said in _SCENERY.items():
        likely[said] = seen.word((word,))
    best = sorted((said for said, share in likely.items() if share >= _LEAST_SCENERY), key=lambda said: -likely[said])[
        :2
    ]
    if best:
        why = f"the picture suggests {join_with_and(best)}"
        return Told(
            join_with_and(best), min(0.7, likely[best[0]]), proven((), [(seen.start, seen.end)], why), query.family, why
        )
    if _indoors(seen) >= _INDOORS:
        colours = seen.facts.part_colours.get((0, "background"), {})
        colour = next(iter(colours), "")
        text = f"a {colour} wall".replace("a orange", "an orange") if colour else "a wall"
        return Told(text, 0.35, proven((), [(seen.start, seen.end)], "it is indoors"), query.family, "it is indoors")
    place = kind_of_place(seen).removeprefix("in ")
    if place and place != "outdoors":
        return Told(place, 0.45, proven((), [(seen.start, seen.end)], "looks like it"), query.family, "looks like it")
    return None


__all__ = ["answer_background", "answer_weather", "kind_of_place"]
