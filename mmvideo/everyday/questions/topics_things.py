"""What a question is about, told by its words, whatever its form: topics about things in the picture."""

from __future__ import annotations

import re

from mmvideo.everyday.questions.lists import word_set
from mmvideo.everyday.questions.nouns import NOUNS, Noun, noun_of
from mmvideo.everyday.questions.parsed import Parsed
from mmvideo.everyday.questions.phrases import COLOURS, NUMBERS
from mmvideo.everyday.questions.query import NamedTime, Query

_MOVES = (r"(?:mov|go|walk|run|driv|rid|fly|swim|travel|head|turn|skat|ski|roll|slid|cross|pass|cycl|sail|com|"
          r"trot|march|enter|leav|exit|jump)(?:e|es|s|ing|ning|ming|ed)?|goes|flies|heading|going|running|swimming")
_CLOTHES = word_set("shirt jacket coat hat cap helmet dress skirt shorts pants jeans shoe boot sock glove scarf "
                    "uniform suit costume mask glasses sunglasses goggles tie clothes hair sweater hoodie vest top "
                    "t-shirt trousers")


def _time_form(p: Parsed) -> bool:
    part = re.search(r"\b(?:what|which) part of (?:the |this )?video\b", p.whole) is not None
    return p.form == "when" or part or p.has(r"(?:at )?(?:what|which) (?:time|second|moment|point|timestamp|minute)")


def about_repeats(p: Parsed) -> Query | None:
    """How many times is the movement repeated?"""
    if p.form == "how_often":
        if p.has("zoom|camera|cut|scene"):
            return None
        return p.query("repeats")
    if p.has(r"repetitions?|reps|repeat\w*|over and over|again and again|periodic\w*|rhythm\w*"):
        return p.query("repeats")
    if p.form == "how_many" and p.has(r"(?:how many|number of|count of|count the) (?:jump\w*|push-?ups|push ups|"
                                      r"pushups|sit-?ups|sit ups|situps|squats|jumping jacks|pull-?ups|pull ups|"
                                      r"pullups|lunges|steps|laps|swings|circles|turns|strokes|claps|kicks|hits|"
                                      r"spins|flips|rounds|punches|curls|crunches|burpees|bounces)\b"):
        return p.query("repeats")
    return None


def _colour(p: Parsed) -> Query | None:
    """What colour is the car? Is it red?"""
    asked = p.has(r"colours?") and not p.has("coloured|colour the|colouring")
    named = [word for word in p.tokens if word in COLOURS]
    if asked and (p.form in {"what", "which", "bare", "command", "how", "how_many"} or len(p.choices) > 1):
        if p.form == "how_many":
            return p.query("unanswerable", reason="colours are not counted")
        subject = next((n for n in p.nouns if n.text != "colour"), None)
        other = next((n for n in p.nouns if n is not subject), None)
        owner = _owner(p)
        if owner is not None:
            subject, other = owner
        choices = tuple(word for word in named) if len(p.choices) > 1 else ()
        return p.query("colour", subject=subject, other=other, choices=choices, yes_no=False)
    if p.form in {"yes_no", "what", "which", "bare"} and named and ((len(named) > 1 and p.choices)
        or p.form == "yes_no"):
        last = p.tokens[-1]
        predicate = last in COLOURS or re.search(rf"\b(?:{'|'.join(COLOURS)})(?: (?:and|or) "
            rf"(?:{'|'.join(COLOURS)}))*(?: in colour| coloured| one)?$", p.line)
        if predicate and p.nouns and not re.search(rf"\bin (?:{'|'.join(COLOURS)})$", p.line):
            owner = _owner(p)
            subject, other = owner if owner is not None else (p.nouns[0], p.other)
            if len(p.choices) > 1 and len(named) > 1:
                return p.query("colour", subject=subject, other=other, choices=tuple(named), yes_no=False)
            return p.query("colour", subject=subject, other=other, attribute=last if last in COLOURS else named[-1])
    return None


