"""The boxes that MP4 and MOV files are made of: to take apart, change and put together."""

from collections.abc import Callable, Iterator, Sequence


def box(kind: bytes, body: bytes) -> bytes:
    """A box: its length, its name, what is in it."""
    return (8 + len(body)).to_bytes(4, "big") + kind + body


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes that follow each other in some bytes: name and content of each."""
    at = 0
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], data[at + 8 : at + length]
        at += length


def edited(data: bytes, path: Sequence[bytes], change: Callable[[bytes], bytes]) -> bytes:
    """The bytes with every box at a path, `[b"moov", b"trak"]`, replaced by what `change` makes of
    its content.
    """
    out = []
    for kind, body in boxes(data):
        if kind != path[0]:
            out.append(box(kind, body))
        elif len(path) == 1:
            out.append(change(body))
        else:
            out.append(box(kind, edited(body, path[1:], change)))
    return b"".join(out)
