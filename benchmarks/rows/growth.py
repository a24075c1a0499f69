"""Growth: whether a tenant costs more where there are more tenants."""

from collections.abc import Sequence

from benchmarks.contenders import floor, ours
from benchmarks.lab import Lab
from benchmarks.measure import Measurement, compare
from benchmarks.results import Section, Table, Verdict, judged, milliseconds, seconds
from benchmarks.rows.common import MARGINAL, tenants, whole
from benchmarks.rows.nothing import beside_start_up

_MOST_GROWTH = 1.2
_BEYOND_START_UP = 5.0


def growth(lab: Lab) -> Section:
    """Ten mixed migrations at 100 and at 300 tenants; nothing pending at 10,000."""
    scale = lab.scale
    with lab.site(scale.wide, "mixed") as small, lab.site(scale.wider, "mixed") as large:
        contenders = ours(lab.jobs, lab.engine, scale.repetitions), floor(lab.jobs, scale.repetitions)
        found = compare([(site, contender) for contender in contenders for site in (small, large)])
    with lab.site(scale.tiny, "nothing") as tiny:
        start, own = beside_start_up(tiny, lab)
    verdicts = [_growth(found), _tiny(len(tiny.many), start, own)]
    return Section("growth", "Growth", verdicts, [_table(found)], [MARGINAL])


def _growth(found: Sequence[Measurement]) -> Verdict:
    small, large = found[:2]
    work = f"growth from {small.many} to {large.many} tenants, ten mixed migrations"
    pair = (large.marginal, small.marginal)
    return judged(work, f"per tenant, {_MOST_GROWTH:g} x", pair, _MOST_GROWTH, milliseconds)


def _tiny(number: int, start: float, own: float) -> Verdict:
    return Verdict(
        f"nothing pending, {number:,} tenants of three tables",
        f"start-up ({seconds(start)}) + {seconds(_BEYOND_START_UP)}",
        f"start-up + {seconds(own - start)}",
        own - start <= _BEYOND_START_UP,
    )


def _table(found: Sequence[Measurement]) -> Table:
    head = ("contender", "tenants", "whole process", "per tenant")
    lines = [[one.contender.name, tenants(one), whole(one), milliseconds(one.marginal)] for one in found]
    return Table(head, lines)
