"""Runs one command and prints its wall seconds, its CPU seconds, the KiB of it that were resident at most, and its status.

Linux counts what was resident before a process began its program, which is what its parent held: so the parent is this,
which imports nothing, and not the bench. Usage: launch.py LOG COMMAND...
"""

import os
import sys
import time

log, *command = sys.argv[1:]
output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
streams = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)]
begin = time.monotonic()
process = os.posix_spawn(command[0], command, os.environ, file_actions=streams)
_, status, usage = os.wait4(process, 0)
print(time.monotonic() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, os.waitstatus_to_exitcode(status))
