"""Receivers that are connected while models are rendered."""

import gc

from django.dispatch import Signal

from railway_release.migrations.model_receivers import collecting_receivers, connected


class Field:
    """Has a method to be connected, and a list of who called it."""

    def __init__(self):
        self.heard = []

    def hear(self, sender, **_):
        self.heard.append(sender)


def test_what_rendering_connects_is_not_connected_afterwards():
    signal, field = Signal(), Field()
    with collecting_receivers() as found:
        signal.connect(field.hear)
        signal.send("while rendering")
    signal.send("later")

    assert (field.heard, len(found)) == (["while rendering"], 1)


def test_it_is_connected_once_while_code_has_the_classes_in_its_hands():
    signal, field = Signal(use_caching=True), Field()
    with collecting_receivers() as found:
        signal.connect(field.hear, sender=Field)
    signal.send(Field)  # fills the signal's cache
    with connected(found):
        signal.send(Field)
    signal.send(Field)

    assert field.heard == [Field]


def test_receivers_of_others_stay_and_so_do_those_that_code_connects():
    signal, before, meanwhile, late = Signal(), Field(), Field(), Field()
    signal.connect(before.hear)
    with collecting_receivers() as found:
        signal.connect(meanwhile.hear)
        signal.connect(before.hear)  # again, which is nothing new
    with connected(found):
        signal.connect(late.hear)
    signal.send("later")

    assert (before.heard, meanwhile.heard, late.heard) == (["later"], [], ["later"])


def test_a_hundred_generations_leave_as_many_receivers_as_none():
    """Each `connect` looks at all that are connected, so this is what keeps it from growing."""
    signal, keeper = Signal(), []
    for _ in range(100):
        with collecting_receivers():
            keeper.append(Field())
            signal.connect(keeper[-1].hear)

    assert signal.receivers == []


def test_receivers_of_classes_that_are_gone_are_no_trouble():
    signal, field = Signal(), Field()
    with collecting_receivers() as found:
        signal.connect(field.hear)
    del field
    gc.collect()
    with connected(found):
        assert signal.send("anybody") == []
