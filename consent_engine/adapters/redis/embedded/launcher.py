"""The program that runs between fork and exec of the embedded server: not a preexec_fn, which may deadlock where
threads run.

It asks the kernel for SIGTERM when the parent dies; where the parent died before that, it is no longer our parent.

All clients wait for the server's one thread, which sleeps whenever its file is synced. Woken, it would wait for other
processes' time slices on its core, some milliseconds each time: so it asks for slices of 0.1 ms. Since Linux 6.12 a
process with shorter slices starts at once, with no larger share of the core; elsewhere nothing changes. Python has no
name for the call: hence its number by the machine, then the kernel's `struct sched_attr` (keep the policy: 8).
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
