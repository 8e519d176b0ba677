# Copyright 2026 The astromer_hf developers. MIT licence.
"""Read a TensorFlow V2 checkpoint into numpy arrays, without TensorFlow.

A checkpoint `NAME` is a "tensor bundle": `NAME.index`, a LevelDB-style sorted table from a variable's key to the position of
its bytes, and the shards `NAME.data-00000-of-0000N` with the bytes. The files come from a downloaded zip or folder and are not
trusted: every size is checked before memory is allocated, and every checksum is verified. `conversion.py` renames the
variables.

Formats: TensorFlow's core/util/tensor_bundle and core/protobuf/tensor_bundle.proto, LevelDB's doc/table_format.md.
"""

import math
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath

import numpy as np

from ..extras import install_line

_TABLE_MAGIC = 0xDB4775248B80FB57
_FOOTER_BYTES = 48
_MAX_INDEX_BYTES = 16 * 2**20
_MAX_RECORDS = 20_000
_MAX_RECORD_BYTES = 4096  # of a key, and of a value

# Numbers of TensorFlow's core/framework/types.proto. numpy has no bfloat16: it is the upper half of a float32.
_DT_STRING, _DT_BFLOAT16 = 7, 14
_DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", _DT_BFLOAT16: "<u2", 19: "<f2"}

_MAX_ZIP_ENTRIES = 1000
_MAX_ZIP_BYTES = 2 * 2**30
_MAX_ZIP_RATIO = 200
_RATIO_CHECKED_ABOVE_BYTES = 16 * 2**20  # small files may compress well

_HDF5_SUFFIXES = (".h5", ".hdf5", ".keras")
_HOW_TO_LEAVE_HDF5 = (
    "HDF5 is not read here. In TensorFlow (2.15 at most) build the model, load its weights and save them as a checkpoint, "
    'model.save_weights("weights", save_format="tf"); then give the folder with weights.index.'
)

_Message = dict[int, list[int | bytes]]  # a decoded protobuf message: field number -> all of its values


class CheckpointError(ValueError):
    """A checkpoint cannot be read. The message is one line: what was expected, what was found, and the next step."""


class _DamagedError(CheckpointError):
    """A fault inside a checkpoint's files; `read_tensorflow_checkpoint` adds the file and the next step."""


def read_tensorflow_checkpoint(prefix: Path) -> dict[str, np.ndarray]:
    """Read every numeric variable of a TensorFlow V2 checkpoint.

    Args:
        prefix (`Path`): The checkpoint's path without `.index` (see `find_checkpoint_prefix`).

    Returns:
        `dict[str, np.ndarray]`: checkpoint key, without the suffix `/.ATTRIBUTES/VARIABLE_VALUE`, -> array as stored.
        Optimizer slots are kept, strings (such as the object graph) left out, bfloat16 widened to float32 (exact).

    Raises:
        CheckpointError: a file is missing, truncated or damaged, or it holds what this reader does not know.
        ImportError: the package `google-crc32c` is not installed.
    """
    try:
        return _read_bundle(prefix)
    except (_DamagedError, UnicodeDecodeError) as error:
        raise CheckpointError(
            f"Expected a complete TensorFlow V2 checkpoint at {prefix} (.index and .data files): {error}. "
            "Check the path, then download or copy the checkpoint again."
        ) from None


