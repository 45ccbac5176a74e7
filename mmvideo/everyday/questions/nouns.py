"""What a noun of a question stands for: classes of the detector, words of captions, and whether it names many kinds."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mmvideo.everyday.questions.lists import word_set
from mmvideo.objects.classes import COCO

_SYNONYMS: dict[str, str] = {
    "person": "person people human nobody somebody someone anybody anyone everybody everyone individual figure adult "
    "folk "
    "folks "
              "crowd audience passenger pedestrian customer visitor tourist spectator performer presenter speaker host "
              "reporter player athlete dancer singer musician actor worker chef cook teacher student runner swimmer "
              "skier surfer skater skateboarder snowboarder cyclist biker rider driver climber hiker team couple "
              "family "
              "group friend judge referee coach artist painter baker barber hairdresser gymnast pianist drummer "
              "guitarist "
              "narrator character protagonist leader firefighter doctor nurse patient employee colleague member "
              "opponent",
    "bicycle": "bicycle bike cycle tricycle", "motorcycle": "motorcycle motorbike moped scooter",
    "car": "car automobile auto suv jeep taxi cab sedan van hatchback convertible limousine",
    "airplane": "airplane aeroplane plane aircraft jet airliner jetplane", "bus": "bus coach minibus",
    "train": "train tram locomotive subway railcar", "truck": "truck lorry pickup trailer",
    "boat": "boat ship kayak canoe yacht sailboat ferry raft vessel dinghy rowboat motorboat",
    "traffic light": "stoplight streetlight", "fire hydrant": "hydrant", "bench": "bench",
    "bird": "bird seagull gull pigeon duck parrot chicken swan goose hen rooster eagle crow sparrow flamingo penguin",
    "cat": "cat kitten kitty pussycat", "dog": "dog puppy doggy doggie hound pup canine labrador poodle",
    "horse": "horse pony stallion mare foal", "sheep": "sheep lamb ram", "cow": "cow bull calf cattle ox",
    "elephant": "elephant", "bear": "bear", "zebra": "zebra", "giraffe": "giraffe",
    "backpack": "backpack rucksack knapsack", "umbrella": "umbrella parasol", "handbag": "handbag purse bag",
    "tie": "tie necktie", "suitcase": "suitcase luggage briefcase", "frisbee": "frisbee", "skis": "ski skis",
    "snowboard": "snowboard", "sports ball": "ball football basketball volleyball baseball softball",
    "kite": "kite", "baseball bat": "bat", "baseball glove": "mitt", "skateboard": "skateboard longboard",
    "surfboard": "surfboard", "tennis racket": "racket racquet", "bottle": "bottle", "wine glass": "wineglass glass",
    "cup": "cup mug", "fork": "fork", "knife": "knife", "spoon": "spoon", "bowl": "bowl", "banana": "banana",
    "apple": "apple", "sandwich": "sandwich", "orange": "", "broccoli": "broccoli", "carrot": "carrot",
    "hot dog": "hotdog", "pizza": "pizza", "donut": "donut doughnut", "cake": "cake", "chair": "chair stool armchair",
    "couch": "couch sofa", "potted plant": "plant houseplant", "bed": "bed", "dining table": "table",
    "toilet": "toilet", "tv": "tv television telly monitor screen", "laptop": "laptop computer", "mouse": "mouse",
    "remote": "remote", "keyboard": "keyboard", "cell phone": "phone cellphone smartphone mobile telephone iphone",
    "microwave": "microwave", "oven": "oven stove cooker", "toaster": "toaster", "sink": "sink basin",
    "refrigerator": "refrigerator fridge freezer", "book": "book notebook", "clock": "clock", "vase": "vase",
    "scissors": "scissors", "teddy bear": "teddy", "hair drier": "hairdryer hairdrier", "toothbrush": "toothbrush",
}
_FINER: dict[str, str] = {
    "man": "man guy gentleman bloke dude male father dad grandfather husband boyfriend fella chap sir businessman king "
           "brother groom waiter policeman fireman salesman sportsman cowboy mr grandpa uncle",
    "woman": "woman lady female mother mom mum grandmother wife girlfriend businesswoman queen sister bride waitress "
             "actress mrs grandma aunt cheerleader hostess ballerina",
    "boy": "boy lad son", "girl": "girl daughter", "child": "child kid toddler teenager youngster teen youth "
    "schoolchild",
    "baby": "baby infant newborn",
}
"""Words for people that say more than the detector knows."""
_TWO_WORDS: dict[str, str] = {
    "traffic light": "traffic light", "traffic signal": "traffic light", "fire hydrant": "fire hydrant",
    "stop sign": "stop sign", "parking meter": "parking meter", "sports ball": "sports ball",
    "tennis ball": "sports ball",
    "soccer ball": "sports ball", "baseball bat": "baseball bat", "baseball glove": "baseball glove",
    "tennis racket": "tennis racket", "tennis racquet": "tennis racket", "wine glass": "wine glass",
    "hot dog": "hot dog",
    "potted plant": "potted plant", "dining table": "dining table", "cell phone": "cell phone",
    "mobile phone": "cell phone", "smart phone": "cell phone", "teddy bear": "teddy bear",
    "stuffed animal": "teddy bear",
    "hair drier": "hair drier", "hair dryer": "hair drier", "remote control": "remote", "tea cup": "cup",
    "coffee cup": "cup", "bow tie": "tie", "police car": "car", "race car": "car", "sports car": "car",
    "pick up truck": "truck", "fire truck": "truck", "motor bike": "motorcycle", "dirt bike": "motorcycle",
    "flower pot": "potted plant", "house plant": "potted plant", "wash basin": "sink", "kitchen table": "dining table",
    "computer mouse": "mouse", "computer screen": "tv", "hand bag": "handbag", "back pack": "backpack",
    "sail boat": "boat", "rowing boat": "boat", "sail ship": "boat",
}
HYPERNYMS: dict[str, tuple[str, ...]] = {
    "vehicle": ("bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"),
    "animal": ("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"),
    "pet": ("cat", "dog", "bird"), "creature": ("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear"),
    "furniture": ("bench", "chair", "couch", "bed", "dining table"), "seat": ("chair", "couch", "bench"),
    "food": ("banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake"),
    "fruit": ("banana", "apple", "orange"), "vegetable": ("broccoli", "carrot"),
    "appliance": ("microwave", "oven", "toaster", "sink", "refrigerator"),
    "cutlery": ("fork", "knife", "spoon"), "device": ("tv", "laptop", "cell phone", "remote", "keyboard", "mouse"),
    "toy": ("teddy bear", "frisbee", "kite", "sports ball"), "drink": ("cup", "bottle", "wine glass"),
    "transport": ("bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"),
    "thing": tuple(name for name in COCO if name != "person"),
    "object": tuple(name for name in COCO if name != "person"),
    "item": tuple(name for name in COCO if name != "person"),
}
"""Names of kinds -> the classes below them."""
_OTHER = word_set("""
fountain fence bridge statue waterfall tree grass snow water sand sky cloud sun moon star fire smoke mountain hill
rock river lake ocean sea beach pool pond street road path sidewalk building house wall window door roof tower
castle church city town field park garden forest wood yard playground stage stadium court kitchen restaurant store
shop room office gym school floor ground ramp stair step slide swing trampoline rope ladder pole sign flag balloon
candle flower leaf log stick branch stone shirt jacket coat hat cap helmet dress skirt shorts pants jeans shoe boot
sock glove scarf uniform suit costume mask glasses sunglasses goggles necklace ring watch earring beard hair
moustache mustache tattoo hand arm leg foot head face eye mouth nose ear finger tail paw wing guitar piano violin
drum trumpet flute microphone camera newspaper magazine paper pen pencil brush paint box basket bucket plate pan pot
lid tray egg bread cheese meat fish soup salad rice noodle pasta coffee tea beer wine juice milk toy doll robot
puppet gun sword stroller cart wheelchair wagon sled tent blanket towel pillow curtain carpet mirror lamp lightbulb
tractor helicopter rocket balloon parachute monkey lion tiger rabbit deer goat pig squirrel frog snake fish turtle
shark whale dolphin insect bee butterfly spider crab hamster fox wolf camel kangaroo panda hippo rhino gorilla ghost
hoop net goal hurdle barbell dumbbell weight mat rink ice track boulder cliff cave desert island shore wave bubble
tool hammer saw drill nail screw wire cable machine engine wheel tyre tire pump hose shovel broom mop vacuum sponge
soap razor comb lipstick makeup cigarette pipe lighter match card dice coin money banknote ticket letter envelope
map poster picture painting photo logo text word title subtitle caption number letter name cake icing dough flour
sugar salt butter tomato potato onion pepper lemon grape strawberry watermelon cucumber chocolate cookie candy
shrimp steak chicken turkey instrument saxophone harmonica accordion harp cello keyboard speaker headphone
microphone turntable spotlight wedding party concert game race match parade
""")
PLURALS = {"men": "man", "women": "woman", "people": "person", "persons": "person", "children": "child",
    "ladies": "lady",
           "geese": "goose", "mice": "mouse", "feet": "foot", "knives": "knife", "leaves": "leaf", "wolves": "wolf",
           "calves": "calf", "oxen": "ox", "babies": "baby", "buses": "bus", "sheep": "sheep", "fish": "fish",
           "deer": "deer",
           "skis": "skis", "scissors": "scissors", "cattle": "cow", "glasses": "glasses", "shorts": "shorts",
           "pants": "pants", "jeans": "jeans", "trousers": "pants", "sunglasses": "sunglasses", "goggles": "goggles",
           "policemen": "policeman", "firemen": "fireman", "humans": "human", "folks": "folk", "loaves": "loaf",
           "scarves": "scarf", "lightbulbs": "lightbulb", "stairs": "stair", "teeth": "tooth", "clothes": "clothes",
           "headphones": "headphone", "everybody": "everybody", "gentlemen": "gentleman", "tomatoes": "tomato"}
MASS = word_set("water snow grass sand ice fire smoke food furniture luggage cutlery money hair bread meat rice milk "
    "tea "
                 "coffee beer wine juice music paper transport makeup text glass sky traffic fruit cattle")


@dataclass(frozen=True)
class Noun:
    """A thing that a question speaks of."""

    text: str
    """As the answer says it, singular: "dog"."""
    labels: frozenset[str] = frozenset()
    """Classes of the detector that it may be; empty where the detector knows none."""
    words: frozenset[str] = frozenset()
    """Words under which captions know it."""
    finer: str = ""
    """man, woman, boy, girl, child or baby, where the word says so."""
    plural: bool = False
    kind: bool = False
    """Whether it is a name for many classes, as vehicle."""
    colour: str = ""
    side: str = ""
    """left, right, middle, top or bottom, where the question points there: "the man on the left"."""
    number: int | None = None
    known: bool = True
    """Whether the lexicon has it, or only its place in the sentence made it a noun."""

    @property
    def person(self) -> bool:
        """Whether it means people."""
        return "person" in self.labels and not self.kind

    @property
    def mass(self) -> bool:
        """Whether it is not counted, as water."""
        return self.text in MASS

    def with_(self, **changes: object) -> Noun:
        """Return it with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


