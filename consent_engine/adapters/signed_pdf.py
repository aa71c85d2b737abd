"""Pages as PDF files that are signed (PAdES), for readers who want paper: WeasyPrint draws them, pyHanko signs.

Both come with the extra `pdf`. A page takes seconds of CPU, so a process of its own makes it (this file, run as a
module), which ends with it: requests beside it do not wait, and a page that never ends is ended. It asks no network.
"""

import asyncio
import json
import sys
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates

from consent_engine import DISTRIBUTION
from consent_engine.errors import SettingsError, StoreUnavailable

Files = Mapping[str, tuple[str, bytes]]
"""Files that a page names, by the last part of their addresses: the media type of each, and its content."""
Press = Callable[[str, Files, tuple[str, bytes]], Awaitable[bytes]]
"""Returns the signed PDF of a page. It takes the page, the files that it names, and a file that is attached, by name.
Raises PdfUnavailable.
"""
FIELD = "Consent"
"""The name of the signature in a PDF."""
TIMEOUT_S = 60.0


class PdfUnavailable(StoreUnavailable, code="pdf_unavailable"):
    """A PDF could not be made now."""


def press_of(certificate: Path, passphrase: str) -> Press:
    """Return what makes signed PDF files, one at a time. certificate: with its private key and issuers, as PKCS #12

    Raises SettingsError where the packages are missing, and where the certificate cannot be used.
    """
    if not all(map(find_spec, ("weasyprint", "pyhanko"))):
        raise SettingsError(f"CONSENT_PDF_KEY needs WeasyPrint and pyHanko: pip install '{DISTRIBUTION}[pdf]'")
    try:
        key, found, _ = load_key_and_certificates(certificate.read_bytes(), passphrase.encode() or None)
    except ValueError:
        key, found = None, None
    if key is None or found is None:
        raise SettingsError("CONSENT_PDF_KEY must be a PKCS #12 file with a key that CONSENT_PDF_PASSPHRASE opens")
    if not found.not_valid_before_utc <= datetime.now(UTC) <= found.not_valid_after_utc:
        raise SettingsError("CONSENT_PDF_KEY: the certificate is not valid today")
    one = asyncio.Semaphore(1)

    async def press(html: str, files: Files, attached: tuple[str, bytes]) -> bytes:
        wanted = {
            "certificate": str(certificate), "passphrase": passphrase, "html": html, "attached": _text(*attached),
            "files": {name: _text(*each) for name, each in files.items()},
        }  # fmt: skip
        async with one:
            return await _made(json.dumps(wanted).encode())

    return press


def _text(name: str, content: bytes) -> tuple[str, str]:
    return name, b64encode(content).decode()


async def _made(wanted: bytes) -> bytes:
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            made, _ = await child.communicate(wanted)
    except TimeoutError:
        made = b""
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()
    if not made.startswith(b"%PDF"):
        raise PdfUnavailable("the PDF could not be made: is Pango installed, and a font with Chinese characters?")
    return made


def _pressed(wanted: Mapping[str, Any]) -> bytes:
    """Make a PDF, in the process for it."""
    import weasyprint  # noqa: PLC0415 - here alone: an extra
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter  # noqa: PLC0415
    from pyhanko.sign import PdfSignatureMetadata, fields, sign_pdf, signers  # noqa: PLC0415
    from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse  # noqa: PLC0415

    class Given(URLFetcher):  # type: ignore[misc] # WeasyPrint has no types
        """Finds what a page names among the files given, and asks nobody."""

        def fetch(self, url: str, headers: object = None) -> object:
            """Return a file. Raises FatalURLFetchingError for any other address."""
            name = urlsplit(url).path.rpartition("/")[2]
            if name not in wanted["files"]:
                raise FatalURLFetchingError("the page names a file that was not given")
            kind, content = wanted["files"][name]
            return URLFetcherResponse(url, b64decode(content), {"Content-Type": kind})

    name, content = wanted["attached"]
    more = weasyprint.Attachment(string=b64decode(content), name=name, relationship="Data")
    page = weasyprint.HTML(string=wanted["html"], base_url="page:/", url_fetcher=Given(allowed_protocols=()))
    drawn = BytesIO(page.write_pdf(attachments=[more], pdf_variant="pdf/a-3b"))
    signer = signers.SimpleSigner.load_pkcs12(wanted["certificate"], passphrase=wanted["passphrase"].encode() or None)
    meta = PdfSignatureMetadata(field_name=FIELD, md_algorithm="sha256", subfilter=fields.SigSeedSubFilter.PADES)
    signed = BytesIO()
    sign_pdf(IncrementalPdfFileWriter(drawn), meta, signer=signer, output=signed)
    return signed.getvalue()


if __name__ == "__main__":
    sys.stdout.buffer.write(_pressed(json.load(sys.stdin.buffer)))
