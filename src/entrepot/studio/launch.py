"""Make the terminal on standard input the controlling one, then become the program.

    python -I -S launch.py COMMAND...

Run by `runs.py` in a new session. A file of its own, because between fork and exec a server
with threads can run no Python safely.
"""

import fcntl
import os
import sys
import termios

if __name__ == "__main__":
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    try:
        os.execv(sys.argv[1], sys.argv[1:])
    except OSError as error:
        os.write(2, f"{sys.argv[1]}: {error.strerror}\r\n".encode())
        os._exit(127)
