"""The application at work while its tables are altered."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support import pgbench
from tests.support.release import Database

psycopg = pytest.importorskip("psycopg", reason="the sessions of these tests are opened with it")

INSERT = "INSERT INTO {}.buildings_building (name, address, slug) VALUES ('n', 'a', '')"
CHANGES = (
    "migrations.AddField('building', 'floors', models.IntegerField(null=True)), "
    "migrations.AlterField('building', 'name', models.CharField(max_length=200)), "
    "migrations.AddIndex('building', models.Index(fields=['name'], name='by_name'))"
)


class Writers:
    """Sessions of the application that insert all the time; none waits longer than this for a lock."""

    def __init__(self, database: Database, schemas: tuple[str, ...], longest: str) -> None:
        self.errors: list[str] = []
        self.rows = 0
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._write, args=(database, schema, longest)) for schema in schemas
        ]

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """They write while this is entered."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            for thread in self._threads:
                thread.join()

    def _write(self, database: Database, schema: str, longest: str) -> None:
        with psycopg.connect(database.url, autocommit=True) as connection:
            connection.execute(f"SET lock_timeout = '{longest}'")
            while not self._ended.is_set():
                try:
                    connection.execute(INSERT.format(schema))
                    self.rows += 1
                except psycopg.Error as error:
                    self.errors.append(str(error))


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_writers_are_never_held_up_for_twice_the_lock_timeout_though_a_table_is_held(
    current, begin, session, jobs
):
    current.migration("buildings", "0007_changes", "0006_fill_slugs", CHANGES)
    holder = session(current.database)
    holder.run("BEGIN; SELECT count(*) FROM kypseli.buildings_building;")
    schemas = ("athena", "kypseli", "kypseli", "piraeus")
    writers = Writers(current.database, schemas, longest="2.5s")
    with writers.at_work():
        release = begin(current, RELEASE_JOBS=jobs, RELEASE_LOCK_TIMEOUT="1.25")
        release.reach("schema.retried", seconds=60, schema="kypseli")
        holder.close()
        run = release.finish(seconds=90)

    assert (run.code, writers.errors) == (0, []), run.text
    assert writers.rows > 100
    assert all(current.database.applied(schema, "buildings")[-1] == "0007_changes" for schema in schemas)


STATEMENTS = (
    "INSERT INTO kypseli.buildings_building (name, address, slug) VALUES ('n', 'a', '')",
    "UPDATE kypseli.buildings_building SET address = 'b' WHERE id = 1",
    "SELECT name FROM kypseli.buildings_building LIMIT 1",
)


@pytest.mark.skipif(pgbench.program() is None, reason="there is no pgbench here")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_application_at_full_load_is_held_up_for_the_lock_timeout_and_the_change(
    current, begin, session, tmp_path, jobs
):
    """The tenant's table is altered under its statements, and somebody holds it meanwhile."""
    current.migration("buildings", "0007_changes", "0006_fill_slugs", CHANGES)
    holder = session(current.database)
    holder.run("BEGIN; SELECT count(*) FROM kypseli.buildings_building;")
    with pgbench.load(current.database.url, STATEMENTS, tmp_path / "load") as load:
        release = begin(current, RELEASE_JOBS=jobs, RELEASE_LOCK_TIMEOUT="1.25")
        release.reach("schema.retried", seconds=60, schema="kypseli")
        holder.close()
        run = release.finish(seconds=90)
    slowest = max(load.milliseconds)

    assert (run.code, load.code, load.errors) == (0, 0, ""), run.text
    assert current.database.applied("kypseli", "buildings")[-1] == "0007_changes"
    assert 1000 < slowest < 2500


def test_writers_go_on_while_their_tables_are_repaired(current, begin, session):
    """No statement of theirs fails, none waits longer than the lock timeout, and what they wrote stays."""
    damage = (
        "DROP TABLE {0}.buildings_buildingmembership;"
        "ALTER TABLE {0}.buildings_building ALTER name DROP NOT NULL;"
    )
    schemas = ("athena", "kypseli", "kypseli", "piraeus")
    current.database.sql("".join(damage.format(name) for name in set(schemas)))
    count = f"SELECT {' + '.join(f'(SELECT count(*) FROM {one}.buildings_building)' for one in set(schemas))}"
    before = int(current.database.sql(count))
    holder = session(current.database)
    holder.run("BEGIN; SELECT count(*) FROM kypseli.buildings_building;")
    writers = Writers(current.database, schemas, longest="2.5s")
    with writers.at_work():
        repair = begin(current, "repair", "--apply", RELEASE_LOCK_TIMEOUT="1.25")
        repair.reach("schema.retried", seconds=60, schema="kypseli")
        holder.close()
        run = repair.finish(seconds=120)

    assert (run.code, writers.errors) == (0, []), run.text
    assert int(current.database.sql(count)) == before + writers.rows
    assert {run.states[name] for name in schemas} == {"repaired"}
