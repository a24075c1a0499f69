"""``python -m benchmarks``: measure, print the table, and write it to ``benchmarks/RESULTS.md``."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.lab import Lab, open_lab, say
from benchmarks.machine import circumstances
from benchmarks.results import Section, document, notes_by_section
from benchmarks.rows.backups import backups
from benchmarks.rows.costly import costly
from benchmarks.rows.growth import growth
from benchmarks.rows.memory import memory
from benchmarks.rows.nothing import nothing
from benchmarks.rows.repair import repairs, start
from benchmarks.rows.trips import trips
from benchmarks.rows.upgrade import add_field, mixed, new
from benchmarks.rows.verification import verification
from benchmarks.scale import FULL, QUICK
from tests.support.account import SupportError

_HERE = Path(__file__).parent
_RESULTS = _HERE / "RESULTS.md"
_NOTES = _HERE / "NOTES.md"

ROWS: dict[str, Callable[[Lab], Section]] = {
    "nothing": nothing,
    "addfield": add_field,
    "mixed": mixed,
    "new": new,
    "growth": growth,
    "costly": costly,
    "memory": memory,
    "trips": trips,
    "verification": verification,
    "start": start,
    "repair": repairs,
    "backups": backups,
}


def main() -> int:
    """Run what was asked for."""
    options = _options()
    scale = QUICK if options.quick else FULL
    with open_lab(scale, options.jobs, options.engine, keep=options.keep) as lab:
        sections = [section for name in options.rows if (section := _row(lab, name))]
        lines = circumstances(lab.cluster, lab.jobs)
        lines += ["a quick run: too few tenants to judge anything by"] if options.quick else []
    text = document(sections, lines, _notes(options))
    print(text)
    complete = len(sections) == len(options.rows)
    if options.output and complete:
        options.output.write_text(text, encoding="utf-8")
        say(f"written to {options.output}")
    return 0 if complete else 1


def _row(lab: Lab, name: str) -> Section | None:
    """One row; what goes wrong in it does not take the others along."""
    say(f"measuring {name}")
    try:
        return ROWS[name](lab)
    except (BenchmarkError, SupportError) as error:
        print(f"{name} was not measured: {error}", file=sys.stderr)
        return None


def _notes(options: argparse.Namespace) -> dict[str, str]:
    return {} if options.quick else notes_by_section(_NOTES.read_text(encoding="utf-8"))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--rows", type=_rows, default=list(ROWS), help=f"only these, separated by commas: {', '.join(ROWS)}"
    )
    parser.add_argument("--quick", action="store_true", help="a few tenants, to try the machinery itself")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="workers, and connections of psql"
    )
    parser.add_argument(
        "--engine", default="compiled", help="the engine of railway-release: compiled or stock"
    )
    parser.add_argument("--keep", action="store_true", help="keep the databases for the next time")
    parser.add_argument("--output", type=Path, help="where to write the table; all rows go to RESULTS.md")
    options = parser.parse_args()
    if not options.output and not options.quick and options.rows == list(ROWS):
        options.output = _RESULTS
    return options


def _rows(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(ROWS):
        raise argparse.ArgumentTypeError(f"no row {', '.join(sorted(unknown))}")
    return names


if __name__ == "__main__":
    sys.exit(main())
