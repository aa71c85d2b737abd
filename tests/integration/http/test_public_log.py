"""The public log over HTTP: what an outsider needs to check it, without a key, and nothing that says what happened."""

from base64 import b64decode, urlsafe_b64encode

import pytest

from consent_engine.adapters.log_folder import LogFolder
from consent_engine.domain.log.checkpoint import Checkpoint, Note, PrivateKey
from consent_engine.domain.log.merkle import Tree, included, leaf_hash, published
from consent_engine.engine.publishing import Keys, Publisher
from consent_engine.engine.scribe import write_out
from tests.integration.api_door import is_problem, order

KEY = PrivateKey.made("log.example/consent")


@pytest.fixture
def log(door, tmp_path):
    """A door whose log is published on demand."""

    def publish():
        write_out(door.engine.store, "one")
        public = door.engine.store.log.public
        return Publisher(public, Keys([KEY]), LogFolder(tmp_path / "log")).publish(door.engine.registry.now())

    door.publish = publish
    return door


def get(door, path):
    return door.call("GET", path, None)


def leaf_of(entry):
    return urlsafe_b64encode(published(entry)).decode().rstrip("=")


def test_an_outsider_checks_an_entry_with_what_is_served_and_nothing_else(log):
    is_problem(get(log, "/log/checkpoint"), 404, "not_in_log")
    log.place(order(), "first")
    assert log.publish()
    answer = get(log, "/log/checkpoint")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=5"
    note = Note.decode(answer.text)
    assert note.signers([KEY.key])
    size, root = Checkpoint.decode(note.text)[1:]
    tile, bundle = (get(log, f"/log/tile/{kind}/000.p/{size}") for kind in ("0", "entries"))
    for each in (tile, bundle):
        assert each.headers["content-type"] == "application/octet-stream"
        assert "immutable" in each.headers["cache-control"]
    assert get(log, f"/log/entries/000.p/{size}").content == bundle.content
    leaves = [tile.content[n : n + 32] for n in range(0, 32 * size, 32)]
    assert Tree(leaves).root == root
    assert [leaf_hash(bundle.content[n + 2 : n + 34]) for n in range(0, 34 * size, 34)] == leaves
    for n, entry, _ in log.engine.store.log.entries(0, size):
        shown = get(log, f"/v1/log/proof?leaf={leaf_of(entry)}").json()
        assert (shown["number"], shown["checkpoint"]) == (n, answer.text)
        assert included(leaf_hash(published(entry)), n, size, [b64decode(each) for each in shown["proof"]], root)


def test_nothing_that_is_served_says_what_happened_to_whom(log):
    made = log.place(order(), "first").json()
    size = log.publish().checkpoint.size
    lines = [entry for _, entry, _ in log.engine.store.log.entries(0, size)]
    told = {made["id"], *(part for line in lines for part in line.split() if len(part) > 20)}
    served = [get(log, f"/log/tile/{each}/000.p/{size}").content for each in ("0", "entries")]
    served.append(get(log, "/log/checkpoint").content)
    assert [each for each in told if any(each.encode() in some for some in served)] == []


@pytest.mark.parametrize("path", [
    "/log/tile/0/000", "/log/tile/0/001", "/log/tile/9/000", "/log/tile/0/000.p/255", "/log/entries/000",
    "/log/tile/64/000", "/log/tile/0/x000/000", "/log/tile/%2e%2e/checkpoint",
    "/log/entries/x", "/log/tile/", "/log/tile/0/%30%30%30%00",
])  # fmt: skip
def test_what_is_not_there_yet_or_never_is_a_problem(log, path):
    log.place(order(), "first")
    log.publish()
    answer = get(log, path)
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store"), "no cache keeps that"


def test_a_proof_of_what_the_log_does_not_have_or_cannot_have_is_refused(log):
    log.place(order(), "first")
    log.publish()
    is_problem(get(log, f"/v1/log/proof?leaf={'A' * 43}"), 404, "not_in_log")
    for wrong in ("", "?leaf=", "?leaf=x", f"?leaf={'A' * 44}", f"?leaf={'A' * 43}&more=1"):
        is_problem(get(log, f"/v1/log/proof{wrong}"), 422, "malformed")
