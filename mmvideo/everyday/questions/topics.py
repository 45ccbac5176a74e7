"""What a question is about, told by its words, whatever its form: topics of the video as a whole.

Each topic looks at the words and returns a Query or None; the first that knows the question wins. Topics about things
in the picture are in topics_things.
"""

from __future__ import annotations

import re

from mmvideo.everyday.questions import topics_people, topics_things
from mmvideo.everyday.questions.lists import word_set
from mmvideo.everyday.questions.parsed import Parsed
from mmvideo.everyday.questions.query import Query

WORDS = word_set("""
latter moments beeps voices strokes noises kinds presented movement given colored monument stained beating priests
barrels ringing zooming panning tilting shaky handheld steady static cuts edited footage soundtrack audio silence
silent noisy narration narrator dialogue conversation commentary repetitions reps clockwise counterclockwise
forwards backwards upside rainy windy snowy foggy sunshine daylight dusk dawn sunset sunrise afternoon morning
evening midnight noon loud quiet emotion emotions mood feeling angry sad happy excited bored scared surprised brand
price cost expensive old age weigh heavy tall famous celebrity name named called title language accent lyrics
ethnicity nationality country continent year date purpose reason intention lesson moral message opinion genre rating
director simultaneously backyard outskirts upstairs downstairs
""")

