"""One release by each engine from the same start, and what they leave behind."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from .identity import without_new_ids
from .picture import Picture, differences, picture
from .release import Database, Project, Run

NewDatabase = Callable[[str], Database]  # a copy of the database with this name


@dataclass(frozen=True)
class Comparison:
    """Stock is right by definition; what `compiled` does otherwise is told for each number of jobs."""

    stock: Run
    compiled: dict[int, Run]
    differences: dict[int, list[str]]

    @property
    def equal(self) -> bool:
        """Whether the engines leave the same behind."""
        return not any(self.differences.values())

    @property
    def text(self) -> str:
        """Every difference, outcomes first; - is what stock has, + what compiled has."""
        found = [f"jobs {jobs}: {line}" for jobs, lines in self.differences.items() for line in lines]
        return "\n".join((*found, *self._messages()))

    def _messages(self) -> Iterator[str]:
        for jobs, run in self.compiled.items():
            for one in run.report.get("schemas", []):
                if one["message"]:
                    where = f"{one['schema']} {one['state']} at {one['failed_at']}"
                    yield f"jobs {jobs}: {where}: {one['message']}"
            if not run.report:
                yield run.text


def compare(
    project: Project, new_database: NewDatabase, *words: str, jobs: tuple[int, ...] = (1,)
) -> Comparison:
    """Release copies of the project's database with both engines; the database itself stays as it is."""
    start, before = project.database, picture(project.database)

    def release(engine: str, jobs: int) -> tuple[Run, Picture]:
        project.database = new_database(urlsplit(start.url).path.lstrip("/"))
        run = project.run(*words, "--no-collectstatic", "--engine", engine, "--jobs", str(jobs))
        return run, without_new_ids(picture(project.database), before)

    try:
        stock, expected = release("stock", 1)
        found = {number: release("compiled", number) for number in jobs}
    finally:
        project.database = start
    return Comparison(
        stock,
        {number: run for number, (run, _) in found.items()},
        {
            number: [*differences(_outcomes(stock), _outcomes(run)), *differences(expected, actual)]
            for number, (run, actual) in found.items()
        },
    )


def _outcomes(run: Run) -> Picture:
    """What the report says of every schema, but for durations and the order of their ends."""
    shown = ("schema", "state", "failed_at", "sqlstate")
    found = sorted(run.report.get("schemas", []), key=lambda one: str(one["schema"]))
    return {"outcomes": [f"exit code {run.code}", *(str([one[name] for name in shown]) for one in found)]}
