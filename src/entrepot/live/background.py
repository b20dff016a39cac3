"""A thread that waits for saves and has them applied.

Saves are told by inotify; where that is not to be had, the files are looked at every quarter of a second. Editors write in
several steps, and several files may be saved together: an update waits until nothing has happened for a moment.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from entrepot.live import session
from entrepot.live.inotify import Watch
from entrepot.live.report import Report

INTERVAL_S = 0.25
QUIET_S = 0.02
LONGEST_S = 0.2  # a program that writes into its own folder all the time does not put an update off for ever


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
                if watch.add(folders()):
                    apply()  # something may have been saved there before
                if watch.wait(INTERVAL_S):
                    for _ in range(int(LONGEST_S / QUIET_S)):
                        if not watch.wait(QUIET_S):
                            break
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
            watch = None
    thread = threading.Thread(target=run, name="entrepot.live", daemon=True)
    thread.start()

    def end() -> None:
        stop.set()
        if thread is not threading.current_thread():
            thread.join(2)

    return end
