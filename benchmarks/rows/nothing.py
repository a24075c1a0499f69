"""Nothing pending: what a release costs that has nothing to do."""

from statistics import median

from benchmarks.contenders import smart, stock, threads
from benchmarks.lab import Lab
from benchmarks.measure import Measurement, compare
from benchmarks.processes import timed
from benchmarks.programs import release, set_up
from benchmarks.results import Section, Table, Verdict, milliseconds, seconds, times
from benchmarks.rows.common import EXTRAPOLATED, PEERS, tenants, whole
from benchmarks.sites import Site

_BEYOND_START_UP = 1.0
_LEAST_FASTER = 200


def nothing(lab: Lab) -> Section:
    """A thousand tenants with nothing to do."""
    with lab.site(lab.scale.narrow, "nothing") as site:
        start, own = beside_start_up(site, lab)
        slow, quick = lab.scale.sample, lab.scale.smart_sample
        contenders = [*stock(lab.jobs, slow), *smart(lab.jobs, quick), *threads(lab.jobs, slow)]
        found = compare([(site, contender) for contender in contenders])
    slowest = found[0].whole
    lines = [
        ["Django's own start-up", "-", seconds(start), "-", "-"],
        ["railway-release", f"{len(site.many):,}", seconds(own), "-", times(slowest / own)],
        *(_line(one, slowest) for one in found),
    ]
    head = ("contender", "tenants", "whole process", "per tenant", "faster than migrate_schemas")
    title = f"Nothing pending, {len(site.many):,} tenants"
    verdicts = _verdicts(len(site.many), start, own, slowest)
    return Section("nothing", title, verdicts, [Table(head, lines)], [EXTRAPOLATED, PEERS])


def beside_start_up(site: Site, lab: Lab) -> tuple[float, float]:
    """Medians, interleaved: Django's own start-up, and a release of all tenants with nothing to do."""
    site.show(site.many)
    site.make_ready()
    start, own = set_up(site.project, site.url), release(site.project, site.url, lab.jobs, lab.engine)
    # The first run compiles Python's files and fills caches.
    _ = timed(start), timed(own)
    pairs = [(timed(start), timed(own)) for _ in range(lab.scale.repetitions)]
    return median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)


def _verdicts(number: int, start: float, own: float, slowest: float) -> list[Verdict]:
    work, beyond, faster = f"nothing pending, {number:,} tenants", own - start, slowest / own
    start_up = f"start-up ({seconds(start)})"
    return [
        Verdict(
            work,
            f"{start_up} + {seconds(_BEYOND_START_UP)}",
            f"start-up + {seconds(beyond)}",
            beyond <= _BEYOND_START_UP,
        ),
        Verdict(
            work, f"{_LEAST_FASTER} x faster than migrate_schemas", times(faster), faster >= _LEAST_FASTER
        ),
    ]


def _line(one: Measurement, slowest: float) -> list[str]:
    return [
        one.contender.name,
        tenants(one),
        whole(one),
        milliseconds(one.marginal),
        times(slowest / one.whole),
    ]
