"""Text that may be shown or written: addresses without passwords and signatures, names without undecodable bytes."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import unquote

MASK = "***"

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s<>]+")
_USER = re.compile(r"(://)[^/?#\s]*@")
_USER_WITH_SLASH = re.compile(r"(://)[^/?#\s:\[]*:(?!\d*(?:[/?#]|$))\S*@")
"""A password with an unescaped / ? or #; what follows the colon is no port."""
_IN_PATH = re.compile(r"([/;~,])([^/;~,=?#]+)=([^/;~,?#]*)")
_IN_QUERY = re.compile(r"([?&;#])(?:([^?&;#=]*)=)?([^&;#]*)")
_SECRET = re.compile(
    r"sig|token|secret|pass|pwd|auth|cred|key|session|hmac|hash|jwt|policy|access|cookie|bearer|ticket|nonce|hdn|md5"
    r"|(^|[._-])(code|otp|pin|sas|sid)$", re.IGNORECASE)
"""Names of parameters whose values open doors."""
_SIGNATURE = re.compile(r"^(x-(amz|goog|oss|cos|obs|tos)-signature|q-signature|signature|sig)$", re.IGNORECASE)
_SIGNING = re.compile(
    r"^(x-(amz|goog|oss|cos|obs|tos)-[a-z-]+|q-[a-z-]+|(aws|oss)accesskeyid|googleaccessid|accesskeyid|signature"
    r"|sig|expires|policy|key-pair-id|security-token|s[vepr]|sip|spr|ss|srt|skoid|sktid|skt|ske|sks|skv)$",
    re.IGNORECASE)
"""Parameters of a signed address (AWS, Google, Azure, CloudFront and others); all of them change with every signing."""
_RANDOM = re.compile(r"(?=[A-Za-z0-9]*[0-9])(?=[A-Za-z0-9]*[A-Za-z])[A-Za-z0-9]{16,}")
_DATE = re.compile(r"\d{8}T\d{6}Z")
_SHORTEST = 4
"""A shorter secret is not looked for outside its address: it would be found in any word."""
_QUOTED_END = re.compile(r"['\"),.:]*$")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LOOKS_ESCAPED = re.compile(r"\\(\\|x[0-9a-f]{2}|u[0-9a-f]{4})")


def redacted(text: str) -> str:
    """Replace what is secret in the addresses of a text: `user:password@`, keys and signatures.

    A signed address loses all parameters of its signature, so that it reads the same however often it is signed.
    """
    return _ADDRESS.sub(lambda found: _address(found[0])[0], text) if "://" in text else text


def without(text: str, address: str) -> str:
    """Return a text about an address, as a library may have written it, without what is secret in that address.

    The secret is found wherever it stands, also where the address was taken apart.
    """
    users = [found[0][3:-1] for pattern in (_USER_WITH_SLASH, _USER) for found in pattern.finditer(address)]
    secrets = {part for user in users for part in (user, *user.split(":", 1))}
    for found in _ADDRESS.finditer(address):
        _, hidden, signing = _address(found[0])
        secrets |= {part.partition("=")[2] for part in (*hidden, *signing)}
    for secret in sorted({form for one in secrets for form in (one, unquote(one))}, key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, MASK)
    return clean(text)


def tag(address: str) -> str:
    """Return 8 digits that tell addresses apart which `redacted` makes equal; empty if it hid at most a signature.

    Whoever is named before the @ does not count: the file is the same.
    """
    hidden = [part for found in _ADDRESS.finditer(address) for part in _address(found[0])[1]]
    return hashlib.sha256("\n".join(hidden).encode(errors="surrogatepass")).hexdigest()[:8] if hidden else ""


def clean(text: object) -> str:
    """Return a text that can be printed and written as UTF-8: redacted, control characters and lone bytes escaped.

    Line breaks and tabs stay.
    """
    words = redacted(str(text))
    return words if words.isprintable() else _UNPRINTABLE.sub(
        lambda found: found[0] if found[0] in "\n\t" else _code(found[0]), words)


def one_line(name: object) -> str:
    """Return the name of a clip as `clean` does, with line breaks and tabs escaped too, for a line of its own."""
    return _UNPRINTABLE.sub(lambda found: _code(found[0]), redacted(str(name)))


def escaped(name: str) -> str:
    r"""Return a name as printable text, so that different names stay different: `caf\xe9.mp4` for a byte 0xE9."""
    if _UNPRINTABLE.search(name) is None and _LOOKS_ESCAPED.search(name) is None:
        return name
    return _UNPRINTABLE.sub(lambda found: _code(found[0]), name.replace("\\", "\\\\"))


def _code(character: str) -> str:
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:  # a byte of a file name that is not UTF-8 (os.fsdecode)
        number -= 0xDC00
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def _address(address: str) -> tuple[str, list[str], list[str]]:
    """Return an address without its secrets, which parameters were hidden and sign nothing, and which sign."""
    body = _USER.sub(rf"\1{MASK}@", _USER_WITH_SLASH.sub(rf"\1{MASK}@", address))
    start = min((at for mark in "?#" if (at := body.find(mark)) >= 0), default=len(body))
    hidden: list[str] = []
    path = _IN_PATH.sub(lambda found: found[1] + _parameter(found[2], found[3], hidden), body[:start])
    parts = [(found[1], found[2], found[3]) for found in _IN_QUERY.finditer(body[start:])]
    signed = any(name is not None and _SIGNATURE.match(name) for _, name, _ in parts)
    query, mark, signing = "", MASK, []
    for before, name, value in parts:
        if signed and name is not None and _SIGNING.match(name):
            if mark:
                query += ("&" if query else before) + mark + _quoted_end(value)
            mark = ""
            signing += [f"{name}={value}"] if _SECRET.search(name) else []
        else:
            query += ("&" if before == "?" and query else before) + _parameter(name, value, hidden)
    return path + query, hidden, signing


def _quoted_end(value: str) -> str:
    """Return the quotation marks and brackets that end a value; they belong to the text around the address."""
    found = _QUOTED_END.search(value)
    return found[0] if found else ""


def _parameter(name: str | None, value: str, hidden: list[str]) -> str:
    """Return `name=value`, the value masked if the name or the value itself looks like a secret."""
    plain = unquote(value)
    secret = (name is not None and _SECRET.search(unquote(name))) or redacted(plain) != plain or (
        _RANDOM.search(_DATE.sub("", plain)) and not re.search(r"\.\w{2,4}$", plain))
    shown_name = "" if name is None else f"{name}="
    if not value or not secret:
        return shown_name + value
    end = _quoted_end(value)
    hidden.append(f"{name}={value[:len(value) - len(end)]}")
    return shown_name + MASK + end


__all__ = ["MASK", "clean", "escaped", "one_line", "redacted", "tag", "without"]
