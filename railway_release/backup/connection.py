"""The connection as PostgreSQL's own programs read it."""

from __future__ import annotations

from railway_release.preflight.database import Choice


def libpq_environment(choice: Choice) -> dict[str, str]:
    """The connection as pg_dump and psql read it; process lists would show it in arguments.

    https://www.postgresql.org/docs/current/libpq-envars.html
    """
    entry, options = choice.entry, choice.entry.get("OPTIONS", {})
    variables = {
        "PGHOST": choice.host,
        "PGPORT": choice.port,
        "PGDATABASE": choice.name,
        "PGUSER": entry.get("USER") or options.get("user"),
        "PGPASSWORD": entry.get("PASSWORD") or options.get("password"),
        "PGSERVICE": options.get("service"),
        "PGPASSFILE": options.get("passfile"),
        "PGSSLMODE": options.get("sslmode"),
        "PGSSLROOTCERT": options.get("sslrootcert"),
        "PGSSLCERT": options.get("sslcert"),
        "PGSSLKEY": options.get("sslkey"),
    }
    variables |= {name: options.get(option) for name, option in _ALSO.items()}
    return {name: str(value) for name, value in variables.items() if value}


_ALSO = {
    "PGHOSTADDR": "hostaddr",
    "PGOPTIONS": "options",
    "PGTARGETSESSIONATTRS": "target_session_attrs",
    "PGCHANNELBINDING": "channel_binding",
    "PGGSSENCMODE": "gssencmode",
    "PGSSLCRL": "sslcrl",
    "PGSSLNEGOTIATION": "sslnegotiation",
}
