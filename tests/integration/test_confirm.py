"""On a real terminal: what is shown, what is asked, and what the answer does."""

import re
import signal
import subprocess

import pytest

from tests.support.release import Project
from tests.support.snapshot import contents
from tests.support.terminal import PROMPT, on_terminal

PRODUCTION = {"RAILWAY_ENVIRONMENT_NAME": "production", "RAILWAY_PROJECT_NAME": "homes"}
OTHER_COMMIT = "0123456789abcdef0123456789abcdef01234567"


def git(project: Project, *words: str) -> str:
    identity = ("-c", "user.name=Eleni", "-c", "user.email=eleni@example.com", "-c", "commit.gpgsign=false")
    command = ["git", *identity, *words]
    return subprocess.run(
        command, cwd=project.folder, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture
def commit(past: Project) -> str:
    """The commit of the project's clean working tree."""
    past.write(".gitignore", "__pycache__/\nstaticfiles/\n")
    git(past, "init", "--quiet")
    git(past, "add", "--all")
    git(past, "commit", "--quiet", "--message", "Lifts")
    return git(past, "rev-parse", "HEAD")


def test_a_terminal_is_shown_what_would_change_where(past: Project, commit: str):
    past.write("new.txt", "not committed")

    seen = on_terminal(past, answer="no\n", **PRODUCTION, RAILWAY_GIT_COMMIT_SHA=OTHER_COMMIT)

    host, port, name = re.split("[:/]", past.database.url.rpartition("@")[2])
    told = (host, port, name, "production", commit[:7], OTHER_COMMIT[:7], "uncommitted")
    assert [word for word in told if word not in seen.text.partition(PROMPT)[0]] == []


def test_the_name_of_the_environment_lets_the_release_proceed(past: Project, commit: str):
    seen = on_terminal(past, answer="production\n", **PRODUCTION, RAILWAY_GIT_COMMIT_SHA=OTHER_COMMIT)

    assert (seen.code, PROMPT in seen.text, commit[:7] in seen.text) == (0, True, True)
    assert past.database.applied("athena", "buildings")[-1] == "0006_fill_slugs"


def test_any_other_answer_ends_with_nothing_written(past: Project, commit: str):
    before = contents(past.database)

    for answer in ("staging\n", "yes\n", "\n", "Production\n", "\x04"):
        seen = on_terminal(past, answer=answer, **PRODUCTION, RAILWAY_GIT_COMMIT_SHA=OTHER_COMMIT)

        assert (seen.code, PROMPT in seen.text, bool(commit)) == (3, True, True), answer
    assert contents(past.database) == before


def test_an_interrupt_at_the_question_ends_with_nothing_written(past: Project, commit: str):
    before = contents(past.database)

    seen = on_terminal(
        past,
        answer=lambda process: process.send_signal(signal.SIGINT),
        **PRODUCTION,
        RAILWAY_GIT_COMMIT_SHA=OTHER_COMMIT,
    )

    assert (seen.code, "Traceback" in seen.text, bool(commit)) == (130, False, True)
    assert contents(past.database) == before


def test_the_deployed_commit_in_a_clean_tree_is_not_asked_about(past: Project, commit: str):
    seen = on_terminal(past, **PRODUCTION, RAILWAY_GIT_COMMIT_SHA=commit)

    assert (seen.code, PROMPT in seen.text, "production" in seen.text) == (0, False, True)


def test_uncommitted_changes_on_the_deployed_commit_are_asked_about(past: Project, commit: str):
    past.settings("DEBUG = False")

    seen = on_terminal(past, answer="\n", **PRODUCTION, RAILWAY_GIT_COMMIT_SHA=commit)

    assert (seen.code, PROMPT in seen.text) == (3, True)


@pytest.mark.parametrize("deployed", [{}, {"RAILWAY_GIT_COMMIT_SHA": OTHER_COMMIT}], ids=["unknown", "known"])
def test_code_that_git_does_not_know_is_asked_about(past: Project, deployed: dict[str, str]):
    seen = on_terminal(
        past, answer="\n", **PRODUCTION, **deployed, GIT_CEILING_DIRECTORIES=str(past.folder.parent)
    )

    assert (seen.code, PROMPT in seen.text) == (3, True)


def test_yes_skips_the_question_and_shows_the_picture_all_the_same(past: Project, commit: str):
    seen = on_terminal(past, "--yes", **PRODUCTION, RAILWAY_GIT_COMMIT_SHA=OTHER_COMMIT)

    assert (seen.code, PROMPT in seen.text, commit[:7] in seen.text) == (0, False, True)


def test_without_railways_variables_there_is_nothing_to_ask_by_name(past: Project):
    seen = on_terminal(past)

    assert (seen.code, PROMPT in seen.text) == (0, False)


def test_on_railway_itself_a_terminal_is_never_asked(past: Project):
    seen = on_terminal(past, **PRODUCTION, RAILWAY_DEPLOYMENT_ID="d-1", RAILWAY_GIT_COMMIT_SHA=OTHER_COMMIT)

    assert (seen.code, PROMPT in seen.text) == (0, False)


def test_without_a_terminal_nothing_is_asked(past: Project, commit: str):
    run = past.run(**PRODUCTION, RAILWAY_GIT_COMMIT_SHA=OTHER_COMMIT)

    assert (run.code, PROMPT in run.text, bool(commit)) == (0, False, True)


@pytest.mark.parametrize("words", [("plan",), ("check",), ("--dry-run",)])
def test_commands_that_only_look_never_ask(past: Project, words: tuple[str, ...]):
    seen = on_terminal(past, *words, **PRODUCTION, RAILWAY_GIT_COMMIT_SHA=OTHER_COMMIT)

    assert (seen.code, PROMPT in seen.text) == (9, False)


def test_a_terminal_gets_readable_lines_and_a_progress_bar(past: Project):
    seen = on_terminal(past, "--no-collectstatic")

    assert '{"message"' not in seen.text
    assert re.search(r"\d\d:\d\d:\d\d  athena migrated", seen.text)
    assert re.search(r"\[#+\.*\] 3 of 3 schemas", seen.text), seen.text


def test_the_progress_bar_is_taken_away_before_the_summary(past: Project):
    seen = on_terminal(past, "--no-collectstatic")

    last = seen.text.rstrip("\n").rpartition("\n")[2]
    assert re.fullmatch(r"\d\d:\d\d:\d\d  release done in [\d.]+ s: 4 migrated", last), last


def test_on_railway_a_terminal_gets_json(past: Project):
    seen = on_terminal(past, "plan", RAILWAY_DEPLOYMENT_ID="d-1")

    assert {line[:12] for line in seen.text.splitlines()} == {'{"message": '}


def test_json_can_be_had_on_a_terminal(past: Project):
    seen = on_terminal(past, "plan", "--log-format", "json")

    assert {line[:12] for line in seen.text.splitlines()} == {'{"message": '}


@pytest.mark.parametrize(
    ("environ", "colored"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)],
    ids=["color", "no color", "empty"],
)
def test_errors_are_colored_unless_no_color_is_set(past: Project, environ: dict[str, str], colored: bool):
    seen = on_terminal(past, "--lock-timeout", "never", **environ)

    assert (seen.code, "\033[31m" in seen.text) == (2, colored)
