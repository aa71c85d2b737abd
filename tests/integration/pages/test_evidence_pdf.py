"""The page of evidence as a PDF that is signed: where a certificate is set, and for auditors alone."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from consent_engine.adapters.signed_pdf import FIELD, PdfUnavailable, press_of
from consent_engine.engine.api_keys import Role
from consent_engine.errors import SettingsError
from consent_engine.verify import verify
from tests import needs
from tests.integration.page_door import PageDoor


def certificate(path, days=2, passphrase=b"opens"):
    """Write a certificate with its key, valid for so many days from yesterday; return it."""
    key, began = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC) - timedelta(days=1, hours=1)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "seal.example")])
    uses = x509.KeyUsage(True, True, False, False, False, False, False, False, False)  # noqa: FBT003 - its signature
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
    made = made.not_valid_before(began).not_valid_after(began + timedelta(days=days)).add_extension(uses, critical=True)
    signed = made.sign(key, SHA256())
    kept = serialize_key_and_certificates(b"seal", key, signed, None, BestAvailableEncryption(passphrase))
    path.write_bytes(kept)
    return signed


@pytest.fixture
def sealing(running, tmp_path):
    needs.signed_pdf()
    certificate(tmp_path / "seal.p12")
    door = PageDoor(
        *running, CONSENT_PDF_KEY=str(tmp_path / "seal.p12"), CONSENT_PDF_PASSPHRASE="opens",
    )  # fmt: skip
    yield door
    door.close()


def test_an_auditor_gets_the_page_as_a_signed_pdf_with_the_file_in_it(sealing):
    from pyhanko.pdf_utils.reader import PdfFileReader  # noqa: PLC0415 - an extra
    from pyhanko.sign.validation import validate_pdf_signature  # noqa: PLC0415 - an extra
    from pyhanko_certvalidator import ValidationContext  # noqa: PLC0415 - an extra

    order = sealing.place().json()["id"]
    visitor = sealing.sign_in(Role.AUDITOR)
    assert f'href="/orders/{order}/evidence.pdf"' in visitor.get(f"/orders/{order}/evidence").text
    answer = visitor.get(f"/orders/{order}/evidence.pdf")
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("application/pdf", "no-store")
    pdf = PdfFileReader(BytesIO(answer.content))
    [signature] = pdf.embedded_signatures
    told = validate_pdf_signature(signature, ValidationContext(trust_roots=[signature.signer_cert]))
    assert told.bottom_line
    assert (signature.field_name, signature.sig_object["/SubFilter"]) == (FIELD, "/ETSI.CAdES.detached")
    name, held = pdf.root["/Names"]["/EmbeddedFiles"]["/Names"]
    file = json.loads(held.get_object()["/EF"]["/F"].get_object().data)
    assert verify(file)
    assert (file["account"]["order"], file["made_by"]) == (order, "the-auditor")
    assert name == f"evidence-{order}.json"


def test_nobody_else_gets_it(sealing):
    order = sealing.place().json()["id"]
    assert sealing.sign_in(Role.OPS).get(f"/orders/{order}/evidence.pdf").status_code == 403
    assert sealing.stranger().get(f"/orders/{order}/evidence.pdf").status_code == 303
    assert sealing.sign_in(Role.AUDITOR).get(f"/orders/{'0' * 28}/evidence.pdf").status_code == 404
    assert sealing.engine.reveals.happened() == []


def test_without_a_certificate_there_is_no_pdf_and_no_look_is_recorded(door):
    order = door.place().json()["id"]
    visitor = door.sign_in(Role.AUDITOR)
    assert visitor.get(f"/orders/{order}/evidence.pdf").status_code == 404
    assert door.engine.reveals.happened() == []
    assert "evidence.pdf" not in visitor.get(f"/orders/{order}/evidence").text


def test_a_certificate_that_cannot_sign_stops_the_start(tmp_path):
    needs.signed_pdf()
    path = tmp_path / "seal.p12"
    certificate(path)
    for passphrase, content in (("other", None), ("", None), ("opens", b"no PKCS #12")):
        path.write_bytes(content or path.read_bytes())
        with pytest.raises(SettingsError, match="must be a PKCS #12 file with a key that CONSENT_PDF_PASSPHRASE opens"):
            press_of(path, passphrase)
    certificate(path, days=1)
    with pytest.raises(SettingsError, match="CONSENT_PDF_KEY: the certificate is not valid today"):
        press_of(path, "opens")


@pytest.mark.parametrize("address", ["/assets/other.css", "file:///etc/hostname", "http://127.0.0.1:9/a.css"])
def test_a_page_that_names_a_file_of_somebody_else_becomes_no_pdf(tmp_path, address):
    needs.signed_pdf()
    certificate(tmp_path / "seal.p12")
    press = press_of(tmp_path / "seal.p12", "opens")
    with pytest.raises(PdfUnavailable, match="the PDF could not be made"):
        asyncio.run(press(f'<link rel="stylesheet" href="{address}"><p>x', {}, ("a.json", b"{}")))
