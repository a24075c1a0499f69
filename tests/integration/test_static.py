"""collectstatic, after the migrations, as in the release line that this replaces."""

import pytest

from tests.support.release import Project

STORAGE = """
from django.core.files.storage import Storage


class Remote(Storage):
    \"\"\"Keeps nothing.\"\"\"

    def _save(self, name, content):
        return name

    def exists(self, name):
        return False

    def delete(self, name):
        pass

    def url(self, name):
        return name


class Full(Remote):
    def _save(self, name, content):
        raise OSError("no space left in the bucket")
"""


def use_storage(project: Project, name: str) -> None:
    """Static files go to a storage of the project's own, and STATIC_ROOT is not set."""
    project.write("config/storage.py", STORAGE)
    project.settings(
        f'STORAGES = {{"staticfiles": {{"BACKEND": "config.storage.{name}"}}}}\nSTATIC_ROOT = None'
    )


@pytest.fixture
def current(current: Project) -> Project:
    """With a file of its own alone, since those of the admin are many."""
    return with_one_file(current)


@pytest.fixture
def past(past: Project) -> Project:
    """The same."""
    return with_one_file(past)


def with_one_file(project: Project) -> Project:
    """The project; its static files are this one."""
    project.write("css/base.css", "")
    project.settings(
        'STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]\n'
        'STATICFILES_DIRS = [BASE_DIR / "css"]'
    )
    return project


def collected(project: Project) -> bool:
    """Whether that file is there."""
    return (project.folder / "staticfiles" / "base.css").exists()


def test_static_files_are_collected_where_there_is_a_place_for_them(current: Project) -> None:
    run = current.run()

    assert run.code == 0, run.text
    assert run.event("collectstatic.finished")["phase"] == "collectstatic"
    assert collected(current)


def test_static_files_are_collected_again_over_those_that_are_there(current: Project) -> None:
    current.run()

    assert current.run().code == 0


def test_a_remote_storage_is_a_place_too(current: Project) -> None:
    use_storage(current, "Remote")
    run = current.run()

    assert run.code == 0, run.text
    assert len(run.named("collectstatic.finished")) == 1


def test_nothing_is_collected_without_a_place(current: Project) -> None:
    current.settings("STATIC_ROOT = None")
    run = current.run()

    assert run.code == 0, run.text
    assert run.named("collectstatic.finished") == []


def test_nothing_is_collected_without_the_app(current: Project) -> None:
    current.settings(
        'INSTALLED_APPS = [app for app in INSTALLED_APPS if app != "django.contrib.staticfiles"]\n'
        'SHARED_APPS = [app for app in SHARED_APPS if app != "django.contrib.staticfiles"]'
    )
    run = current.run()

    assert run.code == 0, run.text
    assert run.named("collectstatic.finished") == []


def test_no_collectstatic_leaves_it_out(current: Project) -> None:
    run = current.run("--no-collectstatic")

    assert run.named("collectstatic.finished") == []
    assert not collected(current)


@pytest.mark.parametrize(("words", "expected"), [((), False), (("--collectstatic",), True)])
def test_with_a_schema_they_are_collected_only_if_asked_for(
    current: Project, words: tuple[str, ...], expected: bool
) -> None:
    run = current.run("--schema", "athena", *words)

    assert (run.code, collected(current)) == (0, expected), run.text


@pytest.mark.parametrize(("word", "expected"), [("no", False), ("yes", True), ("auto", True)])
def test_the_environment_can_say_so_too(current: Project, word: str, expected: bool) -> None:
    current.run(RELEASE_COLLECTSTATIC=word)

    assert collected(current) is expected


def test_the_flag_wins_over_the_environment(current: Project) -> None:
    current.run("--collectstatic", RELEASE_COLLECTSTATIC="no")

    assert collected(current)


def test_collectstatic_asked_for_without_a_place_is_exit_code_ten(current: Project) -> None:
    current.settings("STATIC_ROOT = None")
    run = current.run("--collectstatic")

    assert run.code == 10, run.text
    assert "STATIC_ROOT" in run.event("release.failed")["message"]


def test_a_failing_storage_is_exit_code_ten_with_the_migrations_done(past: Project) -> None:
    use_storage(past, "Full")
    run = past.run()

    assert run.code == 10, run.text
    assert "no space left in the bucket" in run.event("collectstatic.failed")["message"]
    assert set(run.states.values()) == {"migrated"}
    assert past.database.applied("athena", "buildings")[-1] == "0006_fill_slugs"


def test_a_failing_storage_does_not_hide_a_failed_tenant(past: Project) -> None:
    use_storage(past, "Full")
    past.database.sql("ALTER TABLE athena.buildings_building ADD COLUMN slug text")
    run = past.run()

    assert run.code == 7
    assert sorted(cause["exit_code"] for cause in run.report["causes"]) == [7, 10]


def test_static_files_are_collected_although_a_tenant_failed(past: Project) -> None:
    past.database.sql("ALTER TABLE athena.buildings_building ADD COLUMN slug text")

    assert past.run().code == 7
    assert collected(past)


def test_nothing_is_collected_when_the_shared_schema_failed(past: Project) -> None:
    past.database.sql("ALTER TABLE public.users_user ADD COLUMN phone text")

    assert past.run().code == 6
    assert not collected(past)


def test_on_railway_a_local_storage_is_worth_a_note(current: Project) -> None:
    run = current.run(RAILWAY_ENVIRONMENT_NAME="production", RAILWAY_DEPLOYMENT_ID="d1")

    assert run.code == 0, run.text
    assert "Pre-deploy Command" in run.event("collectstatic.noted")["message"]


def test_on_railway_a_remote_storage_is_worth_none(current: Project) -> None:
    use_storage(current, "Remote")
    run = current.run(RAILWAY_ENVIRONMENT_NAME="production", RAILWAY_DEPLOYMENT_ID="d1")

    assert run.named("collectstatic.noted") == []


def test_elsewhere_a_local_storage_is_worth_none(current: Project) -> None:
    assert current.run().named("collectstatic.noted") == []


@pytest.mark.parametrize("words", [("plan",), ("verify",), ("check",), ("--dry-run",)])
def test_looking_collects_nothing(current: Project, words: tuple[str, ...]) -> None:
    current.run(*words)

    assert not collected(current)
