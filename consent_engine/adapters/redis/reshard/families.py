"""Which keys there are, by how each kind is read: all of them, or a move stops."""

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
"""What is read together, or belongs to no subscriber: it is written into the first cell."""
LEFT_OF_CELLS = {"moving", "journaled", "flow", "rhythm"}
LEFT_SHARED = {"meta", "workers", "clocks", "turn", "codes"}
LEFT = LEFT_OF_CELLS | LEFT_SHARED
"""What is not copied: the mark that says whose data these are is written last, who was alive and whose turn it was is
over, clocks are measured again, a rhythm begins anew with the next yeses, the codes of this hour are counted anew, and
a journal that moved begins its index anew: the log knows entries by hashes."""
