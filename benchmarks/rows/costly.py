"""Costly projects: what a release takes before its first statement, where rendering models is dear."""

from dataclasses import replace
from statistics import median

from benchmarks.generator.costly import CODE, HISTORIES, Costly, Written, write
from benchmarks.generator.files import SETTINGS
from benchmarks.lab import Lab
from benchmarks.memory import MEGABYTE, available, sampled
from benchmarks.processes import timed
from benchmarks.programs import manage, release, set_up
from benchmarks.results import Section, Table, Verdict, seconds, times
from benchmarks.tenants import create_empty, show

_MOST = 5.0
_FLAT = 10 * MEGABYTE
_DATABASE = "costly"
_TENANT = "t00001"

_HOW = (
    "From an empty database: the shared schema, where the tenants' migrations are recorded, and then one"
    " tenant, each by a process of its own; medians. Every model has a field that connects receivers to"
    " Django's signals. `histories` has a model of django-simple-history for each of its own; in `code`"
    " nearly every second migration is a RunPython, in `histories` every fourth or so."
)


def costly(lab: Lab) -> Section:
    """Both projects, by us and by django-tenants."""
    lines: list[list[str]] = []
    verdicts: list[Verdict] = []
    for one in (HISTORIES, CODE):
        project = write(lab.folder / one.name, one)
        often = lab.scale.repetitions
        own = [median(pair) for pair in zip(*(_ours(lab, project) for _ in range(often)), strict=True)]
        stock = _stock(lab, project)
        size = [str(one.migrations), str(one.tables)]
        lines.append([one.name, *size, "railway-release", *map(seconds, own), times(stock[0] / own[0])])
        lines.append([one.name, *size, "migrate_schemas", *map(seconds, stock), "-"])
        work = f"{one.name}: {one.migrations} migrations, {one.tables} tables, the shared schema from nothing"
        verdicts.append(Verdict(work, seconds(_MOST), seconds(own[0]), own[0] <= _MOST))
    if available():
        verdicts.append(_memory(lab))
    head = ("project", "migrations", "tables", "contender", "shared schema", "one tenant", "faster")
    return Section("costly", "Costly to render", verdicts, [Table(head, lines)], [_HOW])


def _ours(lab: Lab, project: Written) -> tuple[float, float]:
    url = _empty(lab)
    shared = timed(release(project, url, lab.jobs, lab.engine))
    _add_tenant(lab)
    return shared, timed(release(project, url, lab.jobs, lab.engine))


def _stock(lab: Lab, project: Written) -> tuple[float, float]:
    url = _empty(lab)
    shared = timed(manage(project, url, SETTINGS, "migrate_schemas", "--shared"))
    _add_tenant(lab)
    return shared, timed(manage(project, url, SETTINGS, "migrate_schemas", f"--schema={_TENANT}"))


def _memory(lab: Lab) -> Verdict:
    """The same models and migrations with and without code in them."""
    grown = _peak(lab, CODE) - _peak(lab, replace(CODE, name="no_code", sql_instead=True))
    work = f"memory of the parent, for {CODE.apps * (CODE.changes // CODE.code_every)} RunPython migrations"
    bar = f"flat (at most + {_FLAT / MEGABYTE:.0f} MB)"
    return Verdict(work, bar, f"{grown / MEGABYTE:+.1f} MB", grown <= _FLAT)


def _peak(lab: Lab, one: Costly) -> int:
    project, url = write(lab.folder / f"{one.name}-memory", one), _empty(lab)
    timed(set_up(project, url))
    return sampled(release(project, url, lab.jobs, lab.engine)).peak


def _empty(lab: Lab) -> str:
    lab.cluster.create(_DATABASE)
    return lab.cluster.url(_DATABASE)


def _add_tenant(lab: Lab) -> None:
    create_empty(lab.cluster, _DATABASE, [_TENANT])
    show(lab.cluster, _DATABASE, [_TENANT])
