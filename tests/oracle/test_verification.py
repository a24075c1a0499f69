"""Verification says of schemas that django-tenants has just migrated what is true, and nothing else."""

import pytest

from tests.oracle.conftest import build_levels
from tests.oracle.test_operations import TOPICS

# Where the migrations themselves tell the models one thing and the database another.
TRUE = {
    "queries": {
        ("column.extra", "queries_note.hidden"),
        ("foreign_key.rules", "papers(note_id)"),
        ("index.missing", "papers(note_id)"),
    },
    "extras": {
        ("constraint.unchecked", "extras_room.room_unchecked"),
        ("constraint.unchecked", "extras_room.room_checked"),
    },
    "renames": {
        ("column.missing", "renames_named_first.called_id"),
        ("column.in_the_way", "renames_named_first.named_id"),
    },
}


@pytest.mark.parametrize("label", TOPICS)
def test_freshly_migrated_schemas_are_what_is_expected_at_every_level(topic, label):
    project = topic(label)
    build_levels(project, label)
    run = project.run("verify")

    assert {(one["id"], one["object"]) for one in run.report["findings"]} == TRUE.get(label, set()), run.text
