"""Documents say what the code says, and their links lead somewhere."""

import ast
import re
import shlex
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from railway_release.cli import _parser
from railway_release.config.config import Config
from railway_release.config.options import EVERY, Option, options_of, resolve, variable
from railway_release.errors import PRECEDENCE, Exit, ReleaseError
from railway_release.migrations.outcome import Outcome
from railway_release.report.report import Report
from railway_release.report.results import EMPTY
from railway_release.verification.findings import HINTS, WARNINGS, Finding
from tests.unit.test_imports import FLOORS

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "railway_release"
PAGES = sorted(
    page for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")]
)
TRANSLATED = {
    "a-relation-does-not-exist.md": "guides/a-relation-does-not-exist.md",
    "getting-started.md": "getting-started.md",
}
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
# What looks like the id of a finding, cause, error or event, and is none, or is put together in the code.
NO_IDS = re.compile(r"app\.name|django_tenants\.\w+|os\.\w+|sys\.path|release\.finished|status\.\w+")
_FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """The page without blocks of code, whose lines may look like headings and links."""
    return _FENCED.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings: https://docs.github.com/en/get-started/writing-on-github"""
    headings = re.findall(r"^#{1,6} (.+)$", prose(page), re.MULTILINE)
    return {"".join(c for c in one.lower() if _kept(c)).replace(" ", "-") for one in headings}


def _kept(character: str) -> bool:
    return character in " -_" or unicodedata.category(character)[0] in "LNM"


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """File and anchor of each link to a file of the repository."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if not target.startswith(("http:", "https:", "mailto:")):
            path, _, anchor = target.partition("#")
            yield (page.parent / path).resolve() if path else page, anchor


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page):
    for path, anchor in links(page):
        assert path.exists(), path
        assert not anchor or anchor in anchors(path), f"{path.name}#{anchor}"


def test_every_document_is_reached_from_the_readme():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            waiting += [path for path, _ in links(page)]

    assert set((ROOT / "docs").rglob("*.md")) - reached == set()


def test_the_readme_is_short():
    assert len(text_of("README.md").splitlines()) <= 160


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_a_guide_has_its_first_command_on_the_first_screen(page):
    first_screen = "\n".join(page.read_text(encoding="utf-8").splitlines()[:20])

    assert "```" in first_screen


def blocks(page: Path, language: str) -> list[str]:
    return [body for _, found, body in _FENCED.findall(page.read_text(encoding="utf-8")) if found == language]


def commands(page: Path) -> list[str]:
    """What follows run_migrations.py in the page's shell blocks and in its code spans."""
    spans = re.findall(r"`(python run_migrations\.py[^`]*)`", page.read_text(encoding="utf-8"))
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    found = [re.search(r"python run_migrations\.py(.*)", line) for line in (*lines, *spans)]
    words = [re.split(r"\s#\s|&&", match[1])[0] for match in found if match]
    # Of a command that another one quotes, the end of the quotation is left over.
    return [one.replace("'", "") if one.count("'") % 2 else one for one in words]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_is_shown_can_be_parsed(page):
    for words in commands(page):
        shown = shlex.split(words.replace("'…'", "TEXT").replace("…", ""))
        if shown[:1] != ["COMMAND"]:
            shown = shown if shown and not shown[0].startswith("-") else ["release", *shown]
            _parser(shown[0]).parse_args(shown)


@pytest.mark.parametrize(("greek", "english"), TRANSLATED.items())
def test_the_greek_pages_have_the_commands_of_the_english_ones(greek, english):
    pages = ROOT / "docs" / "el" / greek, ROOT / "docs" / english

    assert blocks(pages[0], "sh") == blocks(pages[1], "sh")
    assert len(re.findall(r"^## ", prose(pages[0]), re.MULTILINE)) == len(
        re.findall(r"^## ", prose(pages[1]), re.MULTILINE)
    )