def _table() -> dict[str, Noun]:
    found: dict[str, Noun] = {}
    for word in _OTHER:
        found[word] = Noun(word, words=frozenset({word}))
    for label, listed in _SYNONYMS.items():
        for word in listed.split():
            labels = {label}
            if word == "bike":
                labels |= {"motorcycle"}
            if word in {"van", "trailer"}:
                labels |= {"car", "truck"}
            if word == "glass":
                labels |= {"cup"}
            if word in {"screen", "monitor", "computer"}:
                labels |= {"tv", "laptop"}
            if word in {"bag"}:
                labels |= {"backpack", "suitcase"}
            found[word] = Noun(word, frozenset(labels), frozenset({word, label} if label != "sports ball" else {word,
                "ball"}))
    for finer, listed in _FINER.items():
        for word in listed.split():
            found[word] = Noun(word, frozenset({"person"}), frozenset({word, finer}), finer=finer)
    for words, label in _TWO_WORDS.items():
        found[words] = Noun(words, frozenset({label}), frozenset({words, label, words.split()[-1]}))
    for label in COCO:
        if label != "orange":
            found.setdefault(label, Noun(label, frozenset({label}), frozenset({label})))
    for word, under in HYPERNYMS.items():
        found[word] = Noun(word, frozenset(under), frozenset({word, *under}), kind=True)
    found["person"] = Noun("person", frozenset({"person"}), word_set("person people man woman boy girl child baby "
        "group "
                                                                      "crowd player guy lady kid"))
    return found


