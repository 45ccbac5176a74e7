"""What things tell of what is done: who stands at a stove cooks, and who has a guitar plays it.

The encoder's classes know many things that photographs with captions never named.
"""

from __future__ import annotations

from mmvideo.everyday.questions.lists import word_set
from mmvideo.everyday.questions.seen import SpanFacts

_BY_DEED = {
    "playing the guitar": "acoustic guitar|electric guitar|banjo",
    "playing the accordion": "accordion",
    "playing the cello": "cello",
    "playing the violin": "violin",
    "playing the flute": "flute|panpipe",
    "playing the harmonica": "harmonica",
    "playing the harp": "harp",
    "playing the saxophone": "sax",
    "playing the trombone": "trombone",
    "playing the trumpet": "cornet|french horn",
    "playing the oboe": "oboe|bassoon",
    "playing the drums": "drum|steel drum|drumstick",
    "playing the piano": "grand piano|upright|organ",
    "playing the marimba": "marimba",
    "cooking": "frying pan|wok|stove|dutch oven|caldron|hot pot|spatula|mixing bowl|wooden spoon|ladle|strainer|"
    "measuring cup|rotisserie|crock pot",
    "making dough": "dough",
    "cutting food": "cleaver",
    "lifting weights": "barbell|dumbbell",
    "doing gymnastics": "horizontal bar|parallel bars",
    "boxing": "punching bag",
    "playing table tennis": "ping-pong ball",
    "playing pool": "pool table",
    "playing basketball": "basketball",
    "playing volleyball": "volleyball",
    "playing soccer": "soccer ball",
    "playing rugby": "rugby ball",
    "playing tennis": "racket|tennis ball",
    "playing baseball": "baseball|ballplayer",
    "playing football": "football helmet",
    "playing golf": "golf ball|golfcart",
    "playing croquet": "croquet ball",
    "playing hockey": "puck",
    "skiing": "ski",
    "paddling a boat": "canoe|paddle|gondola",
    "riding a snowmobile": "snowmobile",
    "riding a sled": "dogsled|bobsled",
    "driving a go-kart": "go-kart",
    "riding a motorcycle": "motor scooter|moped",
    "riding a bike": "mountain bike|bicycle-built-for-two|unicycle",
    "parachuting": "parachute",
    "diving": "scuba diver|snorkel",
    "mowing the lawn": "lawn mower",
    "sawing wood": "chain saw",
    "chopping wood": "hatchet",
    "hammering": "hammer|carpenter's kit",
    "drilling": "power drill",
    "sewing": "sewing machine",
    "painting": "paintbrush",
    "sweeping the floor": "broom",
    "mopping the floor": "swab",
    "vacuuming": "vacuum",
    "ironing": "iron",
    "drying hair": "hand blower",
    "getting a haircut": "barbershop|barber chair",
    "putting on makeup": "lipstick|face powder|hair spray",
    "shovelling": "shovel",
    "shooting with a bow": "bow",
    "shooting a gun": "rifle|revolver|assault rifle",
    "using a computer": "computer keyboard|laptop|desktop computer|typewriter keyboard|space bar",
    "using a phone": "cellular telephone|dial telephone|pay-phone",
    "making pottery": "potter's wheel",
    "reading": "comic book|crossword puzzle|book jacket|menu",
    "doing a puzzle": "jigsaw puzzle",
    "washing up": "dishwasher|dishrag",
    "making coffee": "espresso maker|coffeepot",
    "making a drink": "cocktail shaker",
}
_DEEDS = {name: deed for deed, names in _BY_DEED.items() for name in names.split("|")}
"""Class of the whole picture -> what is likely done."""
_SPORTS = {
    "soccer": "soccer",
    "football": "football",
    "baseball": "baseball ballplayer",
    "basketball": "basketball",
    "tennis": "tennis",
    "skateboarding": "skateboard skateboarder skateboarding skate",
    "surfing": "surf surfer surfing surfboard",
    "skiing": "ski skier skiing skis",
    "snowboarding": "snowboard snowboarder snowboarding",
    "swimming": "swim swimming",
    "cycling": "bicycle bicyclist cyclist bmx biker",
    "climbing": "climber climbing climb",
    "wrestling": "wrestle",
    "canoeing": "canoe paddle",
    "skating": "skating",
    "frisbee": "frisbee",
    "racing": "racing racer race",
    "motocross": "motorcycle",
    "dancing": "dance",
}
"""Sport -> words that people would use of the picture."""
_GEAR = {
    "tennis racket": "tennis",
    "baseball bat": "baseball",
    "baseball glove": "baseball",
    "skis": "skiing",
    "snowboard": "snowboarding",
    "surfboard": "surfing",
    "skateboard": "skateboarding",
    "frisbee": "frisbee",
    "bicycle": "cycling",
}
"""Class of the detector -> sport."""
_SPORT_OF_DEED = {
    "lifting weights": "weightlifting",
    "doing gymnastics": "gymnastics",
    "boxing": "boxing",
    "skiing": "skiing",
    "diving": "diving",
    "paddling a boat": "canoeing",
    "parachuting": "parachuting",
    "shooting with a bow": "archery",
    "riding a bike": "cycling",
    "driving a go-kart": "racing",
}
_GAMES = word_set("tennis pool basketball volleyball soccer rugby baseball football golf croquet hockey")


def likely_deeds(seen: SpanFacts) -> dict[str, float]:
    """Return what is likely done by the things of the picture, with the summed share of their classes."""
    found: dict[str, float] = {}
    for shot in seen.shots:
        for thing in shot.things:
            deed = _DEEDS.get(thing.name.lower())
            if deed is not None:
                found[deed] = found.get(deed, 0.0) + thing.confidence / len(seen.shots)
    return dict(sorted(found.items(), key=lambda one: -one[1]))


def likely_sports(seen: SpanFacts) -> dict[str, float]:
    """Return the sports that words, gear and things of the picture suggest, likeliest first."""
    found = {sport: seen.word(words.split()) for sport, words in _SPORTS.items()}
    for track in seen.facts.tracks:
        if track.label in _GEAR:
            sport = _GEAR[track.label]
            found[sport] = max(found[sport], 0.8 * seen.sureness(track))
    for deed, share in likely_deeds(seen).items():
        last = "table tennis" if deed.endswith("table tennis") else deed.rsplit(" ", 1)[-1]
        name = _SPORT_OF_DEED.get(deed) or (last if last in _GAMES or last == "table tennis" else "")
        if name:
            found[name] = max(found.get(name, 0.0), share if share >= .5 else share / 2)  # gear may stand about
    return dict(sorted(found.items(), key=lambda one: -one[1]))


def likely_animals(seen: SpanFacts) -> dict[str, float]:
    """Return the kinds of animal that the picture looks like, likeliest first."""
    found: dict[str, float] = {}
    for shot in seen.shots:
        for one in shot.animals:
            found[one.name] = max(found.get(one.name, 0.0), one.confidence)
    return dict(sorted(found.items(), key=lambda one: -one[1]))


__all__ = ["likely_animals", "likely_deeds", "likely_sports"]
