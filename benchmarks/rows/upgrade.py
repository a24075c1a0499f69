"""A release that is pending everywhere: one AddField, ten mixed migrations, everything."""

from collections.abc import Iterator, Sequence

from benchmarks.contenders import Contender, floor, ours, smart, stock, threads
from benchmarks.lab import Lab
from benchmarks.measure import Measurement, compare
from benchmarks.results import Section, Verdict, judged, milliseconds, seconds, times
from benchmarks.rows.common import EXTRAPOLATED, MARGINAL, PEERS, table
from benchmarks.sites import Site

_MARGINAL_OF_ADD_FIELD = 1.5
_MARGINAL_OF_MIXED = 2.0
_MARGINAL_OF_NEW = 3.0
_LEAST_FASTER = 100

Found = Sequence[Measurement]


def add_field(lab: Lab) -> Section:
    """One AddField pending."""
    with lab.site(lab.scale.narrow, "addfield") as site:
        found = compare([(site, one) for one in [*_own(lab, lab.scale.repetitions), *_peers(lab)]])
    work = f"one AddField, {len(site.many):,} tenants"
    verdicts = [*_marginal(work, found, _MARGINAL_OF_ADD_FIELD), _faster(work, found)]
    return _section("addfield", work, site, found, verdicts)


def mixed(lab: Lab) -> Section:
    """Ten migrations of as many kinds."""
    with lab.site(lab.scale.wide, "mixed") as site:
        found = compare([(site, one) for one in [*_own(lab, lab.scale.repetitions), *_peers(lab)]])
    work = f"ten mixed migrations, {len(site.many):,} tenants"
    verdicts = [*_marginal(work, found, _MARGINAL_OF_MIXED), *_whole(work, found, _MARGINAL_OF_MIXED)]
    return _section("mixed", work, site, found, verdicts)


def new(lab: Lab) -> Section:
    """New tenants from zero."""
    often = lab.scale.repetitions_of_new
    with lab.new_tenants(lab.scale.wide) as site:
        found = compare([(site, one) for one in [*_own(lab, often), *_peers_of_new(lab)]])
    work = f"{len(site.many)} new tenants from zero"
    return _section("new", work, site, found, [*_marginal(work, found, _MARGINAL_OF_NEW)])


def _own(lab: Lab, often: int) -> list[Contender]:
    """The floor and ours, on one connection and on several."""
    pairs = ((floor(jobs, often), ours(jobs, lab.engine, often)) for jobs in sorted({1, lab.jobs}))
    return [one for pair in pairs for one in pair]


def _peers(lab: Lab) -> list[Contender]:
    sample = lab.scale.sample
    return [*stock(lab.jobs, sample), *smart(lab.jobs, sample), *threads(lab.jobs, sample)]


def _peers_of_new(lab: Lab) -> list[Contender]:
    """The smart executor would run the same code as django-tenants: it has nothing to skip."""
    sample = lab.scale.sample_of_new
    found = [*stock(lab.jobs, sample), *threads(lab.jobs, sample)]
    return found if lab.scale.peers_of_new else found[:1]


def _section(key: str, work: str, site: Site, found: Found, verdicts: Sequence[Verdict]) -> Section:
    floors = {jobs: lowest for jobs, lowest, _ in _by_jobs(found)}
    what = (
        f"The floor sends {site.recording.statements} statements to a tenant, not counting BEGIN and COMMIT;"
        f" a tenant has {site.population.shape.tables} tables."
    )
    title = work[0].upper() + work[1:]
    return Section(key, title, verdicts, [table(found, floors)], [what, MARGINAL, EXTRAPOLATED, PEERS])


def _by_jobs(found: Found) -> Iterator[tuple[int, Measurement, Measurement]]:
    """Jobs, the floor and ours."""
    floors = {one.contender.jobs: one for one in found if one.contender.kind == "floor"}
    for one in found:
        if one.contender.kind == "ours":
            yield one.contender.jobs, floors[one.contender.jobs], one


def _marginal(work: str, found: Found, most: float) -> Iterator[Verdict]:
    for jobs, lowest, own in _by_jobs(found):
        bar = f"per tenant, {most:g} x the floor on {jobs}"
        yield judged(work, bar, (own.marginal, lowest.marginal), most, milliseconds)


def _whole(work: str, found: Found, most: float) -> Iterator[Verdict]:
    for jobs, lowest, own in _by_jobs(found):
        bar = f"whole process, {most:g} x the floor on {jobs}"
        yield judged(work, bar, (own.whole, lowest.whole), most, seconds)


def _faster(work: str, found: Found) -> Verdict:
    own = min((own for _, _, own in _by_jobs(found)), key=lambda one: one.whole)
    ratio = next(one for one in found if one.contender.kind == "peer").whole / own.whole
    bar = f"whole process, {_LEAST_FASTER} x faster than migrate_schemas"
    return Verdict(work, bar, f"{times(ratio)} ({own.contender.name})", ratio >= _LEAST_FASTER)
