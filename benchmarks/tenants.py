"""Tenants by the thousand: one is migrated, the others are copies of it, made by SQL."""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cluster import Cluster
from benchmarks.generator.files import SETTINGS, Project
from benchmarks.generator.history import Key
from benchmarks.generator.shapes import Shape
from benchmarks.processes import timed
from benchmarks.programs import manage
from benchmarks.psql import batches, literals, replay
from tests.support.binaries import run

RECORDED = "recorded"  # the tenant whose statements are the floor's

_SOURCE = "source_of_all_tenants"
_CONNECTIONS = 2
# A transaction needs lock slots for everything that it creates: about eight for each table.
_TABLES_AT_ONCE = 400
_READ_AT_ONCE = 500

# A release waits before it takes a schema whose records are so new that somebody may be creating it.
_AGE = "UPDATE {}.django_migrations SET applied = applied - interval '30 days'"

# An autovacuum would have seen to tables with more than fifty rows.
_STATISTICS = """
DO $$
BEGIN
    ANALYZE django_migrations;
    IF to_regclass(current_schema || '.auth_permission') IS NOT NULL THEN
        ANALYZE auth_permission;
    END IF;
END
$$;
"""

_CLONE = """
DO $clone$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY {names} LOOP
        EXECUTE format('CREATE SCHEMA %I', name);
        PERFORM set_config('search_path', format('%I, public', name), true);
        EXECUTE current_setting('clone.definition');
    END LOOP;
END
$clone$;
"""

# What is left for an autovacuum would be done beside what is measured.
_SETTLE = """
VACUUM (ANALYZE) pg_catalog.pg_class;
VACUUM (ANALYZE) pg_catalog.pg_attribute;
VACUUM (ANALYZE) pg_catalog.pg_attrdef;
VACUUM (ANALYZE) pg_catalog.pg_constraint;
VACUUM (ANALYZE) pg_catalog.pg_depend;
VACUUM (ANALYZE) pg_catalog.pg_index;
VACUUM (ANALYZE) pg_catalog.pg_namespace;
VACUUM (ANALYZE) pg_catalog.pg_sequence;
VACUUM (ANALYZE) pg_catalog.pg_type;
SELECT pg_stat_reset();
"""


@dataclass(frozen=True)
class Population:
    """The tenants of a database, all of the same shape and all at the level before any release."""

    shape: Shape
    size: int
    few: int = 0  # more tenants, to be measured by themselves

    @property
    def database(self) -> str:
        """The name of the database that holds them."""
        return f"{self.shape.name}_{self.size}_{self.few}"

    @property
    def tenants(self) -> list[str]:
        """The tenants that the row is about."""
        return [f"t{number:05}" for number in range(1, self.size + 1)]

    @property
    def few_tenants(self) -> list[str]:
        """The others: what they take tells the fixed cost from that of each tenant."""
        return [f"f{number:05}" for number in range(1, self.few + 1)]


def build(cluster: Cluster, project: Project, population: Population, base: str) -> None:
    """Make a database with its tenants from one with a migrated shared schema and a migrated tenant."""
    database = population.database
    definition = _definition(cluster.url(base))
    cluster.create(database, base)
    cluster.sql(f"DROP SCHEMA {_SOURCE} CASCADE", database)
    names = [RECORDED, *population.few_tenants, *population.tenants]
    _clone(cluster.url(database), definition, names, max(1, _TABLES_AT_ONCE // (project.shape.tables + 1)))
    show(cluster, database, population.tenants)
    settle(cluster, database)


def build_base(cluster: Cluster, project: Project, database: str) -> None:
    """Make a database with the shared schema and one tenant, by django-tenants itself."""
    cluster.create(database)
    timed(manage(project, cluster.url(database), SETTINGS, "migrate_schemas", "--shared"))
    create_empty(cluster, database, [_SOURCE])
    show(cluster, database, [_SOURCE])
    timed(manage(project, cluster.url(database), SETTINGS, "migrate_schemas", f"--schema={_SOURCE}"))
    for schema in ("public", _SOURCE):
        cluster.sql(_AGE.format(schema), database)


def show(cluster: Cluster, database: str, names: Sequence[str]) -> None:
    """Make these the rows of the tenants table, and only these; all schemas stay."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "show.sql"
        script.write_text(
            "BEGIN; DELETE FROM public.tenants_client;"
            " INSERT INTO public.tenants_client (schema_name, name)"
            f" SELECT name, name FROM unnest({literals(names)}) AS name; COMMIT;"
        )
        timed(replay(cluster.url(database), script))


def create_empty(cluster: Cluster, database: str, names: Sequence[str]) -> None:
    """Make schemas with nothing in them, in place of those of that name."""
    drop(cluster, database, names)
    for name in names:
        cluster.sql(f"CREATE SCHEMA {name}", database)


def drop(cluster: Cluster, database: str, names: Sequence[str]) -> None:
    """Remove schemas; one at a time, for the lock slots."""
    for name in names:
        cluster.sql(f"DROP SCHEMA IF EXISTS {name} CASCADE", database)


def having(cluster: Cluster, database: str, names: Sequence[str], migrations: Sequence[Key]) -> list[str]:
    """Those of the tenants that have all of these migrations."""
    wanted = ", ".join(f"('{app}', '{name}')" for app, name in migrations)
    count = f"SELECT count(*) FROM {{}}.django_migrations WHERE (app, name) IN ({wanted})"
    found: list[str] = []
    for batch in batches(names, _READ_AT_ONCE if wanted else len(names)):
        selects = (f"SELECT '{name}' WHERE ({count.format(name)}) = {len(migrations)}" for name in batch)
        found += cluster.sql(" UNION ALL ".join(selects), database).split() if wanted else batch
    return found


def settle(cluster: Cluster, database: str) -> None:
    """Leave nothing for an autovacuum, which would run beside what is measured."""
    for statement in _SETTLE.strip().split("\n"):
        cluster.sql(statement, database)


def _definition(url: str) -> str:
    """The statements that make the source again in whatever schema is first in the path."""
    options = ("--no-owner", "--no-privileges", "--no-comments", "--rows-per-insert=500")
    dump = run("pg_dump", *options, f"--schema={_SOURCE}", "-d", url)
    unwanted = re.compile(r"^(--.*|\\.*|SET .*|CREATE SCHEMA .*|SELECT pg_catalog\.set_config.*)?\n", re.M)
    return unwanted.sub("", dump).replace(f"{_SOURCE}.", "") + _STATISTICS


def _clone(url: str, definition: str, names: Sequence[str], at_once: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        scripts = [Path(folder) / f"clone{number}.sql" for number in range(_CONNECTIONS)]
        for number, script in enumerate(scripts):
            blocks = (
                _CLONE.format(names=literals(one)) for one in batches(names[number::_CONNECTIONS], at_once)
            )
            head = f"SELECT set_config('clone.definition', $definition${definition}$definition$, false);\n"
            script.write_text(head + "".join(blocks))
        timed(*(replay(url, script) for script in scripts))
