"""Every point at which a process may die: enumerated, died at for real, recovered from, and judged.

dying.py       a process that dies at its n-th point, and what it reported before
town.py        the world around it: a real server, gateways and a BSS that survive, the promises that must hold
server.py      that server, which may be killed too
operation.py   the base of the operations in at_the_door.py, in_the_lanes.py ...; operations.py has all
__main__.py    the enumeration: `python -m tests.crashes [operation ...]`
"""
