"""The place of a defect, as it may be logged: never the text of an error, which may quote a person."""

from pathlib import PurePath

OURS = ("consent_engine", "workers")


def place_of(error: BaseException) -> str:
    """The type of an error, and the engine's file and line that raised it or called the code that did. Never its text,
    which may quote a person.
    """
    trace, found = error.__traceback__, None
    while trace is not None:
        path = PurePath(trace.tb_frame.f_code.co_filename)
        found = (path, trace.tb_lineno) if found is None or set(OURS) & set(path.parts) else found
        trace = trace.tb_next
    return f"{type(error).__name__}{f' at {found[0].name}:{found[1]}' if found else ''}"
