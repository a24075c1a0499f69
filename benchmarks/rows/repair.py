"""Repair: what it costs to repair a schema, and to create one; and what a start command waits for."""

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from benchmarks import tenants
from benchmarks.lab import Lab
from benchmarks.processes import timed
from benchmarks.programs import check_start, release, repair, set_up, verify
from benchmarks.psql import replay
from benchmarks.results import Section, Table, Verdict, judged, milliseconds, seconds, times
from benchmarks.sites import Site
from benchmarks.tenants import Population

_MENDED = 10  # tenants
_A_FEW, _BEYOND_A_LOOK = 4, 1.0
_TIMES_THE_STATEMENTS, _BEYOND_THEM = 3.0, 0.05
_FLAT = 1.3
_CREATED = 1.3
_START = {False: 0.5, True: 1.0}  # by whether there are more than a few hundred tenants
_HUNDREDS = 500

# Two tables, with what belongs to them, and a column.
_DAMAGE = """
DROP TABLE {0}.app03_beta CASCADE; DROP TABLE {0}.app07_gamma CASCADE;
ALTER TABLE {0}.app05_alpha DROP COLUMN status;
"""
_HOW = (
    "Repairing: the median time of ten tenants in which two tables and a column are missing. Its own"
    " statements are what psql takes for the same, on one connection. Creating: what many rows without schema"
    " took less what a few took, divided by the difference; a release migrates empty schemas of the same"
    " tenants."
)


def start(lab: Lab) -> Section:
    """check --start, with nothing pending."""
    lines, verdicts = [], []
    for population in (lab.scale.wider, lab.scale.narrow):
        with lab.site(population, "nothing") as site:
            site.show(site.many)
            site.make_ready()
            programs = (set_up(site.project, site.url), check_start(site.project, site.url, lab.jobs))
            _ = [timed(program) for program in programs]  # caches
            rounds = [[timed(program) for program in programs] for _ in range(lab.scale.repetitions)]
        begun, taken = (median(column) for column in zip(*rounds, strict=True))
        size, tables = f"{len(site.many):,}", str(population.shape.tables)
        lines.append([size, tables, seconds(begun), seconds(taken), seconds(taken - begun)])
        bar = _START[len(site.many) > _HUNDREDS]
        work = f"check --start, {size} tenants of {tables} tables"
        shown = f"start-up + {seconds(taken - begun)}"
        verdicts.append(Verdict(work, f"start-up + {seconds(bar)}", shown, taken - begun <= bar))
    head = ("tenants", "tables", "Django's own start-up", "whole process", "beyond start-up")
    return Section("start", "What a start command waits for", verdicts, [Table(head, lines)])


def repairs(lab: Lab) -> Section:
    """Schemas that lack something, and schemas that are missing."""
    populations = (lab.scale.small, lab.scale.wider)
    turns = [_repaired(lab, population) for population in populations]
    verdicts = [_of_statements(*pair) for pair in zip(populations, turns, strict=True)]
    (few, _), (many, _) = turns
    grown = f"{times(many / few)} ({milliseconds(many)} / {milliseconds(few)})"
    sizes = f"{populations[0].size} to {populations[1].size} tenants"
    verdicts.append(Verdict(f"a repaired schema, {sizes}", f"flat ({_FLAT:g} x)", grown, many <= _FLAT * few))
    verdicts.append(_of_a_look(lab))
    created, released = _created(lab)
    work = f"a row without schema, {lab.scale.new} of them"
    verdicts.append(
        judged(work, f"{_CREATED:g} x a release from zero", (created, released), _CREATED, milliseconds)
    )
    lines = [
        [f"repaired, {one.size} tenants", milliseconds(turn), milliseconds(own)]
        for one, (turn, own) in zip(populations, turns, strict=True)
    ]
    lines.append(["created", milliseconds(created), milliseconds(released)])
    head = ("schema", "repair", "its own statements, or a release")
    return Section("repair", "Repair", verdicts, [Table(head, lines)], [_HOW])


