"""What a worker says: plain values, whatever it was, and never waited for."""

import os
import signal
import socket
import threading
from enum import IntEnum

import pytest

from railway_release.engine.channel import Channel, channel_pair, readable
from railway_release.runtime.plain import plain


class Odd(str):
    """Says something else than it is, and is no pickle's friend."""

    __slots__ = ()

    def __str__(self) -> str:
        return "something else"

    def __reduce__(self):
        return os.kill, (os.getpid(), signal.SIGKILL)


class Number(IntEnum):
    """A number with a name."""

    ONE = 1


class Mute:
    """Has no text."""

    def __str__(self) -> str:
        raise ValueError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Odd("text"), "text"),
        (Number.ONE, 1),
        (True, True),
        (None, None),
        ({Odd("key"): {Mute()}}, {"key": ["<Mute>"]}),
        ((1.5, ["a"]), [1.5, ["a"]]),
        ("x" * 200_000, "x" * 100_000),
    ],
)
def test_a_value_becomes_what_json_has(value, expected):
    """Of exactly the standard types."""
    made = plain(value)

    assert (made, type(made)) == (expected, type(expected))


def test_what_contains_itself_comes_to_an_end():
    """A list in itself."""
    endless: list[object] = []
    endless.append(endless)

    assert "[...]" in str(plain(endless))


@pytest.fixture
def pair():
    """The parent's end and the worker's."""
    both = channel_pair()
    yield both
    for one in both:
        one.close()


@pytest.fixture
def raw():
    """The parent's end, and a socket that anything may be written to."""
    mine, theirs = socket.socketpair()
    mine.setblocking(False)
    with mine, theirs:
        yield Channel(mine), theirs


def test_messages_arrive_whole_and_in_order(pair):
    """Also those that cannot be printed."""
    ours, theirs = pair
    for number in range(3):
        theirs.send("told", number=number, text="\ud800")

    assert [(kind, content["number"]) for kind, content in ours.receive()] == [
        ("told", 0),
        ("told", 1),
        ("told", 2),
    ]


def test_half_a_message_is_not_waited_for(raw):
    """The other half comes later, or never."""
    channel, theirs = raw
    theirs.sendall(b'["told"')
    first = channel.receive()
    theirs.sendall(b", {}]\n")

    assert (first, channel.receive()) == ([], [("told", {})])


@pytest.mark.parametrize("line", [b"\x80\n", b"[1]\n", b'["told", 2]\n', b"{}\n"])
def test_what_is_no_message_is_refused(raw, line):
    """A migration may write to any descriptor."""
    channel, theirs = raw
    theirs.sendall(line)

    with pytest.raises(ValueError):  # noqa: PT011 - the kind is the point
        channel.receive()


def test_a_parent_does_not_wait_for_a_worker_that_does_not_listen(pair):
    """The socket's buffer is full in the end."""
    ours, theirs = pair
    for _ in range(5_000):
        ours.send("stop")

    assert readable([theirs], 0) == [theirs]


def test_the_end_of_the_other_side_ends_the_messages(pair):
    """That is how an orphan notices."""
    ours, theirs = pair
    ours.send("stop")
    ended = threading.Thread(target=lambda: list(theirs.messages()))
    ended.start()
    ours.close()
    ended.join(timeout=10)

    assert not ended.is_alive()
