"""Word lists for reading captions of photographs without a tagger: nouns by kind, adjectives, verbs, prepositions.

Chosen by reading the frequent words of the Flickr8k training captions (README of the data: ../shared/data/flickr8k).
"""

from __future__ import annotations

from mmvideo.everyday.questions.lists import word_set

COLOURS = {
    "black": "black", "white": "white", "red": "red", "brown": "brown", "blue": "blue", "green": "green",
    "yellow": "yellow", "orange": "orange", "pink": "pink", "purple": "purple", "grey": "grey", "gray": "grey",
    "tan": "tan", "beige": "beige", "golden": "golden", "gold": "golden", "silver": "silver", "navy": "blue",
    "blond": "blond", "blonde": "blond", "maroon": "maroon", "turquoise": "turquoise", "teal": "teal",
}
"""Word of a caption -> colour as it is answered."""

NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
           "ten": 10, "2": 2, "3": 3, "4": 4, "5": 5, "6": 6}
NUMBER_WORDS = {number: word for word, number in NUMBERS.items() if not word.isdigit()}
DETERMINERS = word_set("a an the another this that these those each every some several many his her its their "
                        "other two's")

ADJECTIVES = word_set("""
young little small large big older old tall elderly long short high low dark light bright wet dry dirty muddy sandy
snowy rocky grassy icy dusty wooded wooden metal plastic rubber brick stone concrete leather paved wild fluffy furry
shaggy fat skinny thin thick wide narrow huge giant tiny medium striped spotted plaid colorful colourful colored
multicolored multi-colored checkered patterned floral flowered painted decorated inflatable stuffed electric open
closed empty crowded busy shallow deep calm rough choppy muzzled bald bearded shirtless topless naked barefoot
blond-haired dark-haired haired long-haired red-haired brown-haired curly hooded asian african american indian
chinese japanese african-american adult male female teenage elder beautiful pretty happy funny sunny cloudy foggy
outdoor indoor urban rural public steep fallen frozen fenced tattooed costumed well-dressed uniformed professional
lone single similar different matching bright-colored brightly outstretched hind clear clean broken pale fancy
formal traditional soaked new modern folded huge tropical lush green-eyed round square tight loose sleeveless
snow-covered tree-lined elaborate athletic helmeted numbered dead hardwood cobblestone gravel dirt leafy distant
nearby flat smooth smaller larger middle-aged younger overweight heavyset asleep denim khaki knit fuzzy fur wool
straw camouflage neon reflective protective safety bicycle-shaped orange-clad leashed lit dimly
""")

PEOPLE = {
    **dict.fromkeys(word_set("man guy gentleman businessman cowboy policeman fisherman groom father dad male"), "man"),
    **dict.fromkeys(word_set("woman lady bride mother mom female cheerleader"), "woman"),
    "boy": "boy", "girl": "girl",
    **dict.fromkeys(word_set("child kid toddler"), "child"),
    **dict.fromkeys(word_set("baby infant"), "baby"),
    **dict.fromkeys(word_set("person adult someone player skateboarder snowboarder surfer skier biker cyclist "
        "bicyclist climber rider hiker runner swimmer dancer performer singer musician racer motorcyclist kayaker "
        "wrestler boxer goalie catcher pitcher batter worker officer photographer teenager teen skater driver "
        "athlete clown referee soldier student spectator onlooker artist vendor wakeboarder waterskier rollerblader "
        "jockey gymnast friend individual couple family human snorkeler diver paddler guitarist drummer bmxer "
        "parachuter member pedestrian fan"), "person"),
}
"""Singular noun -> kind of person; "person" where neither sex nor age is told."""
PEOPLE_GROUPS = word_set("people crowd team band audience family couple class")

ANIMALS = {
    **dict.fromkeys(word_set("dog puppy greyhound poodle terrier retriever shepherd collie beagle dachshund doberman "
        "pitbull lab labrador corgi husky pug bulldog hound mutt canine dalmatian boxer-dog"), "dog"),
    **dict.fromkeys(word_set("cat kitten kitty"), "cat"),
    **dict.fromkeys(word_set("bird seagull pigeon duck swan goose eagle chicken flamingo crane pelican parrot"),
        "bird"),
    **dict.fromkeys(word_set("horse pony"), "horse"),
    **dict.fromkeys(word_set("cow bull calf ox"), "cow"),
    "sheep": "sheep", "goat": "goat", "elephant": "elephant", "camel": "camel", "monkey": "monkey", "bear": "bear",
    "fish": "fish", "deer": "deer", "rabbit": "rabbit", "bunny": "rabbit", "squirrel": "squirrel", "tiger": "tiger",
    "butterfly": "butterfly", "dolphin": "dolphin", "pig": "pig", "zebra": "zebra", "lion": "lion", "snake": "snake",
}

