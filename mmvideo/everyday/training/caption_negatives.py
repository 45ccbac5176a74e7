"""What may be asked as a false counterpart: things that nobody mentioned and would have, as often as they are there."""

from __future__ import annotations

import random
from collections.abc import Set
from functools import cache, lru_cache

from mmvideo.everyday.questions.lists import word_set
from mmvideo.everyday.training import caption_words as words

CONCEPTS: dict[str, int] = {
    "dog": 2847, "cat": 20, "bird": 84, "horse": 82, "cow": 40, "sheep": 14, "bear": 10, "elephant": 2, "camel":
    4, "goat": 7, "monkey": 2, "ball": 792, "bike": 385, "boat": 187, "car": 199, "skateboard": 143,
    "motorcycle": 104, "frisbee": 105, "swing": 83, "slide": 126, "ramp": 142, "guitar": 43, "surfboard": 85,
    "snowboard": 47, "sled": 36, "trampoline": 29, "bed": 44, "couch": 42, "bench": 133, "table": 101,
    "umbrella": 32, "tent": 26, "racket": 26, "bat": 28, "truck": 43, "hoop": 29, "bus": 18, "train": 38,
    "scooter": 16, "phone": 37, "drum": 13, "kite": 12, "plane": 20, "balloon": 16, "stroller": 11, "skis": 35,
    "helicopter": 4, "waterfall": 24, "fountain": 68, "snow": 423, "beach": 454, "pool": 239, "street": 641,
    "mountain": 343, "ocean": 316, "lake": 224, "river": 147, "playground": 110, "water": 1607, "field": 910,
    "stage": 45, "kitchen": 15, "restaurant": 36, "stick": 211, "microphone": 25, "violin": 9, "piano": 2,
    "unicycle": 9, "wheelchair": 6, "tractor": 4, "hurdle": 49, "cake": 7, "man": 2228, "woman": 1771, "boy":
    1905, "girl": 1681, "baby": 148,
}
"""What is asked for -> its weight as a false counterpart, fitted on the training captions so that the answers to "is
there a dog?" are yes and no equally often, for every concept (off by 5 % of the questions over all)."""
KEPT = {"man": 0.25, "woman": 0.4, "boy": 0.4, "girl": 0.4}
"""Share of the true cases of a concept that are asked: captions seldom rule a man out."""

