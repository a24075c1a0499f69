"""Evaluates expressions of texts and paths in a script's source, without running it."""

from __future__ import annotations

import ast
import os.path
from collections.abc import Callable, Iterable, MutableMapping
from pathlib import Path
from typing import Any

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Path": Path,
    "abspath": os.path.abspath,
    "dirname": os.path.dirname,
    "fspath": os.fspath,
    "join": os.path.join,
    "normpath": os.path.normpath,
    "realpath": os.path.realpath,
    "str": str,
}
# These begin at the working directory, and the script is run from its own folder.
_MAKE_ABSOLUTE = {"absolute", "abspath", "realpath", "resolve"}
_METHODS = {"absolute", "as_posix", "expanduser", "format", "joinpath", "lower", "resolve", "strip", "upper"}
_CONSTANTS = {"curdir": os.curdir, "pardir": os.pardir, "sep": os.sep, "argv": ["manage.py", "migrate"]}
_COMPARED: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: lambda left, right: bool(left == right),
    ast.NotEq: lambda left, right: bool(left != right),
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}


class UnknownExpression(Exception):
    """An expression that is not understood."""


class Values:
    """The values of names so far, and of expressions with them."""

    def __init__(self, path: Path, environ: MutableMapping[str, str]) -> None:
        self.environ = environ
        self.folder = path.parent
        self._names: dict[str, Any] = {"__file__": str(path), "__name__": "__main__"}
        self._aliases: dict[str, str] = {}

    def imported(self, names: Iterable[ast.alias]) -> None:
        """Remember the names of ``import … as``."""
        self._aliases |= {one.asname: one.name for one in names if one.asname}

    def assign(self, name: str, value: Any) -> None:
        """Set the value of a name."""
        self._names[name] = value

    def assign_expression(self, name: str, node: ast.expr) -> None:
        """Set a name to an expression's value; raises UnknownExpression, and the name then has no value."""
        self._names.pop(name, None)
        self._names[name] = self.of(node)

    def is_named(self, node: ast.AST, name: str) -> bool:
        """Whether the expression is MODULE.NAME, or NAME as imported from a module."""
        match node:
            case ast.Name(id=found):
                return self._aliases.get(found, found) == name
            case ast.Attribute(value=ast.Name(), attr=found):
                return found == name
        return False

    def is_path(self, node: ast.AST) -> bool:
        """Whether the expression is sys.path."""
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr="path"):
                return self._aliases.get(name, name) == "sys"
        return False

    def of(self, node: ast.expr) -> Any:
        """The expression's value; raises UnknownExpression."""
        try:
            return self._atom(node)
        except (AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError) as cause:
            raise UnknownExpression from cause

    def _atom(self, node: ast.expr) -> Any:  # noqa: PLR0911 - a line for each kind of expression
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return self._names[name]
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                return [self.of(part) for part in parts]
            case ast.Attribute(value=value, attr="parent" | "parents" | "name" as name):
                return getattr(self.of(value), name)
            case ast.Attribute(attr=name):
                return _CONSTANTS[name]
            case ast.Subscript(value=value, slice=key):
                mapping = self.environ if self.is_named(value, "environ") else self.of(value)
                return mapping[self.of(key)]
            case ast.Call():
                return self._call(node)
        return self._composed(node)

    def _composed(self, node: ast.expr) -> Any:  # noqa: PLR0911
        match node:
            case ast.JoinedStr(values=parts):
                return "".join(str(self.of(part)) for part in parts)
            case ast.FormattedValue(value=value, format_spec=None, conversion=-1):
                return self.of(value)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self.of(left) + self.of(right)
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return self.of(left) / self.of(right)
            case ast.BinOp(left=left, op=ast.Mod(), right=right):
                values = self.of(right)
                return self.of(left) % (tuple(values) if isinstance(values, list) else values)
            case ast.BoolOp(op=ast.Or(), values=[first, second]):
                return self.of(first) or self.of(second)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.of(body if self.of(test) else orelse)
            case ast.Compare(left=left, ops=[how], comparators=[right]):
                return _COMPARED[type(how)](self.of(left), self.of(right))
        raise UnknownExpression

    def _call(self, call: ast.Call) -> Any:
        arguments = [self.of(one) for one in (*call.args, *(named.value for named in call.keywords))]
        match call.func:
            case ast.Attribute(attr="getcwd"):
                return str(self.folder)
            case ast.Attribute(attr="cwd"):
                return self.folder
            case ast.Attribute(value=owner, attr="get") if self.is_named(owner, "environ"):
                return self.environ.get(*arguments)
            case ast.Attribute(attr="getenv") | ast.Name(id="getenv"):
                return self.environ.get(*arguments)
            case ast.Attribute(value=owner, attr=name) if name in _METHODS:
                return getattr(self._from_here(name, self.of(owner)), name)(*arguments)
            case ast.Attribute(attr=name) | ast.Name(id=name):
                name = self._aliases.get(name, name)
                return _FUNCTIONS[name](*(self._from_here(name, one) for one in arguments))
        raise UnknownExpression

    def _from_here(self, name: str, value: Any) -> Any:
        return self.folder / value if name in _MAKE_ABSOLUTE else value