THINGS = {
    **dict.fromkeys(word_set("bike bicycle"), "bike"), "unicycle": "unicycle", "tricycle": "tricycle",
    **dict.fromkeys(word_set("motorcycle motorbike"), "motorcycle"), "scooter": "scooter",
    **dict.fromkeys(word_set("car suv jeep"), "car"), "truck": "truck", "bus": "bus", "train": "train", "van": "van",
    **dict.fromkeys(word_set("boat canoe kayak raft sailboat rowboat ship"), "boat"),
    **dict.fromkeys(word_set("airplane plane jet"), "plane"), "helicopter": "helicopter", "tractor": "tractor",
    **dict.fromkeys(word_set("ball basketball football baseball volleyball softball beachball"), "ball"),
    "frisbee": "frisbee", "disc": "frisbee", "stick": "stick", "skateboard": "skateboard", "snowboard": "snowboard",
    "surfboard": "surfboard", "ski": "skis", "sled": "sled", "bat": "bat",
    **dict.fromkeys(word_set("racket racquet"), "racket"), "hoop": "hoop", "hurdle": "hurdle", "kite": "kite",
    "balloon": "balloon", "trampoline": "trampoline", "swing": "swing", "slide": "slide", "ramp": "ramp",
    "guitar": "guitar", "drum": "drum", "violin": "violin", "piano": "piano", "flute": "flute", "trumpet": "trumpet",
    "microphone": "microphone", "accordion": "accordion", "camera": "camera", "umbrella": "umbrella",
    **dict.fromkeys(word_set("phone cellphone telephone"), "phone"),
    **dict.fromkeys(word_set("computer laptop"), "computer"), "book": "book", "newspaper": "newspaper",
    "magazine": "magazine", "bench": "bench", "chair": "chair", "table": "table", "bed": "bed",
    **dict.fromkeys(word_set("couch sofa"), "couch"), "desk": "desk", "tent": "tent", "cart": "cart",
    "stroller": "stroller", "wagon": "wagon", "wheelchair": "wheelchair", "ladder": "ladder", "rope": "rope",
    "leash": "leash", "toy": "toy", "doll": "doll", "flag": "flag", "sign": "sign", "fountain": "fountain",
    "fence": "fence", "bridge": "bridge", "statue": "statue", "waterfall": "waterfall", "cake": "cake",
    "pizza": "pizza",
    "cup": "cup", "bottle": "bottle", "bucket": "bucket", "box": "box", "bag": "bag", "purse": "purse",
    "backpack": "backpack", "blanket": "blanket", "towel": "towel", "pillow": "pillow", "hose": "hose",
    "sprinkler": "sprinkler", "cigarette": "cigarette", "flower": "flower", "fire": "fire", "sword": "sword",
    "gun": "gun", "paddle": "paddle", "pole": "pole", "net": "net", "tire": "tire", "tube": "tube", "log": "log",
    "shovel": "shovel", "broom": "broom", "bubble": "bubble", "parachute": "parachute", "drink": "drink",
    "food": "food", "sandwich": "sandwich", "apple": "apple", "popsicle": "popsicle", "puck": "puck",
    "carriage": "carriage", "lollipop": "lollipop", "plate": "plate", "bowl": "bowl", "candle": "candle",
    "telescope": "telescope", "snowball": "snowball", "bone": "bone", "instrument": "instrument", "window": "window",
    "picture": "picture", "paper": "paper", "banner": "banner", "mat": "mat", "beer": "beer", "wave": "wave",
    "tennis": "tennis", "cone": "cone", "barrel": "barrel", "basket": "basket", "glass": "glass", "rail": "rail",
    "merry-go-round": "merry-go-round", "zipline": "zipline", "harness": "harness", "vehicle": "vehicle",
    "machine": "machine", "obstacle": "obstacle", "crate": "crate", "snowmobile": "snowmobile", "atv": "atv",
    "animal": "animal", "object": "object", "item": "item", "branch": "branch", "twig": "stick", "wheel": "wheel",
    "cane": "cane", "screen": "screen", "tv": "tv", "television": "tv", "lamp": "lamp", "surf": "surf",
}
"""Singular noun -> the name under which it is asked for."""

