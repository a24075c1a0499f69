"""Doing what is printed: commands and statements, typed as they stand."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .release import Project, Run
from .schemas import quote

ASKS = "; --apply does"  # what is said of a command that only shows what it would do
BLANK = "…"  # what a person has to fill in


@dataclass(frozen=True)
class Typed:
    """What became of a printed command; `run` is missing where it was no command of ours."""

    command: str
    run: Run | None = None


def is_command(text: str) -> bool:
    """Whether it can be typed, and is no advice in words."""
    return text.startswith(("psql ", "python ")) or _is_ours(text.split(maxsplit=2))


def _is_ours(words: list[str]) -> bool:
    return len(words) > 1 and words[1].endswith("run_migrations.py")


def type_in(project: Project, text: str, jobs: str = "2") -> Typed:
    """Run a printed command; where it asks for --apply, with that."""
    words = shlex.split(text, comments=True)
    if "&&" in words:
        return [type_in(project, one, jobs) for one in text.split(" && ")][-1]
    asked = ["--apply"] if ASKS in text else []
    if _is_ours(words):
        return Typed(text, project.run(*words[2:], *asked, RELEASE_JOBS=jobs))
    match words:
        case ["python", "manage.py", *rest]:
            project.manage(*rest)
        case ["psql", "$DATABASE_URL", "-c", statement]:
            project.database.sql(statement)
        case _:
            raise AssertionError(f"this cannot be typed: {text}")
    return Typed(text)


@dataclass(frozen=True)
class Decision:
    """What a person has to decide in a schema: a finding, and the ways out with their statements."""

    schema: str
    id: str
    object: str
    choices: tuple[tuple[str, ...], ...]


def decisions(run: Run) -> Iterator[Decision]:
    """All that a repair leaves to a person."""
    for remedy in run.report["remedies"]:
        for schema in remedy["schemas"]:
            for one in remedy["refusals"]:
                yield Decision(schema, one["id"], one["object"], tuple(_choices(one, schema)))


def _choices(refusal: dict[str, Any], schema: str) -> Iterator[tuple[str, ...]]:
    for one in refusal["choices"]:
        yield tuple(
            sql.replace(quote("<schema>"), quote(schema)).replace("'<schema>'", shlex.quote(schema))
            for sql in one["statements"]
        )


def decide(project: Project, statements: tuple[str, ...]) -> None:
    """Do one of the choices: settings, statements and commands, in their order, each by itself."""
    for one in statements:
        assert BLANK not in one or one.startswith("RAILWAY_RELEASE"), (
            f"a person would have to know more: {one}"
        )
        if one.startswith("RAILWAY_RELEASE"):
            project.settings(one.replace(BLANK, "it is ours"))
        elif is_command(one):
            type_in(project, one)
        else:
            project.database.sql(one)