MASS = frozenset({"snow", "water"})
_MORE_WORDS = {
    "ball": "soccer football basketball tennis game baseball volleyball golf hockey player team juggle juggling toy "
    "bat "
            "bowling sport catch fetch pitcher batter softball kick bubble rugby cricket something object mouth throw",
    "bike": "cyclist biker cycling motorcycle rider race bmx wheelie riding bicyclist motorcyclist motocross riders "
    "bikers",
    "boat": "kayaker paddle paddling rowing water raft vessel sailing tube ferry rapids dock canoes waterskiing "
    "fishing",
    "car": "street road traffic city vehicle race racing parking driving driver highway truck van limo drive town toy",
    "motorcycle": "bike biker rider motocross dirt riding motorcyclist atv bikers vehicle race scooter",
    "skateboard": "skateboarder skateboarding skater skating skate ramp trick rail board",
    "surfboard": "surfer surfing surf wave waves board water bodyboard",
    "snowboard": "snowboarder snowboarding board snow snowy",
    "skis": "skier skiing ski snow snowy slope skiers", "sled": "sledding snow snowy tube toboggan",
    "train": "subway railroad station tracks",
    "frisbee": "disc disk toy something object catch mouth fetch", "swing": "swinging playground rope tire swings",
    "slide": "sliding playground slides pool water tube park", "ramp": "skateboarder skate bmx trick skateboard "
    "skater halfpipe "
    "bike motorcycle rail skateboarding biker", "guitar": "instrument band music musician playing musicians concert "
    "guitarist",
    "drum": "instrument band music musician drummer parade musicians", "violin": "instrument band music musician "
    "musicians",
    "piano": "instrument band music musician keyboard musicians",
    "bed": "sleeping pillow blanket bedroom mattress lying laying crib",
    "couch": "sofa chair sitting seat seated living room lounging",
    "bench": "sitting sits sit seated seat park bus waiting", "table": "restaurant eating dinner food desk sitting "
    "kitchen "
    "sits seated bar cafe meal drink cards chess sit room cake picnic", "umbrella": "rain parasol beach tent",
    "tent": "camp camping canopy festival circus market",
    "racket": "tennis badminton racquet", "bat": "baseball cricket batter softball",
    "truck": "vehicle street road car fire van",
    "bus": "street city vehicle traffic road", "hoop": "hula ring basketball agility", "scooter": "bike motorcycle",
    "phone": "talking cellphone device electronic call", "kite": "parachute flying string fly sail parasail",
    "plane": "airport jet glider", "balloon": "balloons party ball", "stroller": "baby carriage pram cart",
    "helicopter": "plane", "waterfall": "falls water river", "fountain": "water spray sprinkler splashing statue",
    "snow": "snowy winter ice icy ski skier snowboarder skiing snowboarding sled cold mountain snow-covered snowball",
    "beach": "sand sandy shore ocean sea water surf seashore waves wave coast surfer shoreline",
    "pool": "swimming swim water swimmer "
    "splash dive diving splashing underwater tub float",
    "street": "road sidewalk city car traffic highway parade pavement curb crosswalk path urban building cars town "
    "alley bike track "
    "outside paved driveway cobblestone buildings market walking bus truck",
    "mountain": "hill cliff rock snow rocky climber climbing hiker hiking canyon peak slope mountaintop mountainside "
    "hills "
    "landscape valley summit trail skier overlooking rocks climb",
    "ocean": "sea water beach wave waves surf shore lake surfer surfing sand",
    "lake": "water river pond ocean sea stream pool dock",
    "river": "water stream creek rapids lake pond rafting kayak canoe waterfall",
    "playground": "swing slide park bars monkey climbing toy gym "
    "playing jungle seesaw", "water": "ocean sea lake river pool stream pond creek wave waves surf beach puddle "
    "fountain swim "
    "swimming wet splash splashing hose sprinkler boat kayak dock shore surfer rapids waterfall raft paddle wading "
    "bath fishing "
    "mud snow ice surfing rain drink tub bathtub underwater canoe diving spray wakeboarding waterskiing bottle "
    "drinking cup",
    "field": "grass grassy lawn meadow yard park soccer football baseball game hill pasture backyard farm rugby team "
    "player outside "
    "greenery plain prairie",
    "stage": "performer concert band singer performing performance show dancing dancer singing microphone music "
    "audience play",
    "kitchen": "cooking cook food room table counter stove eating", "restaurant": "cafe bar eating food table dinner "
    "diner drinking drinks",
    "stick": "branch twig pole rod log wood toy object something mouth bat hockey fetch bamboo tree",
    "microphone": "singing singer sing band concert stage speech karaoke performing music",
    "cake": "birthday food dessert eating party",
    "unicycle": "bike", "wheelchair": "chair", "tractor": "vehicle machine farm",
    "hurdle": "hurdles jump obstacle bar race agility pole",
    "bear": "teddy stuffed costume", "bird": "seagull birds flock wings flying chickens",
    "horse": "rodeo cowboy jockey carriage ride riding bull "
    "pony polo", "cow": "bull rodeo farm cattle", "sheep": "farm herd lamb", "goat": "farm sheep", "cat": "animal",
    "monkey": "animal",
    "dog": "animal puppies canine greyhounds paws paw wet muzzle", "camel": "animal horse", "elephant": "animal",
}
PEOPLE_WORDS = frozenset({*words.PEOPLE, *words.PEOPLE_GROUPS, "group", "people", "men", "women", "children", "hand",
    "hands",
                          "he", "she", "his", "her", "him", "they", "their", "whose", "owner", "foot", "feet", "arm",
                          "leg",
                          "everyone", "anyone", "somebody", "hikers", "parade", "band", "santa", "girl's", "boy's",
                          "man's",
                          "woman's", "person's", "ladies", "someone's", "musicians", "bicyclists", "police",
                          "wrestlers",
                          "rider's", "fans", "riders", "dancers", "students", "runners", "couple", "trainer",
                          "toddlers",
                          "finger", "fingers", "shirt", "shoes", "jeans", "driver", "crew", "competition", "traffic"})
_UNSEXED = frozenset(word for word, kind in words.PEOPLE.items() if kind == "person") | words.PEOPLE_GROUPS | {
    "group", "people", "baby", "toddler", "child", "kid", "children", "kids", "infant"}