CLOTHES = {
    **dict.fromkeys(word_set("shirt t-shirt tee-shirt tshirt blouse"), "shirt"),
    **dict.fromkeys(word_set("jacket coat parka hoodie vest sweater sweatshirt"), "jacket"),
    **dict.fromkeys(word_set("hat cap beanie"), "hat"), "helmet": "helmet", "shorts": "shorts", "dress": "dress",
    **dict.fromkeys(word_set("pants jeans trousers slacks"), "pants"), "uniform": "uniform", "suit": "suit",
    "costume": "costume", "outfit": "outfit", "sunglasses": "sunglasses", "glasses": "glasses", "goggles": "goggles",
    "skirt": "skirt", "scarf": "scarf", "wetsuit": "wetsuit", "swimsuit": "swimsuit", "bikini": "bikini",
    "trunks": "trunks", "jersey": "jersey", "apron": "apron", "mask": "mask", "boots": "boots", "boot": "boots",
    "shoes": "shoes", "shoe": "shoes", "gloves": "gloves", "glove": "gloves", "headband": "headband", "tie": "tie",
    "bandanna": "bandanna", "tutu": "tutu", "robe": "robe", "gown": "gown", "top": "top", "overalls": "overalls",
    "clothing": "clothes", "clothes": "clothes", "collar": "collar", "muzzle": "muzzle", "headphones": "headphones",
    "tights": "tights", "kilt": "kilt", "snowsuit": "snowsuit", "jumpsuit": "jumpsuit", "leotard": "leotard",
    "wig": "wig", "necklace": "necklace", "headscarf": "scarf", "pajamas": "pajamas", "diaper": "diaper",
    "life-jacket": "life jacket", "tank": "tank top", "gear": "gear", "attire": "clothes", "stockings": "stockings",
    "socks": "socks", "sandals": "sandals", "sneakers": "shoes", "trenchcoat": "jacket", "raincoat": "jacket",
}
PAIRS = word_set("shorts pants jeans trousers slacks sunglasses glasses goggles trunks boots shoes gloves overalls "
                  "clothes clothing headphones tights skis pajamas stairs steps woods stockings socks sandals sneakers "
                  "gear attire")
"""Nouns that take "are" or no article though one thing is meant."""

PLACES = {
    **dict.fromkeys(word_set("water"), "water"), "snow": "snow", "grass": "grass", "sand": "sand", "mud": "mud",
    "ice": "ice", "beach": "beach", "shore": "beach", "seashore": "beach",
    "ocean": "ocean", "sea": "ocean", "lake": "lake", "river": "river", "stream": "stream", "creek": "stream",
    "pond": "pond", "pool": "pool", "street": "street", "road": "road", "highway": "road", "sidewalk": "sidewalk",
    "path": "path", "trail": "path", "field": "field", "park": "park", "yard": "yard", "backyard": "yard",
    "lawn": "lawn", "meadow": "field", "forest": "forest", "woods": "woods", "hill": "hill", "mountain": "mountain",
    "cliff": "cliff", "rock": "rock", "city": "city", "playground": "playground", "track": "track",
    "racetrack": "track", "court": "court", "stadium": "stadium", "arena": "arena", "gym": "gym", "stage": "stage",
    "room": "room", "kitchen": "kitchen", "restaurant": "restaurant", "cafe": "restaurant", "store": "store",
    "shop": "store", "market": "market", "dock": "dock", "pier": "dock", "deck": "deck", "porch": "porch",
    "sky": "sky", "desert": "desert", "slope": "slope", "stairs": "stairs", "steps": "stairs", "floor": "floor",
    "ground": "ground", "dirt": "dirt", "puddle": "puddle", "building": "building", "house": "house", "wall": "wall",
    "tree": "tree", "garden": "garden", "bathtub": "bathtub", "subway": "subway", "station": "station",
    "tunnel": "tunnel", "parade": "parade", "concert": "concert", "alley": "alley", "courtyard": "courtyard",
    "plaza": "plaza", "pavement": "pavement", "skatepark": "skate park", "rink": "rink",
    "leaves": "leaves", "carpet": "carpet", "surf": "surf", "area": "area",
    "bushes": "bushes", "hillside": "hill", "mountainside": "mountain", "canyon": "canyon", "valley": "valley",
    "bar": "bar", "school": "school", "church": "church", "farm": "farm", "driveway": "driveway", "curb": "curb",
    "rapids": "rapids", "dune": "dune", "cave": "cave", "office": "office", "bathroom": "bathroom",
    "bedroom": "bedroom", "patio": "patio", "balcony": "balcony", "hallway": "hallway", "crosswalk": "crosswalk",
    "intersection": "intersection", "pasture": "field", "hay": "hay", "parking": "parking lot", "lot": "lot",
    "air": "air", "background": "background", "distance": "distance", "foreground": "foreground", "sunset": "sunset",
    "ring": "ring", "ledge": "ledge", "corner": "corner", "ballroom": "ballroom", "museum": "museum", "bank": "bank",
}
NOT_A_PLACE_ANSWER = word_set("air background distance foreground sunset area lot corner sky")

