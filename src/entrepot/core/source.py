"""Source text: from bytes to a string, the way the compiler reads them."""

from _io import BytesIO, IncrementalNewlineDecoder

from entrepot.core import frames


def decode_source(data: bytes) -> str:
    """Return source text from a file's bytes: PEP 263 encoding, BOM, universal newlines.

    Raises:
        SyntaxError: an unknown encoding, or one that contradicts the BOM.
        UnicodeDecodeError: bytes that the encoding does not have.
    """
    # tokenize brings a dozen modules: only who asks for source pays.
    from tokenize import detect_encoding

    encoding, _ = detect_encoding(BytesIO(data).readline)
    return IncrementalNewlineDecoder(None, True).decode(data.decode(encoding))


frames.disguise()
