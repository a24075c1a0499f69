"""What was measured, as Markdown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

NOISE = "noise"  # shown for a difference that cannot be

_WITHOUT_DECIMALS = 100

Unit = Callable[[float], str]


@dataclass(frozen=True)
class Verdict:
    """A bar, and whether it is met."""

    work: str
    bar: str
    measured: str
    met: bool | None = None  # None if there is nothing to judge

    @property
    def cells(self) -> list[str]:
        """A line of the table."""
        return [self.work, self.bar, self.measured, {True: "met", False: "**not met**", None: "-"}[self.met]]


@dataclass(frozen=True)
class Table:
    """Lines of equal length below a head."""

    head: Sequence[str]
    lines: Sequence[Sequence[str]]

    @property
    def markdown(self) -> str:
        """The table, aligned for those who read it as text."""
        rows = [self.head, *self.lines]
        widths = [max(len(cell) for cell in column) for column in zip_longest(*rows, fillvalue="")]
        drawn = [_line(row, widths) for row in rows]
        return "\n".join([drawn[0], _line(["-" * width for width in widths], widths), *drawn[1:]])


@dataclass(frozen=True)
class Section:
    """One row of the benchmark: verdicts, the numbers behind them, and how they came about."""

    key: str
    title: str
    verdicts: Sequence[Verdict]
    tables: Sequence[Table]
    remarks: Sequence[str] = ()

    def markdown(self, note: str) -> str:
        """The section with the note on what bounds it."""
        parts = [f"## {self.title}", *(table.markdown for table in self.tables), *self.remarks]
        return "\n\n".join([*parts, *([f"**What bounds it now.** {note}"] if note else [])])


def document(sections: Sequence[Section], circumstances: Sequence[str], notes: Mapping[str, str]) -> str:
    """All of it."""
    verdicts = [verdict.cells for section in sections for verdict in section.verdicts]
    summary = Table(("work", "bar", "measured", ""), verdicts)
    parts = ["# Results", "\n".join(f"- {line}" for line in circumstances), summary.markdown]
    return (
        "\n\n".join([*parts, *(section.markdown(notes.get(section.key, "")) for section in sections)]) + "\n"
    )


def notes_by_section(text: str) -> dict[str, str]:
    """The notes below each heading, which names a section's key."""
    parts = text.split("\n## ")[1:]
    pairs = (part.partition("\n") for part in parts)
    return {key.strip(): note.strip() for key, _, note in pairs}


def seconds(value: float) -> str:
    """A duration for a person."""
    return f"{_short(value)} s"


def milliseconds(value: float) -> str:
    """Seconds, shown as milliseconds."""
    return f"{_short(value * 1000)} ms" if value > 0 else NOISE


def times(value: float) -> str:
    """A ratio."""
    return f"{_short(value)} x"


def judged(work: str, bar: str, pair: tuple[float, float], most: float, unit: Unit) -> Verdict:
    """Whether the first is at most so many times the second; differences may drown in noise."""
    first, second = pair
    if min(pair) <= 0:
        return Verdict(work, bar, NOISE)
    shown = f"{times(first / second)} ({unit(first)} / {unit(second)})"
    return Verdict(work, bar, shown, first / second <= most)


def ratio(first: float, second: float) -> str:
    """How many times the second the first is."""
    return times(first / second) if min(first, second) > 0 else NOISE


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= _WITHOUT_DECIMALS else f"{value:.2f}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return f"| {' | '.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))} |"
