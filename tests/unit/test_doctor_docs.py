"""docs/reference/causes.md has one section for each cause and each finding, and none for any other."""

import re
from pathlib import Path

from railway_release.diagnosis.catalogue import KINDS
from railway_release.verification.findings import HINTS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "causes.md").read_text(encoding="utf-8")


def test_every_cause_has_its_section_and_every_section_its_cause():
    sections = re.findall(r"^### `(.+)`$", PAGE, re.MULTILINE)

    assert sorted(sections) == sorted({*KINDS, *HINTS})
