"""The messages in a line's inbox, typed, as the door kept them."""

from consent_engine.domain.inbox.message import (
    Message,
    UnreadClearance,
    UnreadRefusal,
    UnreadRegistration,
    UnreadReply,
    UnreadReport,
    decode_message,
    encode_message,
)
