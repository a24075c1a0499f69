"""What a status says: the messages of its events, and the numbers of its document."""

from .release import Run


def said(run: Run, event: str) -> list[str]:
    """The messages of one event; a status never fails for what it shows."""
    assert run.code == 0, run.text
    return [one["message"] for one in run.named(event)]


def schemas(run: Run) -> list[str]:
    """The lines about schemas."""
    return said(run, "schemas.counted")


def migrations(run: Run) -> list[str]:
    """The lines about migrations."""
    return said(run, "migrations.counted")


def counts(run: Run, app: str, name: str) -> tuple[bool | None, int, int]:
    """Whether the shared schema has a migration, how many tenants have it, and of how many."""
    (entry,) = [one for one in run.report["status"]["apps"] if one["app"] == app]
    (found,) = [one for one in entry["migrations"] if one["name"] == name]
    return found["shared"], found["tenants"], found["of"]
