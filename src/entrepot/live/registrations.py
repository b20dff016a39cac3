"""Calls that register something where no container of the program shows it, taken back when their statement goes: functions
given to atexit, handlers given to signal, classes given to an abstract base, implementations of a generic function, hooks
of updates.
"""

from __future__ import annotations

import abc
import ast
import atexit
import gc
import sys
import threading
from types import FunctionType

from entrepot.live.staging import Stage
from entrepot.live.statements import Unit
from entrepot.live.values import peek

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from entrepot.live.update import Update

_MISSING = object()
_WORDS = ("atexit", "signal", "register", "on_reload", "on_dispose")


def withdraw_calls(update: Update, stage: Stage, unit: Unit) -> None:
    """Take back what a statement registered, because it is gone or will run again."""
    if not any(word in unit.text for word in _WORDS):
        return
    namespace = stage.record.namespace
    for kind in ("reload", "dispose"):
        update.session.hooks.pop((stage.record.name, kind, unit.name), None)
    for call in _calls_in(unit):
        target = ast.unparse(call.func)
        if target.endswith("atexit.register") and call.args:
            _unregister_atexit(update, stage, unit, call)
        elif target.endswith("signal.signal") and len(call.args) == 2:
            _reset_signal(call, namespace)
        elif target.endswith(".register"):
            base = _look_up(call.func.value, namespace)  # type: ignore[attr-defined]
            _unregister(update, base, [_look_up(a, namespace) for a in call.args], unit, namespace)
    for node in getattr(unit.tree.body[0], "decorator_list", ()):
        called = node.func if isinstance(node, ast.Call) else node
        if isinstance(called, ast.Attribute) and called.attr == "register" and unit.name in namespace:
            base = _look_up(called.value, namespace)
            if base is atexit:
                function = namespace[unit.name]
                atexit.unregister(function)
                update.undo.add("an atexit function", atexit.register, function)
            else:
                _unregister(update, base, [namespace[unit.name]], unit, namespace)


def _calls_in(unit: Unit) -> list[ast.Call]:
    try:
        return [node for node in ast.walk(unit.tree) if isinstance(node, ast.Call)]
    except SyntaxError:
        return []


def _unregister_atexit(update: Update, stage: Stage, unit: Unit, call: ast.Call) -> None:
    """atexit takes out every call of a function: those of other statements go in again, with their arguments."""
    namespace = stage.record.namespace
    function = _look_up(call.args[0], namespace)
    if function is _MISSING:
        return
    atexit.unregister(function)
    update.undo.add("an atexit function", atexit.register, function)
    others = [step.old for step in stage.difference.steps if step.old is not None and step.old is not unit]
    for other in others if unit.kind == "other" else ():
        if other.kind != "other" or "atexit" not in other.text:
            continue
        for node in other.tree.body:
            match node:
                case ast.Expr(value=ast.Call(args=[first, *_]) as again):
                    if ast.unparse(again.func).endswith("atexit.register") and (
                        _look_up(first, namespace) is function
                    ):
                        eval(compile(ast.Expression(again), other.filename, "eval"), namespace)


def _reset_signal(call: ast.Call, namespace: dict[str, Any]) -> None:
    import signal

    number = _look_up(call.args[0], namespace)
    if isinstance(number, int) and threading.current_thread() is threading.main_thread():
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def _unregister(update: Update, base: Any, things: list[Any], unit: Unit, namespace: dict[str, Any]) -> None:
    if isinstance(base, abc.ABCMeta):
        _unregister_class(update, base, [thing for thing in things if isinstance(thing, type)])
    elif callable(peek(base, "dispatch")) and peek(base, "_clear_cache") is not None:
        registry: dict[Any, Any] = gc.get_referents(base.registry)[0]
        for kind, function in list(registry.items()):
            code = getattr(function, "__code__", None)
            if (
                type(function) is FunctionType
                and function.__globals__ is namespace
                and code is not None
                and unit.first <= code.co_firstlineno <= unit.last
            ) or any(function is thing for thing in things if callable(thing)):
                update.undo.add("an implementation", registry.__setitem__, kind, function)
                del registry[kind]
        base._clear_cache()
        update.undo.add("an implementation", base._clear_cache)


def _unregister_class(update: Update, base: abc.ABCMeta, classes: list[type]) -> None:
    _abc: Any = sys.modules.get("_abc")
    if _abc is None:
        return
    registry = [reference() for reference in _abc._get_dump(base)[0]]
    gone = [cls for cls in classes if any(cls is known for known in registry)]
    if not gone:
        return
    _abc._reset_registry(base)
    for cls in base.__mro__:
        if isinstance(cls, abc.ABCMeta):
            _abc._reset_caches(cls)
    for known in registry:
        if known is not None and not any(known is cls for cls in gone):
            base.register(known)
    for cls in gone:
        update.undo.add(f"a registration of {cls.__qualname__}", base.register, cls)


def _look_up(node: ast.expr, namespace: dict[str, Any]) -> Any:
    try:
        parts = ast.unparse(node).split(".")
    except Exception:
        return _MISSING
    value: Any = namespace.get(parts[0], _MISSING)
    for part in parts[1:]:
        value = peek(value, part, _MISSING)
    return value
