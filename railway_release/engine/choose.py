"""Which engine migrates, and why."""

from __future__ import annotations

from django.conf import settings
from django_tenants.migration_executors import get_executor

from railway_release.config.config import Config
from railway_release.engine.attempt import SchemaRunner
from railway_release.engine.cancel_token import OwnCancelToken
from railway_release.engine.compiled import CompiledEngine
from railway_release.engine.engine import Engine, ExecutionLimits
from railway_release.engine.execution import Execution
from railway_release.migrations.plan import Plan
from railway_release.preflight.target import Target
from railway_release.runtime.log import get_logger
from railway_release.verification.levels import unmigrated_apps_with_tables

_ORDINARY_EXECUTORS = {"standard", "multiprocessing", "subprocess"}


def runner_of(target: Target, token: OwnCancelToken) -> SchemaRunner:
    """The runner of this process, with the limits of the command's options."""
    limits = ExecutionLimits(target.config, target.alias, target.application, token.monitor.pid)
    return SchemaRunner(limits, target.retry_policy.budget, token, Execution())


def chosen_engine(target: Target, plan: Plan, token: OwnCancelToken) -> Engine:
    """The compiled engine, unless the options, the settings or the apps need django-tenants' own commands.

    Logs which one it is, and why.
    """
    config = target.config
    runner = runner_of(target, token)
    reason = _why_stock(target, plan)
    if any(one.due for one in plan.schemas):
        text = f"every migration runs with {_bounds(config)}"
        text += f", through django-tenants' own command: {reason}" if reason else ""
        get_logger().info("migrations.bounded", message=text, engine="stock" if reason else "compiled")
    if not reason:
        return CompiledEngine(runner, token, target.read_pool, config.jobs)
    # Its command takes its base class from the settings when it is imported.
    from railway_release.engine.stock import StockEngine  # noqa: PLC0415

    # Where only receivers of an earlier run are to be called, migrate has nothing to do and calls none.
    return StockEngine(
        runner, token, target.read_pool, CompiledEngine(runner, token, target.read_pool, jobs=1)
    )


def _bounds(config: Config) -> str:
    statement = f"a statement timeout of {config.statement_timeout:g} s" if config.statement_timeout else ""
    return f"a lock timeout of {config.lock_timeout:g} s and {statement or 'no statement timeout'}"


def _why_stock(target: Target, plan: Plan) -> str:
    if target.config.engine == "stock":
        return "--engine stock"
    if command := getattr(settings, "TENANT_BASE_MIGRATE_COMMAND", None):
        return f"TENANT_BASE_MIGRATE_COMMAND is {command}"
    if function := getattr(settings, "GET_EXECUTOR_FUNCTION", None):
        return f"GET_EXECUTOR_FUNCTION is {function}"
    if (executor := _executor()) not in _ORDINARY_EXECUTORS:
        return f"the executor {executor} is the project's own"
    if labels := unmigrated_apps_with_tables(plan):
        return f"without migrations: {', '.join(labels)}"
    return ""


def _executor() -> str:
    try:
        return str(get_executor().codename)
    except NotImplementedError:
        return "named by EXECUTOR, which nobody has defined,"