def rows(name: str, columns: int) -> list[list[str]]:
    """The cells of all tables with so many columns, without their heads."""
    lines = [line for line in prose(ROOT / name).splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    heads = {number - 1 for number, row in enumerate(cells) if set("".join(row)) <= set("-|")}
    heads |= {number + 1 for number in heads}
    return [row for number, row in enumerate(cells) if number not in heads and len(row) == columns]


def expected_row(name: str, declared: Option, default: object) -> str:
    flag = f"`--{name.replace('_', '-')}`" if "flag" in declared.sources else ""
    flag = f"`{declared.argument['metavar']}`" if declared.positional else flag
    key = f'`RAILWAY_RELEASE["{name.upper()}"]`' if declared.sources == {"setting"} else ""
    named = f"`{variable(name, declared)}`" if "env" in declared.sources else key
    flag += ", `--no-collectstatic`" if name == "collectstatic" else ""
    shown = "" if default in ("", (), None, False) else f"{default:g}" if type(default) is float else default
    on = "all" if declared.commands == EVERY else ", ".join(sorted(declared.commands))
    return f"| {flag} | {named} | {shown} | {on} | {declared.help} |"


def test_every_option_has_its_row_in_order():
    lines = text_of("docs/reference/settings.md").splitlines()
    first = lines.index("|---|---|---|---|---|") + 1
    last = lines.index("", first)

    assert lines[first:last] == [expected_row(*one) for one in options_of(Config)]


def test_options_and_variables_that_are_named_anywhere_exist():
    flags = {f"--{name.replace('_', '-')}" for name, one, _ in options_of(Config) if "flag" in one.sources}
    flags |= {"--no-collectstatic", "--help"}
    known = {variable(name, one) for name, one, _ in options_of(Config)}
    for page in PAGES:
        assert set(re.findall(r"\bRELEASE_[A-Z_]+\b", prose(page))) - known <= {"RELEASE_"}, page
        named = re.findall(r"run_migrations\.py[^`\n]*? (--[a-z-]+)", page.read_text(encoding="utf-8"))
        assert set(named) <= flags, page


def test_every_command_has_its_row():
    assert {name for name, _, _ in rows("docs/reference/commands.md", 3)} == {f"`{name}`" for name in EMPTY}


def test_settings_that_are_shown_are_accepted():
    shown = [block for page in PAGES for block in blocks(page, "python") if "RAILWAY_RELEASE = " in block]

    assert shown
    for block in shown:
        namespace: dict[str, Any] = {}
        exec(block, namespace)  # noqa: S102 - of our own pages
        assert resolve(Config, {}, {}, namespace["RAILWAY_RELEASE"])[1] == []


def test_every_finding_has_its_row_with_its_severity():
    found = {
        re.findall(r"`(.+)`", id)[0]: severity for id, _, severity in rows("docs/reference/findings.md", 3)
    }
    of_schemas = {"schema.missing", "schema.unfinished", "schema.unowned", "app.ahead", "rows.missing"}

    assert set(found) == set(HINTS)
    assert {id for id, severity in found.items() if severity == "warning"} == {
        *(*WARNINGS, *of_schemas, "app.unmigrated")
    }


def kinds_of_errors(kind: type[ReleaseError]) -> Iterator[type[ReleaseError]]:
    yield kind
    for one in kind.__subclasses__():
        yield from kinds_of_errors(one)


def test_every_error_has_its_row():
    expected = {
        (f"`{one.id}`", str(int(one.exit_code)), one.__doc__) for one in kinds_of_errors(ReleaseError)
    }

    assert {tuple(row) for row in rows("docs/reference/errors.md", 3)} == expected


@pytest.mark.parametrize("page", ["README.md", "docs/reference/exit-codes.md"])
def test_exit_codes_are_those_of_the_code(page):
    section = text_of(page).partition("xit codes\n")[2].partition("\n## ")[0]
    codes = re.findall(r"^\| ([\d, ]+) \|", section, re.MULTILINE)

    assert [int(one) for row in codes for one in row.split(",")] == sorted(Exit)


def test_the_order_of_exit_codes_is_that_of_the_code():
    listed = re.search(r"the first of ([\d, ]+)\.", text_of("docs/reference/exit-codes.md"))

    assert listed
    assert [int(one) for one in listed[1].split(",")] == list(PRECEDENCE)


def keys(heading: str) -> set[str]:
    """The keys in the first column of the table below a heading of the page about output."""
    section = text_of("docs/reference/output.md").partition(f" {heading}\n")[2].partition("\n#")[0]
    cells = re.findall(r"^\| (`.+?`) \|", section, re.MULTILINE)
    return {key for cell in cells for key in re.findall(r"`(\w+)`", cell)}


def test_every_key_of_the_report_is_explained():
    documents = [Report(command, "c11b773f").as_dict() for command in EMPTY]

    assert keys("The JSON report") == {key for one in documents for key in one} | {"status"}


def test_every_key_of_a_schema_and_of_a_finding_is_explained():
    schemas = EMPTY["release"].__class__(outcomes=(Outcome("athena", "current"),)).document()["schemas"]
    findings = (
        EMPTY["release"]
        .__class__(findings=(Finding("table.ghost", "error", "athena", "buildings_building"),))
        .document()["findings"]
    )

    assert keys("Schemas") == set(schemas[0])
    assert keys("Findings") == set(findings[0])


def test_every_field_of_a_log_line_is_explained():
    calls = re.compile(r"\.(?:info|warning|error|debug|log)\(\s*[^()]*?message=.*?\)\n", re.DOTALL)
    used = {
        field
        for path in PACKAGE.rglob("*.py")
        for call in calls.findall(path.read_text(encoding="utf-8"))
        for field in re.findall(r"[(\s](\w+)=", call)
    }

    assert used - keys("Log lines") == set()


def test_the_map_names_every_folder_and_loose_module():
    page = text_of("docs/architecture.md")
    folders = [path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()]
    loose = [path.name for path in PACKAGE.glob("*.py") if path.name != "__init__.py"]

    for name in [*(f"{one}/" for one in folders), *loose]:
        assert f"| `{name}` |" in page, name


def test_every_module_that_the_map_names_is_there():
    named = re.findall(r"`((?:\w+/)?\w+\.py)`", text_of("docs/architecture.md"))

    assert {name for name in named if not ((PACKAGE / name).exists() or (ROOT / name).exists())} == set()


def test_the_map_has_the_order_of_the_imports():
    table = re.findall(r"^\| (\d+) \| `(\w+)[/.]", text_of("docs/architecture.md"), re.MULTILINE)

    assert {(int(number), name) for number, name in table} == {
        (number, name) for number, names in enumerate(FLOORS, 1) for name in names
    }


def test_every_id_that_is_named_is_one_of_the_code():
    source = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    files = {"py", "ts", "json", "toml", "md", "txt", "sh"}
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        ids = re.findall(r"`([a-z_]+\.[a-z_]+)`", prose(page))
        ids = [one for one in ids if one.rpartition(".")[2] not in files and not NO_IDS.fullmatch(one)]
        assert [one for one in ids if f'"{one}"' not in source] == [], page


def words_of_the_package() -> str:
    """Every text of the source, those of f-strings in pieces."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return "\n".join(node.value for node in nodes if isinstance(node.value, str))


OF_OTHERS = {"already exists", "lock timeout", "No module named"}  # PostgreSQL's words, and Python's


def test_messages_that_are_looked_up_are_those_of_the_code():
    source = words_of_the_package()
    for page in [ROOT / "docs" / "reference" / "errors.md", *GUIDES]:
        cells = [line.split(" | ")[0] for line in prose(page).splitlines() if line.startswith("|")]
        shown = [one for cell in cells for one in re.findall(r"(?<![\w*])\*([^*]+)\*(?![\w*])", cell)]
        pieces = [re.split(r"…|, but|\bNAME\b|\bDATABASE_URL\b|: ", one) for one in shown]
        words = {piece.strip(" ,") for each in pieces for piece in each} - {""}
        assert {one for one in words if one not in source} <= OF_OTHERS, page
