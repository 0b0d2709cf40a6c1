"""bench/chart: ratios as horizontal bars with quartile whiskers, as an SVG of our own making.

No background, and colours of middle lightness, so that it reads on white and on black alike; no script,
no style sheet, no font but the reader's, so that it shows wherever an image may.
"""

from xml.sax.saxutils import escape

import stats
import systems
from cells import title_of

WIDTH, LEFT, RIGHT = 860, 180, 110
TOP, BAR, GAP, GROUP_GAP = 76, 11, 3, 12
BOTTOM = 34
TEXT, FAINT, LINE, ON_BAR = "#7a828c", "#8b949e55", "#d0663a", "#ffffffd0"
COLOURS = {"none": "#4c8fd6", "everysec": "#3fa392", "always": "#a678d8"}
FONT = 'font-family="system-ui, sans-serif"'


def ratio_chart(results, title, subtitle):
    """The SVG's text. A group a cell, a bar a system: AlfheimDB's requests per second over that system's."""
    groups = groups_of(results)
    longest = max([spread.high for _, bars in groups for _, spread in bars] + [1.0])
    axis = Axis(longest * 1.05)
    parts, y = [], TOP
    for cell, bars in groups:
        height = len(bars) * (BAR + GAP) - GAP
        parts.append(text(LEFT - 10, y + height / 2 + 4, title_of(cell), anchor="end", size=12))
        for system, spread in bars:
            parts.append(bar(axis, y, system, spread))
            y += BAR + GAP
        y += GROUP_GAP
    bottom = y - GROUP_GAP + 6
    height = bottom + BOTTOM
    head = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
            f'height="{height}" {FONT} role="img" aria-label="{escape(title)}">',
            text(10, 22, title, size=16, weight="600"), text(10, 41, subtitle, size=11), legend(10, 60)]
    return "\n".join(head + axis.lines(TOP - 6, bottom) + parts + ["</svg>", ""])


def groups_of(results):
    groups = []
    for cell in results.cells():
        ours = results.values(cell, systems.ALFHEIMDB, "rate")
        bars = []
        for system in systems.PEERS:
            of_rounds = stats.ratios(ours, results.values(cell, system, "rate"))
            if of_rounds:
                bars.append((system, stats.Spread(of_rounds)))
        if bars:
            groups.append((cell, bars))
    return groups


class Axis:
    """Ratios to horizontal places, from zero on: a bar's length must be its ratio."""

    STEPS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50)

    def __init__(self, end):
        self.end = end

    def x(self, ratio):
        return round(LEFT + (WIDTH - LEFT - RIGHT) * min(ratio, self.end) / self.end, 1)

    def lines(self, top, bottom):
        step = next((step for step in self.STEPS if self.end / step <= 10), self.STEPS[-1])
        found, value = [], 0.0
        while value <= self.end:
            found.append(line(self.x(value), top, self.x(value), bottom, FAINT))
            found.append(text(self.x(value), bottom + 16, f"{value:g}×", anchor="middle", size=11))
            value += step
        # The line that matters: as fast as Redis.
        found.append(line(self.x(1), top, self.x(1), bottom, LINE, width=1.5))
        return found


def bar(axis, y, system, spread):
    middle = y + BAR / 2
    label = f"{stats.number(spread.median)}×"
    return "".join([
        f'<rect x="{LEFT}" y="{y}" width="{max(0.5, round(axis.x(spread.median) - LEFT, 1))}" height="{BAR}" rx="1.5" '
        f'fill="{COLOURS[system]}"><title>{escape(systems.LABELS[system])}: '
        f'{stats.with_quartiles(spread)}</title></rect>',
        # The whisker's lower half lies on the bar, the upper one on whatever is behind the picture.
        line(axis.x(spread.low), middle, axis.x(spread.median), middle, ON_BAR, width=1.2),
        line(axis.x(spread.low), middle - 3, axis.x(spread.low), middle + 3, ON_BAR, width=1.2),
        line(axis.x(spread.median), middle, axis.x(spread.high), middle, TEXT, width=1.2),
        line(axis.x(spread.high), middle - 3, axis.x(spread.high), middle + 3, TEXT, width=1.2),
        text(max(axis.x(spread.high), axis.x(spread.median)) + 6, middle + 3.5, label, size=10)])


def legend(x, y):
    parts = []
    for system in systems.PEERS:
        label = f"against {systems.LABELS[system]}"
        parts.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10" rx="1.5" fill="{COLOURS[system]}"/>')
        parts.append(text(x + 15, y, label, size=11))
        x += 45 + 7 * len(label)
    return "".join(parts)


def text(x, y, words, *, anchor="start", size=12, weight="400"):
    return (f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
            f'fill="{TEXT}">{escape(words)}</text>')


def line(x1, y1, x2, y2, colour, width=1):
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}" stroke-width="{width}"/>'
