"""A migration that prints more than anybody wants to read."""

from pathlib import Path

import pytest

from tests.faults.test_misbehaviour import python
from tests.support.release import Project, until


def peak_memory(pid: int) -> int:
    """The most that a process has had in memory so far, in MB; Linux has such a file."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) // 1000 for line in status if line.startswith("VmHWM"))


@pytest.mark.parametrize(
    "printing",
    ["sys.stdout.write('x' * 3 * 10**7)", "for _ in range(3 * 10**5): print('x' * 99)"],
    ids=["one", "lines"],
)
def test_a_migration_that_prints_30_mb_goes_on_and_the_release_does_not_keep_it(
    past: Project, begin, printing: str
):
    """Whoever prints waits until it was read, with the locks that the migration has."""
    python(past, f"if name == 'kypseli':\n    {printing}\n    (here / 'printed').touch()\n    wait()")
    release = begin(past)
    until(lambda: (past.folder / "printed").exists() or release.ended, 120, "the end of the printing")
    memory = peak_memory(release.process.pid)
    (past.folder / "leave").touch()
    run = release.finish()

    assert (run.code, set(run.states.values())) == (0, {"migrated"}), run.text[-1000:]
    assert memory < 85  # it is about 60 without them
