"""Everything that is in a database, to see that nothing was written."""

from .binaries import run
from .release import Database


def contents(database: Database) -> str:
    """Schema and rows as pg_dump writes them, without the random words that newer versions add."""
    dump = run("pg_dump", "-d", database.url)
    random = ("\\restrict", "\\unrestrict")
    return "\n".join(line for line in dump.splitlines() if not line.startswith(random))
