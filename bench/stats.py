"""bench/stats: medians, quartiles, ratios, and the judgement of a target.

Quartiles and not deviations: a stall of the disk in one round must not move what is reported.
"""

import math
import statistics

SUFFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


class Spread:
    """First quartile, median, third quartile of one figure over the rounds."""

    def __init__(self, values):
        values = sorted(values)
        if not values:
            raise ValueError("a spread of no values")
        self.count = len(values)
        if len(values) == 1:
            self.low = self.median = self.high = values[0]
        else:
            self.low, self.median, self.high = statistics.quantiles(values, n=4, method="inclusive")

    def __repr__(self):
        return f"Spread({self.low}, {self.median}, {self.high})"


def ratios(ours, theirs):
    """Round by round: both of a pair ran within the same minute, so slow drifts cancel out."""
    return [a / b for a, b in zip(ours, theirs) if b > 0]


def geometric_mean(values):
    return math.exp(sum(math.log(value) for value in values) / len(values))


# What is said about a target. Missed is what lies outside the quartiles, and nothing else.
MET, WITHIN, MISSED = "met", "within quartiles", "MISSED"


def judge(spread, sign, bound):
    """`sign` says which side of the bound is good: ">=" or "<="."""
    if sign == ">=":
        good, touches = spread.median >= bound, spread.high >= bound
    elif sign == "<=":
        good, touches = spread.median <= bound, spread.low <= bound
    else:
        raise ValueError(f"sign {sign!r}")
    return MET if good else WITHIN if touches else MISSED


def number(value):
    """Three significant digits, with a letter from a thousand on."""
    if value is None:
        return "-"
    for size, letter in SUFFIXES:
        if abs(value) >= size * 0.9995:
            return f"{value / size:.{digits_after(value / size)}f}{letter}"
    return f"{value:.{digits_after(value)}f}"


def digits_after(value):
    return 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2


def with_quartiles(spread):
    if spread is None:
        return "-"
    return f"{number(spread.median)} ({number(spread.low)}-{number(spread.high)})"
