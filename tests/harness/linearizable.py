"""harness/linearizable: is there an order in which a register would have answered so?

Wing and Gong's search with Lowe's cache, for one register at a time (linearizability is local). An
operation whose outcome is not known may have taken effect at any time after it was begun, or never.
Values that are written are all different.
"""

INFINITY = float("inf")


class Operation:
    """`kind`: "get" (result: what was seen), "set", "swap" (result: what was there before), "cas"
    (result: what had to be there, and was)."""

    __slots__ = ("kind", "value", "result", "begin", "end")

    def __init__(self, kind, value, result, begin, end):
        self.kind = kind
        self.value = value
        self.result = result
        self.begin = begin
        self.end = end  # INFINITY: never answered

    def step(self, state):
        """(possible, state after it)."""
        if self.kind == "get":
            return state == self.result, state
        sees = self.kind == "cas" or self.kind == "swap" and self.end != INFINITY
        return not sees or state == self.result, self.value

    def __repr__(self):
        end = "never" if self.end == INFINITY else f"{self.end:.4f}"
        return f"{self.kind} {self.value!r} -> {self.result!r} [{self.begin:.4f}, {end}]"


def is_linearizable(operations, initial=None):
    """Unknown reads say nothing, nor do unknown writes whose value nobody saw: they are left out."""
    known = sorted((one for one in operations if one.end != INFINITY), key=lambda one: one.begin)
    seen_values = {one.result for one in operations if one.kind in ("get", "cas") or one.end != INFINITY}
    unknown = [one for one in operations if one.end == INFINITY and one.kind != "get" and one.value in seen_values]
    visited = set()
    # Depth first, by hand: (how many of the known are taken without a gap, bits of those taken behind, bits of the unknown, state).
    stack = [(0, 0, 0, initial)]
    while stack:
        situation = stack.pop()
        if situation in visited:
            continue
        visited.add(situation)
        base, taken, unknown_taken, state = situation
        if base == len(known):
            return True
        # Whatever begins before the first end of those that are left may come next.
        first_end, number, choices = INFINITY, base, []
        while number < len(known) and known[number].begin <= first_end:
            if not taken >> (number - base) & 1:
                first_end = min(first_end, known[number].end)
                choices.append(number)
            number += 1
        for number, one in enumerate(unknown):
            if not unknown_taken >> number & 1 and one.begin <= first_end:
                possible, after = one.step(state)
                if possible:
                    stack.append((base, taken, unknown_taken | 1 << number, after))
        for number in choices:
            one = known[number]
            possible, after = one.step(state)
            if possible and one.begin <= first_end:
                bits, start = taken | 1 << (number - base), base
                while bits & 1:
                    bits, start = bits >> 1, start + 1
                stack.append((start, bits, unknown_taken, after))
    return False


def self_test():
    """A checker that cannot fail proves nothing."""
    def at(*rows):
        return [Operation(*row) for row in rows]
    assert is_linearizable(at(("set", 1, None, 0, 1), ("get", None, 1, 2, 3)))
    assert not is_linearizable(at(("set", 1, None, 0, 1), ("get", None, None, 2, 3)))
    assert is_linearizable(at(("set", 1, None, 0, 3), ("get", None, None, 1, 2)))
    # A read that saw it, and a later one that did not.
    assert not is_linearizable(at(("set", 1, None, 0, 9), ("get", None, 1, 1, 2), ("get", None, None, 3, 4)))
    # Unknown: it may come late, or never, but not twice.
    assert is_linearizable(at(("set", 1, None, 0, INFINITY), ("get", None, None, 1, 2), ("get", None, 1, 3, 4)))
    assert is_linearizable(at(("set", 1, None, 0, INFINITY), ("get", None, None, 1, 2)))
    assert not is_linearizable(at(("set", 1, None, 5, INFINITY), ("get", None, 1, 1, 2)))
    assert not is_linearizable(at(("set", 1, None, 0, INFINITY), ("get", None, 1, 1, 2), ("set", 2, None, 3, 4),
                                  ("get", None, 2, 5, 6), ("get", None, 1, 7, 8)))
    assert is_linearizable(at(("swap", 1, None, 0, 1), ("swap", 2, 1, 2, 3), ("get", None, 2, 4, 5)))
    assert not is_linearizable(at(("swap", 1, None, 0, 1), ("swap", 2, None, 2, 3)))
    # Compare-and-set: of two that saw the same, one is done; an unknown one asks for it, too.
    assert is_linearizable(at(("set", 1, None, 0, 1), ("cas", 2, 1, 2, 3), ("cas", 3, 2, 2, 5), ("get", None, 3, 6, 7)))
    assert not is_linearizable(at(("set", 1, None, 0, 1), ("cas", 2, 1, 2, 5), ("cas", 3, 1, 2, 5)))
    assert not is_linearizable(at(("set", 1, None, 0, 1), ("set", 2, None, 2, 3), ("cas", 3, 1, 2, INFINITY),
                                  ("get", None, 2, 4, 5), ("get", None, 3, 6, 7)))
    assert is_linearizable(at(("set", 1, None, 0, 1), ("set", 2, None, 4, 5), ("cas", 3, 1, 2, INFINITY),
                              ("get", None, 3, 2, 3), ("get", None, 2, 6, 7)))
