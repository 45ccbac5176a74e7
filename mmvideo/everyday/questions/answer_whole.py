"""Answers about the video as a whole: camera, cuts, sound, speech, indoors, place, time of day, weather."""

from __future__ import annotations

import math

from mmvideo.everyday.questions.answer_moves import join_spans
from mmvideo.everyday.questions.answer_things import yes_no
from mmvideo.everyday.questions.nouns import NOUNS, a_noun
from mmvideo.everyday.questions.query import Query
from mmvideo.everyday.questions.seen import SpanFacts, join_with_and
from mmvideo.everyday.questions.told import Told, cannot_tell, proven

CAMERA_SAID = {"static": "it stays still", "pan left": "it pans left", "pan right": "it pans right",
    "tilt up": "it tilts up",
               "tilt down": "it tilts down", "zoom in": "it zooms in", "zoom out": "it zooms out",
               "roll left": "it rolls left",
               "roll right": "it rolls right", "shake": "it shakes"}
SOUNDS_SAID = {"dog bark": "a dog barking", "baby crying": "a baby crying", "car horn": "a car horn",
    "clock ticking": "a ticking clock",
               "siren": "a siren", "gunshot": "a gunshot", "jackhammer": "a jackhammer", "helicopter": "a helicopter",
               "chainsaw": "a chainsaw",
               "rooster": "a rooster", "sneeze": "a sneeze", "engine idling": "an engine",
               "air conditioner": "an air conditioner",
               "fire crackling": "a crackling fire", "children playing": "children playing", "sea waves": "sea waves",
               "rain": "rain",
               "music": "music", "drilling": "drilling", "speech": "speech"}
_LEAST_SOUND = 0.5
_IN_WORDS = {"kitchen": 3, "couch": 2.5, "bed": 2.5, "room": 2, "restaurant": 2, "carpet": 2.5, "indoors": 3,
    "inside": 1.5, "gym": 3, "bathtub": 3, "table": .8,
             "floor": 1, "desk": 2, "bar": 1, "store": 1.5, "computer": 1.5, "office": 2.5, "stage": .8, "indoor": 3}
_OUT_WORDS = {"snow": 3, "grass": 3, "beach": 3, "street": 2.5, "field": 3, "mountain": 3, "ocean": 3, "lake": 3,
    "river": 3, "sand": 2.5, "hill": 3, "tree": 2.5,
              "road": 2.5, "sidewalk": 3, "park": 2.5, "outdoors": 3, "outside": 2.5, "rock": 2, "woods": 3,
              "forest": 3, "yard": 3, "wave": 2.5, "bike": 1.2,
              "sky": 2.5, "playground": 2, "water": .8, "path": 2.5, "track": 1, "city": 2, "dirt": 2.5, "cliff": 3,
              "desert": 3, "trail": 3, "lawn": 3, "pool": .3,
              "outdoor": 3, "bench": 1, "fence": 1.5, "snowy": 3, "grassy": 3}
_IN_LABELS = {"couch": 2.0, "bed": 2.0, "tv": 1.5, "refrigerator": 2.0, "oven": 2.0, "microwave": 2.0, "sink": 1.8,
    "toilet": 2.0, "laptop": 1.0, "dining table": .8,
              "keyboard": 1.2, "mouse": 1.2, "toaster": 1.8}
_OUT_LABELS = {"car": 1.3, "bus": 1.5, "truck": 1.4, "traffic light": 2.0, "boat": 1.8, "airplane": 1.5,
    "surfboard": 1.8, "skis": 2.2, "snowboard": 2.0, "kite": 2.0,
               "sheep": 1.8, "cow": 1.8, "horse": 1.3, "zebra": 1.8, "giraffe": 1.8, "elephant": 1.5,
               "fire hydrant": 2.0, "stop sign": 2.0, "motorcycle": .9,
               "bicycle": .8, "train": .8, "frisbee": 1.0, "bird": .5, "parking meter": 2.0, "bear": 1.0}
