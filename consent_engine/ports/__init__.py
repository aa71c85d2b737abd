"""The ports: what the engine asks of the outside. No adapter is imported here, and none is known by name."""

from consent_engine.ports.archive import Aged, Archive, Expired, Left, Retirement, Retiring
from consent_engine.ports.inbox import Inbox, Posted, Stored
from consent_engine.ports.lanes import LaneDepth, Lanes, Leased, Stuck
from consent_engine.ports.lists import Lists, Standing, Tally
from consent_engine.ports.outside import (
    Acknowledgement,
    Activation,
    Bss,
    Gateway,
    Outside,
    Parsed,
    Queue,
    Sms,
    WebhookCall,
    Webhooks,
)
from consent_engine.ports.records import (
    Change,
    Commit,
    Held,
    LiftedWord,
    LineChange,
    Look,
    OrderChange,
    Owner,
    RecordChange,
    Records,
    Saved,
    Word,
)
from consent_engine.ports.registry import ApiKey, ApiKeys, Installed, Plans, Processes, Registry, StoreClock
from consent_engine.ports.reservations import Claim, Reservations
from consent_engine.ports.room import Room
from consent_engine.ports.store import Store
from consent_engine.ports.targets import Target, TargetHeard

__all__ = [
    "Acknowledgement",
    "Activation",
    "Aged",
    "ApiKey",
    "ApiKeys",
    "Archive",
    "Bss",
    "Change",
    "Claim",
    "Commit",
    "Expired",
    "Gateway",
    "Held",
    "Inbox",
    "Installed",
    "LaneDepth",
    "Lanes",
    "Leased",
    "Left",
    "LiftedWord",
    "LineChange",
    "Lists",
    "Look",
    "OrderChange",
    "Outside",
    "Owner",
    "Parsed",
    "Plans",
    "Posted",
    "Processes",
    "Queue",
    "RecordChange",
    "Records",
    "Registry",
    "Reservations",
    "Retirement",
    "Retiring",
    "Room",
    "Saved",
    "Sms",
    "Standing",
    "Store",
    "StoreClock",
    "Stored",
    "Stuck",
    "Tally",
    "Target",
    "TargetHeard",
    "WebhookCall",
    "Webhooks",
    "Word",
]
