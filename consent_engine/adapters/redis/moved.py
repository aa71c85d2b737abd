"""The words of `meta` in place of a number of cells while data are moved or restored, and their meaning."""

from consent_engine.errors import SettingsError

AWAY, HERE, GONE = "being moved away", "being moved here", "moved away"
_MEAN = {
    AWAY: "type the same `consent cells move` again, or give it up: `consent cells stay`",
    HERE: "type the same `consent cells move` or `consent restore` again, which goes on",
    GONE: "set CONSENT_REDIS_URL and CONSENT_CELLS to their new place",
}


def check_cells(cells: int, kept: str) -> None:
    """Check that data are whole, here, and in as many cells as are set. Raises SettingsError.

    kept: the field of `meta`.
    """
    if kept in _MEAN:
        raise SettingsError(f"the data of this server are {'' if kept == GONE else 'still '}{kept}: {_MEAN[kept]}")
    if kept != str(cells):
        raise SettingsError(f"CONSENT_CELLS is {cells}, but these data were written with {kept}")
