#!/usr/bin/env bash
# The tour of a day: install, sell, ask, answer, refuse, watch, mend. Every step is checked; exit 0 only when all went as told.
#
#   docs/tour.sh                     makes the wheel of this repository, installs it into a folder of its own, and walks
#   docs/tour.sh FILE.whl            installs that wheel
#   docs/tour.sh BIN                 uses `consent` and `python` of that folder
#
# Needs bash, curl, openssl and Python 3.11-3.14. Takes its own folder and free ports; leaves nothing behind.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=$(mktemp -d "${TMPDIR:-/tmp}/consent-tour.XXXXXX")
pids=()

leave() {
    local status=$? pid
    trap - EXIT
    if [ "$status" != 0 ]; then
        printf '\nthe tour ended early (status %d); the engine said last:\n' "$status" >&2
        tail -n 25 "$folder/engine.log" >&2 2>/dev/null || true
    fi
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
        pid=${pids[i]}
        kill "$pid" 2>/dev/null || continue
        for _ in $(seq 200); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
        kill -9 "$pid" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    rm -rf "$folder"
    exit "$status"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

chapter() { printf '\n== %s (%d s)\n' "$*" "$SECONDS"; }
tell() { printf '   %s\n' "$*"; }
die() { printf 'WRONG: %s\n' "$*" >&2; exit 1; }

# same WHAT WANTED FOUND: the step is as it should be, or the tour ends here.
same() { [ "$2" = "$3" ] || die "$1: wanted '$2', found '$3'"; }

# holds WHAT WORDS TEXT: WORDS stand somewhere in TEXT.
holds() { case "$3" in *"$2"*) ;; *) die "$1: no '$2' in: $3" ;; esac }

# json PATH: a value in the JSON that comes in, like `json plan.code`.
json() {
    "$python" -c '
import json, sys
found = json.load(sys.stdin)
for step in sys.argv[1].split("."):
    found = found.get(step, "")
print(found if isinstance(found, str) else json.dumps(found))' "$1"
}

