"""The lab: projects and databases, made when a row first asks for them."""

import hashlib
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import tenants
from benchmarks.cluster import Cluster
from benchmarks.generator.files import Project, write
from benchmarks.generator.shapes import Shape
from benchmarks.programs import ROOT
from benchmarks.scale import Scale
from benchmarks.sites import NewTenants, Site
from benchmarks.tenants import Population

HOME = ROOT / ".benchmark"

_DIRTY = "in use"


def say(text: str) -> None:
    """Tell the person who waits."""
    print(f"==> {text}", flush=True)


@dataclass(frozen=True)
class Lab:
    """What every row needs."""

    cluster: Cluster
    folder: Path
    scale: Scale
    jobs: int
    engine: str
    _projects: dict[tuple[str, str], Project] = field(default_factory=dict)

    def project(self, shape: Shape, release: str) -> Project:
        """A generated project; tenants of its shape are this release behind."""
        key = (shape.name, release)
        if key not in self._projects:
            self._projects[key] = write(self.folder / f"{shape.name}-{release}", shape, release)
        return self._projects[key]

    @contextmanager
    def site(self, population: Population, release: str) -> Iterator[Site]:
        """A database whose tenants are this release behind, and that is left as it was."""
        self._prepare(population)
        project = self.project(population.shape, release)
        with self._in_use(population.database):
            site = Site(self.cluster, project, population, self.folder)
            yield site
            site.leave()

    @contextmanager
    def new_tenants(self, population: Population) -> Iterator[Site]:
        """A database with new tenants beside those of the population."""
        self._prepare(population)
        project = self.project(population.shape, "nothing")
        with self._in_use(population.database):
            site = NewTenants(self.cluster, project, population, self.folder, self.scale.new)
            yield site
            site.leave()

    def _prepare(self, population: Population) -> None:
        project, database = self.project(population.shape, "nothing"), population.database
        if self._label(database) == _fingerprint(project):
            return
        say(f"building {population.size + population.few} tenants of {population.shape.tables} tables")
        started = time.monotonic()
        with self.cluster.careless():
            base = self._base(project)
            tenants.build(self.cluster, project, population, base)
        self.cluster.restart()
        self._set_label(database, _fingerprint(project))
        say(f"built in {time.monotonic() - started:.0f} s")

    def _base(self, project: Project) -> str:
        base = f"base_{project.shape.name}"
        if self._label(base) != _fingerprint(project):
            tenants.build_base(self.cluster, project, base)
            self._set_label(base, _fingerprint(project))
        return base

    @contextmanager
    def _in_use(self, database: str) -> Iterator[None]:
        """A row that is cut off leaves a database that is not to be used again."""
        label = self._label(database)
        self._set_label(database, _DIRTY)
        yield
        self._set_label(database, label)

    def _label(self, database: str) -> str:
        if not self.cluster.exists(database):
            return ""
        oid = f"(SELECT oid FROM pg_database WHERE datname = '{database}')"
        return self.cluster.sql(f"SELECT shobj_description({oid}, 'pg_database')")

    def _set_label(self, database: str, text: str) -> None:
        self.cluster.sql(f"COMMENT ON DATABASE {database} IS '{text}'")


@contextmanager
def open_lab(scale: Scale, jobs: int, engine: str, *, keep: bool) -> Iterator[Lab]:
    """A server and a folder; with `keep`, the databases are there the next time."""
    say("starting PostgreSQL")
    cluster = Cluster(HOME)
    try:
        with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
            yield Lab(cluster, Path(folder), scale, jobs, engine)
    finally:
        cluster.stop(keep=keep)


def _fingerprint(project: Project) -> str:
    """Changes with whatever the tenants are made from."""
    sources = [*project.folder.rglob("*.py"), Path(tenants.__file__)]
    texts = (path.read_bytes() for path in sorted(sources, key=lambda path: (path.parent.name, path.name)))
    return hashlib.sha256(b"\0".join(texts)).hexdigest()