_PLACES = {"beach": "a beach", "snow": "a snowy place", "street": "a street", "pool": "a pool",
    "mountain": "the mountains", "ocean": "the sea", "lake": "a lake",
           "river": "a river", "park": "a park", "playground": "a playground", "kitchen": "a kitchen",
           "restaurant": "a restaurant", "field": "a field",
           "grass": "a grassy place", "forest": "a forest", "woods": "the woods", "road": "a road", "city": "a city",
           "stage": "a stage", "gym": "a gym", "desert": "a desert",
           "room": "a room", "yard": "a yard", "store": "a shop", "market": "a market", "stadium": "a stadium",
           "sidewalk": "a street", "office": "an office",
           "court": "a sports court", "track": "a track"}


def answer_camera(query: Query, seen: SpanFacts) -> Told | None:
    """Does the camera move, and how?"""
    parts = [part for part in seen.facts.camera if min(part.end_seconds, seen.end) - max(part.start_seconds,
        seen.start) > .2]
    if not parts:
        return cannot_tell(query.family, "the camera's movement was not measured")
    moving = [part for part in parts if part.text != "static"]
    asked = query.attribute
    fit = [part for part in parts if part.text == asked or (" " not in asked and asked and part.text.startswith(asked))]
    if query.yes_no:
        fit = fit if asked else moving
        if asked == "static":
            still = sum(part.end_seconds - part.start_seconds for part in parts if part.text == "static")
            whole = sum(part.end_seconds - part.start_seconds for part in parts)
            probability = .15 + .7 * (still / whole if whole else 0)
        else:
            best = max((part.confidence or .7 for part in fit), default=0.0)
            others = max((part.confidence or .7 for part in parts if part not in fit), default=.5)
            probability = best if fit else 1 - max(.55, others)
        told = yes_no(query, probability, (), join_with_and([CAMERA_SAID.get(part.text, part.text)
            for part in parts[:3]]),
            seen)
        spans = [(part.start_seconds, part.end_seconds) for part in fit] or [(seen.start, seen.end)]
        return Told(told.text, told.confidence, proven((), spans, told.reason), query.family, told.reason)
    chosen = moving or parts
    names = [name for k, name in enumerate(part.text for part in chosen) if k == 0 or name != chosen[k - 1].text]
    text = ", then ".join(CAMERA_SAID.get(name, name) for name in names[:4])
    if not moving:
        text = "it does not move"
    sure = sum(part.confidence or .7 for part in chosen) / len(chosen)
    return Told(text, sure, proven((), [(part.start_seconds, part.end_seconds) for part in chosen], text), query.family,
        "movement between frames")


def answer_cuts(query: Query, seen: SpanFacts) -> Told | None:
    """How many shots are there? Is it one shot?"""
    shots = [shot for shot in seen.facts.shots if shot.start_seconds < seen.end - .05
        and shot.end_seconds > seen.start + .05]
    number = max(1, len(shots))
    why = "one shot without a cut" if number == 1 else f"{number} shots"
    spans = [(shot.start_seconds, shot.end_seconds) for shot in shots[:12]]
    if query.yes_no:
        one = query.attribute == "one" or "stay the same" in query.text.lower()
        if query.number is not None:
            return yes_no(query, .8 if number == query.number else .2, (), why, seen)
        holds = (number == 1) == one
        told = yes_no(query, .85 if holds else .15, (), why, seen)
        return Told(told.text, told.confidence, proven((), spans, why), query.family, why)
    text = str(number - 1) if "cut" in query.text.lower() and "cuts" in query.text.lower() else str(number)
    return Told(text, .8, proven((), spans, why), query.family, why)


