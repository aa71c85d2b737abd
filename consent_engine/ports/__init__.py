"""The ports: the engine's requests to the outside. No adapter is imported here, and none is known by name."""

from consent_engine.ports.archive import Archive, By, Expired, Kept, Retirement
from consent_engine.ports.journal import Journal, LineKept, Log, Piece, Waiting, Writing
from consent_engine.ports.lanes import LaneDepth, Lanes, Leased, Leases, Route, ServerMemory, Stuck, Work, kind_of
from consent_engine.ports.outside import (
    Acknowledgement,
    Activation,
    Bss,
    Deactivation,
    Gateway,
    Outside,
    Parsed,
    Queue,
    Sms,
    Subscribers,
    WebhookCall,
    Webhooks,
)
from consent_engine.ports.queries import CallFilter, Only, OpenReports, ReportFilter, Tally
from consent_engine.ports.records import (
    KINDS,
    OWNERS,
    Change,
    Commit,
    CommitResult,
    Held,
    How,
    LiftResult,
    Owner,
    R,
    Recorded,
    Records,
    Snapshot,
    Wanted,
    by_kind,
    saved,
)
from consent_engine.ports.registry import ApiKey, ApiKeys, Endpoint, Plans, Registry, StoreClock
from consent_engine.ports.store import Claim, Inbox, Permits, Posted, Reservations, Store, Stored