def _owner(p: Parsed) -> tuple[Noun, Noun] | None:
    """Read "the man 's shirt", "the shirt of the man": the thing first, whose it is second."""
    if "'s" in p.tokens:
        at = p.tokens.index("'s")
        owner = noun_of(p.tokens[at - 1]) if at else None
        if owner and at > 1 and p.tokens[at - 2] in {"left", "right"}:
            owner = owner.with_(side=p.tokens[at - 2])
        thing = next((noun for noun in map(noun_of, p.tokens[at + 1:]) if noun is not None), None)
        if owner and thing:
            return thing, owner
    if len(p.nouns) > 1 and p.nouns[0].text in _CLOTHES and p.nouns[1].person:
        return p.nouns[0], p.nouns[1]
    return None


def _relation(p: Parsed) -> Query | None:
    """Is the dog in front of the car? What is next to the man?"""
    for pattern, name in ((r"in front of", "in front of"), (r"behind", "behind"),
        (r"(?:right )?next to|by the side of|adjacent to|alongside", "next to"),
                          (r"near(?: to)?|close to", "near"), (r"above|over(?! the (?:fence|hurdle|bar))", "above"),
                              (r"below|under|underneath|beneath", "below"),
                          (r"between", "between"), (r"to the left of|on the left of|left of", "left of"),
                          (r"to the right of|on the right of|right of", "right of"), (r"on top of", "above")):
        found = re.search(rf"\b(?:{pattern})\b", p.line)
        if not found or (name == "above" and p.has(r"jump\w*|fly\w*|leap\w*|climb\w*")):
            continue
        if re.match(r" (?:of )?(?:him|her|them|it|me|us|himself|herself)\b", p.line[found.end():]):
            return p.query("relation", other=None, attribute=name)
        at = len(p.line[:found.start()].split())
        before = [one.noun for one in p.phrases if one.start < at]
        after = [one.noun for one in p.phrases if one.start >= at]
        if re.search(rf"\b(?:{pattern}) (?:the )?camera", p.line):
            return None
        if not after and p.form != "where":
            continue
        if p.yes_no and before and after:
            return p.query("relation", subject=before[0], other=after[0], attribute=name)
        asks = p.form in {"what", "who", "which"} and p.verb in {"", "stand", "sit", "lie", "park", "appear", "be"}
        if asks and after and not before:
            subject = NOUNS["person"] if p.form == "who" else None
            return p.query("relation", subject=subject, other=after[0], attribute=name)
        if p.form in {"what", "who", "which"} and before and after and p.form != "what":
            return p.query("relation", subject=before[0], other=after[0], attribute=name)
    return None


def _approach(p: Parsed) -> Query | None:
    """Does it come closer, or go away?"""
    closer = p.has(r"bigger|larger|com(?:e|es|ing) or (?:go|goes|going|leave|leaving)|closer|approach\w*|towards "
        r"(?:the |this |us|"
                   r"me|you)?(?:camera|viewer|us|me|you|lens)|(?:come|comes|coming|move|moves|moving|walk\w*|run\w*|"
                   r"drive|drives|driving|get|gets|getting|ride|riding) (?:near|towards us|towards the camera|"
                   r"to the camera|towards you)|getting (?:bigger|larger)|come (?:near|to us)|into the camera")
    away = p.has(r"(?:go|goes|going|move|moves|moving|walk\w*|run\w*|drive|drives|driving|ride|riding|get|gets|"
                 r"getting|fly|flying|swim\w*|head\w*) (?:farther )?away|away from (?:the )?(?:camera|us|viewer|me|"
                 r"you)|farther|smaller|into the distance|recede\w*|receding")
    if not (closer or away) or p.has("camera (?:move|zoom|go)"):
        return None
    both = closer and away
    if _time_form(p):
        comes = p.verb in {"come", "go", "move", "walk", "run", "drive", "ride", "approach", "get"}
        return p.query("when", attribute="closer" if closer else "away") if comes else None
    if p.form in {"who", "which", "what"} and not both and p.verb != "do":
        return p.query("approach", attribute="closer" if closer else "away", yes_no=False)
    return p.query("approach", attribute="" if both else "closer" if closer else "away",
                   choices=("closer", "away") if both else (), yes_no=p.form in {"yes_no", "bare"} and not both)