def answer_sound(query: Query, seen: SpanFacts) -> Told | None:
    """What is heard? Is there music?"""
    facts = seen.facts
    if not facts.has_audio:
        if query.yes_no:
            return yes_no(query, .97 if query.attribute == "silence" else .03, (), "the video has no sound track", seen,
                .99)
        return Told("nothing: the video has no sound track", .97, proven((), [(seen.start, seen.end)],
            "no sound track"), query.family, "no sound track")
    heard = [part for part in (*facts.sounds, *facts.speech) if part.end_seconds > seen.start
        and part.start_seconds < seen.end]
    sure = [part for part in heard if (part.confidence or .6) >= _LEAST_SOUND]
    spans = join_spans([(part.start_seconds, part.end_seconds) for part in sure])
    names = list(dict.fromkeys(part.text for part in sorted(sure, key=lambda one: -(one.confidence or .6))))
    what = join_with_and([SOUNDS_SAID.get(name, name) for name in names[:4]])
    if query.yes_no:
        if query.attribute == "silence":
            probability = .1 if sure else .4
        elif not query.attribute:
            probability = .95 if sure else .75
        else:
            probability = max((part.confidence or .6 for part in heard if part.text == query.attribute), default=.12)
        told = yes_no(query, probability, (), what or "no sound that is known", seen)
        fit = [(part.start_seconds, part.end_seconds) for part in sure if part.text == query.attribute] or [(seen.start,
            seen.end)]
        return Told(told.text, told.confidence, proven((), fit, told.reason), query.family, told.reason)
    if not names:
        return Told("no speech, and no sound that I know", .4, proven((), [(seen.start, seen.end)], "no known sound"),
            query.family, "no known sound")
    best = sum(part.confidence or .6 for part in sure) / len(sure)
    return Told(what, .9 * best, proven((), spans, what), query.family, "sounds that were recognised")


def answer_speech(query: Query, seen: SpanFacts) -> Told | None:
    """Does anyone speak?"""
    facts = seen.facts
    parts = [part for part in facts.speech if part.end_seconds > seen.start and part.start_seconds < seen.end]
    best = max((part.confidence or .8 for part in parts), default=0.0)
    why = "speech is heard" if parts else "no speech is heard" if facts.has_audio else "the video has no sound track"
    person = query.subject is not None and query.subject.person and query.subject.text != "person"
    if not query.yes_no:
        return Told("someone speaks" if best >= .5 else "nobody speaks", max(best, 1 - best) * .9, proven(
            (), [(part.start_seconds, part.end_seconds) for part in parts] or [(seen.start, seen.end)], why),
                query.family, why)
    if person and not facts.has_audio:
        return None
    probability = best * (.75 if person else 1) if parts else .1 if facts.has_audio else .05
    if person and not seen.tracks(NOUNS["person"]):
        probability = min(probability, .3)
    told = yes_no(query, probability, (), why, seen)
    spans = [(part.start_seconds, part.end_seconds) for part in parts] or [(seen.start, seen.end)]
    return Told(told.text, told.confidence, proven((), spans, why), query.family, why)


def _outdoors(seen: SpanFacts) -> float | None:
    """Return the probability that it is outdoors; None where nothing tells."""
    judged = [shot.indoors for shot in seen.shots if shot.indoors is not None]
    if judged:
        return 1 - sum(judged) / len(judged)
    out = max((p * _OUT_WORDS[word] for shot in seen.shots for word, p in shot.words.items() if word in _OUT_WORDS),
        default=0.0)
    out += .5 * sum(sorted((p * _OUT_WORDS[word] for shot in seen.shots for word,
        p in shot.words.items() if word in _OUT_WORDS))[-4:-1]) / len(seen.shots)
    inside = max((p * _IN_WORDS[word] for shot in seen.shots for word, p in shot.words.items() if word in _IN_WORDS),
        default=0.0)
    for track in seen.tracks(None, .5):
        out += _OUT_LABELS.get(track.label, 0) * seen.sureness(track) * .8
        inside += _IN_LABELS.get(track.label, 0) * seen.sureness(track) * .8
    if max(out, inside) < .8 or abs(out - inside) < .6:
        return None
    return 1 / (1 + math.exp(-1.2 * (out - inside)))


def answer_indoors(query: Query, seen: SpanFacts) -> Told | None:
    """Is it indoors or outdoors?"""
    outdoors = _outdoors(seen)
    if outdoors is None:
        return None
    why = "what is seen is found outdoors" if outdoors >= .5 else "what is seen is found indoors"
    if query.yes_no:
        return yes_no(query, outdoors if query.attribute == "outdoors" else 1 - outdoors, (), why, seen, .95)
    text = "outdoors" if outdoors >= .5 else "indoors"
    return Told(text, min(.95, max(outdoors, 1 - outdoors)), proven((), [(seen.start, seen.end)], why), query.family,
        why)


_SAID = {"grass": "on grass, as a field or lawn", "street": "a street or road", "snow": "in the snow"}
"""How a kind of place is said where its name alone would say little."""