def _read_bundle(prefix: Path) -> dict[str, np.ndarray]:
    index_path = Path(f"{prefix}.index")
    if (index_size := _file_size(index_path)) > _MAX_INDEX_BYTES:
        raise _DamagedError(f"{index_path.name} has {index_size} bytes, more than {_MAX_INDEX_BYTES}")
    records = _table_records(index_path.read_bytes())
    header = _parse_message(records.pop(b"", b""))
    if _integer(header, 2) != 0 or any(_integer(version, 2) > 1 for version in _messages(header, 3)):
        raise CheckpointError(
            f"Expected a little-endian checkpoint of bundle version 1, {index_path} is of another kind. "
            "Save it again with TensorFlow 2 on a little-endian machine."
        )
    shards: list[tuple[Path, int]] = []
    for shard in range(num_shards := _integer(header, 1)):
        path = Path(f"{prefix}.data-{shard:05d}-of-{num_shards:05d}")
        shards.append((path, _file_size(path)))

    arrays: dict[str, np.ndarray] = {}
    bytes_left = sum(size for _, size in shards)
    for key, value in records.items():
        entry = _parse_message(value)
        if 7 in entry or key.startswith(b"\0"):
            raise CheckpointError(
                f"Expected whole variables, {index_path} holds slices of a partitioned one ({key!r}). "
                "Save it again without a partitioner."
            )
        if _integer(entry, 1) == _DT_STRING:
            continue
        name = key.decode().removesuffix("/.ATTRIBUTES/VARIABLE_VALUE")
        if name in arrays:
            raise _DamagedError(f"{name} comes twice")
        arrays[name] = _read_tensor(name, entry, shards)
        bytes_left -= _integer(entry, 5)
        if bytes_left < 0:  # reading the same bytes repeatedly would fill the memory
            raise _DamagedError("its variables together are larger than its data files")
    return arrays


def _read_tensor(name: str, entry: _Message, shards: list[tuple[Path, int]]) -> np.ndarray:
    """One variable from its `BundleEntryProto`."""
    dtype_number, shard, offset, size, checksum = (_integer(entry, field) for field in (1, 3, 4, 5, 6))
    shape = [_integer(dim, 1) for shape_message in _messages(entry, 2) for dim in _messages(shape_message, 2)]
    if dtype_number not in _DTYPES:
        raise CheckpointError(
            f"Expected variables of float, bfloat16, int32 or int64 type, {name} has TensorFlow's type number "
            f"{dtype_number}. Cast it in TensorFlow and save the checkpoint again."
        )
    dtype = np.dtype(_DTYPES[dtype_number])
    if len(shape) > 32 or math.prod(dim or 1 for dim in shape) > 2**48:  # an empty array can have such a shape too
        raise _DamagedError(f"{name} has an impossible shape")
    if size != math.prod(shape) * dtype.itemsize:
        raise _DamagedError(f"{name} of shape {shape} declares {size} bytes, not {dtype.itemsize} an element")
    if shard >= len(shards):
        raise _DamagedError(f"{name} lies in shard number {shard} of {len(shards)}")
    path, shard_size = shards[shard]
    if offset + size > shard_size:
        raise _DamagedError(f"{name} ends at byte {offset + size} of {path.name}, which has {shard_size} bytes")

    with path.open("rb") as file:
        file.seek(offset)
        data = file.read(size)
    _verify_checksum(data, checksum, name)
    array = np.frombuffer(data, dtype).copy()  # a copy, since a view of a `bytes` object is read-only
    if dtype_number == _DT_BFLOAT16:
        array = (array.astype("<u4") << 16).view("<f4")
    return array.reshape(shape)


def _file_size(path: Path) -> int:
    if not path.is_file():
        raise _DamagedError(f"{path.name} is missing")
    return path.stat().st_size


def _verify_checksum(data: bytes, masked: int, what: str) -> None:
    """Compare `data` with its CRC32C, stored rotated and shifted as LevelDB does ("masked")."""
    try:
        import google_crc32c
    except ImportError as error:
        raise ImportError("Reading a TensorFlow checkpoint needs: " + install_line("convert")) from error
    crc = google_crc32c.value(data)
    if ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF != masked:
        raise _DamagedError(f"the checksum of {what} does not match its bytes")


# --- Sorted table: footer -> index block -> data blocks -> records ---


def _table_records(table: bytes) -> dict[bytes, bytes]:
    """Every key and value of a table, sorted by key."""
    if len(table) < _FOOTER_BYTES or int.from_bytes(table[-8:], "little") != _TABLE_MAGIC:
        raise _DamagedError(f"its index ({len(table)} bytes) does not end as a TensorFlow index does")
    (meta_offset, meta_size, index_offset, index_size), _ = _varints(table[-_FOOTER_BYTES:-8], 0, 4)
    _block(table, meta_offset, meta_size)  # empty in a bundle; read only for its checksum
    records: dict[bytes, bytes] = {}
    last_key, last_end = b"", 0
    for _, handle in _block_records(_block(table, index_offset, index_size)):
        (offset, size), _ = _varints(handle, 0, 2)
        if offset < last_end:  # reading a block repeatedly would multiply work and memory
            raise _DamagedError("the blocks of its index overlap")
        last_end = offset + size
        for key, value in _block_records(_block(table, offset, size)):
            if (records and key <= last_key) or len(records) == _MAX_RECORDS:
                raise _DamagedError(f"the keys of its index do not rise, or are more than {_MAX_RECORDS}")
            records[key] = value
            last_key = key
    return records