def _direction(p: Parsed) -> Query | None:
    """Which way does it move?"""
    sides = [side for side in ("left", "right", "up", "down") if p.has(rf"(?:(?:to|towards) (?:the |its |his |her "
        rf"|their )?)?{side}")]
    moves = re.search(rf"\b(?:{_MOVES})\b", p.line) is not None
    asks = p.has(r"(?:which|what) (?:way|direction)|direction|where (?:is|are|does|do) .*(?:going|go|heading|head|"
                 r"moving|move|travelling|driving|running to|walking to)|to which side")
    turned = re.search(r"\b(?:on|at|in) the (?:left|right)\b", p.line)
    if asks and not p.has("camera"):
        if p.form == "yes_no" and sides:
            return p.query("direction", attribute=_way(p, sides))
        if p.has(r"look\w*|fac(?:e|es|ing)|point\w*"):
            return p.query("other") if p.has(r"look\w*|point\w*") else p.query("direction", verb="face")
        return p.query("direction", yes_no=False, choices=tuple(sides) if len(p.choices) > 1 else ())
    if moves and sides and not turned and p.nouns and p.form in {"yes_no", "bare", "who", "what",
        "which"} and not p.has(
            r"(?:sit|lie|lying|pick\w*|stand\w*|get|gets|getting|jump\w*|look\w*|up and down|climb\w*|turn(?:s|ed|"
            r"ing)? (?:up|down)|put|fall\w*|throw\w*|go(?:es|ing)? up|upside)(?: it| them)? (?:up|down|and)"):
        if len(p.choices) > 1:
            return p.query("direction", choices=tuple(sides), yes_no=False)
        if p.form in {"who", "what", "which"}:
            return p.query("direction", attribute=_way(p, sides), yes_no=False)
        return p.query("direction", attribute=_way(p, sides), yes_no=True)
    return None


def _way(p: Parsed, sides: list[str]) -> str:
    """Return where a movement goes: of "from left to right", right."""
    found = re.search(r"\b(?:to|towards) (?:the |its |his |her |their )?(left|right|up|down)", p.line)
    return found[1] if found else sides[-1]


def _where(p: Parsed) -> Query | None:
    """Where is the man? Is he on the left?"""
    if p.form == "where" or p.has(
        r"(?:on |at |in |from )?(?:which|what) (?:side|part|corner|half|position)|"
        r"what is the (?:position|location) of|position of"
    ):
        someone = NOUNS["person"] if p.has("he|she|they|him|her") else None
        subject = p.subject or someone
        if subject is None and p.has("side"):
            subject = NOUNS["person"]
        if subject is None:
            return None
        choices = tuple(side for side in ("left", "right", "middle", "top", "bottom")
            if p.has(side)) if len(p.choices) > 1 else ()
        return p.query("where", choices=choices, yes_no=False, subject=subject)
    if p.form == "yes_no" and p.nouns and p.tokens[0] not in {"has", "have"}:
        sides = [side for side, _ in p.sides if side not in {"background", "foreground"}]
        if len(p.choices) > 1 and all(choice in {"left", "right", "middle", "top", "bottom"} for choice in p.choices):
            return p.query("where", choices=p.choices, yes_no=False)
        if not sides:
            return None
        there = p.has("there|see|any|appear|visible|anything|anyone|anybody|someone") and not p.has(r"(?:is|are) the")
        if there:
            return None
        if (p.phrases and p.verb in {"", "stand", "sit", "park", "stay", "appear", "lie", "be", "place", "remain",
            "walk"}) or p.verb == "":
            subject = p.nouns[0].with_(side="") if p.nouns[0].side else p.nouns[0]
            if len(p.choices) > 1:
                return p.query("where", subject=subject, choices=tuple(dict.fromkeys(
                    side for side in ("left", "right", "middle", "top", "bottom") if p.has(side))), yes_no=False)
            return p.query("where", subject=subject, attribute=sides[-1])
    return None


def _order(p: Parsed) -> Query | None:
    """Which comes first?"""
    first = p.has(r"first(?! (?:half|person|frame|time|floor))") or p.has("earlier|earliest|starts? the")
    last = p.has(r"last(?! (?:half|frame|long))|latest|later")
    if (
        (first or last)
        and p.form == "what"
        and p.verb in {"", "do"}
        and p.has("do|does|did")
        and p.has("he|she|they|it|the|people")
    ):
        return p.query(
            "doing",
            time=NamedTime("share", *((0.0, 0.35) if first else (0.65, 1.0))),
            subject=next((noun for noun in p.nouns if noun.person or (noun.labels and not noun.kind)), None),
        )
    if p.has(r"(?:in )?(?:what|which) order|sequence of"):
        return p.query("order", attribute="sequence", yes_no=False)
    found = re.search(r"\b(before|after)\b", p.line)
    if found and len(p.nouns) > 1 and p.form in {"yes_no", "bare", "when"} and p.verb in {"appear", "come", "show",
        "arrive", "enter", "", "leave"}:
        return p.query("order", attribute=found[1])
    if (first or last) and p.verb in {"appear", "come", "show", "enter", "arrive", "leave", "happen", "exit", "", "do",
        "move", "visible"} \
            and p.form in {"what", "who", "which", "yes_no",
                "bare"} and not p.has("first (?:man|woman|person|dog|car|one) (?:do|wear)"):
        verb = "leave" if p.has(r"leave|leaves|exit|exits|disappear\w*") else p.verb
        return p.query("order", attribute="first" if first else "last", verb=verb)
    return None