free_port() { "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# soon WHAT WANTED COMMAND...: looks until COMMAND prints WANTED; at most 20 s.
soon() {
    local what=$1 wanted=$2 found=
    shift 2
    for _ in $(seq 200); do
        found=$("$@" 2>/dev/null || true)
        if [ "$found" = "$wanted" ]; then return; fi
        sleep 0.1
    done
    die "$what: wanted '$wanted' within 20 s, found '$found'"
}

# ---------------------------------------------------------------------------------------------------------------------
chapter "Install"
given=${1:-}
if [ -d "$given" ]; then
    bin=$(cd "$given" && pwd)
    tell "using $bin"
else
    for base in ${PYTHON:-python3.13 python3.12 python3.11 python3.14 python3}; do
        if "$base" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null
        then break; fi
    done
    pip="$folder/venv/bin/python -m pip --disable-pip-version-check --quiet"
    "$base" -m venv "$folder/venv"
    if [ -z "$given" ]; then
        cp -r "$here/pyproject.toml" "$here/README.md" "$here/LICENSE" "$here/consent_engine" "$here/workers" "$folder/venv"
        PIP_CONSTRAINT="$here/constraints.txt" $pip wheel --no-deps --wheel-dir "$folder" "$folder/venv"
        given=$(echo "$folder"/*.whl)
    fi
    $pip install --constraint "$here/constraints.txt" "$given"
    bin=$folder/venv/bin
    tell "${given##*/} into an empty environment"
fi
python=$bin/python
cd "$folder" # so that nothing of the repository helps
unset PYTHONPATH
for name in $(compgen -e CONSENT_ || true); do unset "$name"; done
same "consent read 是" "YES	-" "$("$bin/consent" read 是)"
tell "consent read 是  ->  YES"

# ---------------------------------------------------------------------------------------------------------------------
chapter "The outside: an SMS gateway with handsets (simulated), and a BSS that has a bad day"
port=$(free_port) outside_port=$(free_port)
api=http://127.0.0.1:$port
export CONSENT_READING_SPEED=1000000 CONSENT_DATA_DIR=$folder/data CONSENT_MAX_ATTEMPTS=2 CONSENT_RETRY_BASE=100ms CONSENT_RETRY_MAX=500ms
export CONSENT_GATEWAY=http_json CONSENT_HTTP_JSON__URL=http://127.0.0.1:$outside_port/sms
export CONSENT_BSS=http CONSENT_HTTP_JSON__SECRET=tour-gateway-secret-0001 CONSENT_BSS_HTTP__SECRET=tour-bss-secret-0002

# 500 is doubt: it may have switched the service on, or not. The number ending in 0003 hears it twice, then 201.
cat >bss.py <<'PY'
import json
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

asked = Counter()

class Bss(BaseHTTPRequestHandler):
    def do_POST(self):
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        order = wanted["order_id"]
        asked[order] += 1
        bad_day = wanted["msisdn"].endswith("0003") and asked[order] <= 2
        with open("activations", "a") as book:
            book.write(f"{order} {'500' if bad_day else '201'}\n")
        body = json.dumps({"activation_id": f"act-{order}", "active_from": "2025-08-01"}).encode()
        self.send_response(500 if bad_day else 201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Bss)
with open("bss.port.new", "w") as file:
    file.write(str(server.server_address[1]))
__import__("os").rename("bss.port.new", "bss.port")
server.serve_forever()
PY
: >activations
"$python" bss.py & pids+=($!)
"$python" -m consent_engine.simulator --port "$outside_port" --engine "$api" \
    >outside.log 2>&1 </dev/null & pids+=($!)
soon "the BSS listens" ok sh -c 'test -s bss.port && echo ok'
CONSENT_BSS_HTTP__URL=http://127.0.0.1:$(cat bss.port)
export CONSENT_BSS_HTTP__URL
soon "the gateway listens" 0 sh -c "curl -sf http://127.0.0.1:$outside_port/ledger | '$python' -c 'import json, sys; print(len(json.load(sys.stdin)[\"sms\"]))'"
tell "gateway $CONSENT_HTTP_JSON__URL, BSS $CONSENT_BSS_HTTP__URL"

# ---------------------------------------------------------------------------------------------------------------------
chapter "Morning: the engine starts, the catalogue is loaded, keys are given out"
"$bin/consent" serve --port "$port" --workers 1 >engine.log 2>&1 </dev/null & engine=$! pids+=($!)
soon "ready" 200 curl -s -o /dev/null -w '%{http_code}' "$api/readyz"
tell "$api/readyz says ready: store durable, workers heard from"

cat >plans.yaml <<'YAML'
- code: tour-99
  carrier: mobile
  name: 巡览套餐99元档
  price: {monthly: 99.00, currency: CNY}
  overage: [{what: 流量, price: 3.00, per: GB}]
  term: {months: 12, starts: next_day, early_fee: {per_remaining_month: 20.00, at_most: 240.00}}
  renewal: {automatic: true, notice_days: 5}
  includes: [{what: 国内流量, amount: 30, unit: GB}]
  first_month: full
  scenario: 中国大陆（不含港澳台）手机上网与语音
  replaces: current
  unsubscribe: {word: QXTC, to: "10086", takes_effect: next_month, fee: null}
  sold_by: [phone, hall, app]
  published:
    - {channel: web_hall, url: "/tariffs/tour-99/1"}
    - {channel: app,      url: "/tariffs/tour-99/1"}
YAML
holds "plans load" "new" "$("$bin/consent" plans load plans.yaml)"
holds "plans load again changes nothing" "as it was" "$("$bin/consent" plans load plans.yaml)"
holds "plans list" "tour-99" "$("$bin/consent" plans list)"
tell "consent plans load: tour-99 is new, and loading it twice is loading it once"

added() { "$bin/consent" keys add "$1" --role "$2" | sed 's/.* //'; }
agent=$(added desk agent) ops=$(added control-room ops) admin=$(added head admin)
same "keys list" 3 "$("$bin/consent" keys list | wc -l | tr -d ' ')"
tell "keys of an agent, of ops and of an admin, each shown once"

# ask KEY METHOD PATH [curl's options]: the body; the status on a line of its own after it.
ask() {
    local key=$1 method=$2 path=$3
    shift 3
    curl -sS --max-time 10 -X "$method" -H "Authorization: Bearer $key" -H 'Content-Type: application/json' \
        -w '\n%{http_code}' "$@" "$api$path"
}
status_of() { tail -n 1 <<<"$1"; }
body_of() { sed '$d' <<<"$1"; }

# place NUMBER KEY: prints the answer as `ask` does.
place() {
    local agreed
    agreed=$("$python" -c 'import datetime as d; print(d.datetime.now(d.UTC).isoformat())')
    ask "$agent" POST /v1/orders -H "Idempotency-Key: $2" -d @- <<JSON
{"msisdn": "$1", "plan": "tour-99", "agent": "A1024", "metadata": {"desk": "BJ-3"},
 "call": {"caller_number": "10085", "recording_id": "rec-$2", "started_at": "$agreed", "agreed_at": "$agreed"}}
JSON
}
state() { ask "$agent" GET "/v1/orders/$1" | sed '$d' | json state; }

# say NUMBER TEXT ID: an SMS from a handset, as the gateway posts it, signed with the secret it shares with the engine.
say() {
    local body at proof
    body=$(printf '{"message_id": "%s", "from": "%s", "to": "10085", "text": "%s"}' "$3" "$1" "$2")
    at=$(date +%s)
    proof=$(printf '%s.%s' "$at" "$body" | openssl dgst -sha256 -hmac "$CONSENT_HTTP_JSON__SECRET" | sed 's/.*= *//')
    curl -sS --max-time 10 -H 'Content-Type: application/json' -H "X-Consent-Signature: t=$at,v1=$proof" \
        -o /dev/null -w '%{http_code}' --data-binary "$body" "$api/v1/gateways/http_json/inbound"
}
callable() {
    ask "$agent" POST /v1/callable -d "{\"msisdn\": \"$1\", \"carrier\": \"mobile\"}" | sed '$d' | json callable
}
activations_of() { grep -c "^$1 $2\$" activations || true; }

# ---------------------------------------------------------------------------------------------------------------------
chapter "A sale: the call agreed, the SMS asks, the subscriber says 是"
yes=13800000001 no=13800000002 stuck=13800000003 doubt=13800000004
same "may it be dialled" true "$(callable $yes)"
answer=$(place $yes tour-1)
same "placed" 201 "$(status_of "$answer")"
first=$(body_of "$answer" | json id)
holds "the SMS says the price" "99元/月" "$(body_of "$answer" | json confirmation.text)"
tell "order $first: $(body_of "$answer" | json confirmation.segments) SMS segments from 10085"

curl -sSN --max-time 40 -H "Authorization: Bearer $agent" "$api/v1/orders/$first/stream" >stream.txt & pids+=($!)

soon "the question is handed over" awaiting_reply state "$first"
same "no activation before the yes" 0 "$(activations_of "$first" 201)"
same "an SMS that nobody signed" 401 "$(curl -s -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' \
    -d "{\"message_id\": \"evil\", \"from\": \"$yes\", \"to\": \"10085\", \"text\": \"是\"}" "$api/v1/gateways/http_json/inbound")"
same "the signed 是" 200 "$(say +86$yes 是 mo-1)"
same "the gateway repeats itself" 200 "$(say +86$yes 是 mo-1)"
soon "notified" notified state "$first"
same "activated once" 1 "$(activations_of "$first" 201)"
shown=$(body_of "$(ask "$agent" GET "/v1/orders/$first")")
same "the last step" notification_sent "$(json stage <<<"$shown")"
tell "asked, answered, activated once, notified; the same SMS twice was one, an unsigned one was none"

streamed() { grep -c '^data:.*'"$1" stream.txt || true; }
soon "the stream told the end, too" 1 streamed notification_accepted
for step in confirmation_accepted said_yes service_activated; do same "streamed $step" 1 "$(streamed $step)"; done
tell "the stream showed every step as it happened:"
sed -n 's/^data:.*"trigger": *"\([a-z_]*\)".*/      \1/p' stream.txt

# ---------------------------------------------------------------------------------------------------------------------
chapter "A refusal: TD ends the order, and the number is not called again"
answer=$(place $no tour-2)
second=$(body_of "$answer" | json id)
soon "the question is handed over" awaiting_reply state "$second"
same "the signed TD" 200 "$(say +86$no TD mo-2)"
soon "declined" declined state "$second"
same "nothing was activated" 0 "$(activations_of "$second" 201)"
same "may it be dialled" false "$(callable $no)"
answer=$(place $no tour-3)
same "another order for it" 409 "$(status_of "$answer")"
same "why" do_not_call "$(body_of "$answer" | json code)"
holds "consent callable" "not callable" "$("$bin/consent" callable $no)"
tell "declined, not callable, and the door says do_not_call"

# ---------------------------------------------------------------------------------------------------------------------
chapter "A doubt: words that may be a refusal bar the number until a person has read them"
answer=$(place $doubt tour-5)
fourth=$(body_of "$answer" | json id)
code=$(body_of "$answer" | json confirmation.code)
soon "the question is handed over" awaiting_reply state "$fourth"
same "the signed words" 200 "$(say +86$doubt 拒绝的话要钱吗 mo-4)"
same "may it be dialled" false "$(callable $doubt)"
same "a yes meanwhile" 200 "$(say +86$doubt 是 mo-5)"
events_of() { ask "$agent" GET "/v1/orders/$1" | grep -o "\"$2\"" | sort -u; }
soon "the yes is noted, and counts for nothing" '"replied_barred"' events_of "$fourth" replied_barred
held=$("$bin/consent" held)
holds "consent held" 拒绝的话要钱吗 "$held"
case "$held" in *"$doubt"*) die "a number stands in what is held" ;; esac
holds "decided, with the reason" decided \
    "$("$bin/consent" held "$(cut -f 1 <<<"$held")" --no-refusal --reason "asks what it costs")"
