"""A thread that waits for saves and has them applied.

Saves are told by inotify; where that is not to be had, the files are looked at every quarter of a second. Editors write in
several steps, and several files may be saved together: an update waits until nothing has happened for a moment and every
source that was written to is closed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from entrepot.live import session
from entrepot.live.inotify import Watch
from entrepot.live.report import Report

INTERVAL_S = 0.25
QUIET_S = 0.02
LONGEST_S = 0.2  # a program that writes into its own folder all the time does not put an update off for ever,
WRITING_S = 1.0  # nor does one that leaves a source open


def _wait_until_saved(watch: Watch) -> None:
    """Wait until a save that has begun is there as a whole."""
    started = time.monotonic()
    while (waited_s := time.monotonic() - started) < (WRITING_S if watch.writing else LONGEST_S):
        if not watch.wait(QUIET_S) and not watch.writing:
            return
    if waited_s >= WRITING_S:
        watch.writing.clear()


def refresh_on_change(
    safe_point: Callable[[Callable[[], Report]], object] | None = None, *, interval_s: float | None = None
) -> Callable[[], None]:
    """Apply every save from a thread; returns what stops it.

    `safe_point` is called with the function that applies (for a program that wants to do so at a moment of its own:
    `loop.call_soon_threadsafe` is one). Without it the thread applies at once, between two bytecodes of the others.
    With `interval_s` the files are looked at so often, instead of waiting to be told.
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
        while not stop.wait(interval_s or INTERVAL_S):
            apply()

    def wait_for_saves(watch: Watch) -> None:
        try:
            while not stop.is_set():
                is_new = watch.add(folders())
                # In a new folder something may have been saved before it was watched.
                if watch.wait(0 if is_new else INTERVAL_S) or is_new:
                    _wait_until_saved(watch)
                    apply()
        finally:
            watch.close()

    def folders() -> list[str]:
        return [*current.tracker.given, *current.tracker.folders]

    def run() -> None:
        if watch is not None:
            try:
                wait_for_saves(watch)
            except OSError:
                apply()
            else:
                return
        poll()

    watch: Watch | None = None
    if interval_s is None:
        try:
            watch = Watch()
            watch.add(folders())
        except OSError:
            if watch is not None:
                watch.close()
            watch = None
    thread = threading.Thread(target=run, name="entrepot.live", daemon=True)
    thread.start()

    def end() -> None:
        stop.set()
        if watch is not None:
            watch.wake()
        if thread is not threading.current_thread():
            thread.join(2)

    return end
