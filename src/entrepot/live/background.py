"""A thread that waits for saves and has them applied.

Uses watchfiles where it is installed, else looks at the files every quarter of a second.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from entrepot.live import session
from entrepot.live.report import Report

INTERVAL_S = 0.25


def refresh_on_change(
    safe_point: Callable[[Callable[[], Report]], object] | None = None, *, interval_s: float = INTERVAL_S
) -> Callable[[], None]:
    """Apply every save from a thread; returns what stops it.

    `safe_point` is called with the function that applies (for a program that wants to do so at a moment of its own:
    `loop.call_soon_threadsafe` is one). Without it the thread applies at once.
    """
    stop = threading.Event()
    current = session.get_session()

    def apply() -> None:
        if session.current is not current:
            stop.set()
        elif safe_point is not None:
            safe_point(current.refresh)
        else:
            current.refresh()

    def poll() -> None:
        while not stop.wait(interval_s):
            apply()

    def watch() -> None:
        from watchfiles import watch as watch_files

        for _ in watch_files(*current.tracker.given, stop_event=stop, debounce=50, step=10, rust_timeout=500):
            apply()

    def run() -> None:
        try:
            import watchfiles  # noqa: F401
        except ImportError:
            poll()
            return
        try:
            watch()
        except (OSError, RuntimeError):  # no inotify here
            poll()

    thread = threading.Thread(target=run, name="entrepot.live", daemon=True)
    thread.start()

    def end() -> None:
        stop.set()
        if thread is not threading.current_thread():
            thread.join(2)

    return end
