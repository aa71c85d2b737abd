"""The kinds of keys, by how each is read: a move stops at a key whose kind is not here."""

SHARED = {"plans": "SMEMBERS"} | dict.fromkeys(("plan", "proposed", "apikeys", "signedout", "measures"), "HGETALL")
RECORDS = dict.fromkeys(("order", "line", "call", "end", "report"), "HGETALL") | {"inbox": "LRANGE", "key": "GET"}
WHOLE = SHARED | RECORDS
INDEXES = {
    "due", "refusals", "held", "placed", "calls", "violations", "endings", "reports", "awaited", "unheard", "contested",
    "reviewing", "personal", "answered", "told",
}  # fmt: skip
TOGETHER = {"funnel", "offers", "dialled", "sold", "paused"}
STREAMS = {"lifted", "permits", "unmatched", "pauses", "revealed"}
LISTS = {"journal"}
IN_THE_FIRST = {"funnel", "dialled", "paused", "pauses", "permits", "revealed", "unmatched"}
"""The kinds that are merged, or belong to no subscriber: they are written into the first cell."""
LEFT_OF_CELLS = {"moving", "journaled", "flow", "rhythm"}
LEFT_SHARED = {"meta", "workers", "clocks", "turn", "codes"}
LEFT = LEFT_OF_CELLS | LEFT_SHARED
"""The kinds that are not copied: `meta` is written last; live workers and turns have no meaning afterwards; clocks are
measured, outside calls and this hour's codes counted anew; a rhythm starts with the next yeses; and a moved journal
starts its index anew, for the log knows entries by their hashes."""
