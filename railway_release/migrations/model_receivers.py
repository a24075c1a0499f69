"""The receivers that rendering a model connects to Django's signals.

Fields connect methods of their own whenever their class is made: for an image's size, for the states of a
workflow. Such a receiver is needed only while somebody makes objects of that class, and each `connect` looks
through all the earlier ones. So those of thousands of classes are disconnected again, and connected only
while the user's code runs with the classes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.dispatch import Signal

ModelReceiver = tuple[Signal, Any]  # a signal, and its entry for the receiver in Signal.receivers


@contextlib.contextmanager
def collecting_receivers() -> Iterator[list[ModelReceiver]]:
    """Collect in the list what is connected while entered, and disconnect it afterwards.

    Meanwhile it is connected, since models may wait for each other (`class_prepared`).
    """
    connect: Callable[..., None] = Signal.connect
    known: dict[Signal, set[int]] = {}
    collected: list[ModelReceiver] = []

    def collect(signal: Signal, *args: Any, **kwargs: Any) -> None:
        before = known.setdefault(signal, {id(entry) for entry in signal.receivers})
        connect(signal, *args, **kwargs)
        entry = signal.receivers[-1]
        if id(entry) not in before:  # else it was connected already, under the same name
            before.add(id(entry))
            collected.append((signal, entry))

    Signal.connect = collect  # type: ignore[assignment,method-assign]
    try:
        yield collected
    finally:
        Signal.connect = connect  # type: ignore[method-assign]
        _disconnect(collected)


@contextlib.contextmanager
def connected(receivers: Iterable[ModelReceiver]) -> Iterator[None]:
    """While entered, these are connected, after all others."""
    added = list(receivers)
    for signal, entry in added:
        with signal.lock:
            signal.receivers.append(entry)
    _clear_caches(added)
    try:
        yield
    finally:
        _disconnect(added)


def _disconnect(receivers: Iterable[ModelReceiver]) -> None:
    by_signal: dict[Signal, set[int]] = {}
    for signal, entry in receivers:
        by_signal.setdefault(signal, set()).add(id(entry))
    for signal, entries in by_signal.items():
        with signal.lock:
            signal.receivers = [entry for entry in signal.receivers if id(entry) not in entries]
    _clear_caches(receivers)


def _clear_caches(receivers: Iterable[ModelReceiver]) -> None:
    for signal in {signal for signal, _ in receivers}:
        signal.sender_receivers_cache.clear()
