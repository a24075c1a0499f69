"""Memory: of the process that plans and compiles, and of its workers."""

from benchmarks.lab import Lab
from benchmarks.memory import MEGABYTE, Samples, available, peak_of_set_up, sampled
from benchmarks.programs import release, set_up
from benchmarks.results import Section, Table, Verdict
from benchmarks.sites import Site

_PARENT = 200 * MEGABYTE
_WORKER = 15 * MEGABYTE
_STEADY = 1 * MEGABYTE  # what the allocator's own moods amount to

_HOW = (
    "Parent: the highest resident memory of the process, beyond that of one that only imports Django and sets"
    " it up. Worker: the most memory that a worker shares with no other process, in the first and in the"
    " last quarter of its life; `-` where no worker was seen."
)

Run = tuple[str, int, Samples]  # work, parent's own, workers'


def memory(lab: Lab) -> Section:
    """One run of each kind of work."""
    if not available():
        return Section(
            "memory", "Memory", [], [], ["Not measured: this system has no /proc/PID/smaps_rollup."]
        )
    scale = lab.scale
    runs = []
    with lab.site(scale.narrow, "nothing") as site:
        runs.append(_run(lab, site, "nothing pending"))
    with lab.site(scale.narrow, "addfield") as site:
        runs.append(_run(lab, site, "one AddField"))
    with lab.site(scale.wide, "mixed") as site:
        runs.append(_run(lab, site, "ten mixed migrations"))
    with lab.new_tenants(scale.wide) as site:
        runs.append(_run(lab, site, "from zero"))
    head = ("work", "parent beyond start-up", "worker, early", "worker, late", "workers")
    return Section("memory", "Memory", _verdicts(runs), [Table(head, [_line(*run) for run in runs])], [_HOW])


def _run(lab: Lab, site: Site, work: str) -> Run:
    site.make_pending(site.many)
    site.show(list(dict.fromkeys([*site.population.tenants, *site.many])))
    site.make_ready()
    samples = sampled(release(site.project, site.url, lab.jobs, lab.engine))
    site.require_done(site.many)
    own = samples.peak - peak_of_set_up(set_up(site.project, site.url))
    return (f"{work}, {len(site.many):,} tenants", own, samples)


def _verdicts(runs: list[Run]) -> list[Verdict]:
    work, parent, _ = max(runs, key=lambda run: run[1])
    verdicts = [
        Verdict(
            "memory of the parent", _megabytes(_PARENT), f"{_megabytes(parent)} ({work})", parent <= _PARENT
        )
    ]
    with_workers = [run for run in runs if run[2].workers]
    if not with_workers:
        return verdicts
    work, _, most = max(with_workers, key=lambda run: run[2].late())
    grown = max(run[2].late() - run[2].early() for run in with_workers)
    return [
        *verdicts,
        Verdict(
            "private memory of a worker",
            _megabytes(_WORKER),
            f"{_megabytes(most.late())} ({work})",
            most.late() <= _WORKER,
        ),
        Verdict(
            "growth of a worker",
            "none",
            f"{_megabytes(grown)} between its first and its last quarter",
            grown <= _STEADY,
        ),
    ]


def _line(work: str, parent: int, samples: Samples) -> list[str]:
    seen = bool(samples.workers)
    workers = (_megabytes(samples.early()), _megabytes(samples.late())) if seen else ("-", "-")
    return [work, _megabytes(parent), *workers, str(len(samples.workers))]


def _megabytes(number: int) -> str:
    return f"{number / MEGABYTE:.1f} MB"
