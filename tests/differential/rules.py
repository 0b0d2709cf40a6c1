"""differential/rules: where two correct servers may answer differently, and by how much.

Everything not named here is compared byte for byte. A rule sees the raw bytes of both replies,
after they were found to differ, and says what is wrong, or None.
"""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import resp  # noqa: E402


def _decode(raw):
    return resp.decode(raw)[0]


def _same_kind(subject, reference):
    return subject[:1] == reference[:1]


def _within(subject, reference, tolerance):
    if not (_same_kind(subject, reference) and subject[:1] == b":"):
        return "not both integers"
    left, right = _decode(subject), _decode(reference)
    if left < 0 or right < 0:
        return "a negative answer must be equal"
    return None if abs(left - right) <= tolerance else f"differ by more than {tolerance}"


def milliseconds_left(subject, reference, skew):
    """PTTL, PEXPIRETIME: a relative deadline was set at a slightly other moment on each server."""
    return _within(subject, reference, 50 + int(skew * 1000))


def seconds_left(subject, reference, skew):
    """TTL, EXPIRETIME: the same, rounded."""
    return _within(subject, reference, 1 + int(skew))


def any_order(subject, reference, _skew):
    """KEYS: the order is the server's own business, the set is not."""
    if not _same_kind(subject, reference):
        return "different types"
    left, right = _decode(subject), _decode(reference)
    if not isinstance(left, list) or not isinstance(right, list):
        return "not both arrays"
    return None if sorted(left) == sorted(right) else "different sets of keys"


def some_key(subject, reference, _skew):
    """RANDOMKEY: nil on both or a key on both; that it exists is tested by the KEYS after it."""
    if not _same_kind(subject, reference) or (subject[:2] == b"$-") != (reference[:2] == b"$-"):
        return "a key on one server only"
    return None


def some_page(subject, reference, _skew):
    """SCAN, one page of it: a cursor and keys, whichever; full iterations are the scan step's."""
    left, right = _decode(subject), _decode(reference)
    shapes = [isinstance(v, list) and len(v) == 2 and isinstance(v[0], bytes) and isinstance(v[1], list) for v in (left, right)]
    return None if all(shapes) else "not both a cursor and an array"


def some_integer(subject, reference, _skew):
    """OBJECT IDLETIME and REFCOUNT, MEMORY USAGE, CLIENT ID, LASTSAVE: integers of the server's own."""
    return None if subject[:1] == b":" == reference[:1] else "not both integers"


def memory_usage(subject, reference, _skew):
    """MEMORY USAGE: Redis looks without asking whether the key is dead, until it happens to remove it; here a dead key is gone."""
    if subject in (b"_\r\n", b"$-1\r\n") and reference[:1] == b":":
        return None
    return some_integer(subject, reference, _skew)


def some_text(subject, reference, _skew):
    """CLIENT INFO and LIST: text about this connection; it is of the same type and not empty."""
    if not _same_kind(subject, reference):
        return "different types"
    return None if len(subject) > 20 else "too short to say anything"


def wall_clock(subject, reference, skew):
    """TIME: two bulk strings, the seconds close."""
    left, right = _decode(subject), _decode(reference)
    if not (isinstance(left, list) and isinstance(right, list) and len(left) == len(right) == 2):
        return "not both arrays of two"
    if abs(int(left[0]) - int(right[0])) > 2 + skew or not 0 <= int(left[1]) < 1000000:
        return "clocks too far apart"
    return None


def hello(subject, reference, _skew):
    """HELLO: the same fields and protocol; version, id and mode are the server's own."""
    if not _same_kind(subject, reference):
        return "different types"
    left, right = _decode(subject), _decode(reference)
    if isinstance(left, list):
        left, right = dict(zip(left[::2], left[1::2])), dict(zip(right[::2], right[1::2]))
    if not (isinstance(left, dict) and isinstance(right, dict)):
        return "not both maps"
    missing = set(right) - set(left)
    if missing:
        return f"fields missing: {sorted(missing)}"
    return None if left[b"proto"] == right[b"proto"] and left[b"role"] == right[b"role"] else "proto or role differ"


# The three fields of HELLO that are the server's own, wherever a raw conversation holds them.
_OWN_FIELDS = re.compile(
    rb"(\$7\r\nversion\r\n)\$\d+\r\n[0-9.]+\r\n|(\$2\r\nid\r\n):\d+\r\n|(\$4\r\nmode\r\n)\$\d+\r\n(?:cluster|standalone)\r\n")


def without_own_fields(conversation):
    """A raw conversation with HELLO's version, id and mode taken out; all else stays."""
    return _OWN_FIELDS.sub(lambda match: (match[1] or match[2] or match[3]) + b"<own>", conversation)


RULES = {
    (b"ttl",): seconds_left,
    (b"expiretime",): seconds_left,
    (b"pttl",): milliseconds_left,
    (b"pexpiretime",): milliseconds_left,
    (b"keys",): any_order,
    (b"randomkey",): some_key,
    (b"scan",): some_page,
    (b"object", b"idletime"): some_integer,
    (b"object", b"refcount"): some_integer,
    (b"memory", b"usage"): memory_usage,
    (b"client", b"id"): some_integer,
    (b"client", b"info"): some_text,
    (b"client", b"list"): some_text,
    (b"lastsave",): some_integer,
    (b"time",): wall_clock,
    (b"hello",): hello,
}
_CONTAINERS = {b"object", b"memory", b"client"}


def rule_for(arguments):
    name = arguments[0].lower()
    if name in _CONTAINERS:
        return RULES.get((name, arguments[1].lower())) if len(arguments) > 1 else None
    return RULES.get((name,))


def _elements(raw):
    """The raw bytes of each element of an array reply, or None when it is no array."""
    if raw[:1] != b"*" or raw[:2] == b"*-":
        return None
    position = raw.index(b"\r\n") + 2
    elements = []
    while position < len(raw):
        end = resp.skip(raw, position)
        elements.append(raw[position:end])
        position = end
    return elements


def compare(rule, queued, subject, reference, skew):
    """None when the replies may stand side by side; else why not. `queued` belongs to an EXEC."""
    if subject == reference:
        return None
    if queued is None:
        return rule(subject, reference, skew) if rule else "the bytes differ"
    left, right = _elements(subject), _elements(reference)
    if left is None or right is None or not len(left) == len(right) == len(queued):
        return "EXEC: not the same shape"
    for index, (one, other, element_rule) in enumerate(zip(left, right, queued)):
        problem = compare(element_rule, None, one, other, skew)
        if problem:
            return f"EXEC, reply {index}: {problem}"
    return None


class Tracker:
    """What a connection is in the middle of: follows MULTI, so that EXEC's replies get their rules."""

    IMMEDIATE = {b"exec", b"discard", b"multi", b"watch", b"quit", b"reset"}

    def __init__(self):
        self.queued = None

    @property
    def in_multi(self):
        return self.queued is not None

    def step(self, arguments):
        """(rule, queued rules of the block that this command ends)."""
        if isinstance(arguments, bytes):  # inline: never a transaction command
            if self.in_multi:
                self.queued.append(None)
            return None, None
        name = arguments[0].lower()
        if name not in self.IMMEDIATE:
            rule = rule_for(arguments)
            if self.in_multi:
                self.queued.append(rule)
                return None, None
            return rule, None
        ended = None
        if name == b"multi" and len(arguments) == 1 and not self.in_multi:
            self.queued = []
        elif name == b"exec" and len(arguments) == 1:
            ended, self.queued = self.queued, None
        elif name in (b"discard", b"reset") and len(arguments) == 1:
            self.queued = None
        return None, ended
