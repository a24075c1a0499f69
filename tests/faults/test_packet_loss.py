"""A network that loses every packet from one moment on: what test_silence does, on the wire itself."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.test_silence import LAST, WRITING
from tests.support.account import SupportError
from tests.support.network import Network
from tests.support.release import Database, Project, until
from tests.support.running import WAIT_AT_GATE, Gate, only_in
from tests.support.server import HOST, copy_of, psql
from tests.support.urls import changed

pytestmark = pytest.mark.skipif("TEST_DATABASE_URL" in os.environ, reason="copies a server that is not ours")


@pytest.fixture
def network() -> Iterator[Network]:
    """Another host, linked with this one."""
    one = Network()
    try:
        if not one.set_up():
            pytest.skip("a network namespace cannot be made here")
        yield one
    finally:
        one.remove()


@pytest.fixture
def past(past: Project, network: Network) -> Iterator[Project]:
    """On a server that the other host can reach, too."""
    with copy_of(past.database.url, listen_addresses=f"{HOST},{network.here}") as url:
        past.database = Database(url)
        rules = Path(past.database.sql("SHOW hba_file"))
        rules.write_text(f"{rules.read_text()}\nhost all all {network.there}/32 scram-sha-256\n")
        past.database.sql("SELECT pg_reload_conf()")
        with network.entered():
            until(lambda: reachable(at(past.database.url, network)), what="the new rule")
        yield past


def at(url: str, network: Network) -> str:
    """The server as the other host reaches it."""
    return changed(url, host=network.here)


def reachable(url: str) -> bool:
    """Whether it lets us in."""
    try:
        return psql(url, "SELECT true") == "t"
    except SupportError:
        return False


def test_a_release_whose_packets_are_all_lost_ends_and_the_next_one_ends_what_it_left(
    past: Project, begin, network: Network, gate: Gate
):
    """The next one is begun where the server can be reached, which has heard of nothing."""
    # From Python, so that its transaction is open when the answer comes.
    held = f"editor.execute({only_in('kypseli', WAIT_AT_GATE)!r})"
    past.migration("announcements", "0004_held", LAST, f"migrations.RunPython(lambda apps, editor: {held})")
    how = {"RELEASE_PEER_TIMEOUT": "1", "RELEASE_GRACE": "3", "RELEASE_JOBS": "2"}
    with network.entered():
        release = begin(past, DATABASE_URL=at(past.url, network), TEST_COLD="1", **how)
    gate.reached()
    network.lose_everything()
    first = release.finish(seconds=15)
    gate.open()
    until(lambda: past.database.sql(f"{WRITING} AND state LIKE 'idle%'"), what="the session that is left")
    second = begin(past, name="second", **how).finish()

    assert (first.code, first.report["error"], first.states["kypseli"]) == (4, "lock.lost", "not reached")
    assert "has not answered for 1 s" in first.report["causes"][0]["message"]
    assert "railway-release" in second.named("lock.session_ended")[0]["message"]
    assert (second.code, second.report["findings"]) == (0, []), second.text
