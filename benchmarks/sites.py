"""Sites: a database with tenants that can be released, and brought back to where they were."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from benchmarks import tenants
from benchmarks.cluster import Cluster
from benchmarks.errors import BenchmarkError
from benchmarks.floor import Recording, record, replay_seconds
from benchmarks.generator.files import Project
from benchmarks.generator.history import Key
from benchmarks.processes import timed
from benchmarks.psql import replay
from benchmarks.tenants import RECORDED, Population

_CONNECTIONS = 2
_HEAD = "SET synchronous_commit = off; SET client_min_messages = warning;\n"


class Site:
    """Tenants that are one release behind.

    A few and many of them are released in turn: the difference is what each tenant costs, without what a
    process costs once.
    """

    def __init__(self, cluster: Cluster, project: Project, population: Population, folder: Path) -> None:
        self.cluster = cluster
        self.project = project
        self.population = population
        self._folder = folder

    @property
    def url(self) -> str:
        """Where the database is."""
        return self.cluster.url(self.population.database)

    @property
    def few(self) -> Sequence[str]:
        """The tenants of the small measurement."""
        return self.population.few_tenants

    @property
    def many(self) -> Sequence[str]:
        """The tenants of the large measurement."""
        return self.population.tenants

    @property
    def everybody(self) -> Sequence[str]:
        """All tenants, whether anything is pending there or not."""
        return [*self.many, *self.few]

    @cached_property
    def recording(self) -> Recording:
        """What django-tenants writes to one tenant."""
        self.make_pending([RECORDED])
        return record(self.project, self.url)

    def replay(self, names: Sequence[str], connections: int) -> float:
        """The seconds in which psql does the same on so many connections."""
        return replay_seconds(self.recording, self.url, names, connections, self._folder)

    def show(self, names: Sequence[str]) -> None:
        """Make these all the tenants there are, for whoever asks the tenants table."""
        tenants.show(self.cluster, self.population.database, names)

    def make_ready(self) -> None:
        """The shared schema has the release pending too, and nothing goes on in the background."""
        # The apps are the tenants', so in the shared schema there is nothing but records.
        for app, name in self.project.release.migrations:
            self._sql(f"DELETE FROM public.django_migrations WHERE app = '{app}' AND name = '{name}'")
        tenants.settle(self.cluster, self.population.database)
        self.cluster.sql("CHECKPOINT")

    def require_done(self, names: Sequence[str]) -> None:
        """Raise BenchmarkError unless the release has arrived in all of these tenants."""
        if missing := set(names) - set(self._done(names)):
            raise BenchmarkError(f"{len(missing)} of {len(names)} tenants were not migrated")

    def make_pending(self, names: Sequence[str]) -> None:
        """Take the release back where it has arrived."""
        undo = "".join(f"{statement};\n" for statement in self.project.release.undo)
        done = self._done(names) if undo else []
        scripts = [self._folder / f"undo{number}.sql" for number in range(_CONNECTIONS)]
        for number, script in enumerate(scripts):
            mine = done[number::_CONNECTIONS]
            turns = (f"SET search_path = {one}, public;\nBEGIN;\n{undo}COMMIT;\n" for one in mine)
            script.write_text(_HEAD + "".join(turns), encoding="utf-8")
        timed(*(replay(self.url, script) for script in scripts))

    def leave(self) -> None:
        """Bring everything back to where it was."""
        self.make_pending([RECORDED, *self.everybody])
        self.make_ready()
        self.show(self.population.tenants)

    def _sql(self, statement: str) -> None:
        self.cluster.sql(statement, self.population.database)

    def _done(self, names: Sequence[str]) -> list[str]:
        migrations = self.project.release.migrations
        return tenants.having(self.cluster, self.population.database, names, migrations)


class NewTenants(Site):
    """Tenants whose schemas are empty, beside others that need nothing."""

    def __init__(
        self, cluster: Cluster, project: Project, population: Population, folder: Path, count: int
    ) -> None:
        super().__init__(cluster, project, population, folder)
        self._count = count

    @property
    def few(self) -> Sequence[str]:
        """Two, because a release waits to see whether somebody is creating a single one."""
        return ["n00001", "n00002"]

    @property
    def many(self) -> Sequence[str]:
        """New tenants."""
        return [f"n{number:05}" for number in range(11, 11 + self._count)]

    @property
    def everybody(self) -> Sequence[str]:
        """The others are there too."""
        return [*self.population.tenants, *self.few, *self.many]

    def make_pending(self, names: Sequence[str]) -> None:
        """Make the schemas anew, with nothing in them."""
        new = [name for name in names if name not in self.population.tenants]
        tenants.create_empty(self.cluster, self.population.database, new)

    def leave(self) -> None:
        """Remove them. The recorded tenant has been migrated to where it was."""
        tenants.drop(self.cluster, self.population.database, [*self.few, *self.many])
        self.show(self.population.tenants)

    def _done(self, names: Sequence[str]) -> list[str]:
        migrations: Sequence[Key] = self.project.newest
        return tenants.having(self.cluster, self.population.database, names, migrations)
