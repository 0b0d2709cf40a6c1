"""harness/linearizable: is there an order in which a register would have answered so?

Wing and Gong's search with Lowe's cache, for one register at a time (linearizability is local). An
operation whose outcome is not known may have taken effect at any time after it was begun, or never.
"""

INFINITY = float("inf")


class Operation:
    """`kind`: "get" (result: what was seen), "set", "swap" (result: what was there before)."""

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
        if self.kind == "swap" and self.end != INFINITY and state != self.result:
            return False, state
        return True, self.value

    def __repr__(self):
        end = "never" if self.end == INFINITY else f"{self.end:.4f}"
        return f"{self.kind} {self.value!r} -> {self.result!r} [{self.begin:.4f}, {end}]"


def is_linearizable(operations, initial=None):
    """Reads that were never answered say nothing and are left out."""
    pending = sorted((one for one in operations if one.end != INFINITY or one.kind != "get"), key=lambda one: one.begin)
    needed = sum(1 for one in pending if one.end != INFINITY)
    seen = set()
    # Depth first, by hand: (bits of what was taken, state, how many of the needed ones).
    stack = [(0, initial, 0)]
    while stack:
        taken, state, done = stack.pop()
        if done == needed:
            return True
        if (taken, state) in seen:
            continue
        seen.add((taken, state))
        # Whatever begins before the first end of those that are left may come next.
        first_end = INFINITY
        for number, one in enumerate(pending):
            if not taken >> number & 1:
                if one.begin > first_end:
                    break
                first_end = min(first_end, one.end)
        for number, one in enumerate(pending):
            if one.begin > first_end:
                break
            if taken >> number & 1:
                continue
            possible, after = one.step(state)
            if possible:
                stack.append((taken | 1 << number, after, done + (one.end != INFINITY)))
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
    assert not is_linearizable(at(("set", 1, None, 0, INFINITY), ("get", None, 1, 1, 2), ("set", 2, None, 3, 4),
                                  ("get", None, 2, 5, 6), ("get", None, 1, 7, 8)))
    assert is_linearizable(at(("swap", 1, None, 0, 1), ("swap", 2, 1, 2, 3), ("get", None, 2, 4, 5)))
    assert not is_linearizable(at(("swap", 1, None, 0, 1), ("swap", 2, None, 2, 3)))
