"""Examples for the OpenAPI document: each field of a form or a view carries its own, and the whole has those of its
fields. Of classes of the domain, and of those that any of their fields would not do for, whole ones stand here.
"""

from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo


@dataclass(frozen=True, slots=True)
class Eg:
    """The example of a field: `Annotated[str, Eg("hotline")]`. Of two the outer one counts."""

    value: Any


def example_of(kind: type[BaseModel]) -> Any:  # noqa: ANN401 - JSON
    """Return the example of a form or a view: of its fields that have one, or whose own class is one of these."""
    if kind.__name__ in WHOLE:
        return WHOLE[kind.__name__]
    found = (
        (each.serialization_alias or each.alias or name, _examples(each)) for name, each in kind.model_fields.items()
    )
    return {name: examples[-1] for name, examples in found if examples}


def _examples(field: FieldInfo) -> list[Any]:
    own = [*(field.examples or ())[:1], *(each.value for each in field.metadata if isinstance(each, Eg))]
    if own or not field.is_required():
        return own
    kind = field.annotation
    inner = (each for each in (kind, *get_args(kind)) if isinstance(each, type) and issubclass(each, BaseModel))
    return [[example_of(each)] if get_origin(kind) is list else example_of(each) for each in inner]


ORDER: dict[str, Any] = {
    "msisdn": "+8613800138000",
    "plan": "5g-smart-199",
    "agent": "A1024",
    "call": {
        "caller_number": "10085",
        "recording_id": "rec-20250801-000123",
        "started_at": "2025-08-01T10:00:00+08:00",
        "agreed_at": "2025-08-01T10:04:31+08:00",
    },
    "metadata": {"desk": "BJ-3"},
}
PLAN: dict[str, Any] = {
    "carrier": "mobile",
    "name": "5G智享套餐199元档",
    "filing": "24BJ100123",
    "seller": "中国移动通信集团北京有限公司",
    "price": {"monthly": "199.00", "currency": "CNY"},
    "overage": [{"what": "流量", "price": "3.00", "per": "GB"}],
    "term": {"months": 24, "starts": "next_day", "early_fee": {"per_remaining_month": "40.00", "at_most": "960.00"}},
    "renewal": {"automatic": True, "notice_days": 5},
    "includes": [
        {"what": "国内流量", "amount": "60.00", "unit": "GB"}, {"what": "语音", "amount": "1000.00", "unit": "分钟"}
    ],
    "first_month": "full",
    "scenario": "中国大陆（不含港澳台）手机上网与语音",
    "offered_to": "北京号码",
    "replaces": "current",
    "unsubscribe": {"word": "QXTC", "to": "10086", "takes_effect": "next_month"},
    "sold_by": ["phone", "hall", "app"],
    "english": {
        "name": "5G Smart 199", "seller": "Beijing", "offered_to": "Beijing numbers",
        "scenario": "data and calls in mainland China only",
        "terms": {"国内流量": "data", "语音": "calls", "流量": "data"},
    },
    "published": [
        {"channel": "web_hall", "url": "/tariffs/5g-smart-199/1"},
        {"channel": "app", "url": "/tariffs/5g-smart-199/1"},
    ],
}  # fmt: skip
WHOLE: dict[str, Any] = {
    "PlaceOrder": ORDER,
    "StartCall": {
        "from": "10085", "to": "+8613800138000", "carrier": "mobile", "agent": "A1024",
        "started_at": "2025-08-01T10:00:00+08:00", "script": "5g-2025-07",
    },
    "EndCall": {
        "ended_at": "2025-08-01T10:05:02+08:00", "outcome": "agreed", "plan": "5g-smart-199",
        "recording": {"ref": "rec-20250801-000123", "sha256": "9f" * 32, "seconds": 302},
        "disclosures": [{"id": "price", "at": "2025-08-01T10:02:10+08:00"}],
    },
    "MakeReport": {
        "msisdn": "+8613800138000", "carrier": "mobile", "caller_number": "10085",
        "called_at": "2025-08-01T10:00:00+08:00", "what": "推销5G套餐",
    },
    "AskCode": {"msisdn": "+8613800138000", "carrier": "mobile"},
    "DecideReport": {"class": "ours_forbidden", "reward": "granted", "note": "refused on the day before"},
    "PlanForm": PLAN,
    "MobileOriginated": {
        "message_id": "m-1", "from": "+8613800138000", "to": "10085", "text": "是",
        "received_at": "2025-08-01T10:06:00+08:00",
    },
    "DeliveryReceipt": {
        "ref": "0ce7000000000000000000000000.confirmation.1", "message_id": "m-9", "status": "delivered",
        "segment": 1, "segments": 3, "at": "2025-08-01T10:05:02+08:00",
    },
    "PlanView": {
        "code": "5g-smart-199", **PLAN, "published": [
            p | {"since": "2025-08-01T00:00:00+08:00"} for p in PLAN["published"]
        ],
        "version": 1, "hash": "0" * 64, "sale": "on_sale",
        "reads": {
            "zh": {"price": "199元/月", "term": "在网24个月"}, "en": {"price": "CNY 199/month", "term": "24-month term"}
        },
    },
    "Problem": {
        "type": "urn:consent-engine:problem:do_not_call", "title": "Conflict", "status": 409, "code": "do_not_call",
        "detail": "the subscriber refused further calls", "since": "2025-08-01T10:04:40.512+08:00",
        "reason": "refused",
    },
}  # fmt: skip
"""The examples of these classes."""
CSV = "msisdn,carrier,channel,ref\n+8613800138000,mobile,voice,rec-1\n13900139000,,web,\n"
CSV_OF_REPORTS = (
    "msisdn,carrier,caller_number,called_at,what,ref\n"
    "+8613800138000,mobile,10085,2025-08-01T10:00:00+08:00,推销5G套餐,12321-2025-0001\n"
)
STREAM = """retry: 3000

id: 1
data: {"at":"2025-08-01T10:04:40.512+08:00","trigger":"placed","stage":"call_agreed","by":"desk","ref":"","detail":{}}

event: end
data: {"state":"notified"}
"""