_UNANSWERABLE: tuple[tuple[str, str], ...] = (
    (r"why\b(?! do not| not)|for what reason|what is the (?:reason|purpose|point|intention|goal|aim)|how come|"
     r"what for$|what (?:makes|made|causes?|caused)\b|what is the cause", "reasons and intentions are not visible"),
    (r"(?:what is|what are|tell me|know|what) (?:the |his |her |their |its )?(?:[\w']+ ){0,3}(?:names?|surname|"
     r"nickname)\b(?! of the (?:sport|game|instrument|animal|activity|object))|named\b|^what is (?:he|she|it|"
     r"the \w+) called|(?:who is|who are) (?:this|that|these|the) (?:actor|actress|celebrity|singer|famous|president|"
     r"politician)|celebrity|is (?:this|that|he|she) (?:really )?(?:obama|trump|biden|messi|ronaldo|putin|"
     r"taylor swift)|^who (?:is|are|was) (?:this|that|he|she|they|it|these|those|the (?!one\b|"
     r"person (?:in|who|that|on)\b)\w+)$|which (?:actor|singer|player|team) is|famous",
     "people and their names are not recognised"),
    (r"what (?:is|are|was|does|do|did) .*\b(?:say|saying|said|tell|telling|talking about|speaking about|discussing|"
     r"singing about|explaining|asking|shouting|yelling|whispering|talk about|speak about|discuss)\b(?! goodbye)|"
     r"what .*\bconversation about\b|what (?:language|accent)|which language|(?:in )?what language|lyrics|"
     r"what is the (?:topic|subject) of (?:the )?(?:conversation|speech|talk|interview)|what words|transcribe|"
     r"translate|does (?:he|she|the \w+) (?:say|mention)", "speech is heard, not understood"),
    (r"(?:how|what) (?:is|are|does|do|did) .*\b(?:feel|feeling|feels|mood|emotions?|thinking|think about)\b|"
     r"emotions?|mood|\b(?:is|are|look|looks|seem|seems) .*\b(?:happy|sad|angry|bored|nervous|excited|scared|afraid|"
     r"surprised|upset|worried|confused|in love|jealous|proud|embarrassed|disappointed|tired|lonely)\b|"
     r"(?<!look )(?<!looks )(?:like|enjoy|love|hate|want|believe|enjoying) (?:it|this|that|the|him|her|each|himself|"
     r"herself|themselves|to)\b",
     "feelings and thoughts are not visible"),
    (r"how old|what age|which age|the age of|\bage\b|how (?:much|"
     r"heavy|tall|expensive|rich|deep|hot|cold|fast|high|wide|big|"
     r"large)\b(?! (?:is|are) the group)(?! (?:water|time|people|"
     r"of))|how much (?:does|do|is|are|did)|"
     r"what (?:is )?the (?:price|cost|weight|height|size|speed|"
     r"temperature|brand)|what (?:brand|make|model|size|price)|"
     r"which (?:brand|make|model|company)|worth|what speed|how far", "ages, sizes, prices and brands are not measured"),
    (r"(?:what|which) (?:is|are|does|do|was|text|words?|letters?|numbers?|digits?|title|writing)\b.*\b(?:written|"
     r"writing|printed|text|sign say|title|logo say|subtitle|subtitles|caption say|licence plate|license plate|"
     r"jersey number)\b|what does (?:the|it|that) (?:\w+ )?(?:sign|text|label|banner|board|poster|shirt|t-shirt|"
     r"screen|title|caption|book|paper|logo) (?:say|read)|read (?:the|what)|what number (?:is|are) (?:on|written)|"
     r"what is the number on|(?:what|which) (?:letters?|numbers?|words?|text|digits?) .*on|what time is (?:it|on|"
     r"shown|displayed)|spell", "text in the picture is not read"),
    (r"(?:which|what) (?:country|city|state|town|continent|year|nation|nationality|date|month|day of the week|decade|"
     r"century|part of the world|stadium)\b|when was (?:this|it|the video) (?:filmed|recorded|made|shot|taken|"
     r"released)|who (?:filmed|made|recorded|directed|shot|produced|uploaded|took) (?:this|the|it)|"
     r"who is (?:the )?(?:director|author|owner)|nationality|ethnicity|\b(?:race|religion) (?:is|are|of)\b|"
     r"where (?:is|are) (?:he|she|they|the \w+) from|where (?:does|do) .* live\b|(?:what|which) (?:race|religion)",
     "places, dates and origins have no mark in the picture that is known"),
    (r"(?:what|who) (?:is|do you think) (?:the )?(?:best|worst|most (?:beautiful|interesting|important))|do you like|"
     r"your (?:opinion|favourite)|what do you think(?! (?:will|is|happens|comes|might))|is (?:it|this|"
     r"the \w+) (?:good|bad|funny|beautiful|boring|interesting|real|fake|dangerous|legal|safe|delicious|tasty|"
     r"ai generated)\b|how (?:good|bad|well|funny|beautiful|interesting)\b|(?:moral|lesson|message) of|"
     r"what can (?:we|i|you) learn|who (?:wins|won|will win|is winning)|what is the score|which team|"
     r"how does it (?:smell|taste)|(?:smell|taste)s?(?: like)?$|(?:old|young|rich|smart|clever|strong|nic)est\b",
     "opinions, tastes and results are not visible"),
    (r"who owns\b|who does .* belong to|^whose\b", "to whom something belongs is not visible"),
    (r"what is (?:the |this |that |his |her )(?!video|picture|scene|clip)\w+ about\b",
        "speech is heard, not understood"),
    (r"(?:married|related|brothers?|sisters?|friends|siblings|a couple|dating|relationship)\b.*",
        "how people are related is not visible"),
    (r"(?:what|how|where) .*(?:tomorrow|next (?:week|day|year|month)|in the future|after the video)|"
     r"what happened before(?: (?:this|that|it))?$|before (?:the|this) video",
     "what lies outside the video is not known"),
)


def _unanswerable(p: Parsed) -> Query | None:
    """What cannot be told: reasons, names, words that are said, feelings, ages, prices, text, origins."""
    for pattern, reason in _UNANSWERABLE:
        if re.search(rf"(?:^|\b)(?:{pattern})", p.line) and not (p.has("how many") and "not measured" in reason):
            if "related" in reason and not (p.form == "yes_no" or p.has("relationship|related")):
                continue
            return p.query("unanswerable", reason=reason)
    return None


def _next_event(p: Parsed) -> Query | None:
    """What happens next?"""
    if (p.has(r"next(?! to)") and not p.has("next to|next one|first|second one")) or p.has(
            r"going to happen|will happen|happens? (?:after (?:this|that|the video|the end)|afterwards|then)|"
            r"what follows|comes? after|about to (?:happen|occur)|predict|expect(?:ed)?|(?:most )?likely (?:happen|"
            r"do|continue)|continue after|(?:is|are) about to|how (?:will|does|might) (?:it|this|"
            r"the video) (?:continue|go on|proceed|end up)|what then|^(?:and )?then$") or (
            p.has("will|going to") and p.form != "how_many" and not p.has("at the end")):
        return p.query("next")
    return None


