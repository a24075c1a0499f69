"""doctor --explain of one or many errors at once, and what is told of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .release import Project, Run

MEMBERSHIP = "buildings_buildingmembership"
ERROR = f'relation "{MEMBERSHIP}" does not exist'
INITIAL = "buildings.0002_buildingmembership"


@dataclass(frozen=True)
class Explained:
    """A run, and its explanations by their error."""

    run: Run
    by_error: Mapping[str, dict[str, Any]]

    def ids(self, error: str = ERROR) -> list[str]:
        """The causes of an error."""
        return [one["id"] for one in self.by_error[error]["causes"]]

    def verdict(self, error: str = ERROR) -> str:
        """The sentence about an error."""
        return str(self.by_error[error]["verdict"])

    def cause(self, error: str = ERROR, number: int = 0) -> dict[str, Any]:
        """One of the causes of an error."""
        found: dict[str, Any] = self.by_error[error]["causes"][number]
        return found


def explain(project: Project, *errors: str) -> Explained:
    """Ask for all of them at once."""
    return explained(project.run("doctor", "--explain", "\n".join(errors or (ERROR,))))


def explained(run: Run) -> Explained:
    """What a run has told."""
    return Explained(run, {one["error"]: one for one in run.report.get("explanations", ())})


def forget(project: Project, schema: str) -> None:
    """Take a table and its app back to before its migration, as if that had never run."""
    project.database.sql(
        f"SET search_path = {schema}; DELETE FROM django_migrations"
        " WHERE app IN ('announcements', 'buildings') AND name > '0001_initial';"
        f"DROP TABLE {MEMBERSHIP}, announcements_announcement_audience;"
        "ALTER TABLE announcements_announcement DROP pinned;"
        "ALTER TABLE buildings_building DROP address, DROP slug"
    )
