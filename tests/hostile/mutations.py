"""Change the bytes of a file at random places, mostly so that it can still be parsed."""

from __future__ import annotations

from hypothesis import strategies as st

Changes = list[tuple[str, float, bytes]]
"""What is done, where (a share of the file's length) and with which bytes."""

TOKENS = (
    b"null", b"true", b"-1", b"1e999", b"NaN", b"9" * 5000, b'"\\ud800"', b'{"float": "nan"}',
    b'{"float": []}', b"[]", b"{}", b'""', b'"\\u0000"', b"\n", b"\xff", b"[" * 200, b"1e308",
    b'"../../x"',
)  # fmt: skip


@st.composite
def mutations(draw: st.DrawFn) -> Changes:
    """Draw up to four changes."""
    kinds = st.sampled_from(("replace value", "put", "cut", "flip", "repeat"))
    place = st.floats(0, 1, exclude_max=True)
    text = st.one_of(st.sampled_from(TOKENS), st.binary(min_size=1, max_size=8))
    return draw(st.lists(st.tuples(kinds, place, text), min_size=1, max_size=4))


def mutated(content: bytes, changes: Changes) -> bytes:
    for what, share, text in changes:
        at = int(share * max(len(content), 1))
        if what == "replace value":
            # The value after the next colon, up to what ends it: mostly JSON again.
            begin = content.find(b":", at) + 1
            ends = [end for mark in b",}\n" if (end := content.find(bytes([mark]), begin)) > 0]
            content = content[:begin] + text + content[min(ends, default=begin) :]
        elif what == "put":
            content = content[:at] + text + content[at:]
        elif what == "cut":
            content = content[:at] + content[at + len(text) :]
        elif what == "flip":
            content = (
                content[:at]
                + bytes(each ^ text[0] for each in content[at : at + 1])
                + (content[at + 1 :])
            )
        else:
            content = content[:at] + content[at : at + 200] * 3 + content[at + 200 :]
    return content
