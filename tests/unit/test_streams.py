"""Bytes that flow through programs: what ended badly, or was not all taken in, never looks complete."""

import os
import signal
import time
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Timer

import pytest

from railway_release.backup.streams import Program, through
from railway_release.errors import BackupFailed
from railway_release.runtime.signals import Interrupted, Interrupts
from tests.support.release import until
from tests.support.running import alive

BLOCKS = [bytes([number]) * 100_000 for number in range(20)]  # more than a pipe holds


def shell(script: str, seconds: float = 20, **more) -> Program:
    """A program of sh."""
    return Program(["sh", "-c", script], dict(os.environ), time.monotonic() + seconds, **more)


@contextmanager
def interrupted(seconds: float):
    """While entered, this process gets a signal after so long, which raises as in a release."""
    sent = Timer(seconds, os.kill, (os.getpid(), signal.SIGTERM))
    with Interrupts():
        sent.start()
        try:
            yield
        finally:
            sent.join()


def dead(processes: list[int]) -> None:
    """They end; a process that was killed is there until the system has come to it."""
    until(lambda: not any(map(alive, processes)), 10, "the end of the programs")


def pids(*files: Path) -> list[int]:
    """The process ids that these files hold, as soon as they do."""
    deadline = time.monotonic() + 10
    while not all(file.exists() and file.read_text().strip() for file in files):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return [int(file.read_text()) for file in files]


def test_what_a_program_makes_of_its_input_comes_out():
    assert b"".join(through(shell("tr a b"), [b"aaa", b"ca"])) == b"bbbcb"


def test_as_many_bytes_come_out_as_went_in():
    assert b"".join(through(shell("cat"), BLOCKS, reads_all=True)) == b"".join(BLOCKS)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo data; echo trouble >&2; exit 3", "sh failed with exit code 3: trouble"),
        ("echo data; kill -9 $$", "sh failed with signal SIGKILL, without a word"),
        ("exit 1", "sh failed with exit code 1, without a word"),
        (
            "echo 'x: error: full' >&2; yes | head -20 >&2; exit 1",
            "1: x: error: full",
        ),
    ],
)
def test_a_program_that_fails_at_its_last_byte_has_failed(script, words):
    with pytest.raises(BackupFailed) as failure:
        list(through(shell(script)))

    assert failure.value.message.endswith(words)


def test_a_program_that_is_not_there_has_failed():
    program = Program(["no-such-program"], {}, time.monotonic() + 9)
    with pytest.raises(BackupFailed, match="cannot be started"):
        list(through(program))


@pytest.mark.parametrize("error", [ValueError("lost"), BrokenPipeError("lost"), BackupFailed("lost")])
def test_an_error_in_the_input_is_none_of_a_mere_end_of_file(error):
    def chunks():
        yield BLOCKS[0]
        raise error

    with pytest.raises(type(error), match="lost"):
        list(through(shell("cat"), chunks()))


def test_a_source_that_fails_fails_what_it_feeds():
    with pytest.raises(BackupFailed, match="exit code 7"):
        list(through(shell("cat"), through(shell("head -c 300000 /dev/zero; exit 7"))))


def test_a_program_may_end_before_it_has_read_everything():
    assert b"".join(through(shell("head -c 3; exec <&-"), BLOCKS)) == b"\0\0\0"


@pytest.mark.parametrize("script", ["head -c 3; exec <&-", "exec <&-; sleep 0.2"])
def test_one_that_has_to_read_everything_may_not(script):
    with pytest.raises(BackupFailed, match="before it had read everything"):
        list(through(shell(script), BLOCKS, reads_all=True))


def test_a_source_is_ended_with_what_it_feeds(tmp_path):
    source = through(shell(f"echo $$ > {tmp_path / 'source'}; exec sleep 60"))
    started = time.monotonic()
    with pytest.raises(BackupFailed, match="exit code 4"):
        list(through(shell(f"while ! test -s {tmp_path / 'source'}; do sleep 0.05; done; exit 4"), source))

    assert time.monotonic() - started < 10
    dead(pids(tmp_path / "source"))


def test_time_is_bounded(tmp_path):
    script = f"trap '' TERM; sleep 60 & echo $! > {tmp_path / 'child'}; wait"
    with pytest.raises(BackupFailed, match="did not end within the time"):
        list(through(shell(script, seconds=0.5)))

    dead(pids(tmp_path / "child"))


def test_an_interruption_ends_a_chain_of_silent_programs(tmp_path):
    source = through(shell(f"echo $$ > {tmp_path / 'source'}; exec sleep 60"))
    chain = through(shell(f"echo $$ > {tmp_path / 'end'}; exec cat"), source)
    started = time.monotonic()
    with pytest.raises(Interrupted), interrupted(0.5):
        list(chain)

    assert time.monotonic() - started < 10
    dead(pids(tmp_path / "source", tmp_path / "end"))


def test_an_interruption_at_any_moment_leaves_no_process(tmp_path):
    """Above all none between the start of a program and the moment at which it is known."""
    for number in range(40):
        file = tmp_path / str(number)
        with pytest.raises(Interrupted), interrupted(0.001 + number * 0.0005):
            list(through(shell(f"echo $$ > {file}; exec sleep 60")))
        if file.exists() and file.read_text():
            dead(pids(file))


def test_a_reader_that_stops_ends_the_program(tmp_path):
    with closing(through(shell(f"echo $$ > {tmp_path / 'pid'}; exec cat /dev/zero"))) as chunks:
        next(chunks)

    dead(pids(tmp_path / "pid"))


def test_each_line_of_what_a_program_says_is_passed_on():
    lines: list[str] = []
    list(through(shell("echo one >&2; echo two >&2", on_line=lines.append)))

    assert lines == ["one", "two"]