def answer_scene(query: Query, seen: SpanFacts) -> Told | None:
    """Where does it take place?"""
    placed: dict[str, float] = {}
    for place in (place for shot in seen.shots for place in shot.places):
        placed[place.name] = max(place.confidence, placed.get(place.name, 0))
    likeliest = max(placed, key=lambda name: placed[name], default="")
    if likeliest and placed[likeliest] >= .5:
        return Told(_SAID.get(likeliest, likeliest), min(.9, placed[likeliest]), proven((), [(seen.start, seen.end)],
            f"looks like {likeliest}"), query.family, "what the pictures look like")
    scored: dict[str, float] = {}
    for shot in seen.shots:
        for word, p in shot.words.items():
            if word in _PLACES:
                scored[word] = max(p, scored.get(word, 0))
    if not scored or max(scored.values()) < .45:
        return _inside(query, seen)
    best = max(scored, key=lambda word: scored[word])
    return Told(_PLACES[best], min(.9, scored[best] * .95), proven((), [(seen.start, seen.end)],
        f"looks like {a_noun(best)}"), query.family,
                "what the picture looks like")


_ROOMS = {"barbell": "a gym", "dumbbell": "a gym", "stove": "a kitchen", "frying pan": "a kitchen", "wok": "a kitchen",
          "refrigerator": "a kitchen", "microwave": "a kitchen", "dishwasher": "a kitchen", "bookcase": "a library",
          "library": "a library", "bookshop": "a shop", "grocery store": "a shop", "barbershop": "a barber's shop",
          "restaurant": "a restaurant", "church": "a church", "cinema": "a cinema", "desk": "an office",
          "desktop computer": "an office", "four-poster": "a bedroom", "studio couch": "a living room",
          "home theater": "a living room", "shower curtain": "a bathroom", "bathtub": "a bathroom", "stage": "a stage"}
"""Classes of the whole picture, and in what kind of room they are found."""


def _inside(query: Query, seen: SpanFacts) -> Told | None:
    """Say that it is indoors where the kind of place is not known, with the room that things suggest."""
    outdoors = _outdoors(seen)
    if outdoors is None or outdoors > .2:
        return None
    rooms: dict[str, float] = {}
    for thing in (thing for shot in seen.shots for thing in shot.things if thing.name in _ROOMS):
        rooms[_ROOMS[thing.name]] = rooms.get(_ROOMS[thing.name], 0) + thing.confidence / len(seen.shots)
    room = max(rooms, key=lambda name: rooms[name], default="")
    text = f"indoors, in {room if room and rooms[room] >= .08 else 'a room'}"
    return Told(text, .5 * (1 - outdoors), proven((), [(seen.start, seen.end)], text), query.family,
                "what is seen is found indoors")


def answer_daytime(query: Query, seen: SpanFacts) -> Told | None:
    """Is it day or night?"""
    night = seen.word(("night", "dark", "nighttime"))
    levels = [shot.brightness for shot in seen.shots if shot.brightness is not None]
    outdoors = _outdoors(seen)
    if levels:
        bright = sum(levels) / len(levels)
        dark = 1 / (1 + math.exp((bright - .2) / .05))
        night = 1 - (1 - night) * (1 - .8 * dark)
        if outdoors is None and .12 < bright < .3:
            return None
    elif night < .3 and (outdoors is None or outdoors < .7):
        return None
    probability = night if outdoors is None or outdoors > .3 else None
    if probability is None:
        return cannot_tell(query.family, "indoors the light does not tell day from night")
    why = "the picture is dark" if probability >= .5 else "the picture is bright"
    if query.yes_no:
        return yes_no(query, probability if query.attribute == "night" else 1 - probability, (), why, seen, .85)
    return Told("night" if probability >= .5 else "day", min(.85, max(probability, 1 - probability)), proven((),
        [(seen.start, seen.end)], why),
                query.family, why)


__all__ = [
    "CAMERA_SAID",
    "SOUNDS_SAID",
    "answer_camera",
    "answer_cuts",
    "answer_daytime",
    "answer_indoors",
    "answer_scene",
    "answer_sound",
    "answer_speech",
]
