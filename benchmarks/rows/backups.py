"""Backups: what it costs to take one beside pg_dump alone, and to bring one tenant back."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from benchmarks.lab import Lab
from benchmarks.memory import MEGABYTE, available, peak_of_set_up, sampled
from benchmarks.processes import Program, timed
from benchmarks.programs import backup, restore, set_up
from benchmarks.results import Section, Table, Verdict, ratio, seconds
from benchmarks.sites import Site
from tests.support.binaries import bin_dir

_OF_PG_DUMP, _OF_PG_RESTORE = 1.15, 3.0
_MEMORY = 150 * MEGABYTE
_FLAT = 20 * MEGABYTE
_SINGLY = 5  # schemas that are dumped one by one
_LOCKS = 1024  # for each session: with default settings pg_dump alone has no room for all these tables
_ROWS = 300  # that are added to each tenant: with content types and permissions, some hundred kB
_LARGE = 400 * MEGABYTE  # that are added to one tenant, to see what memory does

_HOW = (
    "Beyond start-up; a backup without what its proof took, which reads all of it back. All on a server with"
    f" max_locks_per_transaction = {_LOCKS}: with default settings pg_dump alone fails for want of locks."
)


def backups(lab: Lab) -> Section:
    """All tenants into one folder."""
    with lab.site(lab.scale.modest, "nothing") as site, lab.cluster.with_room_for_locks(_LOCKS):
        site.show(site.many)
        site.make_ready()
        for name in site.many:
            site.cluster.sql(_FILL.format(name), site.population.database)
        with tempfile.TemporaryDirectory() as folder:
            taken = _interleaved(lab, site, Path(folder))
            memory = _memory(site, Path(folder)) if available() else []
    size = f"{len(site.many):,} tenants of {site.population.shape.tables} tables"
    verdicts = [
        _verdict(f"a backup of {size}", "pg_dump of the same", taken, ("backup", "pg_dump"), _OF_PG_DUMP),
        _verdict(
            "one of them restored", "pg_restore of it", taken, ("restore", "pg_restore"), _OF_PG_RESTORE
        ),
        *memory,
    ]
    lines = [[name, seconds(taken[key])] for key, name in _NAMES.items()]
    singly = taken["one"] * len(site.many)
    lines.append([f"`pg_dump -n`, one for each tenant, extrapolated from {_SINGLY}", f"~ {seconds(singly)}"])
    return Section("backups", "Backups", verdicts, [Table(("what", "beyond start-up"), lines)], [_HOW])


_FILL = f"""
INSERT INTO {{0}}.auth_user
    (password, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined)
SELECT md5(n::text), false, 'user' || n, 'First', 'Last', 'user' || n || '@example.com', false, true, now()
FROM generate_series(1, {_ROWS}) AS n ON CONFLICT DO NOTHING
"""
_NAMES = {
    "pg_dump": "`pg_dump -Fc` of all schemas, alone",
    "backup": "a backup, without its proof",
    "proof": "its proof: read back",
    "pg_restore": "`pg_restore` of one tenant from that, alone",
    "restore": "`restore` of one tenant",
}


def _interleaved(lab: Lab, site: Site, folder: Path) -> Mapping[str, float]:
    rounds = [_round(site, folder) for _ in range(lab.scale.repetitions)]
    return {key: median(one[key] for one in rounds) for key in rounds[0]}


def _round(site: Site, folder: Path) -> dict[str, float]:
    """Each once, in turn."""
    start, kept = timed(set_up(site.project, site.url)), folder / "kept"
    shutil.rmtree(kept, ignore_errors=True)
    whole = timed(backup(site.project, site.url, kept))
    (manifest,) = kept.glob("*/manifest.json")
    proof = float(json.loads(manifest.read_text(encoding="utf-8"))["proof"]["seconds"])
    schemas = ["public", *site.many]
    taken = {
        "backup": whole - start - proof,
        "proof": proof,
        "pg_dump": timed(_pg_dump(site, folder / "alone.dump", *schemas)),
        "one": median(timed(_pg_dump(site, folder / "one.dump", name)) for name in site.many[:_SINGLY]),
    }
    name = site.many[len(site.many) // 2]
    taken["restore"] = timed(restore(site.project, site.url, kept, name)) - start
    taken["pg_restore"] = _pg_restore(site, folder / "alone.dump", name)
    for put_aside in site.cluster.sql(_ASIDE, site.population.database).splitlines():
        site.cluster.sql(f'DROP SCHEMA "{put_aside}" CASCADE', site.population.database)
    return taken


_ASIDE = "SELECT nspname FROM pg_namespace WHERE nspname LIKE '%\\_\\_before\\_%'"


def _pg_dump(site: Site, file: Path, *schemas: str) -> Program:
    words = [str(bin_dir() / "pg_dump"), "-Fc", "-f", str(file), *(f"--schema={name}" for name in schemas)]
    return Program([*words, site.url], file.parent, {})


def _pg_restore(site: Site, archive: Path, name: str) -> float:
    """Seconds for one schema, in one transaction, after the present one was renamed."""
    aside = f"ALTER SCHEMA {name} RENAME TO {name}__before_0; CREATE SCHEMA {name}"
    site.cluster.sql(aside, site.population.database)
    words = [str(bin_dir() / "pg_restore"), "--single-transaction", "--exit-on-error", "-n", name]
    taken = timed(Program([*words, "-d", site.url, str(archive)], archive.parent, {}))
    site.cluster.sql(f"DROP SCHEMA {name} CASCADE", site.population.database)
    site.cluster.sql(f"ALTER SCHEMA {name}__before_0 RENAME TO {name}", site.population.database)
    return taken


def _verdict(
    work: str, beside: str, taken: Mapping[str, float], keys: tuple[str, str], bar: float
) -> Verdict:
    ours, theirs = (taken[key] for key in keys)
    shown = f"{ratio(ours, theirs)} ({seconds(ours)} / {seconds(theirs)})"
    return Verdict(work, f"{bar:g} x {beside}", shown, ours <= bar * theirs)


def _memory(site: Site, folder: Path) -> list[Verdict]:
    """The peak beyond start-up, before and after one tenant gets much larger."""
    program = backup(site.project, site.url, folder / "memory")
    begun = peak_of_set_up(set_up(site.project, site.url))
    small = sampled(program).peak - begun
    site.cluster.sql(_GROW.format(site.many[0], _LARGE // MEGABYTE), site.population.database)
    large = sampled(program).peak - begun
    site.cluster.sql(f"DROP TABLE {site.many[0]}.large", site.population.database)
    grown = large - small
    return [
        Verdict(
            "memory of a backup beyond start-up",
            f"{_MEMORY / MEGABYTE:.0f} MB",
            f"{large / MEGABYTE:.0f} MB",
            large <= _MEMORY,
        ),
        Verdict(
            f"the same with {_LARGE / MEGABYTE:.0f} MB more of data",
            f"flat (at most + {_FLAT / MEGABYTE:.0f} MB)",
            f"{grown / MEGABYTE:+.1f} MB",
            grown <= _FLAT,
        ),
    ]


_GROW = """
CREATE TABLE {0}.large AS
SELECT n, (SELECT string_agg(md5(n::text || m), '') FROM generate_series(1, 32768) AS m) AS text
FROM generate_series(1, {1}) AS n
"""
