"""What the rows share: the table of measurements, and words below it."""

from collections.abc import Iterable, Mapping

from benchmarks.measure import Measurement
from benchmarks.results import Table, milliseconds, ratio, seconds

EXTRAPOLATED = (
    "`~`: extrapolated from the tenants named. Only they were shown to that contender, in a catalogue that"
    " held all."
)
PEERS = (
    "Peers run with their default settings, but for the number of processes or threads. The smart executor"
    " skips tenants with nothing pending; where something is, it runs django-tenants' own code."
    " django-pgschemas reads the same tables through settings of its own."
)
MARGINAL = (
    "Per tenant: what many tenants took less what a few took, divided by the difference of their numbers; so"
    " without start-up, planning and compiling. Medians."
)


def table(measurements: Iterable[Measurement], floors: Mapping[int, Measurement]) -> Table:
    """Everybody, and how they compare with the floor on as many connections."""
    head = ("contender", "tenants", "whole process", "per tenant", "per tenant / floor", "repetitions")
    return Table(head, [_line(one, floors.get(one.contender.jobs)) for one in measurements])


def whole(measurement: Measurement) -> str:
    """The time of all tenants."""
    return ("~ " if measurement.extrapolated else "") + seconds(measurement.whole)


def tenants(measurement: Measurement) -> str:
    """How many were measured."""
    return f"{measurement.few:,} and {measurement.many:,}"


def _line(one: Measurement, floor: Measurement | None) -> list[str]:
    return [
        one.contender.name,
        tenants(one),
        whole(one),
        milliseconds(one.marginal),
        ratio(one.marginal, floor.marginal) if floor else "-",
        str(len(one.pairs)),
    ]
