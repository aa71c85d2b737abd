"""What stands in a line's inbox: its messages, typed, as the door kept them."""

from consent_engine.domain.inbox.message import (
    Message,
    UnreadClearance,
    UnreadRefusal,
    UnreadRegistration,
    UnreadReply,
    UnreadReport,
    kept_message,
    read_message,
)
