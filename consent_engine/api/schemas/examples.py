"""Examples: a request for every form, and an answer for every view, as the OpenAPI document shows them."""

from typing import Any

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
_SINCE = "2025-08-01T10:04:40.512+08:00"
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
FORMS: dict[str, Any] = {
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
    "Transcribe": {
        "recording": "rec-20250801-000123",
        "lines": [{"at": "2025-08-01T10:02:10+08:00", "by": "agent", "text": "每月一百九十九元"}],
    },
    "ReviewCall": {"verdict": "fail", "reasons": ["price_not_told"], "note": "the price after the promotion"},
    "LookAgain": {"uphold": True, "note": "it was not told"},
    "LetGoOn": {"reason": "nobody can review this week", "cursor": ""},
    "MakeReport": {
        "msisdn": "+8613800138000", "carrier": "mobile", "caller_number": "10085",
        "called_at": "2025-08-01T10:00:00+08:00", "what": "推销5G套餐",
    },
    "AskCode": {"msisdn": "+8613800138000", "carrier": "mobile"},
    "DecideReport": {"class": "ours_forbidden", "reward": "granted", "note": "refused on the day before"},
    "CancelOrder": {"reason": "changed his mind"},
    "EndOrder": {"cause": "withdrawn", "channel": "hotline", "reason": "found that the old plan was cheaper"},
    "GiveUp": {"reason": "the number is out of service"},
    "Attest": {"channel": "app", "reason": "app 11.2.0, screen Tariffs, looked at hash and every field"},
    "SearchOrders": {"msisdn": "+8613800138000"},
    "Refuse": {"msisdn": "+8613800138000", "carrier": "mobile", "channel": "voice", "agent": "A1024", "call": "rec-1"},
    "Lift": {
        "msisdn": "+8613800138000", "carrier": "mobile",
        "evidence": {"channel": "counter", "ref": "form-2025-0815", "at": "2025-08-15T16:20:00+08:00"},
    },
    "DecideHeld": {
        "ids": ["0ce7000000000000000000000000.mobile.1754013880512"], "refusal": False, "reason": "asks what it costs",
    },
    "Register": {"msisdn": "+8613800138000", "carrier": "mobile", "kind": "marketing_free", "channel": "hotline"},
    "Unregister": {
        "msisdn": "+8613800138000", "carrier": "mobile", "kind": "marketing_free",
        "evidence": {"channel": "counter", "ref": "form-2025-0815", "at": "2025-08-15T16:20:00+08:00"},
    },
    "TellLine": {"msisdn": "+8613800138000", "event": "assigned", "at": "2025-08-15T00:00:00+08:00"},
    "RetryStuck": {"lane": "activation", "reason": "bss:500", "plan": "5g-smart-199"},
    "CancelStuck": {"lane": "sms", "reason": "gateway:503", "why": "the gateway is given up"},
    "AskAgain": {"reason": "gateway:404", "plan": "5g-smart-199"},
    "FindReceipt": {"number": "7QK2M9RT", "last_four": "8000"},
    "ProveReceipt": {"number": "7QK2M9RT", "last_four": "8000", "code": "123456", "ticket": ""},
    "EraseNumber": {"msisdn": "+8613800138000", "ground": "the subscriber asked for it at the hotline on 2026-12-01"},
    "RevealOrder": {"reason": "the regulator asks for this order"},
    "ExportOrders": {"reason": "sales calls them again", "state": "undeliverable", "cause": "gateway:422"},
    "StopOrGo": {"to": "gateway", "name": "kannel", "reason": "its operator works on it until 18:00"},
    "SearchRefusals": {"msisdn": "+8613800138000"},
    "AskPermits": {"carrier": "mobile", "plan": "5g-smart-199", "msisdns": ["+8613800138000", "+8613900139000"]},
    "Dial": {"msisdn": "+8613800138000", "carrier": "mobile"},
    "PlanForm": PLAN,
    "MobileOriginated": {
        "message_id": "m-1", "from": "+8613800138000", "to": "10085", "text": "是",
        "received_at": "2025-08-01T10:06:00+08:00",
    },
    "DeliveryReceipt": {
        "ref": "0ce7000000000000000000000000.confirmation.1", "message_id": "m-9", "status": "delivered",
        "segment": 1, "segments": 3, "at": "2025-08-01T10:05:02+08:00",
    },
}  # fmt: skip
CSV = "msisdn,carrier,channel,ref\n+8613800138000,mobile,voice,rec-1\n13900139000,,web,\n"
CSV_OF_REPORTS = (
    "msisdn,carrier,caller_number,called_at,what,ref\n"
    "+8613800138000,mobile,10085,2025-08-01T10:00:00+08:00,推销5G套餐,12321-2025-0001\n"
)
_REPORT_VIEW: dict[str, Any] = {
    "id": "0ce7000000000000000000000000",
    "number": "MMZYCG69",
    "state": "open",
    "version": 1,
    "head": "xVrqGqTzCiVn3mS3pC1w0bq0m2rQ0wq6v1oVh8ZpN0k",
    "msisdn": "+86138****8000",
    "carrier": "mobile",
    "caller_number": "10085",
    "called_at": "2025-08-01T10:00:00.000+08:00",
    "received_at": "2025-08-01T16:00:00.000+08:00",
    "what": "推销5G套餐",
    "channel": "hotline",
    "by": "desk-bj",
    "ref": "",
    "class": "ours_forbidden",
    "proposed": "ours_forbidden",
    "reasons": ["refused_number"],
    "call": "0ce7000000000000000000000001",
    "reward": "eligible",
    "no_reward": None,
    "due": {"forward_by": None, "answer_by": "2025-08-16T23:59:59.999+08:00", "tell_by": None},
    "overdue": False,
    "decisions": [],
}
_ORDER_VIEW: dict[str, Any] = {
    "id": "0ce7000000000000000000000000",
    "state": "agreed",
    "stage": "call_agreed",
    "version": 1,
    "head": "xVrqGqTzCiVn3mS3pC1w0bq0m2rQ0wq6v1oVh8ZpN0k",
    "msisdn": "+8613800138000",
    "carrier": "mobile",
    "plan": {"code": "5g-smart-199", "version": 1, "hash": "0" * 64},
    "confirmation": {"text": "【中国移动】…", "segments": 5, "sender": "10085", "code": "482"},
    "reply_by": None,
    "created_at": "2025-08-01T10:04:40.512+08:00",
    "timeline": [
        {
            "at": "2025-08-01T10:04:40.512+08:00", "trigger": "placed", "stage": "call_agreed", "by": "desk-bj",
            "ref": "rec-20250801-000123", "detail": {"agent": "A1024", "caller_number": "10085"},
        }
    ],
}  # fmt: skip
_PLAN_VIEW: dict[str, Any] = {
    "code": "5g-smart-199", **PLAN, "published": [
        p | {"since": "2025-08-01T00:00:00+08:00"} for p in PLAN["published"]
    ],
    "version": 1, "hash": "0" * 64, "sale": "on_sale",
    "reads": {
        "zh": {"price": "199元/月", "term": "在网24个月"}, "en": {"price": "CNY 199/month", "term": "24-month term"}
    },
}  # fmt: skip
_CALL_VIEW: dict[str, Any] = {
    "id": "0ce7000000000000000000000000", "state": "ended", "version": 2, "head": "q" * 43, "from": "10085",
    "to": "+8613800138000", "carrier": "mobile", "agent": "A1024", "script": "5g-2025-07", "permit": True,
    "started_at": "2025-08-01T10:00:00.000+08:00", "ended_at": "2025-08-01T10:05:02.000+08:00", "outcome": "agreed",
    "plan": "5g-smart-199", "recording": {"ref": "rec-20250801-000123", "sha256": "9f" * 32, "seconds": 302},
    "disclosures": [{"id": "price", "at": "2025-08-01T10:02:10.000+08:00"}], "violations": [], "refused_orders": [],
    "verdict": "contested", "reviews": [
        {
            "at": "2025-08-01T16:00:00.000+08:00", "by": "reviewer-bj", "passed": False, "second": False,
            "reasons": ["price_not_told"], "note": "the price after the promotion", "heard": 214,
            "unplayed": False,
        }
    ],
}  # fmt: skip
VIEWS: dict[str, Any] = {
    "OrderView": _ORDER_VIEW,
    "OrderList": {"orders": [_ORDER_VIEW | {"msisdn": "+86138****8000"}], "cursor": ""},
    "PlanView": _PLAN_VIEW,
    "PlanList": {"items": [_PLAN_VIEW]},
    "ProofView": {
        "leaf": "bjQLnP-zepicpUTmu3gKLHiQHT-zNzh2hRGjBhevoB0", "number": 41,
        "proof": ["CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="],
        "checkpoint": "consent.example.com/log\n70000\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
        "\N{EM DASH} consent.example.com/log Uw2QOg==\n",
    },
    "ProposalView": {
        "by": "head-bj", "at": "2025-08-01T10:04:40.512+08:00", "plan": _PLAN_VIEW | {"version": 2, "sale": "proposed"},
    },
    "SaleView": {"code": "5g-smart-199", "version": 1, "sale": "revoked", "cancelled": 12},
    "CallView": _CALL_VIEW,
    "CallList": {"calls": [_CALL_VIEW | {"to": "+86138****8000"}], "cursor": ""},
    "EndingView": {
        "id": "0ce7111111111111111111111111", "order_id": "0ce7000000000000000000000000", "state": "ended",
        "cause": "withdrawn", "channel": "hotline", "by": "ops-bj", "reason": "found that the old plan was cheaper",
        "asked_at": "2025-08-15T10:00:00.000+08:00", "activation_id": "act-1",
        "ended_at": "2025-08-15T10:00:01.200+08:00", "free_exit": False, "stops_at": "2025-09-01T00:00:00+08:00",
        "fee": "320.00", "refund": "35.00", "refund_by": "2025-09-30", "restored": "yes", "ref": "off-1",
        "attempts": 1, "why": "", "notice": "", "head": "q" * 43, "timeline": [
            {"event": "switched_off", "at": "2025-08-15T10:00:01.200+08:00", "by": "bss", "ref": "off-1", "why": ""},
        ],
    },
    "ReportView": _REPORT_VIEW,
    "ReportReceipt": {
        "number": "MMZYCG69", "state": "open", "received_at": "2025-08-01T16:00:00.000+08:00",
        "answer_by": "2025-08-16T23:59:59.999+08:00",
    },
    "ErasureView": {
        "at": "2026-12-01T16:00:00.000+08:00", "by": "data-protection", "ground": "the subscriber asked for it",
        "erased": {"orders": 2, "calls": 2, "endings": 0, "reports": 1}, "messages": 1, "file": "",
        "backups": [{"at": "2026-12-01T03:00:00.000+08:00", "place": "db-1:/backups/2026-12-01"}],
        "stays": {"log": "the public log has hashes alone, and is never changed: every proof given before holds"},
    },
    "CodeSent": {"minutes": 10, "ticket": "0f1e2d3c4b5a69788796a5b4c3d2e1f0"},
    "ReportList": {"reports": [_REPORT_VIEW], "cursor": ""},
    "LineEventView": {
        "event": "assigned", "at": "2025-08-15T00:00:00.000+08:00", "recorded_at": "2025-08-15T00:00:02.512+08:00",
        "ended": 1,
    },
    "PressureView": {
        "by": "agent", "rows": [
            {
                "key": "A1024", "placed": 120, "confirmed": 61, "declined": 20, "refused": 25, "suspect": 3,
                "review_failed": 1, "ended_soon": 4, "confirm_rate": 0.5083, "presses": True,
            }
        ],
    },
    "CoverageView": {"by": "day", "rows": [{"key": "2025-08-01", "recorded": 9, "reviewed": 7, "failed": 1, "gap": 2}]},
    "LetGoView": {"orders": 118, "calls": 117, "cursor": ""},
    "WaitingList": {"orders": [{"order": "0ce7" + "0" * 24, "call": "0ce7" + "1" * 24, "agent": "A1024",
                                "since": "2025-08-01T10:04:40.512+08:00"}], "cursor": ""},
    "DialView": {"callable": False, "reason": "refused", "since": "2025-08-01T10:04:40.512+08:00"},
    "PermitsView": {
        "id": "00112233445566ff",
        "permits": [
            {"permit": "AQEAESIzRFVm_9clswpsw9DgFB9M2wz7Q0xOG44YAAABmraX6AAADbug5IcR75KYyjxW8TavMXNpcEVe",
             "until": "2025-08-01T10:19:40.512+08:00"},
            {"denied": "refused", "since": "2025-08-01T10:04:40.512+08:00"},
        ],
    },
    "RefusalView": {"carrier": "mobile", "since": "2025-08-01T10:04:40.512+08:00"},
    "Restrictions": {
        "refusals": [
            {
                "msisdn": "+86138****8000", "kind": "cool_off", "carrier": "mobile", "plan": "5g-smart-199",
                "since": "2025-08-01T10:04:40.512+08:00", "channel": "sms", "ref": "mo-1",
            }
        ],
    },
    "RefusalList": {
        "refusals": [
            {"msisdn": "+86138****8000", "kind": "refused", "carrier": "mobile",
             "since": "2025-08-01T10:04:40.512+08:00", "channel": "voice", "ref": "rec-1"},
        ],
        "cursor": "",
    },
    "HeldList": {
        "held": [
            {
                "id": "0ce7000000000000000000000000.mobile.1754013880512", "carrier": "mobile", "reason": "refusing",
                "text": "我要投诉你们", "group": "5f0c1b2a3d4e5f60718293a4", "since": "2025-08-01T10:04:40.512+08:00",
                "until": "2025-08-02T10:04:40.512+08:00",
            }
        ],
        "cursor": "",
    },
    "CauseList": {
        "causes": [{"lane": "sms", "reason": "lease_lost:", "plan": "5g-smart-199", "count": 390, "since": _SINCE}],
        "count": 390,
    },
    "PauseList": {
        "paused": [
            {
                "to": "gateway", "name": "kannel", "since": "2025-08-01T10:04:40.512+08:00", "by": "ops-bj",
                "reason": "its operator works on it until 18:00", "drained": "2025-08-01T10:04:52.512+08:00",
            }
        ],
        "events": [
            {
                "at": "2025-08-01T10:04:40.512+08:00", "to": "gateway", "name": "kannel", "paused": True,
                "by": "ops-bj", "reason": "its operator works on it until 18:00",
            }
        ],
    },
    "CancelledView": {"cancelled": 40, "too_late": 1, "gone": 0, "left": 0},
    "RetriedView": {"retried": 388, "gone": 2, "unreadable": 0, "left": 0},
    "DecidedView": {"decided": 12, "gone": 1, "own_call": 0},
    "Imported": {"accepted": 2, "already": 0, "rejected": []},
    "UndeliverableList": {
        "causes": [{"reason": "gateway:404", "plan": "5g-smart-199", "count": 12, "since": _SINCE}],
        "count": 12, "cursor": "",
    },
    "AskedAgainView": {"asked": 11, "refused": {"do_not_call": 1}, "cursor": ""},
    "OrderExport": {
        "orders": [{
            "id": "0ce7a1b2c3d4e5f60718293a4b5c", "state": "undeliverable", "msisdn": "+8613800138000",
            "carrier": "mobile", "plan": "5g-smart-199", "agent": "A1024", "call_id": "0ce7d4e5f60718293a4b5ca1b2c3",
            "created_at": "2025-08-01T10:04:40.512+08:00", "agreed_at": "2025-08-01T10:04:31.000+08:00",
            "cause": "gateway:422",
        }],
        "cursor": "",
    },
    "Lifted": {"carrier": "mobile", "lifted": True}, "Ack": {"accepted": 1, "rejected": []},
    "Ready": {"status": "ready", "workers": 2}, "Alive": {"status": "alive"},
    "Problem": {
        "type": "urn:consent-engine:problem:do_not_call", "title": "Conflict", "status": 409, "code": "do_not_call",
        "detail": "the subscriber refused further calls", "since": "2025-08-01T10:04:40.512+08:00",
        "reason": "refused",
    },
}  # fmt: skip
STREAM = """retry: 3000

id: 1
data: {"at":"2025-08-01T10:04:40.512+08:00","trigger":"placed","stage":"call_agreed","by":"desk","ref":"","detail":{}}

event: end
data: {"state":"notified"}
"""