def _when(p: Parsed) -> Query | None:
    """When does the man appear?"""
    if _time_form(p) and not p.has("what time (?:is it|of)"):
        attribute = ""
        if p.has(r"(?:leave|leaves|left|disappear\w*|exit\w*|gone|go(?:es)? (?:out|away|off)|vanish\w*|walks? out|"
                 r"last (?:seen|visible))"):
            attribute = "leave"
        elif p.has(r"(?:appear\w*|enter\w*|arriv\w*|come|comes|first (?:seen|visible|shown)|show(?:s)? up|see|seen|"
                   r"visible|start\w*|begin\w*|walks? in)"):
            attribute = "appear"
        elif p.has(r"stop\w*"):
            attribute = "stop"
        if p.has(r"scene|shot|cut|change"):
            return p.query("when", attribute="cut", subject=None)
        return p.query("when", attribute=attribute, yes_no=False)
    return None


def _moves(p: Parsed) -> Query | None:
    """Does it move or stand still? Does anyone come in or go out?"""
    if p.form not in {"yes_no", "bare", "what", "which", "who"}:
        return None
    if not p.nouns and (p.form in {"yes_no", "bare"} or not p.has("mov(?:es|ing)|stands? still")):
        return None
    still = p.has(r"stand(?:s|ing)? still|still|stationary|parked|motionless|not move|stays? still|immobile|static|"
                  r"at rest")
    moving = p.has(r"mov(?:e|es|ing)|in motion|motion")
    enters = p.has(r"enter\w*|come(?:s)? in(?:to)?|walks? in(?:to)?|arrives?|appear(?:s)? later|join\w*|coming in")
    leaves = p.has(r"leav(?:e|es|ing)|exit\w*|disappear\w*|go(?:es)? (?:out|off)|walks? (?:out|off)|depart\w*")
    stops = p.has(r"stop(?:s|ped|ping)?")
    if not (still or moving or enters or leaves or stops):
        return None
    if p.form in {"what", "which", "who"} and not (p.verb in {"move", "leave", "enter", "stop", "exit"} or still):
        return None
    if p.form == "what" and not (moving or still or stops):
        return None
    if (still or moving) and p.has("move|moving") and still and len(p.choices) > 1:
        return p.query("moves", choices=("moving", "standing still"), yes_no=False)
    told = {"leave": leaves, "enter": enters, "stop": stops and not moving, "still": still}
    name = next((name for name, holds in told.items() if holds), "move")
    return p.query("moves", attribute=name)


_AMOUNT = re.compile(
    r"\b(more than|less than|fewer than|at least|at most|exactly|only|just|over|no more than|no fewer than|up to)?"
    r"(?: or equal to)? ?(?:a )?(" + "|".join(NUMBERS) + r"|\d+)(?: (or more|or fewer|or less))?\b")