def _camera(p: Parsed) -> Query | None:
    """Does the camera move, and how?"""
    spoken = p.has(r"camera|cameraman|cinematographer|view|picture|videographer") and not p.has(
        r"(?:look|looking|looks|stare|staring|smile|smiling|wave|waving|face|facing|at|to|towards|from|hold|holding|"
        r"holds|carry|carrying|closer|into|in front of|of|a|with|using|by|near) (?:the |a )?camera(?! (?:move|work|"
        r"angle|pan|mov|zoom))")
    moved = p.has(r"(?:zoom|pan|tilt|shak|rotat|roll)(?:s|es|ed|ing|ming|ning|med|ned|e|y)?|shaky|hand ?held|"
                  r"hand-held|stead(?:y|ily)|static|tripod|camera (?:movement|motion|work)|still|stationary|fixed|"
                  r"move|moves|moved|moving|movement|turn|turns|turning|follow|follows|following|swing|go|goes|going|"
                  r"direction|motionless|stable|track|tracking|doing|do|stay|stays|rotate")
    zoomed = p.has(r"zoom(?:s|ed|ing)?|panning|pans|tilting|handheld|shaky") and not p.has(
            "pan of|frying pan|in the pan|a pan")
    if not ((spoken and moved) or (zoomed and not p.nouns)):
        return None
    asked = ""
    for pattern, name in ((r"zoom\w* (?:out|back)|away|backwards?|pull\w* (?:out|back)", "zoom out"),
                          (r"zoom\w*(?: in)?\b|closer|forwards?|dolly", "zoom in"),
                          (r"(?:tilt\w*|mov\w*|go\w*|pan\w*|turn\w*)\b.*\bup", "tilt up"),
                          (r"(?:tilt\w*|mov\w*|go\w*|pan\w*|turn\w*)\b.*\bdown", "tilt down"), (r"tilt\w*", "tilt"),
                          (r"(?:roll|rotat)\w*", "roll"), (r"(?:to the |towards the )?\bleft", "pan left"),
                          (r"\bright", "pan right"), (r"pan(?:s|ned|ning)?\b|horizontal\w*|sideways", "pan"),
                          (r"shak\w+|shaky|hand ?held|hand-held|unsteady|wobbl\w+", "shake"),
                          (r"static|still|stationary|fixed|tripod|motionless|steady|stable|stay\w*", "static")):
        if p.has(pattern):
            asked = name
            break
    if p.form in {"when", "how_often", "how_long"} or p.has("what time|which moment"):
        return p.query("when" if p.form != "how_often" else "camera", attribute=f"camera {asked}".strip(), subject=None)
    return p.query("camera", attribute=asked, subject=None)


def _cuts(p: Parsed) -> Query | None:
    """How many shots are there? Is it one shot?"""
    if p.has(r"(?:to|using|used) .*\bcut|cut(?:s|ting)? (?:with|by|it|them)|being cut"):
        return None  # with a knife
    if p.has(r"(?:shots?|takes?)\b(?! (?:a|the|his|her|put|at)\b)(?! of)|cuts?(?= |$)(?! (?:the|a|"
             r"into|up|off|his|her|some|an)\b)|scene (?:changes?|cuts?)|scenes\b|cutting between|"
             r"camera angles?|edited|edits|uncut|one continuous|single continuous|transitions?|"
             r"change of scene|scene change|scene stay the same") and not p.has(
                 r"(?:he|she|man|woman|person|chef|boy|girl|they|guy|player|barber|hairdresser) (?:cut|cuts|"
                 r"is cutting|shot|shoots)|what is (?:being )?cut|take (?:place|off|out)|takes? place|(?:does|do|"
                 r"did) (?:he|she|they|the \w+) (?:take|cut|shoot)|what (?:does|do)"):
        if p.form == "when" or p.has("what time|which moment"):
            return p.query("when", attribute="cut", subject=None)
        one = p.has(r"(?:one|single|1|continuous|same|uncut|without)")
        return p.query("cuts", attribute="one" if one and p.form != "how_many" else "", subject=None,
                       comparison="more" if p.has("more than one|several|multiple|many|different") and p.yes_no else "")
    return None