same "may it be dialled" true "$(callable $doubt)"
soon "it is told, and asked anew" '"resumed"' events_of "$fourth" resumed
same "nothing was activated" 0 "$(activations_of "$fourth" 201)"
same "the signed 是 with the code" 200 "$(say +86$doubt "是$code" mo-6)"
soon "notified" notified state "$fourth"
tell "barred at once; a person read it: none; 是$code, asked for anew, counts"

# ---------------------------------------------------------------------------------------------------------------------
chapter "Trouble: the BSS answers 500, twice. Nobody knows whether the service is on; a person decides"
answer=$(place $stuck tour-4)
third=$(body_of "$answer" | json id)
soon "the question is handed over" awaiting_reply state "$third"
same "the signed 是" 200 "$(say +86$stuck 是 mo-3)"
parked() { "$bin/consent" stuck | cut -f 1; }
soon "on the stuck list" "$third" parked
same "its state" confirmed "$(state "$third")"
same "asked as often as CONSENT_MAX_ATTEMPTS says" 2 "$(activations_of "$third" 500)"
tell "consent stuck: $("$bin/consent" stuck | tr '\t' ' ')"

# ---------------------------------------------------------------------------------------------------------------------
chapter "What the control room sees"
metrics=$(ask "$ops" GET /metrics)
same "/metrics with the key of ops" 200 "$(status_of "$metrics")"
same "/metrics without a key" 401 "$(curl -s -o /dev/null -w '%{http_code}' "$api/metrics")"
for number in $yes $no $stuck $doubt; do
    case "$metrics" in *"$number"*) die "a number stands in the metrics" ;; esac
