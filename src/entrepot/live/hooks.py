"""What is hooked while an update runs code: class statements, imports, atexit. Only the updating thread is concerned."""

from __future__ import annotations

import atexit
import builtins
import threading
from collections.abc import Callable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Hooks:
    """Installed while an update runs code; other threads pass through."""

    def __init__(self, build_class: Callable[..., Any], before_import: Callable[..., None]) -> None:
        self._build_class = build_class
        self._before_import = before_import
        self._owner = threading.get_ident()
        self.registered: list[Any] = []
        self._real = (builtins.__build_class__, builtins.__import__, atexit.register)

    def __enter__(self) -> Hooks:
        real_build, real_import, real_register = self._real
        owner, get_ident = self._owner, threading.get_ident

        def build(body: Any, name: str, /, *bases: Any, **keywords: Any) -> Any:
            if get_ident() != owner:
                return real_build(body, name, *bases, **keywords)
            return self._build_class(real_build, body, name, bases, keywords)

        def import_(
            name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
        ) -> Any:
            if get_ident() == owner:
                self._before_import(name, globals, fromlist, level)
            return real_import(name, globals, locals, fromlist, level)

        def register(function: Any, /, *args: Any, **keywords: Any) -> Any:
            if get_ident() == owner:
                self.registered.append(function)
            return real_register(function, *args, **keywords)

        builtins.__build_class__, builtins.__import__, atexit.register = build, import_, register
        return self

    def __exit__(self, *_: object) -> None:
        builtins.__build_class__, builtins.__import__, atexit.register = self._real
