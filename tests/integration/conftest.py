"""Starting points that more than one file needs."""

import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import TENANTS
from tests.support import tight
from tests.support.binaries import bin_dir, environment, run
from tests.support.crowd import gather
from tests.support.detailed import describe
from tests.support.release import Database, Project, Run
from tests.support.schemas import copy_tenant, let_a_day_pass, quote
from tests.support.server import create_database, database_url, psql
from tests.support.unwell import borrowed, name_of, with_files

MANY = tuple(f"tenant{number:03}" for number in range(150))


@pytest.fixture
def another(new_database: Callable[..., Database], tmp_path: Path) -> Callable[[Project], Project]:
    """Copies a project, its files and its database: what takes runs to come about is made once for a file."""

    def copy(built: Project) -> Project:
        project = Project(tmp_path / "another", new_database(name_of(built.database)))
        return with_files(project, built.folder)

    return copy


@pytest.fixture
def new_role() -> Iterator[Callable[[Database], str]]:
    """Creates roles that may look at everything in a database and do nothing else; returns their URL."""
    made: list[tuple[Database, str]] = []

    def create(database: Database) -> str:
        name = f"reader_{uuid.uuid4().hex[:12]}"
        database.sql(f"CREATE ROLE {name} LOGIN PASSWORD 'look'")
        made.append((database, name))
        schemas = database.lines("SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%'")
        listed = ", ".join(map(quote, schemas))
        database.sql(
            f"GRANT USAGE ON SCHEMA {listed} TO {name};"
            f"GRANT SELECT ON ALL TABLES IN SCHEMA {listed} TO {name}"
        )
        address = urlsplit(database.url)
        return address._replace(netloc=f"{name}:look@{address.hostname}:{address.port}").geturl()

    yield create
    for database, name in made:
        database.sql(f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.fixture(scope="session")
def detailed_template(server: str, current_template: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database in which every tenant has that model."""
    name = f"{current_template}_detailed"
    url = create_database(server, name, current_template)
    project = Project(tmp_path_factory.mktemp("detailed") / "project", Database(url))
    describe(project)
    assert project.run("--no-collectstatic").code == 0
    let_a_day_pass(project.database)
    yield name
    psql(server, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def detailed(new_database: Callable[..., Database], detailed_template: str, tmp_path: Path) -> Project:
    """Three tenants with that model, and nothing to do."""
    project = Project(tmp_path / "project", new_database(detailed_template))
    describe(project)
    return project


@pytest.fixture(scope="session")
def crowd_template(
    server: str, detailed_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The same with many more tenants; for the tests of the group "crowd" alone, so that it is made once."""
    with borrowed(server, detailed_template, tmp_path_factory.mktemp("crowd")) as project:
        describe(project)
        gather(project)
        yield name_of(project.database)


@pytest.fixture(scope="session")
def all_well(
    server: str, current_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """Many more tenants and nothing to do, to look at or to copy; for the tests of the group "many" alone."""
    with borrowed(server, current_template, tmp_path_factory.mktemp("many")) as project:
        copy_tenant(project.database, "athena", *MANY)
        yield project


@pytest.fixture(scope="session")
def many_template(all_well: Project) -> str:
    """The name of its database."""
    return name_of(all_well.database)


@pytest.fixture(scope="session")
def tight_server() -> Iterator[str]:
    with tight.tight_server() as url:
        yield url


@pytest.fixture(scope="session")
def tight_template(tight_server: str, server: str, current_template: str) -> str:
    """A database there with three tenants, and many more that nobody is a member of."""
    dump = run("pg_dump", "--inserts", "--no-comments", "-d", database_url(server, current_template))
    url = create_database(tight_server, "tight")
    each = [str(bin_dir() / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url]
    subprocess.run(each, input=dump, text=True, check=True, env=environment(), stdout=subprocess.DEVNULL)
    psql(url, tight.TENANTS)
    return "tight"


@pytest.fixture
def cramped(tight_server: str, tight_template: str, tmp_path: Path) -> Iterator[Project]:
    """The example project on a server with few lock slots."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield Project(tmp_path / "project", Database(create_database(tight_server, name, tight_template)))
    psql(tight_server, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def restorable(
    server: str, template: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """A database after a release that took a backup, and the folder of that; one tenant has its own owner.

    For tests of the group "restore", so that it is made once.
    """
    folder = tmp_path_factory.mktemp("restore")
    with borrowed(server, template(*TENANTS), folder) as project:
        name, table = name_of(project.database), "athena.buildings_buildingmembership"
        key = "buildings_buildingmembership_user_id_f7ce61eb_fk_users_user_id"
        project.database.sql(
            f"CREATE ROLE keeper_{name}; CREATE ROLE reader_{name};"
            f"COMMENT ON SCHEMA athena IS 'of the goddess'; ALTER TABLE {table} OWNER TO keeper_{name};"
            f"ALTER SCHEMA athena OWNER TO keeper_{name};"
            f"COMMENT ON CONSTRAINT {key} ON {table} IS 'of theirs';"
            f"GRANT SELECT ON {table} TO reader_{name}; GRANT USAGE ON SCHEMA athena TO reader_{name}"
        )
        run = project.run("--no-collectstatic", "--backup-to", str(folder / "backups"))
        assert run.code == 0, run.text
        yield name, folder / "backups"
    psql(server, f"DROP ROLE keeper_{name}, reader_{name}")


@pytest.fixture
def backed_up(restorable: tuple[str, Path], new_database: Callable[..., Database], tmp_path: Path) -> Project:
    """The same project with a database of its own, and the backup of the first one."""
    return Project(tmp_path / "project", new_database(restorable[0]))


@pytest.fixture
def restore(backed_up: Project, restorable: tuple[str, Path]) -> Callable[..., Run]:
    """Runs `restore` with that backup, or one of another name."""
    (folder,) = restorable[1].iterdir()

    def run(*words: str, name: str = folder.name, **environ: str) -> Run:
        return backed_up.run("restore", name, *words, RELEASE_BACKUP_TO=str(restorable[1]), **environ)

    return run


@pytest.fixture(scope="session")
def store():
    """A store that speaks S3; tests with it are in the group "s3", so that only one worker starts it."""
    from tests.support.s3 import running_store  # two seconds, which the others shall not wait for

    with running_store() as running:
        yield running