def _sound(p: Parsed) -> Query | None:
    """What is heard? Is there music?"""
    heard = p.has(r"hears?|heard|hearing|sounds?|noises?|audio|audible|listen|soundtrack|silent|silence|quiet|loud|"
                  r"noisy|music|song|musical|mute|muted|beeps?|barking|barks?|siren|gunshots?|sneez\w+|rain sound|"
                  r"crackling")
    if not heard or p.has(r"music (?:stand|room|video|book|sheet)|playing (?:the |a |an )?(?:musical )?instrument|"
                          r"what instrument|sound asleep|listening to music|sheet music|quietly"):
        return None
    if p.has(r"(?:is|are) .* (?:listening|wearing)") and p.yes_no and not p.has("music|sound"):
        return None
    names = ((r"music|song|musical|melody|soundtrack", "music"), (r"bark\w*|dog", "dog bark"),
        (r"siren\w*|ambulance|police", "siren"),
             (r"rain\w*", "rain"), (r"waves?|sea|ocean|surf", "sea waves"), (r"baby|cry\w*", "baby crying"),
             (r"horns?|honk\w*", "car horn"), (r"engine|motor", "engine idling"), (r"gun\w*|shots?|shooting",
                 "gunshot"),
             (r"drill\w*", "drilling"), (r"jackhammer", "jackhammer"), (r"chainsaw|saw", "chainsaw"), (r"helicopter",
                 "helicopter"),
             (r"rooster|cock\w*|chicken", "rooster"), (r"clock|tick\w*", "clock ticking"), (r"fire|crackl\w+",
                 "fire crackling"),
             (r"sneez\w*", "sneeze"), (r"children|kids|playing", "children playing"), (r"air condition\w*|fan",
                 "air conditioner"),
             (r"voices?|speech|speaking|talking|people|someone|conversation|commentary|narrator", "speech"),
             (r"silent|silence|quiet|mute|muted|no sound", "silence"),
             (r"sound|audio|noise|anything|loud|noisy|soundtrack", ""))
    asked = next((name for pattern, name in names if p.has(pattern)), "")
    if asked == "dog bark" and not p.has(r"bark\w*") and not p.has("hear|heard|sound"):
        return None
    if asked == "speech":
        return _speech_query(p)
    family = "when" if p.form == "when" or p.has("what time|which moment|which second") else "sound"
    return p.query(family, attribute=f"sound {asked}".strip() if family == "when" else asked, subject=None)


def _speech_query(p: Parsed) -> Query:
    """Return the query about speech with the form that the question has."""
    if p.form == "when" or p.has("what time|which moment|which second") or p.form == "how_long":
        return p.query("when" if p.form != "how_long" else "duration", attribute="speech")
    if p.form == "how_many":
        if p.has("seconds?|minutes?"):
            return p.query("duration", attribute="speech", subject=None)
        return p.query("unanswerable", reason="how many people speak is not counted")
    if p.form in {"who", "which"}:
        return p.query("who", attribute="speech", verb="speak")
    return p.query("speech", verb="speak")


def _speech(p: Parsed) -> Query | None:
    """Does anyone speak?"""
    if p.has(r"speak\w*|spoke|talk\w*|speech|voices?|narrat\w+|conversation|dialogue|commentary|voiceover|voice-over|"
             r"say (?:something|anything)|chat(?:s|ting)?|words") and not p.has(
                 r"talk(?:s|ing)? (?:on|into|over) (?:the |a |his |her )?(?:phone|cell|mobile|telephone)|talk show"):
        if p.form == "what" and not p.has("is there|what time|heard"):
            return None
        return _speech_query(p)
    return None


