"""Draws rooms on their floors, and which room imports which, from the source.

    python docs/refresh.py

An arrow leads from a room to one that it imports, unless another arrow's way leads there too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

PICTURES = {"": "house.svg", "training": "house-training.svg"}
"""Pictures by the room whose inside they show; "" is the house itself."""

WIDTH, ROW, BOX, MARGIN = 760, 70, 32, 20
LETTER = 8
"""Width of a letter of the labels, in pixels."""


def shortest_arrows(imports: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """Returns the imports between rooms that no longer way explains (the transitive reduction).

    Args:
        imports: of each room, the rooms that it imports; without circles.
    """

    def reached(room: str) -> set[str]:
        return {room}.union(*(reached(other) for other in imports[room]))

    ways = {room: set().union(*(reached(other) for other in imports[room])) for room in imports}
    return sorted(
        (room, other)
        for room, others in imports.items()
        for other in others
        if not any(other in ways[between] for between in others)
    )


def draw(floors: Sequence[set[str]], imports: Mapping[str, set[str]]) -> str:
    """Returns the picture as SVG, the highest floor on top.

    Args:
        floors: names of the rooms, the lowest floor first.
        imports: of each room, the rooms that it imports.
    """
    places: dict[str, tuple[float, float]] = {}
    height = 2 * MARGIN + ROW * len(floors)
    for number, rooms in enumerate(floors):
        y = height - MARGIN - ROW * number - BOX
        for place, room in enumerate(sorted(rooms)):
            # Rooms of neighboring floors are shifted, so that arrows do not hide behind boxes.
            shift = 0.5 + 0.12 * ((number % 3) - 1) if len(rooms) == 1 else 0.5
            places[room] = WIDTH * (place + shift) / len(rooms), y
    lines = []
    for start, end in shortest_arrows(imports):
        (x1, y1), (x2, y2) = places[start], places[end]
        middle = (y1 + BOX + y2) / 2
        lines.append(
            f'<path d="M{x1:.0f} {y1 + BOX:.0f} C{x1:.0f} {middle:.0f} {x2:.0f} {middle:.0f} '
            f'{x2:.0f} {y2 - 3:.0f}" class="arrow" marker-end="url(#tip)"/>'
        )
    for room, (middle, top) in places.items():
        width = LETTER * len(room) + 24
        lines.append(
            f'<rect x="{middle - width / 2:.0f}" y="{top:.0f}" width="{width:.0f}" '
            f'height="{BOX}" rx="4"/>'
            f'<text x="{middle:.0f}" y="{top + BOX / 2 + 4.5:.0f}">{escape(room)}</text>'
        )
    body = "\n".join(lines)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">
<title>The rooms of fmnistlab on their floors, and which room imports which</title>
<style>
svg {{ background: #fff }}
rect {{ fill: #eef5fa; stroke: #0a5c8f }}
text {{ font: 14px sans-serif; text-anchor: middle; fill: #123 }}
.arrow {{ fill: none; stroke: #0a5c8f; stroke-opacity: 0.55 }}
</style>
<defs><marker id="tip" markerWidth="7" markerHeight="7" refX="5" refY="3" orient="auto">
<path d="M0 0 L6 3 L0 6 z" fill="#0a5c8f"/></marker></defs>
{body}
</svg>
"""