def _count(p: Parsed) -> Query | None:
    """How many? Are there more than two?"""
    amount = _AMOUNT.search(p.line)
    if p.form == "how_many":
        found = re.search(r"\b(?:are|is|of|the|many) (?:the )?(?:\w+ )?(?:on|in|at) the (left|right|middle)", p.line)
        side = found[1] if found else (p.sides[0][0] if p.sides else "")
        subject = p.subject or NOUNS["person" if p.has("are they|of them") else "thing"]
        return p.query("count", subject=subject.with_(side=side or subject.side), verb=_deed(p))
    if p.form in {"yes_no", "bare"} and len(p.nouns) >= 2 and p.has(r"(?:more|fewer|less|"
                                                                    r"as many) \w+(?: \w+)? (?:than|as)"):
        return p.query("count", attribute="compare", comparison="less" if p.has("fewer|less") else "equal"
            if p.has("as many") else "more", yes_no=True)
    if p.form in {"yes_no", "bare"} and p.nouns:
        subject = p.nouns[0]
        several = p.has(r"several|multiple|many|lots of|a lot of|a group of|a crowd of|a couple of|alone|by (?:him|"
                        r"her|it)self|only one|just one|a single") and not amount
        if amount and amount[2] and (subject.number is not None or amount[1] or amount[3]
            or p.has("there|see|visible|show")):
            number = int(amount[2]) if amount[2].isdigit() else NUMBERS[amount[2]]
            words = f"{amount[1] or ''} {amount[3] or ''}"
            comparison = ("more" if re.search("more than|over", words) and "no more" not in words else "less"
                if re.search("less than|fewer than", words) and "no " not in words
                          else "at least" if re.search("at least|or more|no fewer", words) else "at most" if re.search(
                              "at most|or fewer|or less|no more|up to", words) else "exactly")
            if _deed(p) and not p.has("there|see|visible|show"):
                return None
            return p.query("count", number=number, comparison=comparison, yes_no=True)
        if several and p.form == "yes_no":
            alone = p.has("alone|by (?:him|her|it)self|only one|just one|a single")
            return p.query("count", number=1 if alone else 2, comparison="exactly" if alone else "at least",
                yes_no=True)
    return None


def _deed(p: Parsed) -> str:
    """Return the verb where it says more than that a thing is there."""
    return "" if p.verb in {"appear", "visible", "count", "see", "show", "participate", "exist", "find", "contain",
        "include"} else p.verb


def _wearing(p: Parsed) -> Query | None:
    """What is she wearing?"""
    put_on = p.tokens[-1] == "on" and p.has("have|has|got")
    if put_on or p.has(r"wear\w*|worn|dressed|(?:have|has|got) on|clothes|clothing|outfit"):
        if p.form == "who" or (p.form == "which" and p.has("which (?:man|woman|person|boy|girl|one)")):
            return p.query("who", verb="wear")
        if p.form == "how_many":
            return None
        people = [noun for noun in p.nouns if noun.person]
        clothes = [noun for noun in p.nouns if noun.text in _CLOTHES] or [n for n in p.nouns if not n.person][-1:]
        return p.query("wearing", verb="wear", subject=people[0] if people else p.subject,
                       other=clothes[0] if clothes and people else p.other)
    return None


def _holding(p: Parsed) -> Query | None:
    """What is he holding?"""
    if p.has(r"hold(?:s|ing)?|carr(?:y|ies|ying)|held|in (?:his|her|their|its|the \w+ 's) (?:hands?|mouth|arms)|"
             r"grasp\w*") and p.form in {"what", "which", "yes_no", "bare"}:
        return p.query("holding", verb="hold")
    return None


def _who(p: Parsed) -> Query | None:
    """Who is there? Who rides the bike?"""
    if p.form in {"who", "whose"} or p.has(r"which (?:person|man|woman|boy|girl)"):
        return p.query("who", verb=_deed(p) if p.verb not in {"appear"} else "")
    return None


_THERE = re.compile(r"\b(?:is|are|was|were) (?:not )?there\b|\b(?:do|can|could|did|does)(?: not)? (?:you|we|i|one|"
                    r"anyone|the viewer) (?:see|notice|spot|find|recognise|identify|detect|make out)\b|\b(?:appear|"
                    r"appears|visible|shown|seen|show|present|contain|contains|include|includes|feature|features|"
                    r"depicted|displayed|exist|exists|have|has|got|detected|presence of|spotted|in sight)\b")


