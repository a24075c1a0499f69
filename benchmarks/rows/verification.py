"""Verification: what it takes to know that every tenant is what the code expects."""

import tempfile
from pathlib import Path
from statistics import median

from benchmarks.contenders import Command, Contender
from benchmarks.generator.files import SETTINGS
from benchmarks.lab import Lab
from benchmarks.measure import Measurement, compare
from benchmarks.memory import MEGABYTE, available, sampled
from benchmarks.processes import timed
from benchmarks.programs import manage, set_up, verify
from benchmarks.psql import replay
from benchmarks.results import Section, Table, Verdict, seconds
from benchmarks.rows.common import EXTRAPOLATED, whole
from benchmarks.sites import Site

_COLUMNS, _EVERYTHING = 1.5, 5.0
_FLAT = 20 * MEGABYTE  # the names of the tenants, and what is said of them, are not free

_BY_HAND = """
SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns
WHERE table_schema = '{}' ORDER BY 1, 2;
"""
_HOW = (
    "By hand: psql with one query of information_schema.columns for each tenant, in one session; its answers"
    " are not even compared. `migrate_schemas --check` compares records only."
)

Line = list[str]


def verification(lab: Lab) -> Section:
    """Freshly migrated tenants, many narrow ones and fewer wide ones."""
    lines: list[Line] = []
    verdicts: list[Verdict] = []
    for population in (lab.scale.narrow, lab.scale.wider):
        with lab.site(population, "nothing") as site:
            _measure(lab, site, lines, verdicts)
    head = ("contender", "tenants", "tables", "whole process", "beyond start-up")
    return Section("verification", "Verification", verdicts, [Table(head, lines)], [_HOW, EXTRAPOLATED])


def _measure(lab: Lab, site: Site, lines: list[Line], verdicts: list[Verdict]) -> None:
    site.show(site.many)
    site.make_ready()
    start, columns, everything, by_hand = _interleaved(lab, site)
    verdicts += [
        _verdict(site, "tables and columns", columns - start, _COLUMNS),
        _verdict(site, "everything", everything - start, _EVERYTHING),
        *_memory(lab, site),
    ]
    named = (
        ("Django's own start-up", start),
        ("verify --depth columns", columns),
        ("verify", everything),
    )
    size = [f"{len(site.many):,}", str(site.population.shape.tables)]
    # psql starts without Django, so nothing is taken from its time.
    lines += [[name, *size, seconds(taken), seconds(taken - start)] for name, taken in named]
    lines.append(["information_schema, by hand", *size, seconds(by_hand), "-"])
    check = _check(lab, site)
    lines.append([check.contender.name, *size, whole(check), "-"])


def _interleaved(lab: Lab, site: Site) -> tuple[float, ...]:
    """Medians of each in turn."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "columns.sql"
        script.write_text("".join(_BY_HAND.format(name) for name in site.many))
        programs = (
            set_up(site.project, site.url),
            verify(site.project, site.url, lab.jobs, "columns"),
            verify(site.project, site.url, lab.jobs, "everything"),
            replay(site.url, script),
        )
        _ = [timed(program) for program in programs]  # caches
        rounds = [[timed(program) for program in programs] for _ in range(lab.scale.repetitions)]
    return tuple(median(column) for column in zip(*rounds, strict=True))


def _verdict(site: Site, what: str, beyond: float, bar: float) -> Verdict:
    work = f"verify {what}, {len(site.many):,} tenants of {site.population.shape.tables} tables"
    return Verdict(work, f"start-up + {seconds(bar)}", f"start-up + {seconds(beyond)}", beyond <= bar)


def _memory(lab: Lab, site: Site) -> list[Verdict]:
    """A tenth of the tenants beside all of them."""
    if not available():
        return []
    program = verify(site.project, site.url, lab.jobs, "everything")
    every = sampled(program).peak
    site.show(site.many[: len(site.many) // 10])
    grown = every - sampled(program).peak
    site.show(site.many)
    work = f"memory of verify, {len(site.many) // 10:,} to {len(site.many):,} tenants"
    bar = f"flat (at most + {_FLAT / MEGABYTE:.0f} MB)"
    return [Verdict(work, bar, f"+ {grown / MEGABYTE:.1f} MB", grown <= _FLAT)]


def _check(lab: Lab, site: Site) -> Measurement:
    command = Command(
        lambda site, url: manage(site.project, url, SETTINGS, "migrate_schemas", "--check", jobs=lab.jobs)
    )
    contender = Contender("peer", "migrate_schemas --check", command, lab.scale.sample)
    return compare([(site, contender)])[0]
