"""Contenders: who is measured, and on how many tenants."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

from benchmarks.generator.files import PGSCHEMAS_SETTINGS, SETTINGS, SMART_SETTINGS
from benchmarks.processes import Program, timed
from benchmarks.programs import manage, release
from benchmarks.sites import Site
from benchmarks.wire import DelayingProxy
from tests.support.proxy import opened

_PGSCHEMAS = ("migrate", "--noinput", "--include-all-schemas", "--parallel", "--no-create-schemas")

Sample = tuple[int, int]  # a few tenants, and many
Start = Callable[[Site, str], Program]  # the program for a site, with the URL to use


@dataclass(frozen=True)
class Contender:
    """A way to bring tenants to a release.

    With `sample`, only so many tenants, a few and many, are shown to it, because all would take too long.
    """

    kind: Literal["ours", "floor", "peer"]
    name: str
    run: Callable[[Site, Sequence[str]], float]  # seconds
    sample: Sample | None = None
    jobs: int = 1
    repetitions: int = 1


@dataclass(frozen=True)
class Command:
    """A contender's program; which tenants need something is its business."""

    start: Start
    delay: float | None = None  # seconds that each round trip takes longer

    def __call__(self, site: Site, _names: Sequence[str]) -> float:
        """Run it."""
        if self.delay is None:
            return timed(self.start(site, site.url))
        with opened(DelayingProxy(site.url, self.delay)) as proxy:
            return timed(self.start(site, proxy.url))


def ours(jobs: int, engine: str, repetitions: int) -> Contender:
    """railway-release."""
    name = f"railway-release --jobs {jobs}"
    return Contender("ours", name, Command(release_program(jobs, engine)), jobs=jobs, repetitions=repetitions)


def floor(connections: int, repetitions: int) -> Contender:
    """psql with the bare statements."""

    def run(site: Site, names: Sequence[str]) -> float:
        return site.replay(names, connections)

    name = f"floor: psql on {connections} connection{'s' if connections > 1 else ''}"
    return Contender("floor", name, run, jobs=connections, repetitions=repetitions)


def stock(jobs: int, sample: Sample) -> list[Contender]:
    """django-tenants itself; the first is what most projects run."""
    return _executors("migrate_schemas", SETTINGS, jobs, sample)


def smart(jobs: int, sample: Sample) -> list[Contender]:
    """django-tenants-smart-executor: skips tenants with nothing pending, else it is django-tenants."""
    if not find_spec("django_tenants_smart_executor"):
        return []
    return _executors("smart executor", SMART_SETTINGS, jobs, sample)


def threads(jobs: int, sample: Sample) -> list[Contender]:
    """django-pgschemas, which reads the same tables with settings of its own."""
    if not find_spec("django_pgschemas"):
        return []
    program = _manage(PGSCHEMAS_SETTINGS, jobs, *_PGSCHEMAS)
    return [Contender("peer", f"django-pgschemas, {jobs} threads", Command(program), sample, jobs)]


def release_program(jobs: int, engine: str) -> Start:
    """The program of railway-release."""
    return lambda site, url: release(site.project, url, jobs, engine)


def stock_program() -> Start:
    """The program of django-tenants, as most projects run it."""
    return _manage(SETTINGS, 1, "migrate_schemas")


def _executors(name: str, settings: str, jobs: int, sample: Sample) -> list[Contender]:
    standard = _manage(settings, 1, "migrate_schemas")
    parallel = _manage(settings, jobs, "migrate_schemas", "--executor=multiprocessing")
    return [
        Contender("peer", name, Command(standard), sample),
        Contender("peer", f"{name}, multiprocessing, {jobs} processes", Command(parallel), sample, jobs),
    ]


def _manage(settings: str, jobs: int, *words: str) -> Start:
    return lambda site, url: manage(site.project, url, settings, *words, jobs=jobs)