@cache
def _blockers(concept: str) -> frozenset[str]:
    own = {noun for table in (words.PEOPLE, words.ANIMALS, words.THINGS, words.PLACES) for noun, name in table.items()
           if name == concept}
    return frozenset({concept, *own, *_MORE_WORDS.get(concept, "").split()})


def absent(concept: str, mentioned: Set[str]) -> bool:
    """Tell whether a concept can be taken for absent, given every word of the captions, as written and singular."""
    if concept in {"man", "woman", "boy", "girl", "baby"}:
        if concept == "baby":
            return not mentioned & {"baby", "infant", "toddler", "child", "kid", "family", "babies"}
        if mentioned & _UNSEXED:
            return False
        elders = {"boy": {"man", "guy"}, "man": {"boy"}, "girl": {"woman", "lady"}, "woman": {"girl"}}[concept]
        return not mentioned & (elders | _blockers(concept))
    return not mentioned & _blockers(concept)


def draw_absent(mentioned: Set[str], rng: random.Random, *, but: Set[str] = frozenset()) -> str | None:
    """Draw a concept that the captions rule out, the common ones more often; None where twenty draws find none."""
    names, weights = _weighted()
    for name in rng.choices(names, weights, k=20):
        if name not in but and absent(name, mentioned):
            return name
    return None


@lru_cache(maxsize=1)
def _weighted() -> tuple[list[str], list[int]]:
    return list(CONCEPTS), list(CONCEPTS.values())


EXCLUSIVE: dict[str, int] = {
    "run": 1844, "jump": 1390, "swim": 134, "sit": 1361, "stand": 1761, "lie": 300, "sleep": 60, "climb": 348,
    "walk": 1068,
    "ride": 894, "ski": 84, "surf": 82, "skateboard": 82, "swing": 148, "slide": 125, "fly": 111, "eat": 96,
    "dance": 112,
    "dive": 40, "kneel": 40, "paddle": 47, "read": 41, "sing": 33,
}
"""Verbs of which one shuts out another (unless in one group of SAME_DEED), with how often captions have them."""
_ANIMALS_DO = word_set("run jump swim sit stand lie sleep walk fly eat dive climb")


def draw_other_deed(verb: str, mentioned: Set[str], animal: bool, rng: random.Random) -> str | None:
    """Draw a verb that is false where `verb` is true; None where the captions leave that open."""
    if verb not in EXCLUSIVE:
        return None
    near = {other for group in words.SAME_DEED if any(said in group for said in {verb, *mentioned}) for other in group}
    for other in rng.choices(list(EXCLUSIVE), list(EXCLUSIVE.values()), k=12):
        if other != verb and other not in near and other not in mentioned and (not animal or other in _ANIMALS_DO):
            return other
    return None


_NEAR_COLOURS = ({"brown", "tan", "beige", "golden", "orange", "blond", "yellow", "red", "maroon"}, {"grey", "silver",
    "white", "black", "blue"},
                 {"red", "pink", "maroon", "orange", "purple"}, {"blue", "turquoise", "teal", "purple", "green"},
                 {"white", "tan", "beige", "blond", "golden", "yellow"}, {"black", "blue", "brown", "purple", "grey"})
COLOUR_COUNTS = {"white": 2686, "black": 2630, "brown": 1846, "red": 1662, "blue": 1505, "yellow": 809, "green": 798,
                 "orange": 490, "pink": 452, "grey": 265, "purple": 172}


def draw_other_colour(said: Set[str], rng: random.Random) -> str | None:
    """Draw a colour that is clearly none of those that were said."""
    near = {other for group in _NEAR_COLOURS for colour in said if colour in group for other in group} | set(said)
    if said <= {"black"}:
        near -= {"white"}
    if said <= {"white"}:
        near -= {"black"}
    if said <= {"brown"}:
        near -= {"red"}
    if said <= {"red"}:
        near -= {"yellow", "brown"}
    if said <= {"blue"}:
        near -= {"black", "green", "white"}
    names = [name for name in COLOUR_COUNTS if name not in near]
    return rng.choices(names, [COLOUR_COUNTS[name] for name in names])[0] if names else None


__all__ = ["COLOUR_COUNTS", "CONCEPTS", "EXCLUSIVE", "KEPT", "MASS", "PEOPLE_WORDS", "absent", "draw_absent",
    "draw_other_colour",
           "draw_other_deed"]
