"""Verbs of questions, reduced to their base form."""

from __future__ import annotations

from functools import lru_cache

from mmvideo.everyday.questions.lists import word_set

_IRREGULAR = {
    "ran": "run", "went": "go", "gone": "go", "came": "come", "sat": "sit", "stood": "stand", "spoke": "speak",
    "said": "say",
    "saw": "see", "seen": "see", "held": "hold", "wore": "wear", "worn": "wear", "left": "leave", "fell": "fall",
    "ate": "eat",
    "drank": "drink", "drove": "drive", "rode": "ride", "swam": "swim", "threw": "throw", "caught": "catch",
    "took": "take",
    "made": "make", "got": "get", "did": "do", "done": "do", "began": "begin", "shown": "show", "heard": "hear",
    "flew": "fly", "sang": "sing", "slept": "sleep", "wrote": "write", "written": "write", "told": "tell", "put": "put",
    "lying": "lie", "dying": "die", "tying": "tie", "is": "be", "are": "be", "was": "be", "were": "be", "been": "be",
    "being": "be",
    "has": "have", "had": "have", "having": "have", "does": "do", "goes": "go", "doing": "do", "filmed": "film",
    "shot": "shoot", "driven": "drive", "playing": "play", "kept": "keep", "met": "meet", "hit": "hit",
    "brought": "bring",
}
VERBS = word_set("""
smoke run go come walk stand sit lie lay speak talk say sing dance jump leap play ride drive swim climb hold carry
look watch see smile laugh cry throw catch kick hit chase fight wrestle sleep eat drink read write draw paint cook
cut wash clean brush open close pick put take give push pull lift drop turn rotate spin roll slide swing ski surf
skate skateboard snowboard fly fall dive row paddle sail move stop start begin end leave enter exit appear disappear
show hear listen bark meow shout scream yell whisper wave point touch hug kiss shake nod clap cheer use wear make do
have get become approach arrive return cross pass follow lead race repeat happen occur change cut zoom pan tilt film
record take perform exercise stretch bend squat kneel crawl work type press pour mix stir bake fry chop peel spread
build fix repair dig plant water feed pet groom comb shave dress undress hide seek wait rest relax pose photograph
gesture explain teach show demonstrate interview answer ask call phone text march hike jog sprint bounce juggle
balance flip hop skip box punch shoot bowl bat pitch serve dunk dribble score win lose rain snow shine burn blow
float splash wade fish hunt graze peck sniff lick bite chew hang lean rise raise lower grow lick attack greet meet
kneel stay remain keep try want like love hate feel think know believe need describe count list name tell face stare
gaze glance scratch rub shave tie fold iron sew knit weld drill hammer saw paint polish wipe sweep mop vacuum crash
feature park brake accelerate reverse overtake travel visible exist contain include depict see
""")
_VOWELS = set("aeiou")


@lru_cache(maxsize=4096)
def base_form(word: str) -> str:
    """Return the base form of a verb of the lexicon, or "" for other words: "running" -> "run"."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in VERBS:
        return word
    for ending, stems in (("ing", ("", "e")), ("ies", ("y",)), ("ied", ("y",)), ("es", ("", "e")), ("ed", ("", "e")),
        ("s", ("",))):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            stem = word[:-len(ending)]
            for extra in stems:
                if stem + extra in VERBS:
                    return stem + extra
            if len(stem) > 2 and stem[-1] == stem[-2] and stem[:-1] in VERBS:
                return stem[:-1]
    return ""


def ing_form(verb: str) -> str:
    """Return the -ing form of a base form."""
    if verb.endswith("ie"):
        return verb[:-2] + "ying"
    if verb.endswith("e") and not verb.endswith(("ee", "ye")) and verb != "be":
        return verb[:-1] + "ing"
    short = len(verb) in {3, 4} and verb[-1] not in "wxyhaeiou" and verb[-2] in _VOWELS and verb[-3] not in _VOWELS
    return verb + verb[-1] + "ing" if short and verb not in {"open", "enter", "row", "show"} else verb + "ing"


__all__ = ["VERBS", "base_form", "ing_form"]
