"""Round trips: how often a tenant's migrations wait for the server, and what that means over a network."""

from collections.abc import Iterator, Sequence
from statistics import median

from benchmarks.contenders import Command, Contender, Start, release_program, stock_program
from benchmarks.lab import Lab
from benchmarks.measure import Measurement, compare
from benchmarks.processes import timed
from benchmarks.results import Section, Table, Verdict, milliseconds, ratio
from benchmarks.rows.common import MARGINAL
from benchmarks.sites import Site
from benchmarks.wire import DelayingProxy, StatementWire
from tests.support.proxy import opened

_MOST = 3
_ASK_NOTHING = ("create_model", "foreign_key", "default", "index", "run_sql")
_COUNTED = 7  # tenants
_SAMPLE_OF_SLOW = (1, 2)
_DELAYS = (0.0, 0.001, 0.005, 0.02)

_HOW = (
    "A round trip is whatever a client sends before it hears from the server again, counted on the wire by a"
    " proxy, for each migration from the record of the one before to its own. The first migration of a tenant"
    " bears what is done once for a tenant."
)
_DELAYED = (
    "Latency is added by a proxy on loopback, once for each round trip; at 0 ms the proxy only forwards."
    " One AddField, tenants of 30 tables."
)
_FAR = 0.05  # seconds
_FEW = 3  # tenants
_IN_ALL, _A_TENANT = 30, 2
_WATCHES = "pg_blocking_pids"
_WHOLE = (
    f"A whole release of {_FEW} tenants, with {_FAR * 1000:g} ms for each round trip: every message, of every"
    " connection, whose answer is waited for. The watch over the lock asks once a second beside it."
)


def trips(lab: Lab) -> Section:
    """Counts, then times."""
    with lab.site(lab.scale.wide, "mixed") as site:
        names, counts = [name for _, name in site.project.release.migrations], _counts(lab, site)
        whole, verdict = _whole(lab, site, round(sum(counts[0])))
    with lab.site(lab.scale.narrow, "addfield") as site:
        measured = compare([(site, one) for delay in _DELAYS for one in _delayed(lab, delay)])
    lines = [[name, f"{ours:g}", f"{stock:g}"] for name, ours, stock in zip(names, *counts, strict=True)]
    counted = Table(("migration", "railway-release", "migrate_schemas"), lines)
    verdicts = [_verdict(dict(zip(names, counts[0], strict=True))), verdict]
    tables, notes = [counted, whole, _latency(measured)], [_HOW, _WHOLE, _DELAYED, MARGINAL]
    return Section("trips", "Round trips", verdicts, tables, notes)


def _whole(lab: Lab, site: Site, of_migrations: int) -> tuple[Table, Verdict]:
    """What a release asks from its beginning to its end, over a slow network.

    `of_migrations` is what the migrations of one tenant ask by themselves.
    """
    names = site.many[:_FEW]
    site.make_pending(names)
    site.show(names)
    site.make_ready()
    with opened(DelayingProxy(site.url, _FAR)) as proxy:
        seconds = timed(release_program(lab.jobs, lab.engine)(site, proxy.url))
    site.require_done(names)
    purposes = {" read\0": "looking: preflight, plan, verify", " lock\0": "the release lock"}
    counts = dict.fromkeys((*purposes.values(), "migrating, with its sessions"), 0)
    for wire in proxy.wires:
        # Its name is in one of the first messages; a request for encryption may come before.
        begin = "".join(wire.texts[:3])
        purpose = next((text for mark, text in purposes.items() if mark in begin), list(counts)[-1])
        counts[purpose] += sum(_WATCHES not in text for text in wire.texts)
    total = sum(counts.values())
    lines = [*([name, str(count)] for name, count in counts.items()), ["all", str(total)]]
    most = _IN_ALL + _FEW * (of_migrations + _A_TENANT)
    work = f"a whole release of {_FEW} tenants whose migrations ask {of_migrations} times each"
    found = f"{total} ({seconds:.1f} s at {_FAR * 1000:g} ms)"
    verdict = Verdict(work, f"{most} round trips", found, total <= most)
    return Table(("round trips of a whole release", "number"), lines), verdict


def _counts(lab: Lab, site: Site) -> tuple[list[float], list[float]]:
    """The round trips of each migration, by us and by django-tenants."""
    own = _by_migration(site, release_program(lab.jobs, lab.engine), site.many[:_COUNTED])
    return own, _by_migration(site, stock_program(), site.many[_COUNTED : _COUNTED + 2])


def _by_migration(site: Site, start: Start, names: Sequence[str]) -> list[float]:
    site.make_pending(names)
    site.make_ready()
    # The first tenant is not counted: with it goes the shared schema, where there is nothing but records.
    site.show(names[:1])
    timed(start(site, site.url))
    site.show(names)
    with opened(DelayingProxy(site.url)) as proxy:
        timed(start(site, proxy.url))
    site.require_done(names)
    marks = [name.encode() for _, name in site.project.release.migrations]
    tenants = [tenant for wire in proxy.wires for tenant in _by_tenant(wire, marks, len(names))]
    return [median(counts) for counts in zip(*tenants, strict=True)]


def _by_tenant(wire: StatementWire, marks: list[bytes], tenants: int) -> Iterator[list[int]]:
    counts = wire.trips_until(marks * tenants)
    for start in range(0, len(counts), len(marks)):
        yield counts[start : start + len(marks)]


def _delayed(lab: Lab, delay: float) -> list[Contender]:
    own, stock = Command(release_program(lab.jobs, lab.engine), delay), Command(stock_program(), delay)
    return [
        Contender("ours", "railway-release", own, lab.scale.delayed, repetitions=lab.scale.repetitions),
        Contender("peer", "migrate_schemas", stock, _SAMPLE_OF_SLOW),
    ]


def _latency(measured: Sequence[Measurement]) -> Table:
    head = ("added latency", "railway-release, per tenant", "migrate_schemas, per tenant", "faster")
    lines = [
        [
            f"{delay * 1000:g} ms",
            milliseconds(own.marginal),
            milliseconds(stock.marginal),
            ratio(stock.marginal, own.marginal),
        ]
        for delay, own, stock in zip(_DELAYS, measured[::2], measured[1::2], strict=True)
    ]
    return Table(head, lines)


def _verdict(counts: dict[str, float]) -> Verdict:
    quiet = {name: count for name, count in counts.items() if name.partition("_")[2] in _ASK_NOTHING}
    name = max(quiet, key=lambda name: quiet[name])
    work = "round trips of an atomic migration that asks the database nothing"
    return Verdict(work, f"{_MOST}", f"{quiet[name]:g} ({name})", quiet[name] <= _MOST)
