"""An xz file as a stream that unpacks in large steps.

``lzma.LZMAFile`` hands the decompressor 8 KiB at a time and takes Python's lock back after
each, so that it waits for a busy thread thousands of times a file. What was unpacked before
a file breaks off is given out before the error. Knows nothing of lines.
"""

import io
import lzma
from typing import IO, Any

PACKED_BYTES = 2**17
UNPACKED_BYTES = 2**20


class XzStream(io.RawIOBase):
    """The unpacked bytes of one xz file or several after one another.

    Raises:
        EOFError, lzma.LZMAError: on reading beyond the last whole piece of a broken file.
    """

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed = packed
        self._decompressor = lzma.LZMADecompressor()
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer from the piece at hand; 0 at the end."""
        if not self._piece:
            self._piece = memoryview(self._unpack())
        taken = self._piece[: len(buffer)]
        self._piece = self._piece[len(taken) :]
        buffer[: len(taken)] = taken
        return len(taken)

    def _unpack(self) -> bytes:
        piece = b""
        while not piece:
            if self._decompressor.eof:
                rest = self._decompressor.unused_data or self._packed.read(PACKED_BYTES)
                rest = rest.lstrip(b"\0")  # padding, which the format allows
                if not rest:
                    return b""
                self._decompressor = lzma.LZMADecompressor()
            elif self._decompressor.needs_input:
                rest = self._packed.read(PACKED_BYTES)
                if not rest:
                    raise EOFError("the compressed data ends before its end marker")
            else:
                rest = b""
            piece = self._decompressor.decompress(rest, UNPACKED_BYTES)
        return piece
