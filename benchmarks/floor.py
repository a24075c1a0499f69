"""The floor: the writing statements of one tenant, replayed by psql for every tenant.

They are taken from the wire while django-tenants migrates one tenant, so what a RunPython sends is among
them. Left out is what psql does not need: questions about the catalogue, and the search path, which
django-tenants sets again before each statement.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.generator.files import SETTINGS, Project
from benchmarks.processes import timed
from benchmarks.programs import manage
from benchmarks.psql import replay
from benchmarks.tenants import RECORDED
from benchmarks.wire import DelayingProxy
from tests.support.proxy import opened

Transaction = tuple[str, ...]

_RECORD = re.compile(r'INSERT INTO "django_migrations"', re.I)
_OF_AN_APP = re.compile(r'\b(FROM|UPDATE)\s+"?app\d\d_', re.I)
_SESSION = re.compile(r"\s*(SET (?!CONSTRAINTS)|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SHOW)", re.I)
_QUESTION = re.compile(r"\s*(SELECT|WITH)\b", re.I)


@dataclass(frozen=True)
class Recording:
    """What has to be written to one tenant, a transaction for each migration."""

    transactions: tuple[Transaction, ...]

    @property
    def statements(self) -> int:
        """How many statements there are, BEGIN and COMMIT not counted."""
        return sum(len(one) for one in self.transactions)

    def script(self, tenants: Iterable[str]) -> Iterator[str]:
        """The lines for psql."""
        body = "".join(
            "BEGIN;\n" + "".join(f"{statement};\n" for statement in one) + "COMMIT;\n"
            for one in self.transactions
        )
        for tenant in tenants:
            yield f'SET search_path = "{tenant}", public;\n'
            yield body


def record(project: Project, url: str, *words: str) -> Recording:
    """What django-tenants writes to the tenant that is kept for this."""
    with opened(DelayingProxy(url)) as proxy:
        program = manage(
            project, proxy.url, SETTINGS, "migrate_schemas", *words, f"--schema={RECORDED}", "--skip-checks"
        )
        timed(program)
    sent = [statement for wire in proxy.wires for statement in wire.statements]
    return Recording(tuple(_transactions(sent)))


def replay_seconds(
    recording: Recording, url: str, tenants: Sequence[str], connections: int, folder: Path
) -> float:
    """The time that psql takes for these tenants on so many connections."""
    scripts = [folder / f"floor{number}.sql" for number in range(connections)]
    for number, script in enumerate(scripts):
        script.write_text("".join(recording.script(tenants[number::connections])), encoding="utf-8")
    return timed(*(replay(url, script) for script in scripts))


def _transactions(sent: Iterable[str]) -> Iterator[Transaction]:
    """Up to each record: Django sends some records after the commit, where a crash would lose them."""
    unit: list[str] = []
    for statement in filter(_writes, sent):
        unit.append(statement.strip().rstrip(";"))
        if _RECORD.match(statement):
            yield tuple(unit)
            unit = []
    if unit:
        yield tuple(unit)


def _writes(statement: str) -> bool:
    if _SESSION.match(statement) or not statement.strip():
        return False
    return not _QUESTION.match(statement) or bool(_OF_AN_APP.search(statement))