def _existence(p: Parsed) -> Query | None:
    """Is there a dog?"""
    if p.form not in {"yes_no", "bare", "command"} or not p.nouns:
        return None
    if p.yes_no and p.has("have|has|had|got") and (p.has("he|she|they|it") or (p.subject and p.subject.labels
        and p.other)):
        return p.query("doing", verb="have")  # what somebody has is no thing of its own: hair, a beard
    if p.yes_no and p.has("he|she|they") and not p.has("there|see"):
        return None
    there = _THERE.search(p.line)
    this = re.match(r"(?:is|are|was) (?:it|this|that|these|they|he|she) (?:a|an|the|any|some)?\b", p.line)
    named = len(p.choices) > 1 and all(re.match(r"an? ", words) for words in p.choices)
    if len(p.choices) > 1 and (there or this or named or p.form == "bare") and _deedless(p):
        return p.query("exist", yes_no=False, choices=p.choices)
    if there and _deedless(p):
        return p.query("exist", yes_no=True)
    if p.form == "bare" and not p.verb and len(p.tokens) <= 5:
        return p.query("exist", yes_no=True)
    whose = re.match(r"(?:is|are) the \w+ (?:a|an) \w+", p.line)
    if p.form == "yes_no" and (this or whose) and _deedless(p):
        return p.query("exist", yes_no=True, subject=p.nouns[-1] if whose else p.subject)
    if p.form == "yes_no" and re.match(r"(?:is|are|was) (?:an?|any|some|no) |(?:whether )?(?:nobody|no one|someone|"
                                       r"somebody|anyone|anybody|an?) (?:\w+ )?(?:is|are)\b", p.line) and not p.verb:
        return p.query("exist", yes_no=True)
    return None


def _deedless(p: Parsed) -> bool:
    """Whether no verb says what the thing does: "is there a dog", not "is there a dog running"."""
    return p.verb in {"", "appear", "visible", "exist", "contain", "include", "feature", "show", "see", "notice",
        "find", "spot",
        "detect", "depict"} or (
        p.verb in {"stand", "sit", "play", "park", "look"} and not p.has(rf"{p.verb}\w*ing|{p.verb}s?$"))


def _things(p: Parsed) -> Query | None:
    """What is there? Which animals?"""
    if p.form in {"what", "which", "command"} and p.has(
            r"(?:what|which)(?: (?:other|kind of|kinds of|type of|types of|sort of|sorts of|else))* (?:objects?|"
            r"things?|items?|animals?|vehicles?|furniture|foods?|fruits?|pets?|transport|creatures?|toys?|drinks?|"
            r"vegetables?|appliances?|devices?|cutlery|breed)|list|name (?:all|the|some|every)|"
            r"(?:the )?(?:main )?(?:objects?|things?|items?)(?: in| are|$)") and (_deedless(p) or p.verb in {"name",
            "list"}):
        kind = next((noun for noun in p.nouns if noun.kind), None)
        return p.query("what", subject=kind)
    if p.form == "what" and _THERE.search(p.line) and (not p.nouns or p.sides) and not p.has(r"happen\w*"):
        return p.query("what", subject=_pointed(p))
    if p.form in {"what"} and p.sides and not p.nouns and not p.has("he|she|they|it"):
        return p.query("what", subject=_pointed(p))
    return None


def _pointed(p: Parsed) -> Noun | None:
    """Return the thing that is asked for, at the side that the question points to."""
    if p.subject is not None or not p.sides:
        return p.subject
    return NOUNS["thing"].with_(side=p.sides[0][0])


def _doing(p: Parsed) -> Query | None:
    """What is he doing? Is she running?"""
    if (
        p.form in {"what", "which", "how", "command"}
        and (p.nouns or p.has("he|she|it|they|them"))
        and (
            p.has(
                r"do|does|doing|did|done|up to|activity|action|sport|game|exercise|perform\w*|happening|busy|"
                r"behav\w*"
            )
            or p.verb
        )
    ):
        return p.query("doing", attribute="sport" if p.has("sports?|games?") else "")
    if p.form in {"what", "which"} and p.has(r"sports?|games?|activity|exercise|instrument|dance|dish|meal"):
        return p.query("doing", attribute="sport" if p.has("sports?|games?") else "")
    if p.form in {"yes_no", "bare", "command"} and p.verb:
        return p.query("doing")
    return None


def _rest(p: Parsed) -> Query | None:
    """What is left: a yes or no about a thing, or a what with nothing known in it."""
    if p.form == "yes_no" and p.nouns and p.has("there"):
        return p.query("exist", yes_no=True)
    if p.form in {"what", "which"} and p.nouns:
        return p.query("doing" if p.verb else "other")
    return None


TOPICS = (_colour, _approach, _direction, _order, _when, _relation, _where, _count, _wearing, _moves, _things,
    _existence, _holding,
    _who, _doing, _rest)

__all__ = ["TOPICS", "about_repeats"]
