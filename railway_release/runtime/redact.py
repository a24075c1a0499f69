"""Redaction: every log line, report and exception passes through here, so that none shows a secret."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

HIDDEN = "***"

_SECRET_NAME = re.compile(
    r"SECRET|CREDENTIAL|PASSPHRASE|(PASS|PASSWORD|PASSWD|TOKENS?|KEYS?|BEARER|DSN)$|(^|_)PATS?$", re.I
)
# Names of which some hold a secret, and others say where one is used.
_AMBIGUOUS_NAME = re.compile(r"PRIVATE|API_?KEY|AUTH(ORIZATION)?$", re.I)
_PLACE = re.compile(
    r"_(BUCKET|CLASS|DIR|DOMAIN|FIELD|FUNCTION|HEADER|HOST|HOSTNAME|LOCATION|MODEL|NAME|NETWORK|PATH|PORT|ROOT"
    r"|SERVER|STORAGE)$",
    re.I,
)
# A flag, or the path of a model, class or function: if it were learned, it would be replaced in every text.
_HARMLESS = re.compile(
    r"enabled|disabled|required|optional|default|[a-z_][a-z0-9_]{0,39}(\.[A-Za-z_]\w{0,39})+"
)
# Without the scheme, which would be looked for at every character of a long text.
_URL_PASSWORD = re.compile(r"(?P<before>://[^\s:/@]*:)[^\s@]+(?P<after>@)")
# Where there is no password, the name is the token: https://TOKEN@host, and Sentry's DSNs.
_URL_TOKEN = re.compile(r"(?P<before>https?://)[^\s:/@]+(?P<after>@)", re.I)
_DSN_PASSWORD = re.compile(r"(?P<before>\bpassword\s*=\s*)(?P<value>'(?:[^'\\]|\\.)*'|[^\s'\"]+)", re.I)
# Before a token ("Bearer …"), or before the password of a pair; what follows is shown by itself, too.
_SCHEME_OR_USER = re.compile(r"^(?:Basic|Bearer|Token|[\w.@-]+:(?!//))\s*", re.I)
# Shorter values would be found inside ordinary words, and hiding those would hide the message.
_SHORTEST = 6
_NOTHING = re.compile(r"(?!)")  # found nowhere
_WORD = r"(?<![\w-]){}(?![\w-])"  # a name that stands by itself, and begins no longer secret


class Redactor:
    """Replaces known secrets, and what looks like a password in a URL or DSN."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._shown: set[str] = set()
        self._pattern = ((0, 0), _NOTHING)  # of so many secrets and names

    def learn(self, values: Iterable[Any]) -> None:
        """Replace these values from now on, also as URLs, Python and JSON write them."""
        for value in values:
            self._secrets |= _spellings(value)

    def show(self, names: Iterable[str]) -> None:
        """Never hide these names of schemas, roles and databases, nor a part of them that is a secret.

        Hidden, no command with such a name would work. Where a URL has its password, it is hidden still.
        """
        self._shown.update(names)

    def learn_named(self, named: Mapping[str, Any]) -> None:
        """Learn the values with names of secrets, and passwords in URLs and DSNs, however deeply nested."""
        self.learn(_secrets_in(named, secret=False))

    def __call__(self, value: Any) -> Any:
        """The value without secrets; mappings and sequences are followed."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return {key: self(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self(item) for item in value]
        return value

    def _text(self, text: str) -> str:
        if self._secrets:
            text = self._compiled().sub(lambda one: one[0] if one[0] in self._shown else HIDDEN, text)
        for shape in (_URL_PASSWORD, _URL_TOKEN):
            text = shape.sub(rf"\g<before>{HIDDEN}\g<after>", text)
        return _DSN_PASSWORD.sub(rf"\g<before>{HIDDEN}", text)

    def _compiled(self) -> re.Pattern[str]:
        """Finds secrets, and names that hold one; compiled when it is needed, since more may be learned."""
        known, pattern = self._pattern
        if known != (numbers := (len(self._secrets), len(self._shown))):
            hidden = self._secrets - self._shown
            names = {name for name in self._shown if any(secret in name for secret in hidden)}
            longest_first = sorted(hidden | names, key=len, reverse=True)
            alternatives = [
                _WORD.format(re.escape(one)) if one in names else re.escape(one) for one in longest_first
            ]
            pattern = re.compile("|".join(alternatives)) if hidden else _NOTHING
            self._pattern = (numbers, pattern)
        return pattern


def _secrets_in(value: Any, *, secret: bool) -> Iterable[str]:
    """The secrets in environ, settings or a part of them; everything below a secret name is one."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _secrets_in(item, secret=secret or _is_secret(str(name), item))
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from _secrets_in(item, secret=secret)
    elif isinstance(value, bytes):
        yield from _secrets_in(value.decode(errors="replace"), secret=secret)
    elif isinstance(value, str):
        yield from _passwords_in(value)
        yield from (value, *_SCHEME_OR_USER.split(value, 1)[1:]) if secret else ()


def _is_secret(name: str, value: Any) -> bool:
    """Whether a value is secret, by its name; where that is ambiguous, by the value.

    A mapping with an ambiguous name is not secret itself: the names in it decide.
    """
    if _SECRET_NAME.search(name):
        return True
    values = value if isinstance(value, list | tuple | set) else (value,)
    harmless = (isinstance(one, Mapping) or _HARMLESS.fullmatch(str(one)) for one in values)
    return bool(_AMBIGUOUS_NAME.search(name)) and not _PLACE.search(name) and not all(harmless)


def _passwords_in(text: str) -> Iterable[str]:
    """The password or token of a URL, decoded and not, or the passwords of a DSN (``password=…``)."""
    if "://" not in text:
        yield from (match["value"].strip("'") for match in _DSN_PASSWORD.finditer(text))
        return
    try:
        parts = urlsplit(text)
    except ValueError:  # not a URL after all, such as "http://[half"
        return
    token = parts.username if parts.scheme.startswith("http") else ""
    found = parts.password or token or ""
    yield from (found, unquote(found))


def _spellings(value: str) -> set[str]:
    """The value as URLs, Python and JSON write it, whole and, since a private key has many, each line."""
    found = set()
    for one in (value, unquote(value), *map(str.strip, value.splitlines())):
        found |= {one, quote(one), quote(one, safe=""), repr(one)[1:-1]}
        found |= {json.dumps(one, ensure_ascii=ascii)[1:-1] for ascii in (True, False)}
    return {one for one in found if len(one) >= _SHORTEST}


redact = Redactor()
