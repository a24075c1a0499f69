"""The result of `repair`: what it would do in each schema, and what became of that."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from railway_release.errors import Exit
from railway_release.repairs.hints import needs_decision
from railway_release.repairs.repair_plan import PlannedRepair
from railway_release.report.command_line import CommandLine
from railway_release.report.findings import finding_lines
from railway_release.report.line import Level, Line
from railway_release.report.outcomes import outcome_lines, repaired_lines
from railway_release.report.repairs import left_out_lines, repair_plan_lines
from railway_release.report.result import Result
from railway_release.runtime.text import count
from railway_release.verification.findings import Finding


@dataclass(frozen=True)
class RepairResult(Result):
    """What would be repaired in each schema, and with --apply what became of it."""

    pending_level: ClassVar[Level | None] = "info"

    repair_plans: tuple[PlannedRepair, ...] = ()
    left_out: tuple[Finding, ...] = ()  # warnings that were not asked for

    @property
    def answers(self) -> frozenset[Exit]:
        """Without --apply, what could be done and what could not."""
        return frozenset() if self.outcomes else frozenset({Exit.PENDING, Exit.VERIFICATION})

    def tally(self) -> list[str]:
        """Without --apply, how many schemas have something to do, and how many are refused in part."""
        if self.outcomes or not self.compared:
            return super().tally()
        if not self.failures:
            left = sum(one.is_open for one in self.findings)
            what = f"{count(left, 'finding')} left" if left else "nothing to repair"
            return [f"{count(self.compared, 'schema')} compared", what]
        able = {name for one in self.repair_plans if one.repair_plan.does_something for name in one.schemas}
        refused = {name for one in self.repair_plans if one.repair_plan.refusals for name in one.schemas}
        told = [f"{count(len(able), 'schema')} can be repaired"] if able else []
        told += [f"{count(len(refused), 'schema')} not, or not completely"] if refused else []
        return [*told, "nothing was written"]

    def lines(self) -> Iterator[Line]:
        """The plans, with their SQL unless they were carried out; then outcomes and what is left."""
        yield from self.pending_lines()
        yield from repair_plan_lines(self.repair_plans, done=bool(self.outcomes))
        yield from left_out_lines(self.left_out)
        if self.outcomes:
            yield from finding_lines(one for one in self.findings if one not in self.left_out)
        yield from repaired_lines(self.outcomes)
        # Why something was refused is told with the plans.
        yield from outcome_lines(
            one for one in self.outcomes if not (self.repair_plans and one.state == "refused")
        )

    def next_commands(self, called: CommandLine) -> Iterator[Line]:
        """Run again for what failed; the same command with --apply if something can be repaired."""
        for text in called.again([one for one in self.outcomes if not needs_decision(one)]):
            yield Line("info", "release.hinted", text)
        if Exit.PENDING in self.failures and "--apply" not in called.words:
            yield Line("info", "repair.hinted", f"To do it: {called.to_type(called.schemas, '--apply')}")

    def document(self) -> dict[str, Any]:
        """The common part and `remedies`."""
        return super().document() | {"remedies": [_repair_plan(one) for one in self.repair_plans]}


def _repair_plan(one: PlannedRepair) -> dict[str, Any]:
    plan = dataclasses.asdict(one.repair_plan)
    del plan["owners"]
    records = [".".join(key) for key in one.repair_plan.records]
    return {"schemas": list(one.schemas), "mends": plan.pop("repairs"), **plan, "records": records}
