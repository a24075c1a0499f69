"""Each promise of docs/explanation/guarantees.md names a test, and that is there."""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PAGE = (TESTS.parent / "docs" / "explanation" / "guarantees.md").read_text(encoding="utf-8")


def test_every_promise_is_proven_by_a_test_that_there_is():
    rows = [
        line
        for line in PAGE.splitlines()
        if line.startswith("|") and not line.startswith(("| promise", "|---"))
    ]
    named = [re.search(r"`([\w/]+\.py)::(\w+)` \|$", row) for row in rows]

    assert len(rows) > 50
    for row, found in zip(rows, named, strict=True):
        assert found, row
        assert f"def {found[2]}(" in (TESTS / found[1]).read_text(encoding="utf-8"), row