PARTS = word_set("mouth hand head face hair arm leg back foot tongue tail nose eye ear teeth neck shoulder knee lap "
    "body "
                  "paw finger chest beard side front top bottom end edge middle stomach fur midair mid-air jump "
                  "trick flip "
                  "game race match stunt pose swim walk ride conversation photo leap catch dance fight sun shade "
                  "wheelie "
                  "handstand one other line row direction way fun front camera-view picture lips mohawk tattoo smile "
                  "something nothing rider's hockey soccer cricket rugby golf karate music tennis fetch "
                  "tug-of-war tug basketball chess cards hopscotch homework television bait fish meal")
"""Nouns that a phrase may have as its head, and that nothing is asked about."""

IRREGULAR = {"men": "man", "women": "woman", "people": "person", "children": "child", "ladies": "lady",
    "geese": "goose",
             "babies": "baby", "puppies": "puppy", "policemen": "policeman", "feet": "foot", "teeth": "teeth",
             "knives": "knife", "scarves": "scarf", "leaves": "leaves", "persons": "person", "gentlemen": "gentleman",
             "families": "family", "ponies": "pony", "kitties": "kitty", "bunnies": "bunny", "calves": "calf",
             "butterflies": "butterfly", "cowboys": "cowboy", "sheep": "sheep", "fish": "fish", "deer": "deer",
             "buses": "bus", "benches": "bench", "couches": "couch", "branches": "branch", "skis": "ski",
             "dishes": "dish", "hooves": "hoof", "fishermen": "fisherman", "businessmen": "businessman",
             "cities": "city", "glasses": "glasses", "boxes": "box", "waitresses": "waitress", "dresses": "dress",
             "sandwiches": "sandwich", "bodies": "body", "buddies": "friend", "parties": "party"}

VERBS = word_set("""
run walk stand sit jump leap play ride swim climb hold carry look watch smile pose catch throw kick chase fight
wrestle lie lay sleep rest eat drink read talk sing dance slide ski surf snowboard skateboard skate sled dive fly
fall race hike pedal paddle row kayak fish dig chew bite lick sniff shake splash wade float bark kiss hug hang lean
kneel crouch squat point wave push pull drag drive push perform cross roll spin flip juggle balance tackle dribble
shoot hit bowl swing cook cut paint draw write work clean wash shop wait march pet feed blow smoke laugh cry yell
scream crawl bend stretch exercise jog sprint bike bicycle cycle rollerblade rappel descend ascend grind bounce toss
fetch retrieve splash sail raft windsurf wakeboard waterski parasail skydive scale stare gaze listen type touch
reach grab lift embrace compete practice celebrate clap cheer gather huddle pitch bat follow lead pick hop trot
gallop graze wrestle sunbathe relax photograph operate enter emerge pour brush speak chat argue
""")
_DOUBLED = word_set("run sit swim sled dig hug spin flip cut shop pet jog hit grab hop trot clap chat bat hop skip "
                     "drag")


def gerund(verb: str) -> str:
    """Return the -ing form of a verb."""
    if verb in _DOUBLED:
        return verb + verb[-1] + "ing"
    if verb == "lie":
        return "lying"
    if verb.endswith("e") and verb not in {"see"} and not verb.endswith("ee"):
        return verb[:-1] + "ing"
    return verb + "ing"


def third_person(verb: str) -> str:
    """Return the form of a verb after "it"."""
    if verb.endswith(("s", "x", "ch", "sh", "ss", "z")):
        return verb + "es"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + "s"


