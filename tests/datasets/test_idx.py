"""The IDX reader against files written here, whole, truncated and malformed."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from reprise.datasets.errors import FormatError, TruncatedError
from reprise.datasets.readers.idx import read_idx

CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def idx(array: np.ndarray) -> bytes:
    kind = array.dtype.str[1:]
    header = bytes([0, 0, CODES[kind], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture
def write(tmp_path):
    def write(content: bytes):
        path = tmp_path / "file"
        path.write_bytes(content)
        return path

    return write


IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@given(
    array=arrays.arrays(st.sampled_from(sorted(CODES)), arrays.array_shapes(max_dims=4, max_side=4, min_side=0)),
    zipped=st.booleans(),
)
def test_what_is_written_is_read(tmp_path_factory, array, zipped):
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    result = read_idx(path, ndim=array.ndim)
    assert result.dtype == array.dtype
    assert result.dtype.isnative
    np.testing.assert_array_equal(result, array)


@pytest.mark.parametrize("length", [0, 3, 4, 10, 15, 16, 39])
def test_every_truncation_is_named(write, length):
    with pytest.raises(TruncatedError):
        read_idx(write(idx(IMAGES)[:length]))


@pytest.mark.parametrize("length", [20, 30, -1])
def test_a_truncated_gzip_stream_is_named(write, length):
    with pytest.raises(TruncatedError, match="the gzip stream ends too early"):
        read_idx(write(gzip.compress(idx(IMAGES))[:length]))


def test_a_damaged_gzip_stream_is_named(write):
    content = bytearray(gzip.compress(idx(IMAGES)))
    content[-6] ^= 0xFF  # the stream's own checksum
    with pytest.raises(FormatError, match="damaged gzip stream"):
        read_idx(write(bytes(content)))
    content = bytearray(gzip.compress(idx(IMAGES)))
    content[10] = 0xFF  # the type of the first block
    with pytest.raises(FormatError, match="damaged gzip stream"):
        read_idx(write(bytes(content)))


def test_bytes_behind_the_values_are_refused(write):
    with pytest.raises(FormatError, match="2 bytes too many"):
        read_idx(write(idx(IMAGES) + b"xx"))


@pytest.mark.parametrize("start", [b"\x00\x01\x08\x01", b"\x00\x00\x07\x01", b"<htm", b"PK\x03\x04"])
def test_another_format_is_refused(write, start):
    with pytest.raises(FormatError, match=f"no IDX file: it starts with {start.hex(' ')}"):
        read_idx(write(start + bytes(100)))


def test_labels_in_place_of_images_are_refused(write):
    with pytest.raises(FormatError, match="has 1 axes and should have 3"):
        read_idx(write(idx(IMAGES.ravel())), ndim=3)


def test_an_absurd_header_allocates_nothing(write):
    header = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 2**32 - 1)
    with pytest.raises(TruncatedError, match=f"of {(2**32 - 1) ** 3 + 16} bytes"):
        read_idx(write(header))
