"""Listeners: the receivers that rendering a model connects to Django's signals.

Fields connect methods of their own whenever their class is made: for an image's size, for the states of a
workflow. Such a receiver is of use only while somebody makes objects of that class, and each `connect` looks
at all the earlier ones; so those of thousands of classes are put aside, and connected only while the user's
code has the classes in its hands.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.dispatch import Signal

Listener = tuple[Signal, Any]  # with what Signal.receivers holds of the receiver


@contextlib.contextmanager
def put_aside() -> Iterator[list[Listener]]:
    """What is connected while entered is in the list, and is not connected any more afterwards.

    Meanwhile it is, since models may wait for each other.
    """
    connect: Callable[..., None] = Signal.connect
    known: dict[Signal, set[int]] = {}
    found: list[Listener] = []

    def noting(signal: Signal, *arguments: Any, **named: Any) -> None:
        before = known.setdefault(signal, {id(entry) for entry in signal.receivers})
        connect(signal, *arguments, **named)
        entry = signal.receivers[-1]
        if id(entry) not in before:  # it was not connected before, under the same name
            before.add(id(entry))
            found.append((signal, entry))

    Signal.connect = noting  # type: ignore[assignment,method-assign]
    try:
        yield found
    finally:
        Signal.connect = connect  # type: ignore[method-assign]
        _disconnect(found)


@contextlib.contextmanager
def connected(listeners: Iterable[Listener]) -> Iterator[None]:
    """While entered, these are connected, after everybody else's."""
    added = list(listeners)
    for signal, entry in added:
        with signal.lock:
            signal.receivers.append(entry)
    _forget_caches(added)
    try:
        yield
    finally:
        _disconnect(added)


def _disconnect(listeners: Iterable[Listener]) -> None:
    gone: dict[Signal, set[int]] = {}
    for signal, entry in listeners:
        gone.setdefault(signal, set()).add(id(entry))
    for signal, entries in gone.items():
        with signal.lock:
            signal.receivers = [entry for entry in signal.receivers if id(entry) not in entries]
    _forget_caches(listeners)


def _forget_caches(listeners: Iterable[Listener]) -> None:
    for signal in {signal for signal, _ in listeners}:
        signal.sender_receivers_cache.clear()
