"""How much is measured: for the table, or to try the machinery itself."""

from dataclasses import dataclass

from benchmarks.generator.shapes import MODEST, NARROW, TINY, WIDE
from benchmarks.tenants import Population


@dataclass(frozen=True)
class Scale:
    """Numbers of tenants and of repetitions. A sample is a few tenants and many, for a slow contender."""

    narrow: Population
    small: Population
    wide: Population
    wider: Population
    tiny: Population
    modest: Population
    new: int
    repetitions: int
    repetitions_of_new: int
    sample: tuple[int, int]
    sample_of_new: tuple[int, int]
    smart_sample: tuple[int, int]  # with nothing pending it is quick enough for nearly all tenants
    delayed: tuple[int, int]
    peers_of_new: bool  # beside migrate_schemas, which takes its time


FULL = Scale(
    narrow=Population(NARROW, 1000, few=100),
    small=Population(WIDE, 30, few=4),
    wide=Population(WIDE, 100, few=20),
    wider=Population(WIDE, 300, few=20),
    tiny=Population(TINY, 10_000),
    modest=Population(MODEST, 400),
    new=20,
    repetitions=3,
    repetitions_of_new=2,
    sample=(2, 10),
    sample_of_new=(1, 2),
    smart_sample=(100, 900),
    delayed=(20, 100),
    peers_of_new=True,
)
QUICK = Scale(
    narrow=Population(NARROW, 20, few=4),
    small=Population(WIDE, 10, few=1),
    wide=Population(WIDE, 10, few=2),
    wider=Population(WIDE, 20, few=2),
    tiny=Population(TINY, 50),
    modest=Population(MODEST, 20),
    new=3,
    repetitions=1,
    repetitions_of_new=1,
    sample=(1, 3),
    sample_of_new=(1, 2),
    smart_sample=(2, 10),
    delayed=(2, 6),
    peers_of_new=False,
)