GERUNDS = {gerund(verb): verb for verb in VERBS}
THIRD = {third_person(verb): verb for verb in VERBS}
NEEDS_OBJECT = word_set("hold carry catch throw kick chase hit pull push drag lick bite feed pet follow lead pick "
    "touch "
                         "lift grab toss fetch retrieve cut scale shoot reach operate enter brush "
                         "pour perform ride cross look watch lean hang point scale tackle")
SAME_DEED = ({"run", "race", "jog", "sprint", "chase", "trot", "gallop", "play", "compete", "follow"}, {"jump", "leap",
    "hop",
             "fly", "flip", "bounce", "dive", "perform", "fall"}, {"stand", "pose", "look", "watch", "wait", "lean",
             "smile",
             "gather", "stare", "gaze", "point", "huddle", "talk", "perform"}, {"sit", "rest", "relax", "crouch",
             "kneel",
             "squat", "wait", "pose", "lean"}, {"lie", "lay", "sleep", "rest", "relax", "sunbathe"},
             {"fight", "wrestle", "play", "bite", "tackle", "compete"}, {"swim", "wade", "splash", "float", "play"},
             {"climb", "hike", "scale", "rappel", "ascend", "descend", "walk", "hang"},
             {"ride", "bike", "bicycle", "cycle", "pedal", "race", "drive", "skateboard", "surf", "slide"},
             {"skateboard", "skate", "grind", "slide", "jump", "perform"}, {"talk", "speak", "chat", "sing", "argue"},
             {"eat", "chew", "bite", "drink", "lick"}, {"throw", "toss", "pitch", "shoot", "play", "bowl"},
             {"ski", "snowboard", "sled", "slide", "race"}, {"kayak", "paddle", "row", "raft", "sail", "float"})
"""Verbs that may be said of the same sight: none of a group is asked as a false counterpart of another."""
PARTICLES = word_set("up down out off away around over together along back forward backwards past by about upside "
                      "ahead in on through across alone outside inside outdoors indoors downhill uphill "
                      "underwater")
PREPOSITIONS = word_set("in on at near by through across over along down up under beside behind into onto inside with "
                         "to from against around off past above below between toward towards for outside atop among "
                         "beneath underneath alongside amongst via of")
PLACE_PREPOSITIONS = word_set("in on at near by through across over along down up under beside behind into onto "
    "inside "
                               "outside atop among underneath")

INDOOR = word_set("kitchen indoors indoor restaurant gym living bedroom bathroom bathtub office hallway couch sofa "
    "bed "
                   "carpet museum subway store classroom room inside cafe bar desk bowling ballroom")
OUTDOOR = word_set("outdoors outdoor beach ocean snow snowy field grass grassy park mountain mountains street road "
    "river "
                    "lake forest woods sidewalk hill cliff trail sand desert yard backyard lawn stream pond sea "
                    "playground sky waves wave surfer surfing snowboarder skier skiing trees tree shore")

SCENES = {
    "beach": word_set("beach shore seashore"), "ocean": word_set("ocean sea surf surfing surfer"),
    "snow": word_set("snow snowy skiing skier snowboarder snowboarding ski sled snow-covered"),
    "street": word_set("street road sidewalk crosswalk"), "park": word_set("park playground"),
    "pool": word_set("pool"), "forest": word_set("forest woods wooded"),
    "mountains": word_set("mountain mountains cliff"),
    "grass field": word_set("grass grassy field lawn meadow"),
    "lake": word_set("lake pond"), "river": word_set("river stream creek rapids"),
    "room": word_set("room kitchen bedroom couch bed living"),
    "stage": word_set("stage concert onstage"), "sports ground": word_set("stadium court arena"),
    "desert": word_set("desert dune dunes"), "restaurant": word_set("restaurant cafe bar"),
    "store": word_set("store shop market"),
}
SPORTS = {"soccer": "soccer", "football": "football", "basketball": "basketball", "tennis": "tennis",
    "hockey": "hockey",
          "baseball": "baseball", "volleyball": "volleyball", "golf": "golf", "rugby": "rugby", "cricket": "cricket",
          "softball": "softball", "skateboarding": "skateboarding", "skateboarder": "skateboarding",
          "snowboarding": "snowboarding", "snowboarder": "snowboarding", "skiing": "skiing", "skier": "skiing",
          "surfing": "surfing", "surfer": "surfing", "wrestling": "wrestling", "boxing": "boxing",
          "swimming": "swimming", "kayaking": "kayaking", "climbing": "climbing", "karate": "karate"}
