"""What runs between fork and exec of the embedded server: a program of its own, not a preexec_fn, which may deadlock
where threads run.

The kernel sends the signal when the parent dies; a parent that died before we asked for it is no longer our parent.

Everybody waits for the server's one thread, and that sleeps whenever its file is synced. Woken, it would wait for the
end of others' turns on its core, some milliseconds each time: so it asks for turns of 0.1 ms. Since Linux 6.12 whoever
has shorter turns begins at once, with no larger share of the core; elsewhere nothing is different. The call has no name
in Python: its number by the machine, then the kernel's `struct sched_attr` (keep the policy: 8).
"""

LAUNCHER = """
import ctypes, os, signal, struct, sys
if sys.platform == "linux":
    libc = ctypes.CDLL(None)
    libc.prctl(1, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the process that wanted this server is gone")
    if sched_setattr := {"x86_64": 314, "aarch64": 274}.get(os.uname().machine):
        libc.syscall(sched_setattr, 0, struct.pack("IIQiIQQQ", 48, 0, 8, os.nice(0), 0, 100_000, 0, 0), 0)
os.execv(sys.argv[2], sys.argv[2:])
"""