def _indoors(p: Parsed) -> Query | None:
    """Is it indoors or outdoors?"""
    inside = p.has(r"indoors?|inside(?! (?:the|a|an|of|his|her|it))|interior")
    outside = p.has(r"outdoors?|outside(?! (?:the|a|an|of|his|her|it))|open air|in the open|exterior|in nature")
    if not inside and not outside:
        return None
    if (inside and outside) or (len(p.choices) > 1 and (p.form == "yes_no" or not p.nouns)):
        return p.query("indoors", choices=("indoors", "outdoors"), yes_no=False)
    if p.form in {"yes_no", "bare"} and not (p.verb in {"go", "come", "run", "walk", "move"} and p.nouns):
        return p.query("indoors", attribute="indoors" if inside else "outdoors", yes_no=True)
    if p.form in {"where", "which", "what"} and not p.nouns:
        return p.query("indoors", choices=("indoors", "outdoors"), yes_no=False)
    return None


def _daytime(p: Parsed) -> Query | None:
    """Is it day or night?"""
    if p.has(r"day ?time|night ?time|at night|by night|by day|night|nighttime|time of (?:the )?day|daylight|"
             r"(?:during|in) the (?:day|evening|morning|afternoon)|day or|dusk|dawn|sunset|sunrise|part of the day|"
             r"evening|morning") or (
            p.has(r"(?:is|was) (?:it|the (?:scene|video|place)) (?:very )?(?:dark|bright|light)|how (?:bright|dark)")
                and not p.nouns):
        dark = p.has(r"night\w*|dark|evening|dusk")
        both = p.has(r"or (?:night|dark|at night|day|nighttime|light|bright)|time of|part of")
        return p.query("daytime", attribute="" if both else "night" if dark else "day",
                       choices=("day", "night") if both else (), yes_no=p.form in {"yes_no", "bare"} and not both,
                           subject=None)
    return None


_WEATHER = (("rain", "rain|raining|rainy|wet weather"), ("snow", "snowing|snowy|snowfall"), ("sun",
    "sunny|sun shining|sunshine|sun out|sun"),
            ("wind", "windy|wind"), ("cloud", "cloudy|overcast|clouds"), ("fog", "foggy|misty|fog"))


def _weather(p: Parsed) -> Query | None:
    """How is the weather?"""
    if p.has("seasons?") and p.form in {"what", "which", "bare"}:
        return p.query("weather", attribute="season", subject=None)
    season = re.match(r"(?:is|was) (?:it|this) (winter|summer|spring|autumn|fall)(?: time)?$", p.line)
    if season:
        return p.query("weather", attribute=f"season {season[1]}", yes_no=True, subject=None)
    if p.has("weather"):
        return p.query("weather", subject=None)
    other = r"sounds?|hear\w*|audible|noise|is there (?:any )?(?:snow|rain|sun)|wearing|rain ?coat|umbrella"
    if p.yes_no and not p.has(other):
        for name, pattern in _WEATHER:
            if p.has(pattern):
                return p.query("weather", attribute=name, subject=None)
    return None


def _duration(p: Parsed) -> Query | None:
    """How long is the video?"""
    if p.form == "how_long" or p.has(r"how many (?:seconds|minutes)|duration|(?:video|clip) length"):
        if p.nouns and p.nouns[0].text not in {"video"} and p.verb not in {"last"} and (p.subject and p.subject.known):
            return p.query("duration")
        if p.has("hair|dress|beard|rope|skirt|table|sleeves?"):
            return p.query("unanswerable", reason="sizes are not measured")
        if p.has("speak|talk"):
            return p.query("duration", attribute="speech")
        return p.query("duration", subject=None)
    if p.yes_no and p.has(r"(?:video|it) (?:longer|shorter) than"):
        found = re.search(r"than (?:a |an )?(\d+|\w+)?", p.line)
        return p.query("duration", subject=None, comparison="more" if p.has("longer") else "less",
                       attribute=found[1] or "" if found else "")
    return None