def _block(table: bytes, offset: int, size: int) -> bytes:
    """The verified bytes of one block. One byte for the compression and four for the checksum follow it."""
    end = offset + size
    if end + 5 > len(table) - _FOOTER_BYTES:
        raise _DamagedError(f"its index has {len(table)} bytes, too few for a block that ends at {end}")
    _verify_checksum(table[offset : end + 1], int.from_bytes(table[end + 1 : end + 5], "little"), "an index block")
    if table[end] != 0:
        raise CheckpointError(
            f"Expected an uncompressed checkpoint index, compression number {table[end]} came (1 is snappy). "
            "Save the checkpoint again with TensorFlow's default options."
        )
    return table[offset:end]


def _block_records(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Records of a block. A key is stored as the length of the prefix that it shares with the previous key, and the rest."""
    end = len(block) - 4 - 4 * int.from_bytes(block[-4:], "little")  # before the restart points and their number
    if end < 0:
        raise _DamagedError(f"an index block of {len(block)} bytes is too short for its restart points")
    position, key = 0, b""
    while position < end:
        (shared, unshared, value_size), start = _varints(block, position, 3)
        middle, position = start + unshared, start + unshared + value_size
        if shared > len(key) or position > end or max(shared + unshared, value_size) > _MAX_RECORD_BYTES:
            raise _DamagedError("a record of its index has an impossible length")
        key = key[:shared] + block[start:middle]
        yield key, block[middle:position]


# --- Protobuf wire format ---


def _varints(data: bytes, position: int, count: int) -> tuple[list[int], int]:
    """`count` variable-length integers starting at `position`, and the position after them."""
    values = []
    for _ in range(count):
        end = position
        while end < len(data) and data[end] >= 0x80 and end < position + 9:
            end += 1
        digits = data[position : end + 1]  # base 128, the lowest first; the high bit says that one more follows
        value = sum((digit & 0x7F) << 7 * place for place, digit in enumerate(digits))
        if end >= len(data) or digits[-1] >= 0x80 or value >= 2**64:
            raise _DamagedError("an integer of its index is cut off or longer than 64 bits")
        values.append(value)
        position = end + 1
    return values, position


def _parse_message(data: bytes) -> _Message:
    """Decode a message without its schema; strings and nested messages stay bytes."""
    message: _Message = {}
    position = 0
    while position < len(data):
        (tag,), position = _varints(data, position, 1)
        field, wire_type = tag >> 3, tag & 7
        value: int | bytes
        if wire_type == 0:  # varint
            (value,), position = _varints(data, position, 1)
        elif wire_type in (1, 5):  # 64 and 32 bits
            start, position = position, position + (8 if wire_type == 1 else 4)
            value = int.from_bytes(data[start:position], "little")
        elif wire_type == 2:  # length, then as many bytes
            (size,), start = _varints(data, position, 1)
            position = start + size
            value = data[start:position]
        else:
            raise _DamagedError(f"its index holds a field of unknown wire type {wire_type}")
        if position > len(data):
            raise _DamagedError("a field of its index is cut off")
        message.setdefault(field, []).append(value)
    return message


def _integer(message: _Message, field: int) -> int:
    """The last value of an integer field; protobuf's default 0 if there is none."""
    value = message.get(field, [0])[-1]
    if not isinstance(value, int):
        raise _DamagedError(f"field {field} of an index entry is not an integer")
    return value


def _messages(message: _Message, field: int) -> list[_Message]:
    """Every value of a message field."""
    values = message.get(field, [])
    if not all(isinstance(value, bytes) for value in values):
        raise _DamagedError(f"field {field} of an index entry is not a message")
    return [_parse_message(value) for value in values if isinstance(value, bytes)]


# --- Where a checkpoint comes from ---


@contextmanager
def open_checkpoint_source(source: Path) -> Iterator[Path]:
    """Yield a folder with the checkpoint's files: `source` itself, or the content of a zip file in a temporary folder.

    Raises:
        CheckpointError: `source` is neither, or the zip is damaged or unsafe (paths that leave the folder, links,
            encryption, zip bombs).
    """
    if source.is_dir():
        yield source
        return
    if not source.is_file():
        raise CheckpointError(f"Expected a zip file or a folder with a checkpoint, {source} does not exist.")
    with tempfile.TemporaryDirectory(prefix="astromer-hf-") as temporary:
        _extract_zip(source, Path(temporary))
        yield Path(temporary)


def _extract_zip(source: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(source) as archive:
            _refuse_unsafe_zip(source, archive.infolist())
            archive.extractall(folder)
    except CheckpointError:
        raise
    # Everything zipfile raises for damaged archives and impossible names.
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, OSError, ValueError) as error:
        is_hdf5 = source.suffix in _HDF5_SUFFIXES
        raise CheckpointError(
            f"Expected a folder or an intact zip file with a checkpoint, {source} could not be unpacked ({error}). "
            f"{_HOW_TO_LEAVE_HDF5 if is_hdf5 else 'Download it again, or unpack it yourself and give the folder.'}"
        ) from error


def _refuse_unsafe_zip(source: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Check all entries before the first is written. zipfile never writes more bytes than an entry declares."""
    problem = None
    if len(entries) > _MAX_ZIP_ENTRIES:
        problem = f"{len(entries)} entries, more than {_MAX_ZIP_ENTRIES}"
    elif (total := sum(entry.file_size for entry in entries)) > _MAX_ZIP_BYTES:
        problem = f"{total} bytes when unpacked, more than {_MAX_ZIP_BYTES}"
    for entry in entries:
        path = PureWindowsPath(entry.filename)  # knows both separators, roots and drive letters
        is_large = entry.file_size > _RATIO_CHECKED_ABOVE_BYTES
        if path.anchor or ".." in path.parts:
            problem = f"{entry.filename!r}, a path outside the archive"
        elif stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            problem = f"{entry.filename!r}, a link or special file"
        elif entry.flag_bits & 1:
            problem = f"{entry.filename!r}, an encrypted entry"
        elif entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            problem = f"{entry.filename!r}, compressed otherwise than by deflate"
        elif is_large and entry.file_size > _MAX_ZIP_RATIO * max(entry.compress_size, 1):
            problem = f"{entry.filename!r}, compressed more than {_MAX_ZIP_RATIO} times (a zip bomb?)"
    if problem:
        raise CheckpointError(
            f"Expected a zip file of plain checkpoint files, {source} holds {problem}. "
            "If you trust it, unpack it yourself and give the folder."
        )


def find_checkpoint_prefix(folder: Path) -> Path:
    """The path without `.index` of the one checkpoint in `folder` or below; `weights.index` has precedence over other names.

    Raises:
        CheckpointError: there is no checkpoint, or there are several and none of that name.
    """
    # Archives made on macOS hold a hidden "._weights.index" beside the real one.
    found = sorted(path for path in folder.rglob("*.index") if path.is_file() and not path.name.startswith("."))
    chosen = found if len(found) == 1 else [path for path in found if path.name == "weights.index"]
    if len(chosen) == 1:
        return chosen[0].with_suffix("")
    if not found:
        hdf5 = sorted(path.name for path in folder.rglob("*") if path.suffix in _HDF5_SUFFIXES)
        instead = f"but {', '.join(hdf5[:4])}. {_HOW_TO_LEAVE_HDF5}" if hdf5 else "none is there."
        raise CheckpointError(f"Expected a TensorFlow checkpoint (a *.index file) in {folder}, {instead}")
    names = ", ".join(path.relative_to(folder).as_posix() for path in found[:10])
    raise CheckpointError(
        f"Expected one TensorFlow checkpoint in {folder}, {len(found)} came: {names}. Give the folder of one of them."
    )
