"""Signed notes, checkpoints, cosignatures and keys that follow each other, as C2SP writes them."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from consent_engine.domain.log.checkpoint import (
    COSIGNS,
    SIGNS,
    Checkpoint,
    Key,
    Note,
    NotSigned,
    PrivateKey,
    Signature,
    followed,
    rotation,
)
from tests.archive.press import cosigned_by

VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = (
    "This is an example message.\n\n\N{EM DASH} example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
"""The key and the note of C2SP signed-note."""
BODY = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
"""The checkpoint of C2SP tlog-checkpoint."""
ROOT = hashlib.sha256(b"root").digest()


def signer(name="log.example/consent", kind=SIGNS):
    return PrivateKey(name, Ed25519PrivateKey.generate(), kind)


@pytest.fixture(scope="module")
def log():
    return signer()


@pytest.fixture(scope="module")
def witness():
    return signer("witness.example/w1", COSIGNS)


@pytest.fixture
def signed(log):
    return Note(str(Checkpoint(log.key.name, 7, ROOT))).signed_by(log)


def test_the_example_of_the_specification_is_read_and_verified():
    key, note = Key.decode(VKEY), Note.decode(NOTE)
    assert note.signers([key]) == {key: 0}
    assert (str(key), str(note)) == (VKEY, NOTE)
    assert Checkpoint.decode(BODY).size == 20_852_163
    assert str(Checkpoint.decode(BODY)) == BODY
    assert Checkpoint.decode(f"{BODY}more\n") == Checkpoint.decode(BODY), "extension lines are passed over"


def test_a_text_with_blank_lines_ends_with_the_last_of_them(log):
    note = Note("one\n\ntwo:\n").signed_by(log)
    assert Note.decode(str(note)) == note
    assert note.signers([log.key]) == {log.key: 0}


def test_a_key_is_written_and_read_and_signs_the_same(log):
    again = PrivateKey.decode(str(log))
    assert (again.key, str(again)) == (log.key, str(log))
    assert again.sign(b"x") == log.sign(b"x")
    assert Key.decode(str(log.key)) == log.key


def test_a_cosignature_says_when_it_was_made(signed, log, witness):
    cosigned = cosigned_by(signed, witness, 1_679_315_147)
    assert cosigned.signers([log.key, witness.key]) == {log.key: 0, witness.key: 1_679_315_147}
    signature = cosigned.signatures[-1]
    at_s, value = signature.value[:8], signature.value[8:]
    assert at_s == (1_679_315_147).to_bytes(8, "big")
    Ed25519PublicKey.from_public_bytes(witness.key.public).verify(
        value, f"cosignature/v1\ntime 1679315147\n{signed.text}".encode()
    )


def test_no_bit_of_a_signed_note_can_be_changed_unseen(signed, log, witness):
    """Whatever is changed: it is no note any more, or it is signed by strangers alone, or a signature is false."""
    note = str(cosigned_by(signed, witness, 1_679_315_147))
    keys, unseen = {log.key, witness.key}, []
    for n, character in enumerate(note):
        for other in {chr(ord(character) ^ 1), "x", "\n"} - {character}:
            try:
                read = Note.decode(note[:n] + other + note[n + 1 :])
                if read.signers(keys).keys() == keys and read.text != signed.text:
                    unseen.append((n, other))
            except NotSigned:
                continue
    assert unseen == []


def test_a_stranger_is_named_and_counts_for_nothing(signed, log):
    stranger = signer("stranger.example")
    assert signed.signers([stranger.key]) == {}
    assert signed.signed_by(stranger).strangers([log.key]) == ["stranger.example"]
    same_name = signer(log.key.name)
    assert signed.signers([same_name.key]) == {}, "another key of the same name did not sign it"


def test_a_false_signature_of_a_known_key_is_an_error(log):
    note = Note(BODY, (Signature(log.key.name, log.key.id, b"\0" * 64),))
    for false in (note, Note(BODY, (Signature(log.key.name, log.key.id, b"short"),))):
        with pytest.raises(NotSigned, match=r"log\.example/consent is false"):
            false.signers([log.key])


DASH = "\N{EM DASH} "


@pytest.mark.parametrize("text", [
    "", "\n\n", "text\n", "text\n\n", "text\n\n- name AAAA\n", f"{BODY}\n{DASH}a b c\n",
    f"te\txt\n\n{DASH}a AAAAAAAA\n",
    f"text\n\n{DASH}a AAAA\n", f"text\n\n{DASH}a+b AAAAAAAA\n", f"text\n\n{DASH}a AAAAAAAA",
    f"t\r\n\n{DASH}a AAAAAAAA\n",
    "text\n\n" + f"{DASH}a AAAAAAAA\n" * 65, "x" * 100_001 + f"\n\n{DASH}a AAAAAAAA\n", f"text\n\n{DASH}a AAAAA\n",
])  # fmt: skip
def test_what_is_no_note_is_not_read_as_one(text):
    with pytest.raises(NotSigned):
        Note.decode(text)


HASH = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="


@pytest.mark.parametrize("text", [
    "", "a\n", "a\n1\n", f"a\n01\n{HASH}\n", f"a\n-1\n{HASH}\n", f"a\n1\n{HASH}", f"a\n1\n{HASH[:-1]}\n",
    f"\n1\n{HASH}\n",
    f"a\n１\n{HASH}\n", f"{BODY}\n",
])  # fmt: skip
def test_what_is_no_checkpoint_is_not_read_as_one(text):
    with pytest.raises(NotSigned):
        Checkpoint.decode(text)


@pytest.mark.parametrize("text", [
    "", VKEY[:-1], VKEY.replace("530d903a", "530d903b"), VKEY.replace("foo", "bar"), VKEY.replace("+A", "+B"),
    VKEY + "\n", "name with space+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
])  # fmt: skip
def test_what_is_no_key_is_not_read_as_one(text):
    with pytest.raises(NotSigned):
        Key.decode(text)
    with pytest.raises(NotSigned) as refused:
        PrivateKey.decode(f"PRIVATE+KEY+{text}")
    assert "AekyeRrm" not in str(refused.value), "a secret is not repeated"


def test_a_key_follows_another_where_both_signed_and_only_there(log):
    second, third, stranger = signer(log.key.name), signer(log.key.name), signer(log.key.name)
    first_to_second, second_to_third = rotation(log, second), rotation(second, third)
    assert followed([log.key], []) == {log.key}
    assert followed([log.key], [first_to_second, second_to_third]) == {log.key, second.key, third.key}
    assert followed([log.key], [second_to_third]) == {log.key}
    assert followed([second.key], [first_to_second, second_to_third]) == {second.key, third.key}
    alone = Note(first_to_second.text, first_to_second.signatures[1:])
    assert followed([log.key], [alone]) == {log.key}, "the old key did not sign it"
    with pytest.raises(NotSigned):
        followed([log.key], [Note(rotation(log, stranger).text, first_to_second.signatures)])
    with pytest.raises(NotSigned):
        followed([log.key], [Note(BODY).signed_by(log)])
    with pytest.raises(NotSigned):
        Checkpoint.decode(first_to_second.text)


def test_a_name_that_no_line_could_hold_is_refused():
    for name in ("", "a b", "a+b", "a\nb", "x" * 201):
        with pytest.raises(NotSigned):
            PrivateKey.made(name)