done
shown() { sed -n "s/^$1 \([0-9]*\)\(\.0\)*\$/\1/p" <<<"$(ask "$ops" GET /metrics)"; }
soon "the stuck list in the metrics" 1 shown 'consent_lane_parked{lane="activation"}'
soon "orders by state in the metrics" 2 shown 'consent_orders{placed="today",state="notified"}'
soon "workers in the metrics" 1 shown consent_workers_alive
tell "$(grep -c '^consent_' <<<"$metrics") series: one worker, two orders notified, one parked; no person in any label"

seen() { json msisdn <<<"$(body_of "$(ask "$1" GET "/v1/orders/$third")")"; }
for key in "$ops" "$admin"; do
    [ "$(seen "$key")" != +86$stuck ] || die "a full number is seen without a reason"
done
revealed=$(ask "$admin" POST "/v1/orders/$third/reveal" -d '{"reason":"the regulator asks"}')
same "an admin sees the number for a reason" +86$stuck "$(json msisdn <<<"$(body_of "$revealed")")"
tell "ops and an admin see $(seen "$ops"); for a reason, which is kept, an admin sees all of it"

# ---------------------------------------------------------------------------------------------------------------------
chapter "Evening: the BSS is well again, the order is tried again"
holds "consent retry" "$third" "$("$bin/consent" retry "$third")"
soon "notified" notified state "$third"
same "activated once" 1 "$(activations_of "$third" 201)"
same "nothing is stuck" "" "$("$bin/consent" stuck)"
holds "who retried stands in the history" "cli:" "$("$bin/consent" show "$third")"
tell "consent retry: activated, notified, and the history says who tried again"

kill "$engine"
wait "$engine" || die "the engine did not end well: status $?"
tell "the engine ended when asked; the data say what the day was: $("$bin/consent" show "$first" | sed -n 's/^state\t//p')"
printf '\nThe tour went as told, in %d s.\n' "$SECONDS"