def _scene(p: Parsed) -> Query | None:
    """Where does it take place? What kind of scene is it?"""
    if p.has(r"(?:where|in what|in which|at what|at which|what|which|what kind of|what sort of|"
             r"what type of) .*(?:take(?:s|n)? place|happen(?:s|ed|ing)?|filmed|recorded|shot|set|located|made|"
             r"going on|occur\w*|playing out|place this)$") and (
                 p.form in {"where"} or p.has("place|location|setting|room|scene|environment|area")) and not (
                     p.subject and p.subject.labels):
        return p.query("scene", subject=None)
    if p.has(r"(?:what|which|what kind of|what type of|what sort of) (?:is |are |does |do )?(?:the |this |"
             r"that )?(?:kind of |type of |sort of )?(?:place|location|setting|scene|scenery|environment|room|"
             r"surroundings?|landscape|background|venue|area|building|sport venue)\b(?! (?:change|does|do (?:they|he|"
             r"she)))") \
            and not p.has(r"what is (?:the )?\w+ (?:doing|wearing)|in the background|(?:colour|who)|what happens"):
        return p.query("scene", subject=None, attribute="background" if p.has("background") else "")
    if p.form == "where" and p.has(r"where (?:is|are|was|were|does|do|did) (?:this|it|that|we|they|i|the (?:scene|"
                                   r"action|event|story|activity|game|match|party|concert|video))\b") and not p.has(
                                           r"(?:go|going|move|moving|look|looking|walk\w*|run\w*|head\w*|point\w*)"):
        return p.query("scene", subject=None)
    if p.form == "where" and not p.nouns and not p.has("left|right"):
        return p.query("scene", subject=None)
    return None


def _describe(p: Parsed) -> Query | None:
    """What happens in the video?"""
    about = p.has(r"what (?:is|was) (?:this|the|that|it)? ?(?:video|picture|scene|it|this)? ?(?:all )?about|"
                  r"what does (?:this|the|it) ?(?:video|picture|scene)? ?(?:show|depict|contain|display|present|"
                  r"feature|represent)s?$|what (?:is|are) (?:shown|displayed|depicted|presented|being shown)$")
    happens = p.has(r"what (?:happens|happened|is happening|occurs|is occurring|goes on|is going on|takes place|"
                    r"is taking place|event|events|is the (?:main )?(?:action|activity|event|content|gist|plot|"
                    r"story)|is (?:this|it|that)|activity|action|do (?:you|we) (?:see|notice)|can (?:you|we|i|"
                    r"be) (?:see|seen|notice)|can you tell me about|is (?:seen|visible|shown))(?: (?:happening|"
                    r"occurring|going on|taking place|shown))?") and not p.nouns and not p.sides
    command = p.form in {"command", "bare"} and p.has(r"describe|summar\w+|caption|explain|tell me (?:about|what)|"
                                                      r"give (?:me )?(?:a |an )?(?:short |brief |"
                                                      r"detailed )?(?:description|summary|caption|overview)|"
                                                      r"transcribe|overview|synopsis|description|summary")
    if p.line in {"what is", "what are", "what"}:
        return p.query("what", subject=None)
    if (p.has("first|last") and p.has("happens?|happened|occurs?")) or p.line == "then":
        return None
    if p.has(r"what (?:happens|is happening|happened|is going on|goes on) (?:to|with)\b") and p.nouns:
        return p.query("doing")
    if command and p.nouns and p.nouns[0].labels and not p.has("what happens|what is happening"):
        return p.query("doing", attribute="describe")
    if about or happens or command or (p.form == "what" and not p.nouns and p.has(
            "what happens|what is happening|happens|going on|sum (?:it )?up|main (?:event|thing|topic|activity)")):
        sees = p.has(r"what (?:do|can) (?:you|we|i|be) (?:see|seen|notice)|what is (?:seen|visible|shown)")
        if sees and not p.has(r"happen\w*|going on"):
            return p.query("what", subject=None)
        return p.query("describe", subject=None)
    return None


_ORDER = (topics_people.about_gender, topics_people.about_age, _unanswerable, _cuts, _camera,
          topics_things.about_repeats, _next_event, _weather, _daytime, _indoors, _speech, _sound, _duration,
          _describe, topics_people.about_doer, _scene, *topics_things.TOPICS)


def find_topic(p: Parsed) -> Query:
    """Return what a question is about; family "other" where no topic knows it."""
    for topic in _ORDER:
        found = topic(p)
        if found is not None:
            return found
    return p.query("other")


__all__ = ["WORDS", "find_topic"]
