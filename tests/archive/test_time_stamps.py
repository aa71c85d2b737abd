"""The time-stamp of a checkpoint in a file, checked offline: tokens of OpenSSL, by every key that authorities have."""

import copy
import re
import subprocess
from base64 import b64decode, b64encode

import pytest

from consent_engine.domain.log.checkpoint import Note
from consent_engine.verify import SKEW_MS, Broken, NotSigned, _stamped, _Token, account_of, content_of, trust_in, verify
from tests import needs
from tests.evidence import LOG, conversations, logged, read
from tests.waiting import HANGS_S

CONFIG = """
[req]
distinguished_name = name
prompt = no
[name]
CN = {name}
[root]
basicConstraints = critical,CA:true
[stamps]
basicConstraints = CA:false
extendedKeyUsage = critical,timeStamping
[mail]
extendedKeyUsage = emailProtection
[tsa]
serial = {folder}/serial
default_policy = 1.2.3.4
signer_digest = {digest}
digests = sha256,sha384,sha512
ess_cert_id_alg = {ess}
"""
KEYS = {
    "rsa": ["rsa:2048"], "p-256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "p-384": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
}  # fmt: skip


class Authority:
    """An authority with a root of its own, that stamps by OpenSSL."""

    def __init__(self, folder, key="rsa", use="stamps", digest="sha256", ess="sha256", name="tsa.example"):
        folder.mkdir()
        self.folder = folder
        (folder / "serial").write_text("01")
        (folder / "cnf").write_text(CONFIG.format(name=name, folder=folder, digest=digest, ess=ess))
        made = ["-newkey", *KEYS[key], "-nodes", "-config", "cnf", "-days", "2"]
        self._openssl(
            "req", "-x509", *made, "-extensions", "root", "-subj", "/CN=root", "-keyout", "root.key", "-out", "root"
        )
        self._openssl("req", *made[:-2], "-keyout", "key", "-out", "csr")
        signs = ["-CA", "root", "-CAkey", "root.key", "-CAcreateserial", "-extfile", "cnf", "-extensions", use]
        self._openssl("x509", "-req", "-in", "csr", *signs, "-days", "2", "-out", "cert")
        self.root = (folder / "root").read_text()

    def _openssl(self, *words):
        told = subprocess.run(
            [needs.program("openssl", "openssl"), *words], cwd=self.folder, capture_output=True, timeout=HANGS_S,
            check=False,
        )  # fmt: skip
        assert told.returncode == 0, told.stderr

    def stamped(self, text, digest="sha256", *more):
        """Return the answer that stamps a text."""
        (self.folder / "text").write_text(text)
        self._openssl("ts", "-query", "-data", "text", f"-{digest}", "-cert", "-out", "asked")
        signer = ["-signer", "cert", "-inkey", "key", "-config", "cnf", "-section", "tsa"]
        self._openssl("ts", "-reply", "-queryfile", "asked", *signer, *more, "-out", "said")
        return (self.folder / "said").read_bytes()


@pytest.fixture(scope="module")
def file():
    needs.time_stamps()
    return logged(read(conversations()[-1]))


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    needs.time_stamps()
    return Authority(tmp_path_factory.mktemp("tsa") / "one")


def with_token(file, answer):
    """Return the file with a time-stamp, and signed again."""
    made = copy.deepcopy(file)
    made["log"]["token"] = b64encode(answer).decode()
    made["account"] = account_of(made)
    return made | {"signature": str(Note(content_of(made)).signed_by(LOG))}


def checkpoint(file):
    return Note.decode(file["log"]["checkpoint"]).text


def why(file, *trust):
    """Return why the token is broken; "" for a sound one."""
    try:
        verify(file, trust)
    except Broken as error:
        return str(error).removeprefix("token: ")
    return ""


