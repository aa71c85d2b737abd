"""Every point at which a process may die: enumerated, died at for real, recovered from, and judged.

dying.py       a life that ends at its n-th point, and what it told before
town.py        the world around it: a real server, an outside that survives, what must hold afterwards
server.py      that server, which may be killed too
operation.py   what is being done when it ends: at_the_door.py, in_the_lanes.py, on_hold.py; operations.py has all
__main__.py    the enumeration: `python -m tests.crashes [operation ...]`
"""