NOUNS = _table()
"""Singular word or two words -> what it stands for."""
HUMAN = frozenset({"human", "nobody", "somebody", "someone", "anybody", "anyone", "everybody", "everyone", "individual",
    "figure",
                   "person", "adult", "folk"})


def noun_of(word: str) -> Noun | None:
    """Return the noun that a word of a question is, singular or plural; None where the lexicon has none."""
    if word in PLURALS:
        one = PLURALS[word]
        found = NOUNS.get(one)
        return found.with_(plural=word not in {"everybody"}) if found else Noun(one, words=frozenset({one}),
            plural=True)
    if word in NOUNS:
        found = NOUNS[word]
        return NOUNS["person"] if word in HUMAN else found
    for ending, stem in (("ies", "y"), ("ves", "f"), ("es", ""), ("s", "")):
        one = word[:-len(ending)] + stem
        if word.endswith(ending) and one in NOUNS:
            return (NOUNS["person"] if one in HUMAN else NOUNS[one]).with_(plural=True)
    return None


def unknown_noun(word: str) -> Noun:
    """Return a noun for a word that the lexicon does not have."""
    plural = word.endswith("s") and not word.endswith(("ss", "us", "is"))
    one = word[:-3] + "y" if word.endswith("ies") else word[:-1] if plural else word
    return Noun(one, words=frozenset({one, word}), plural=plural, known=False)


def plural_of(noun: str) -> str:
    """Return the plural of a singular noun."""
    odd = {one: many for many, one in PLURALS.items() if many not in {"persons", "trousers", "cattle"}}
    if noun in odd:
        return odd[noun]
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    return noun[:-1] + "ies" if noun.endswith("y") and noun[-2:-1] not in set("aeiou") else noun + "s"


def a_noun(text: str) -> str:
    """Put "a" or "an" before a singular noun or phrase."""
    an = text[:1] in "aeio" or (text.startswith(("um", "un")) and not text.startswith("uni"))
    return f"{'an' if an else 'a'} {text}"


__all__ = ["HUMAN", "HYPERNYMS", "MASS", "NOUNS", "PLURALS", "Noun", "a_noun", "noun_of", "plural_of", "unknown_noun"]
