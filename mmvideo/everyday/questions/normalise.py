"""From free text to words: case, contractions, politeness, spelling; and what is no question to answer."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache

from mmvideo.everyday.questions.lists import word_set

MAX_WORDS = 120
"""Of a question; longer ones are not read."""
_CONTRACTIONS = (
    (r"\bcan['’]?t\b", "can not"), (r"\bwon['’]t\b", "will not"), (r"\bain['’]t\b", "is not"),
    (r"\b(is|are|was|were|do|does|did|has|have|could|would|should)n['’]?t\b", r"\1 not"), (r"\bcannot\b", "can not"),
    (r"\b(what|who|where|when|how|there|that|it|he|she|here|which)['’]s\b", r"\1 is"),
    (r"\b(whats|whos|wheres|hows|theres)\b", lambda found: found[0][:-1] + " is"),
    (r"\b(they|we|you|what|who|where|there)['’]re\b", r"\1 are"), (r"['’]ll\b", " will"), (r"\bi['’]d\b", "i would"),
    (r"\bi['’]m\b", "i am"), (r"['’]ve\b", " have"), (r"\bwanna\b", "want to"), (r"\bgonna\b", "going to"),
    (r"\b(?:what|wat|wut) ?r\b", "what are"), (r"\bu\b", "you"), (r"\bpls\b|\bplz\b", "please"), (r"\bvid\b", "video"),
    (r"\bpeoples\b", "people"), (r"\bhow much (people|persons|men|women|children|cars|dogs)\b", r"how many \1"),
)
_SPELLINGS = {
    "wat": "what", "wht": "what", "waht": "what", "whta": "what", "wich": "which", "whic": "which", "hwo": "how",
    "woh": "who", "wher": "where", "wen": "when", "thier": "their", "teh": "the", "hte": "the", "thre": "there",
    "ther": "there", "si": "is", "adn": "and", "ppl": "people", "abt": "about", "ur": "your", "r": "are", "n": "and",
    "color": "colour", "colors": "colours", "colored": "coloured", "gray": "grey", "center": "middle",
    "centre": "middle",
    "middel": "middle", "theater": "theatre", "movie": "video", "film": "video", "clip": "video", "footage": "video",
    "recording": "video", "gif": "video", "videoclip": "video", "videos": "video", "clips": "video", "movies": "video",
    "summarize": "summarise", "recognize": "recognise", "realise": "realize", "tyre": "tire", "pajamas": "pyjamas",
    "aeroplane": "airplane", "plough": "plow", "favorite": "favourite", "behaviour": "behavior", "jewellery": "jewelry",
    "upwards": "up", "downwards": "down", "leftwards": "left", "rightwards": "right", "upward": "up",
    "downward": "down",
    "leftward": "left", "rightward": "right", "toward": "towards", "beside": "next to", "nearer": "closer",
    "further": "farther",
    "lefthand": "left", "righthand": "right", "left-hand": "left", "right-hand": "right", "inside": "inside",
    "amongst": "among", "persons": "people", "alot": "many", "photo": "picture", "image": "picture", "pic": "picture",
    "photograph": "picture", "frame": "frame", "someone's": "someone", "travelling": "traveling", "ok": "", "okay": "",
    "hey": "",
    "hi": "", "hello": "", "please": "", "thanks": "", "kindly": "", "actually": "", "basically": "",
    "exactly": "exactly",
    "currently": "", "perhaps": "", "maybe": "", "also": "", "really": "", "just": "just", "well": "", "um": "",
    "uh": "", "so": "",
}
_POLITE = tuple(re.compile(pattern) for pattern in (
    r"^(?:and|but|then|now|sir|madam|dear \w+) ",
    r"^(?:(?:can|could|would|will|may|might) (?:you|i|we|u|anyone|somebody) )?(?:please )?(?:(?:tell|inform|show|"
    r"let) (?:me|us)(?: know)?|say|answer|explain|specify|state|identify for me)(?: please)?(?: about)?(?= (?:what|"
    r"who|where|when|how|which|whose|why|if|whether|is|are|does|do|the colour|the number|in|at|for|on|to))",
    r"^(?:do|did|would|can|could) (?:you|anyone|we) (?:know|tell|guess|say|work out|figure out|determine|see|spot|"
    r"notice|find out|recognise|make out)(?= (?:what|who|where|when|how|which|whose|why|if|whether)\b)",
    r"^i (?:would|want|need|wish|am|like)(?: like)?(?: to)? (?:know|ask|find out|understand|hear|learn|be told|"
    r"wondering|curious)(?: about)?(?: is)?",
    r"^(?:can|could|would|will) (?:you|we|i) (?=(?:count|describe|list|name|summarise|explain|caption|give|identify|"
    r"estimate)\b)",
    r"^i (?:was|am) wondering(?: about)?", r"^i wonder(?: about)?", r"^(?:my )?question(?: is)?(?= )",
    r"^(?:based on|according to|judging by|judging from|looking at|watch|look at|considering|given|from) (?:the |"
    r"this |that )(?:video|picture|scene)(?: and)?(?: tell me| say| answer| here)?",
    r"^(?:in|within|during|for|throughout|about|regarding) (?:the |this |that )(?:whole |entire |given |"
    r"short )?(?:video|picture|scene)",
    r"(?:as )?(?:shown|seen|displayed|depicted|presented|featured) in (?:the|this) (?:video|picture)$",
))
_ASSUMED = re.compile(r"^(?:would you (?:say|think|agree)|(?:do|don t|do not) you (?:think|believe|reckon)|"
                      r"i (?:think|believe|guess)|is it (?:true|correct|right|possible|fair to say)|am i right|"
                      r"can you confirm|is it the case)(?: that| if)? (?!what|who|where|when|how|which)")
_BE_SEEN = re.compile(r"^(?:can|could) ((?:an?|any|some) .+?|\w+s) be (?:seen|spotted|noticed|made out)\b")
_SHOWS = re.compile(r"^(?:does|do|did) (?:this|that|it) (?:show|contain|include|feature|depict) "
                    r"(?=an?\b|any|some|\w+s\b)")
_FRAME = re.compile(r"\b(?:(?:anywhere|somewhere|at any (?:time|point|moment)|any ?time|at some (?:time|point|"
                    r"moment)|ever|at all|right now|at the moment|at present|there now) ?)+(?= |$)")
_IN_VIDEO = re.compile(r"\b(?:in|of|on|throughout|during|within|from|for|by|through|inside) (?:the |this |that |"
                       r"your |my |our )(?:whole |entire |short |given |above |main )?(?:video|picture|screen|frame|"
                       r"shot)s?\b(?! (?:about|show|start|end))|\bon (?:screen|camera|video)\b|\bof (?:the|"
                       r"this) scene\b|\bin (?:the|this) scene\b|\bin here\b|\bin it\b$|\bin view\b")
FOREIGN = {
    "German": "in was dem den der die das ist sind ein eine und wie viele wer wo wann nicht auf im welche farbe hat "
              "gibt es zu sehen hund mann frau passiert wird läuft machen macht bitte zeigt",
    "French": "le la les est sont un une et combien qui où quand pas dans quelle couleur que quoi il elle y a chien "
              "homme femme fait se passe des du au sur vidéo c'est qu'est-ce sont-ils cette ce",
    "Spanish": "el la los las es son un una y cuántos cuantos cuántas quién quien dónde donde cuándo no en qué que "
               "hay de color perro hombre mujer está están hace del por para video esta este pasa",
    "Italian": "il lo la gli le è sono un una e quanti quante chi dove quando non nel nella che cosa di colore c'è "
               "ci cane uomo donna sta fa succede questo questa cane",
    "Portuguese": "o os as é são um uma e quantos quantas quem onde quando não no na que cor há do da cachorro homem "
                  "mulher está fazendo acontece este esta isso",
    "Dutch": "de het is zijn een en hoeveel wie waar wanneer niet in op welke kleur er wat doet hond man vrouw "
             "gebeurt deze dit van te zien",
    "Polish": "jest są i ile kto gdzie kiedy nie w na jaki co to czy pies kobieta mężczyzna robi się tym film",
    "Swedish": "är en ett och hur många vem var när inte på i vilken färg det finns hund man kvinna gör händer vad",
    "Turkish": "bir ve kaç kim nerede ne zaman değil var mı bu renk köpek adam kadın yapıyor video da de",
}
_ENGLISH = word_set("the is are a an in of on what who where when how many does do did there any it this that and to "
                    "with at which why can you see was were has have his her their he she they doing happens next "
                    "video be or not for")
_UNSAFE = re.compile(
    r"\bhow (?:to|can i|do i|could i|would i|should i) (?:\w+ )?(?:make|build|buy|get|use)? ?(?:a |an |"
    r"some )?(?:bombs?|explosives?|meth|drugs|weapons?|poison|kill|murder|hurt|stalk|hack|attack|rape|stab|"
    r"shoot (?:him|her|them|people|someone))\b|\b(?:kill|murder|hurt|harm|stalk|attack|rape|poison|kidnap|"
    r"blackmail) (?:him|her|them|this (?:man|woman|person|girl|boy|child)|(?:my|these|those) \w+)\b.*|"
    r"\b(?:home address|phone number|passport|social security)\b|"
    r"\b(?:sexy|fuckable|nude|nudes|undress (?:him|her|them)|porn|erotic|have sex)\b|\bhow to (?:commit )?suicide\b|"
    r"\bkill myself\b|\b(?:which|what) (?:race|religion|ethnicity) (?:is|are) (?:superior|inferior|worse)\b")
REASONS = {
    "empty": "there is no question", "unsafe": "the question asks for something that may harm people",
    "long": f"the question is longer than {MAX_WORDS} words", "language": "only questions in English are understood",
}


def guard(text: str) -> str:
    """Say why a text is no question to answer: empty, long, language or unsafe; "" where it is one."""
    words = re.findall(r"\w+", text)
    if not words:
        return "empty"
    if _UNSAFE.search(text.lower()):
        return "unsafe"
    if len(words) > MAX_WORDS:
        return "long"
    return "language" if foreign(text) else ""


def foreign(text: str) -> str:
    """Name the language of a text, or what script it is in, where that is not English; "" where it is."""
    letters = [letter for letter in text if letter.isalpha()]
    strange = [letter for letter in letters if "LATIN" not in unicodedata.name(letter, "")]
    if letters and len(strange) > .3 * len(letters):
        return unicodedata.name(strange[0], "another script").split()[0].capitalize()
    words = re.findall(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", text.lower())
    best, hits, english = "", 0, 0
    for name, listed in FOREIGN.items():
        own = set(listed.split())
        count = sum(word in own and (word not in _ENGLISH) for word in words)
        if count > hits:
            best, hits = name, count
            english = sum((word in _ENGLISH or word.endswith("ing")) and word not in own for word in words)
    accents = sum(any(ord(letter) > 127 for letter in word) for word in words)
    return best if hits + accents >= 2 and hits > english else ""


def plain_words(text: str) -> str:
    """Return the words of a question, in lower case, with one spelling, without politeness."""
    text = unicodedata.normalize("NFKC", text).lower().replace("’", "'").replace("´", "'").replace("`", "'")
    for pattern, spelled in _CONTRACTIONS:
        text = re.sub(pattern, spelled, text)
    text = re.sub(r"(\w)'s?\b", r"\1 's", text)
    text = re.sub(r"(\d+) ?s\b(?!\w)", r"\1 seconds", text)
    found = re.findall(r"\d+(?:[:.]\d+)?|[^\W\d_]+(?:-[^\W\d_]+)*|'s|,", text)
    words = [_SPELLINGS.get(word, word) for word in found]
    line = " ".join(" ".join(words).split())
    line = line.replace(" a video 's", " the video 's")
    return _without_politeness(line.replace(",", " ").strip())


def _without_politeness(line: str) -> str:
    line = " ".join(line.split())
    line = re.sub(r"\bget to (?=see|hear)|^(?:give|show|tell) (?:me |us )?(?=the (?:total |exact )?number of)", "",
        line)
    line = _SHOWS.sub("is there ", _BE_SEEN.sub(r"is there \1", line))
    line = _ASSUMED.sub("whether ", line)
    for _ in range(3):
        before = line
        for pattern in _POLITE:
            shorter = pattern.sub("", line).strip()
            if shorter:
                line = shorter
        if line == before:
            break
    return line


def without_frame(line: str) -> str:
    """Leave out "in the video", "at any time" and the like, unless nothing would remain."""
    shorter = " ".join(_IN_VIDEO.sub(" ", _FRAME.sub(" ", line)).split())
    return shorter or line


def near_word(word: str, known: frozenset[str]) -> str | None:
    """Return the known word that a typing error away is; None where there is none.

    Neighbours swapped count from four letters on, a letter too many, too few or wrong from six, and
    two errors from seven, if they leave the letters nearly the same: real words that no list has stay as they are.
    """
    if len(word) < 4 or not word.isalpha():
        return None
    near = []
    for other in _by_length(known, len(word)):
        if other[0] != word[0] and other[:2] != word[1::-1]:
            continue
        letters = sum(((Counter(word) - Counter(other)) + (Counter(other) - Counter(word))).values())
        if letters > 2 or (letters and len(word) < 6):
            continue
        edits = _edits(word, other, 2)
        if edits == 1 or (edits == 2 and len(word) >= 7 and word[-1] == other[-1]):
            near.append((edits, letters, abs(len(other) - len(word)), other))
    return min(near)[-1] if near else None


@lru_cache(maxsize=64)
def _by_length(known: frozenset[str], length: int) -> tuple[str, ...]:
    return tuple(sorted(word for word in known if abs(len(word) - length) <= 2 and len(word) > 3))


def _edits(one: str, two: str, most: int) -> int:
    """Count insertions, deletions, changes and swaps of neighbours that turn one word into another (Damerau 1964)."""
    before: list[int] = []
    last = list(range(len(two) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, other in enumerate(two, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == two[j - 2] and one[i - 2] == other:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
        before, last = last, row
    return last[-1]


__all__ = ["MAX_WORDS", "REASONS", "foreign", "guard", "near_word", "plain_words", "without_frame"]
