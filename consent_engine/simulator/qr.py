"""An address as a QR code, drawn by segno: the extra `phone`. The only file that imports it."""

import io


def qr_of(address: str) -> bytes | None:
    """Draw an SVG, black on white whatever the page's colours; None if segno is not installed."""
    try:
        import segno  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    drawn = io.BytesIO()
    segno.make_qr(address).save(drawn, kind="svg", scale=6, border=4, light="#fff", dark="#000")
    return drawn.getvalue()
