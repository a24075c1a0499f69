"""Measure: contenders in turn on the same tenants, a few of them and many, repeated and interleaved."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.contenders import Contender
from benchmarks.sites import Site

Entry = tuple[Site, Contender]


@dataclass(frozen=True)
class Pair:
    """What a few tenants took, and what many took, in seconds."""

    few: float
    many: float


@dataclass(frozen=True)
class Measurement:
    """All repetitions of one contender."""

    contender: Contender
    few: int
    many: int
    total: int  # the tenants that the row is about
    pairs: tuple[Pair, ...]

    @property
    def marginal(self) -> float:
        """Seconds for each tenant more: what many took less what a few took, by the difference."""
        return median((pair.many - pair.few) / (self.many - self.few) for pair in self.pairs)

    @property
    def whole(self) -> float:
        """Seconds for all tenants, from the start of the process to its end."""
        measured = median(pair.many for pair in self.pairs)
        return measured + self.marginal * (self.total - self.many)

    @property
    def extrapolated(self) -> bool:
        """Whether fewer tenants were measured."""
        return self.many < self.total


def compare(entries: Sequence[Entry]) -> list[Measurement]:
    """Every contender as often as it asks for, each in turn the first of a round."""
    pairs: list[list[Pair]] = [[] for _ in entries]
    for round in range(max(contender.repetitions for _, contender in entries)):
        for turn in range(len(entries)):
            at = (round + turn) % len(entries)
            if round < entries[at][1].repetitions:
                pairs[at].append(_pair(*entries[at]))
    return [_measurement(*entry, found) for entry, found in zip(entries, pairs, strict=True)]


def _pair(site: Site, contender: Contender) -> Pair:
    few, many = _groups(site, contender)
    site.make_pending([*few, *many])
    if contender.sample is None:
        # The tenants are the same in both runs; those that are not measured need nothing.
        site.show(site.everybody)
        site.replay(few, 1)
        long = _run(site, contender, many)
        site.make_pending(few)
        return Pair(_run(site, contender, few), long)
    return Pair(*(_run(site, contender, names, shown=names) for names in (few, many)))


def _groups(site: Site, contender: Contender) -> tuple[Sequence[str], Sequence[str]]:
    """A few tenants, and many others."""
    if contender.sample is None:
        return site.few, site.many
    few, many = contender.sample
    return site.many[:few], site.many[few : few + many]


def _run(site: Site, contender: Contender, names: Sequence[str], shown: Sequence[str] = ()) -> float:
    if shown:
        site.show(shown)
    site.make_ready()
    seconds = contender.run(site, names)
    site.require_done(names)
    return seconds


def _measurement(site: Site, contender: Contender, pairs: Sequence[Pair]) -> Measurement:
    few, many = _groups(site, contender)
    return Measurement(contender, len(few), len(many), len(site.many), tuple(pairs))
