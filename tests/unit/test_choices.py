"""What only a person can decide, with the statements for it."""

import pytest

from railway_release.diagnosis import choices
from railway_release.diagnosis.commands import of_finding
from railway_release.verification.findings import COLUMN_TYPE, Finding

ALTER = 'ALTER TABLE "<schema>"."t" ALTER COLUMN "c" TYPE '


@pytest.mark.parametrize(
    ("type", "rest"),
    [
        ("character varying(80)", ""),  # a cast would cut what is longer; so the server refuses it
        ("numeric(10,2)", ' USING "c"::numeric'),
        ("uuid", ' USING "c"::uuid'),
    ],
)
def test_a_column_gets_another_type_without_cutting_what_is_there(type: str, rest: str) -> None:
    (choice,) = choices.of(COLUMN_TYPE, "t.c", type)

    assert choice.statements == (f"{ALTER}{type}{rest};",)


def test_a_schema_takes_its_place_in_the_statements() -> None:
    (choice,) = choices.of(COLUMN_TYPE, "NAME.NAME", "uuid")

    assert choice.for_schema('a"b').statements == (
        'ALTER TABLE "a""b"."NAME" ALTER COLUMN "NAME" TYPE uuid USING "NAME"::uuid;',
    )


def test_the_statements_for_several_findings_are_shown_by_repair_each_with_its_own() -> None:
    types = [Finding(COLUMN_TYPE, "error", "athena", f"t.{name}", expected="text") for name in "ab"]
    shows = "shows what has to be decided, with the statements"
    given = choices.of(COLUMN_TYPE, "t.a", "text")

    assert 'ALTER COLUMN "a" TYPE text' in of_finding(types[:1], given)
    assert of_finding(types, given) == f"python run_migrations.py repair --schema athena  # {shows}"
