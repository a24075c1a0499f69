"""What a database holds, in sections that two databases can be compared by."""

import difflib
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from .binaries import run
from .release import Database

Picture = Mapping[str, list[str]]  # section to lines

# A column of this name holds what no two runs have in common: a time, a random number.
_DIFFERS = "differs_"

_ENTRY = re.compile(r"^-- Name: .*; Type: .*; Schema: (?P<schema>.*); Owner:")
# pg_dump protects its output with a word that is new each time.
_RANDOM = ("\\restrict", "\\unrestrict")

_ROWS = """
CREATE FUNCTION pg_temp.rows() RETURNS TABLE (section text, line text) LANGUAGE plpgsql AS $function$
DECLARE
    found record;
BEGIN
    FOR found IN SELECT * FROM pg_tables WHERE schemaname !~ '^(pg_|information_schema)' LOOP
        RETURN QUERY EXECUTE format(
            CASE found.tablename WHEN 'django_migrations'
                THEN 'SELECT %L, to_jsonb(array[app, name])::text FROM (SELECT * FROM %I.%I ORDER BY id) rows'
                ELSE 'SELECT %L, to_jsonb(rows)::text FROM %I.%I rows ORDER BY 2'
            END,
            'rows ' || found.schemaname || '.' || found.tablename, found.schemaname, found.tablename
        );
    END LOOP;
    RETURN QUERY SELECT 'sequences of ' || schemaname, sequencename || ' ' || coalesce(last_value::text, '-')
        FROM pg_sequences WHERE sequencename <> 'django_migrations_id_seq' ORDER BY 1, 2;
END
$function$;
SELECT section || chr(9) || line FROM pg_temp.rows();
"""


def picture(database: Database) -> Picture:
    """The definitions, the rows and the sequences of every schema; records without their ids and times."""
    sections: dict[str, list[str]] = defaultdict(list)
    for section, line in (*_definitions(database), *_rows(database)):
        sections[section].append(line)
    return sections


def differences(one: Picture, other: Picture) -> list[str]:
    """What is in one only (-) and what is in the other only (+), by sections; nothing if they are equal."""
    return [
        f"{section}: {line}"
        for section in sorted({*one, *other})
        for line in difflib.unified_diff(one.get(section, []), other.get(section, []), n=0, lineterm="")
        if not line.startswith(("---", "+++", "@@"))
    ]


def _definitions(database: Database) -> Iterator[tuple[str, str]]:
    """The statements of pg_dump, each with the schema that it belongs to."""
    section = "definitions"
    for line in run("pg_dump", "--schema-only", "-d", database.url).splitlines():
        if entry := _ENTRY.match(line):
            section = f"definitions of {entry['schema']}"
        elif line and not line.startswith(("--", *_RANDOM)):
            yield section, line


def _rows(database: Database) -> Iterator[tuple[str, str]]:
    for found in database.lines(_ROWS):
        section, line = found.split("\t", 1)
        yield section, _without_what_differs(line)


def _without_what_differs(line: str) -> str:
    if _DIFFERS not in line:
        return line
    row = json.loads(line)
    return json.dumps(
        {name: bool(value) if name.startswith(_DIFFERS) else value for name, value in row.items()}
    )
