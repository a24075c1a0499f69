"""Many tenants, so that each of many damages has one of its own, and one run looks at all of them."""

from collections.abc import Iterable

from .release import Project
from .schemas import let_a_day_pass
from .unwell import damage, settle

MEMBERS = tuple(f"tenant_{number:02}" for number in range(60))


def gather(project: Project) -> None:
    """Release the members, beside the project's own tenants."""
    settle(project, *MEMBERS, behind=())
    let_a_day_pass(project.database)


def share_out(project: Project, damages: Iterable[str]) -> dict[str, str]:
    """Do each to a member of its own; returns who has which."""
    distinct = dict.fromkeys(damages)
    assert len(distinct) <= len(MEMBERS)
    shared = dict(zip(distinct, MEMBERS, strict=False))
    for sql, member in shared.items():
        damage(project, member, sql)
    return shared