@pytest.mark.parametrize(
    ("key", "digest", "signs", "ess"),
    [
        ("rsa", "sha256", "sha256", "sha256"), ("rsa", "sha512", "sha384", "sha1"),
        ("p-256", "sha384", "sha256", "sha512"), ("p-384", "sha256", "sha512", "sha256"),
    ],
)  # fmt: skip
def test_a_token_says_when_and_by_whom_and_whether_that_one_is_trusted(tmp_path, file, key, digest, signs, ess):
    authority = Authority(tmp_path / "a", key, digest=signs, ess=ess)
    made = with_token(file, authority.stamped(checkpoint(file), digest))
    told = {each for each in verify(made) if "stamped at" in each or each.startswith("token:")}
    assert len(told) == 2
    assert "token: revocation, path lengths and policies of certificates are not checked" in told
    assert any(" by CN=tsa.example, an unknown authority" in each for each in told)
    assert any(each.endswith("CN=tsa.example, a trusted authority") for each in verify(made, [authority.root]))
    assert why(made, str(LOG.key), (authority.folder / "cert").read_text()) == ""
    assert "token" not in made["account"]["missing"]


def test_a_token_of_another_checkpoint_signer_or_use_is_broken(tmp_path, file, authority):
    text = checkpoint(file)
    stranger = Authority(tmp_path / "b")
    good = with_token(file, authority.stamped(text))
    assert why(good, stranger.root) == "is signed by an unknown authority: by none that is trusted"
    assert why(with_token(file, authority.stamped(f"{text}x"))) == "stamps another checkpoint"
    assert why(with_token(file, b"\x30\x03\x02\x01\x00")) == "cannot be read as a time-stamp (RFC 3161)"


def refused(answer, text):
    """Return why an answer is no time-stamp of a text; "" for a sound one."""
    try:
        assert [*_stamped(answer, text.encode(), 0, [])]
    except Broken as error:
        return str(error).removeprefix("token: ")
    return ""


def test_no_byte_of_what_a_token_signs_can_be_another(file, authority):
    answer = authority.stamped(checkpoint(file))
    [certificate] = re.findall(b"-----\n(.*)\n-----", (authority.folder / "cert").read_bytes(), re.DOTALL)
    token = _Token.read(answer)
    signs = (token.info, token.attributes.whole, token.signature, b64decode(certificate))
    assert all(each in answer for each in signs)
    bytes_of = {answer.index(each) + n for each in signs for n in range(len(each))}
    changed = {n: answer[:n] + bytes([answer[n] ^ 1]) + answer[n + 1 :] for n in range(len(answer))}
    said = {n: refused(each, checkpoint(file)) for n, each in changed.items()}
    assert [n for n in bytes_of if not said[n]] == []
    assert {
        "its signature is false", "cannot be read as a time-stamp (RFC 3161)",
        "its signature is of another time-stamp", "does not have the certificate that it names as its signer's",
    } <= {*said.values()}  # fmt: skip
    assert all(refused(answer[:n], checkpoint(file)) for n in range(len(answer)))


def test_a_stamp_from_before_an_event_that_it_covers_is_broken(file, authority):
    answer, text = authority.stamped(checkpoint(file)), checkpoint(file).encode()
    now = int(_Token.read(answer).at.timestamp() * 1000)
    assert [*_stamped(answer, text, now + SKEW_MS, [])]
    with pytest.raises(Broken, match="token: is earlier than an event that the checkpoint covers"):
        assert [*_stamped(answer, text, now + SKEW_MS + 1, [])]


def test_certificates_and_keys_stand_in_one_file_of_trust(authority):
    assert trust_in(f"{LOG.key}\n\n{authority.root}{LOG.key}\n") == [authority.root.strip(), str(LOG.key), str(LOG.key)]
    with pytest.raises(NotSigned, match="a certificate that is to be trusted cannot be read"):
        verify({"evidence": "consent-evidence/1"}, [authority.root.replace("MII", "mii", 1)])
