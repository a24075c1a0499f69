"""What a manage.py does before it starts Django, read from its source: it is never run.

Understood are simple statements: assignments, and what they and calls do to os.environ and sys.path.
"""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from railway_release.preflight.expressions import UnknownExpression, Values

VARIABLE = "DJANGO_SETTINGS_MODULE"


@dataclass(frozen=True)
class Manage:
    """A manage.py, the settings module that it names, and the folders that it adds to sys.path."""

    path: Path
    settings: str = ""
    before: tuple[str, ...] = ()  # at the start of sys.path, in this order
    after: tuple[str, ...] = ()  # at its end


def read(path: Path, environ: Mapping[str, str]) -> Manage:
    """What this manage.py does; statements that are not understood are left out."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return Manage(path)
    reader = _Reader(Values(path, dict(environ)))
    reader.read(tree)
    return Manage(path, reader.settings, tuple(reader.before), tuple(reader.after))


class _Reader:
    def __init__(self, values: Values) -> None:
        self.settings = ""
        self.before: list[str] = []
        self.after: list[str] = []
        self._values = values
        self._functions: dict[str, ast.FunctionDef] = {}

    def read(self, tree: ast.Module) -> None:
        """Read the module, then functions without a known call, and at last any call that names settings."""
        self._run(tree.body)
        while self._functions:
            self._run(self._functions.pop(next(iter(self._functions))).body)
        for node in ast.walk(tree) if not self.settings else ():
            if isinstance(node, ast.Call):
                with contextlib.suppress(UnknownExpression):
                    self._environ_call(node)

    def _run(self, statements: Sequence[ast.stmt]) -> None:
        for statement in statements:
            with contextlib.suppress(UnknownExpression):
                self._statement(statement)

    def _statement(self, statement: ast.stmt) -> None:
        match statement:
            case ast.FunctionDef(name=name):
                self._functions[name] = statement
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                self._values.imported(names)
            case ast.Assign(targets=[target], value=value):
                self._assign(target, value)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self._assign(target, value)
            case ast.AugAssign(target=target, op=ast.Add(), value=value) if self._values.is_path(target):
                self.after += self._folders(self._values.of(value))
            case ast.Expr(value=value) | ast.Return(value=ast.expr() as value):
                self._expression(value)
            case _:
                self._compound(statement)

    def _compound(self, statement: ast.stmt) -> None:
        match statement:
            case ast.If(test=test, body=body, orelse=orelse):
                self._if(test, body, orelse)
            case ast.For(target=ast.Name(id=name), iter=items, body=body):
                for item in self._items_of(items):
                    self._values.assign(name, item)
                    self._run(body)
            case ast.With(body=body):
                self._run(body)
            case ast.Try(body=body, orelse=orelse, finalbody=last):
                self._run([*body, *orelse, *last])

    def _if(self, test: ast.expr, body: Sequence[ast.stmt], orelse: Sequence[ast.stmt]) -> None:
        try:
            chosen = body if self._values.of(test) else orelse
        except UnknownExpression:
            chosen = [*body, *orelse]
        self._run(chosen)

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        match target:
            case ast.Subscript(value=mapping, slice=key) if self._values.is_named(mapping, "environ"):
                self._set_variable(self._values.of(key), self._values.of(value), overwrite=True)
            case ast.Subscript(value=path) if self._values.is_path(path):  # sys.path[0:0] = […]
                self.before[:0] = self._folders(self._values.of(value))
            case ast.Attribute() if self._values.is_path(target):
                self._path_replaced(value)
            case ast.Tuple(elts=names):
                if isinstance(value, ast.Tuple):
                    for name, part in zip(names, value.elts, strict=False):
                        self._assign(name, part)
            case ast.Name(id=name):
                self._values.assign_expression(name, value)

    def _path_replaced(self, value: ast.expr) -> None:
        """``sys.path = [first] + sys.path``, or ``[first, *sys.path, last]``."""
        match value:
            case ast.BinOp(left=left, op=ast.Add(), right=right) if self._values.is_path(right):
                self.before[:0] = self._folders(self._values.of(left))
            case ast.BinOp(left=left, op=ast.Add(), right=right) if self._values.is_path(left):
                self.after += self._folders(self._values.of(right))
            case ast.List(elts=parts):
                stars = [place for place, part in enumerate(parts) if isinstance(part, ast.Starred)]
                first = stars[0] if stars else len(parts)
                self.before[:0] = self._folders([self._values.of(part) for part in parts[:first]])
                self.after += self._folders([self._values.of(part) for part in parts[first + 1 :]])

    def _expression(self, value: ast.expr) -> None:
        """Follow the calls in the expression, also into functions of this module."""
        for call in (node for node in ast.walk(value) if isinstance(node, ast.Call)):
            match call.func:
                case ast.Name(id=name) if name in self._functions:
                    self._run(self._functions.pop(name).body)
                case ast.Attribute(value=owner, attr=method) if self._values.is_path(owner):
                    self._path_call(method, call.args)
                case ast.Attribute(attr="addsitedir") | ast.Name(id="addsitedir"):
                    self._path_call("append", call.args)
                case _:
                    self._environ_call(call)

    def _path_call(self, method: str, arguments: Sequence[ast.expr]) -> None:
        values = [self._values.of(one) for one in arguments]
        match method, values:
            # Place 1 is after the script's own folder, and before everything else.
            case "insert", [0 | 1, folder]:
                self.before[:0] = self._folders([folder])
            case ("insert", [_, folder]) | ("append", [folder]):
                self.after += self._folders([folder])
            case "extend", [folders]:
                self.after += self._folders(folders)

    def _environ_call(self, call: ast.Call) -> None:
        match call.func:
            case ast.Attribute(value=owner, attr="setdefault") if self._values.is_named(owner, "environ"):
                named = {one.arg: one.value for one in call.keywords}
                nodes = (*call.args, *(named[key] for key in ("key", "default") if key in named))
                if len(nodes) == len(("key", "default")):
                    self._set_variable(*map(self._values.of, nodes), overwrite=False)
            case ast.Attribute(value=owner, attr="update") if self._values.is_named(owner, "environ"):
                for key, value in self._updates(call):
                    self._set_variable(key, value, overwrite=True)

    def _updates(self, call: ast.Call) -> Iterator[tuple[Any, Any]]:
        for given in (one for one in call.args if isinstance(one, ast.Dict)):
            pairs = zip(given.keys, given.values, strict=True)
            yield from ((self._values.of(key), self._values.of(value)) for key, value in pairs if key)
        yield from ((one.arg, self._values.of(one.value)) for one in call.keywords)

    def _set_variable(self, key: Any, value: Any, *, overwrite: bool) -> None:
        environ = self._values.environ
        if key == VARIABLE:
            # The environment of this process outranks manage.py: see project.find().
            if isinstance(value, str) and (overwrite or not self.settings):
                self.settings = environ[key] = value
        elif isinstance(value, str) and (overwrite or key not in environ):
            environ[key] = value

    def _folders(self, values: Any) -> list[str]:
        if not isinstance(values, list) or not all(isinstance(one, str | Path) for one in values):
            raise UnknownExpression
        return [str((self._values.folder / value).resolve()) for value in values]

    def _items_of(self, node: ast.expr) -> list[Any]:
        items = self._values.of(node)
        return items if isinstance(items, list) else []
