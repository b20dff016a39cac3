"""Make the terminal on standard input the controlling one, take signals as a new terminal does, then become the program.

    python -I -S launch.py COMMAND...

Run by `runs.py` in a new session. A file of its own, because between fork and exec a server
with threads can run no Python safely.
"""

import fcntl
import os
import signal
import sys
import termios

if __name__ == "__main__":
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    # A studio that was started in the background ignores Ctrl-C, and what it starts would too.
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM, signal.SIGTSTP):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execv(sys.argv[1], sys.argv[1:])
    except OSError as error:
        os.write(2, f"{sys.argv[1]}: {error.strerror}\r\n".encode())
        os._exit(127)