def _of_statements(population: Population, pair: tuple[float, float]) -> Verdict:
    turn, own = pair
    bar = f"{_TIMES_THE_STATEMENTS:g} x its own statements + {milliseconds(_BEYOND_THEM)}"
    shown = f"{milliseconds(turn)} (statements {milliseconds(own)})"
    work = f"a repaired schema, {population.size} tenants of {population.shape.tables} tables"
    return Verdict(work, bar, shown, turn <= _TIMES_THE_STATEMENTS * own + _BEYOND_THEM)


def _repaired(lab: Lab, population: Population) -> tuple[float, float]:
    """A schema's turn, and what its statements take by themselves."""
    with lab.site(population, "nothing") as site, tempfile.TemporaryDirectory() as folder:
        site.show(site.many)
        site.make_ready()
        report, names = Path(folder) / "report.json", site.many[:_MENDED]
        found: list[tuple[float, float]] = []
        for _ in range(lab.scale.repetitions):
            _damage(site, names)
            timed(repair(site.project, site.url, lab.jobs, report))
            told = json.loads(report.read_text(encoding="utf-8"))
            turns = [one["duration_ms"] / 1000 for one in told["schemas"] if one["state"] == "repaired"]
            _damage(site, names)
            found.append((median(turns), _replayed(site, names, told["remedies"][0], Path(folder))))
        return median(turn for turn, _ in found), median(own for _, own in found)


def _of_a_look(lab: Lab) -> Verdict:
    """A repair of a few schemas beside a look at all of them."""
    with lab.site(lab.scale.wider, "nothing") as site, tempfile.TemporaryDirectory() as folder:
        site.show(site.many)
        site.make_ready()
        look = verify(site.project, site.url, lab.jobs, "everything")
        whole = repair(site.project, site.url, lab.jobs, Path(folder) / "report.json")
        rounds = []
        for _ in range(lab.scale.repetitions):
            _damage(site, site.many[:_A_FEW])
            rounds.append(timed(whole) - timed(look))
    beyond = median(rounds)
    work = f"a repair of {_A_FEW} schemas, {len(site.many)} tenants of {site.population.shape.tables} tables"
    bar = f"a look at all of them + {seconds(_BEYOND_A_LOOK)}"
    return Verdict(work, bar, f"a look + {seconds(beyond)}", beyond <= _BEYOND_A_LOOK)


def _damage(site: Site, names: Sequence[str]) -> None:
    for name in names:
        site.cluster.sql(_DAMAGE.format(name), site.population.database)


def _replayed(site: Site, names: Sequence[str], remedy: dict[str, list[str]], folder: Path) -> float:
    """Seconds for each schema, without psql's own start."""
    scripts = {"nothing": "", "all": "".join(_transaction(name, remedy) for name in names)}
    for name, text in scripts.items():
        (folder / f"{name}.sql").write_text(text, encoding="utf-8")
    taken = {name: timed(replay(site.url, folder / f"{name}.sql")) for name in scripts}
    return (taken["all"] - taken["nothing"]) / len(names)


def _transaction(schema: str, remedy: dict[str, list[str]]) -> str:
    locks = "".join(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE;\n" for table in remedy["alters"])
    return f"BEGIN; SET LOCAL search_path = {schema}, public;\n{locks}" + "\n".join(
        (*remedy["statements"], "COMMIT;\n")
    )


def _created(lab: Lab) -> tuple[float, float]:
    """Seconds for each schema more: by repair, and by a release into empty ones."""
    with lab.new_tenants(lab.scale.wide) as site, tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"

        def created(names: Sequence[str]) -> float:
            tenants.drop(site.cluster, site.population.database, names)
            site.show(names)
            return timed(repair(site.project, site.url, lab.jobs, report))

        def released(names: Sequence[str]) -> float:
            site.make_pending(names)
            site.show(names)
            return timed(release(site.project, site.url, lab.jobs, lab.engine))

        pairs = [(_each(site, created), _each(site, released)) for _ in range(lab.scale.repetitions_of_new)]
        return median(one for one, _ in pairs), median(other for _, other in pairs)


def _each(site: Site, run: Callable[[Sequence[str]], float]) -> float:
    few, many = run(site.few), run(site.many)
    return (many - few) / (len(site.many) - len(site.few))
