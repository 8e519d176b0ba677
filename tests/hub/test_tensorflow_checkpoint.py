# Copyright 2026 The astromer_hf developers. MIT licence.
"""A TensorFlow checkpoint is read exactly as it was written, or refused with one clear line.

`write_tensorflow_checkpoint` is the reader's counterpart, so that the tests need neither TensorFlow nor the released
weights. That the format is TensorFlow's, and not only ours, is shown on the released checkpoint.
"""

import hashlib
import json
import random
import stat
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from astromer_hf.hub import tensorflow_checkpoint
from astromer_hf.hub.tensorflow_checkpoint import (
    CheckpointError,
    find_checkpoint_prefix,
    open_checkpoint_source,
    read_tensorflow_checkpoint,
)

google_crc32c = pytest.importorskip("google_crc32c", reason="needs the extra `convert`: google-crc32c")

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference"
SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
DTYPE_NUMBERS = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "float16": 19}
MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
HEADER = b"\x08\x01\x1a\x02\x08\x01"  # one shard, little-endian, version {producer: 1}
ARRAYS = {
    "encoder/dense/bias": np.linspace(-1, 1, 7, dtype=np.float32),
    "encoder/dense/kernel": np.arange(12, dtype=np.float32).reshape(3, 4) / 7,
    "encoder/dense/kernel/.OPTIMIZER_SLOT/optimizer/m": np.full((3, 4), 0.25, np.float64),
    "half": np.array([0.5, -2], np.float16),
    "nothing": np.zeros((0, 3), np.float32),
    "save_counter": np.array(3, np.int64),
    "steps": np.array([[-1, 2**31 - 1]], np.int32),
}


# --- Writer ---


def varint(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return (((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")


def field(number: int, value: int | bytes) -> bytes:
    """A protobuf field: an integer as varint, bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def bundle_entry(dtype: int, shape: tuple[int, ...], offset: int, size: int, crc: bytes, shard: int = 0) -> bytes:
    dims = b"".join(field(2, field(1, dim) if dim else b"") for dim in shape)
    entry = field(1, dtype) + field(2, dims)
    entry += b"".join(field(number, value) for number, value in ((3, shard), (4, offset), (5, size)) if value)
    return entry + varint(6 << 3 | 5) + crc


def block(records: dict[bytes, bytes], restart_interval: int = 16) -> bytes:
    out, restarts, previous = b"", [], b""
    for number, (key, value) in enumerate(sorted(records.items())):
        shared = 0
        if number % restart_interval == 0:
            restarts.append(len(out))
        else:
            while shared < min(len(previous), len(key)) and previous[shared] == key[shared]:
                shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        previous = key
    restarts = restarts or [0]
    return out + b"".join(offset.to_bytes(4, "little") for offset in (*restarts, len(restarts)))


def sstable(records: dict[bytes, bytes], records_per_block: int = 4, compression: int = 0) -> bytes:
    out = b""

    def append(content: bytes) -> bytes:
        nonlocal out
        handle = varint(len(out)) + varint(len(content))
        content += bytes([compression])
        out += content + masked_crc(content)
        return handle

    keys = sorted(records)
    groups = [keys[start : start + records_per_block] for start in range(0, len(keys), records_per_block)]
    index = {group[-1]: append(block({key: records[key] for key in group})) for group in groups}
    handles = append(block({})) + append(block(index, restart_interval=1))
    return out + handles.ljust(40, b"\0") + MAGIC


def write_tensorflow_checkpoint(prefix: Path, arrays: dict[str, np.ndarray], num_shards: int = 1) -> None:
    """Write what TensorFlow's `Checkpoint.write(prefix)` would, object graph (a string entry) included."""
    graph = b"an object graph"
    shards = [b""] * num_shards
    records = {b"": field(1, num_shards) + field(3, field(1, 1))}
    for number, (name, array) in enumerate(sorted(arrays.items())):
        shard, data = number % num_shards, array.tobytes()
        entry = bundle_entry(
            DTYPE_NUMBERS[array.dtype.name], array.shape, len(shards[shard]), len(data), masked_crc(data), shard
        )
        records[f"{name}{SUFFIX}".encode()] = entry
        shards[shard] += data
    records[b"_CHECKPOINTABLE_OBJECT_GRAPH"] = bundle_entry(7, (), len(shards[0]), len(graph), masked_crc(graph))
    shards[0] += graph
    prefix.parent.mkdir(parents=True, exist_ok=True)
    Path(f"{prefix}.index").write_bytes(sstable(records))
    for number, data in enumerate(shards):
        Path(f"{prefix}.data-{number:05d}-of-{num_shards:05d}").write_bytes(data)


def write_records(prefix: Path, records: dict[bytes, bytes], data: bytes = b"", **options: int) -> None:
    """Write an index whose records need not make sense, with right checksums."""
    Path(f"{prefix}.index").write_bytes(sstable({b"": HEADER} | records, **options))
    Path(f"{prefix}.data-00000-of-00001").write_bytes(data)


def assert_same_arrays(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert isinstance(found[name], np.ndarray)
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape), name
        assert found[name].tobytes() == array.tobytes(), name


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """A good checkpoint of one shard, to be damaged."""
    path = tmp_path / "model" / "weights"
    write_tensorflow_checkpoint(path, ARRAYS)
    return path


def index_of(prefix: Path) -> Path:
    return Path(f"{prefix}.index")


def data_of(prefix: Path) -> Path:
    return Path(f"{prefix}.data-00000-of-00001")


def flip_bit(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 0x10
    path.write_bytes(content)


# --- What was written is read ---


@pytest.mark.parametrize("num_shards", [1, 3])
def test_what_was_written_is_read_back_byte_for_byte(tmp_path, num_shards):
    write_tensorflow_checkpoint(tmp_path / "weights", ARRAYS, num_shards)
    assert_same_arrays(read_tensorflow_checkpoint(tmp_path / "weights"), ARRAYS)


def test_many_keys_with_long_common_prefixes_are_read_back(tmp_path):
    arrays = {f"layer/with/a/long/name/{number:03d}/kernel": np.float32([number]) for number in range(150)}
    write_tensorflow_checkpoint(tmp_path / "model.ckpt-7", arrays)
    assert_same_arrays(read_tensorflow_checkpoint(tmp_path / "model.ckpt-7"), arrays)


def test_arrays_can_be_written_to(prefix):
    assert all(array.flags.writeable for array in read_tensorflow_checkpoint(prefix).values())


def test_bfloat16_comes_as_the_float32_of_equal_value(tmp_path):
    values = np.array([1.0, -2.5, 0.15625], np.float32)
    data = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    records = {
        b"scalar": bundle_entry(14, (), 0, 2, masked_crc(data[:2])),
        b"v": bundle_entry(14, (3,), 2, 6, masked_crc(data)),
    }
    write_records(tmp_path / "w", records, data[:2] + data)
    assert_same_arrays(read_tensorflow_checkpoint(tmp_path / "w"), {"scalar": values[0:1].reshape(()), "v": values})


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="shared/reference with the released checkpoint is not here")
def test_the_released_macho_checkpoint_is_read_as_tensorflow_reads_it():
    expected = json.loads((REFERENCE / "macho_a0_weights.json").read_text())
    with open_checkpoint_source(REFERENCE / "macho_a0.zip") as folder:
        arrays = read_tensorflow_checkpoint(find_checkpoint_prefix(folder))
    found = {
        name: ([*array.shape], array.dtype.name, hashlib.sha256(array.tobytes()).hexdigest()) for name, array in arrays.items()
    }
    assert found == {name: (facts["shape"], facts["dtype"], facts["sha256"]) for name, facts in expected.items()}


# --- Damaged and foreign files are refused ---


def test_a_missing_checkpoint_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"weights\.index is missing.*Check the path"):
        read_tensorflow_checkpoint(tmp_path / "weights")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"long enough to hold a footer, but it is text" * 9])
def test_a_file_that_is_no_index_is_refused(prefix, content):
    index_of(prefix).write_bytes(content)
    with pytest.raises(CheckpointError, match="does not end as a TensorFlow index does"):
        read_tensorflow_checkpoint(prefix)


def test_an_index_truncated_anywhere_is_refused(prefix):
    content = index_of(prefix).read_bytes()
    for size in range(len(content)):
        index_of(prefix).write_bytes(content[:size])
        with pytest.raises(CheckpointError):
            read_tensorflow_checkpoint(prefix)


def test_an_index_that_lost_its_beginning_is_refused(prefix):
    content = index_of(prefix).read_bytes()
    index_of(prefix).write_bytes(content[-48:])
    with pytest.raises(CheckpointError, match="too few for a block"):
        read_tensorflow_checkpoint(prefix)


def test_truncated_data_is_refused(prefix):
    data_of(prefix).write_bytes(data_of(prefix).read_bytes()[:100])
    with pytest.raises(CheckpointError, match=r"ends at byte \d+ of weights.data-00000-of-00001, which has 100 bytes"):
        read_tensorflow_checkpoint(prefix)


def test_one_flipped_bit_in_any_block_of_the_index_is_refused(prefix):
    content = index_of(prefix).read_bytes()
    for position in range(len(content) - 48):
        index_of(prefix).write_bytes(content)
        flip_bit(index_of(prefix), position)
        with pytest.raises(CheckpointError, match="checksum of an index block"):
            read_tensorflow_checkpoint(prefix)


def test_one_flipped_bit_in_any_byte_of_a_variable_is_refused(prefix):
    content = data_of(prefix).read_bytes()
    for position in range(sum(array.nbytes for array in ARRAYS.values())):
        data_of(prefix).write_bytes(content)
        flip_bit(data_of(prefix), position)
        with pytest.raises(CheckpointError, match=r"checksum of (encoder|half|save|steps)"):
            read_tensorflow_checkpoint(prefix)


def test_a_missing_data_shard_is_named(tmp_path):
    write_tensorflow_checkpoint(tmp_path / "weights", ARRAYS, num_shards=3)
    (tmp_path / "weights.data-00001-of-00003").unlink()
    with pytest.raises(CheckpointError, match=r"weights\.data-00001-of-00003 is missing"):
        read_tensorflow_checkpoint(tmp_path / "weights")


def test_a_compressed_index_is_refused(tmp_path):
    write_records(tmp_path / "w", {}, compression=1)
    with pytest.raises(CheckpointError, match="1 is snappy"):
        read_tensorflow_checkpoint(tmp_path / "w")


FOUR = b"\0\0\x80\x3f"  # the float32 1.0
CRC = masked_crc(FOUR)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ({b"v": bundle_entry(1, (2,), 0, 4, CRC)}, "declares 4 bytes"),
        ({b"v": bundle_entry(1, (2**40,), 0, 2**42, CRC)}, "ends at byte 4398046511104"),
        ({b"v": bundle_entry(1, (1,), 1, 4, CRC)}, "ends at byte 5"),
        ({b"v": bundle_entry(1, (1,), 2**64 - 4, 4, CRC)}, "ends at byte"),
        ({b"v": bundle_entry(1, (1,), 0, 4, CRC, shard=1)}, "shard number 1 of 1"),
        ({b"v": bundle_entry(1, (0, 2**63), 0, 0, masked_crc(b""))}, "impossible shape"),
        ({b"v": bundle_entry(1, (1,) * 100, 0, 4, CRC)}, "impossible shape"),
        ({b"a": bundle_entry(1, (1,), 0, 4, CRC), b"b": bundle_entry(1, (1,), 0, 4, CRC)}, "larger than its data"),
        ({name: bundle_entry(1, (1,), 0, 4, CRC) for name in (b"v", b"v" + SUFFIX.encode())}, "v comes twice"),
        ({b"v": bundle_entry(21, (1,), 0, 4, CRC)}, "TensorFlow's type number 21"),
        ({b"v": bundle_entry(1, (1,), 0, 4, CRC) + field(7, b"")}, "slices of a partitioned"),
        ({b"\0v": bundle_entry(1, (1,), 0, 4, CRC)}, "slices of a partitioned"),
        ({b"\xff": bundle_entry(1, (1,), 0, 4, CRC)}, "can't decode byte"),
        ({b"v": b"\x08" + b"\xff" * 11}, "cut off or longer than 64 bits"),
        ({b"v": b"\x08" + b"\xff" * 9 + b"\x02"}, "cut off or longer than 64 bits"),
        ({b"v": b"\x12\x7f"}, "field of its index is cut off"),
        ({b"v": b"\x0b"}, "unknown wire type 3"),
        ({b"v": b"\x0a\x00"}, "field 1 of an index entry is not an integer"),
        ({b"v": b"\x08\x01\x10\x01"}, "field 2 of an index entry is not a message"),
        ({b"v": bytes(5000)}, "impossible length"),
        ({b"": b"\x08\x01\x10\x01"}, "little-endian"),
        ({b"": b"\x08\x01\x1a\x02\x10\x02"}, "bundle version 1"),
        ({b"": b"\x08" + varint(2**60)}, f"w.data-00000-of-{2**60} is missing"),
        ({f"{number}".encode(): b"\x08\x07" for number in range(20_001)}, "more than 20000"),
    ],
)
def test_an_index_that_lies_with_right_checksums_is_refused(tmp_path, records, message):
    write_records(tmp_path / "w", records, FOUR)
    with pytest.raises(CheckpointError, match=message):
        read_tensorflow_checkpoint(tmp_path / "w")


def write_block(prefix: Path, content: bytes, times: int = 1) -> None:
    """Write an index with `content` as its only block, listed `times` times, with right checksums."""
    handle = varint(0) + varint(len(content))
    index = block({bytes([number]): handle for number in range(times)})
    table = content + b"\0" + masked_crc(content + b"\0")
    footer = handle + varint(len(table)) + varint(len(index))
    table += index + b"\0" + masked_crc(index + b"\0")
    index_of(prefix).write_bytes(table + footer.ljust(40, b"\0") + MAGIC)


def test_an_index_that_reads_one_block_twice_is_refused(tmp_path):
    write_block(tmp_path / "w", block({b"": HEADER}), times=2)
    with pytest.raises(CheckpointError, match="blocks of its index overlap"):
        read_tensorflow_checkpoint(tmp_path / "w")


ONE_RESTART = bytes(4) + b"\1\0\0\0"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "too short for its restart points"),
        (b"\xff" * 8, "too short for its restart points"),
        (b"\x01\x00\x00" + ONE_RESTART, "impossible length"),  # shares a byte with a key that was not
        (b"\x00\x01\x05" + ONE_RESTART, "impossible length"),  # runs into the restart points
        (b"\x00\x00\x00\x00\x00\x00" + ONE_RESTART, "do not rise"),
        (b"\x00\x01\x00b\x00\x01\x00a" + ONE_RESTART, "do not rise"),
        (b"\x80" * 20 + b"\x00\x00\x00" + ONE_RESTART, "longer than 64 bits"),
    ],
)
def test_a_malformed_block_with_a_right_checksum_is_refused(tmp_path, content, message):
    write_block(tmp_path / "w", content)
    with pytest.raises(CheckpointError, match=message):
        read_tensorflow_checkpoint(tmp_path / "w")


def test_an_index_too_large_to_be_one_is_refused_unread(prefix):
    with index_of(prefix).open("r+b") as file:
        file.truncate(2**34)  # a sparse file: 16 GiB that take no room
    with pytest.raises(CheckpointError, match="has 17179869184 bytes, more than 16777216"):
        read_tensorflow_checkpoint(prefix)


def test_a_corrupted_index_raises_only_checkpoint_errors_and_never_changes_an_array(prefix):
    rng = random.Random(0)
    content = index_of(prefix).read_bytes()
    refused = 0
    for _ in range(200):
        index_of(prefix).write_bytes(_corrupted(content, rng))
        try:
            arrays = read_tensorflow_checkpoint(prefix)
        except CheckpointError:
            refused += 1
        else:  # the footer's padding, or a byte replaced by itself
            assert_same_arrays(arrays, ARRAYS)
    assert refused > 150


@pytest.mark.timeout(60)
def test_a_corrupted_index_raises_only_checkpoint_errors_even_behind_the_checksums(prefix, monkeypatch):
    """With the checksums off, as an attacker would set them right, every parser sees the corruption."""
    monkeypatch.setattr(tensorflow_checkpoint, "_verify_checksum", lambda *_: None)
    rng = random.Random(1)
    content = index_of(prefix).read_bytes()
    refused = 0
    for _ in range(2000):
        index_of(prefix).write_bytes(_corrupted(content, rng))
        try:
            arrays = read_tensorflow_checkpoint(prefix)
        except CheckpointError:
            refused += 1
        else:
            assert sum(array.nbytes for array in arrays.values()) <= 2 * data_of(prefix).stat().st_size
    assert refused > 1000


def _corrupted(content: bytes, rng: random.Random) -> bytes:
    position = rng.randrange(len(content))
    if rng.random() < 0.2:
        return content[:position]
    return content[:position] + bytes([rng.randrange(256)]) + content[position + 1 :]


def test_without_google_crc32c_the_error_gives_the_pip_line(prefix, monkeypatch):
    monkeypatch.setitem(sys.modules, "google_crc32c", None)
    with pytest.raises(ImportError, match=r"pip install 'google-crc32c"):
        read_tensorflow_checkpoint(prefix)


# --- Sources: folders and zip files ---


@pytest.fixture
def temporary_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `tempfile` works during the test; it must be empty afterwards."""
    root = tmp_path / "temporary"
    root.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(root))
    return root


def write_zip(path: Path, members: dict[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def zip_checkpoint(prefix: Path) -> Path:
    return write_zip(
        prefix.parent.parent / "model.zip",
        {f"model/{path.name}": path.read_bytes() for path in prefix.parent.iterdir()},
    )


def test_a_zipped_checkpoint_is_read_and_its_temporary_folder_removed(prefix, temporary_root):
    with open_checkpoint_source(zip_checkpoint(prefix)) as folder:
        assert folder.parent == temporary_root
        assert_same_arrays(read_tensorflow_checkpoint(find_checkpoint_prefix(folder)), ARRAYS)
    assert not any(temporary_root.iterdir())


def test_the_temporary_folder_is_removed_after_an_error_of_the_caller_too(prefix, temporary_root):
    with pytest.raises(KeyError, match="mine"), open_checkpoint_source(zip_checkpoint(prefix)):  # noqa: PT012
        assert any(temporary_root.iterdir())
        raise KeyError("mine")
    assert not any(temporary_root.iterdir())


def test_a_folder_is_given_as_it_is(prefix):
    with open_checkpoint_source(prefix.parent) as folder:
        assert folder == prefix.parent
    assert index_of(prefix).is_file()


def refuse_source(source: Path, message: str, temporary_root: Path) -> None:
    with pytest.raises(CheckpointError, match=message), open_checkpoint_source(source):
        pytest.fail("the source was accepted")
    assert not any(temporary_root.iterdir())


def test_a_source_that_is_neither_zip_nor_folder_is_refused(prefix, tmp_path, temporary_root):
    refuse_source(tmp_path / "absent.zip", "does not exist", temporary_root)
    refuse_source(index_of(prefix), "Expected a folder or an intact zip", temporary_root)


@pytest.mark.parametrize("name", ["../evil", "model/../../evil", "/evil", "..\\evil", "C:\\evil", "\\evil"])
def test_a_zip_with_a_path_outside_itself_is_refused(tmp_path, temporary_root, name):
    source = write_zip(tmp_path / "bad.zip", {"fine.txt": b"", name: b"evil"})
    refuse_source(source, "a path outside the archive", temporary_root)
    assert not list(tmp_path.rglob("*evil*"))


def test_a_zip_with_a_symbolic_link_is_refused(tmp_path, temporary_root):
    link = zipfile.ZipInfo("weights.index")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    refuse_source(write_zip(tmp_path / "bad.zip", {link: b"/etc/hostname"}), "a link or special file", temporary_root)


def test_a_zip_with_an_encrypted_entry_is_refused(tmp_path, temporary_root):
    source = write_zip(tmp_path / "bad.zip", {"weights.index": b"secret"})
    content = bytearray(source.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag bits of the central directory
    source.write_bytes(content)
    refuse_source(source, "an encrypted entry", temporary_root)


def test_a_zip_of_another_compression_than_deflate_is_refused(tmp_path, temporary_root):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("weights.index", b"text" * 100)
    refuse_source(tmp_path / "bad.zip", "compressed otherwise than by deflate", temporary_root)


def test_a_zip_with_too_many_entries_is_refused(tmp_path, temporary_root):
    source = write_zip(tmp_path / "bad.zip", {f"{number}.txt": b"" for number in range(1001)})
    refuse_source(source, "1001 entries, more than 1000", temporary_root)


def test_a_zip_bomb_of_one_large_entry_is_refused(tmp_path, temporary_root):
    source = write_zip(tmp_path / "bomb.zip", {"weights.index": bytes(20 * 2**20)})
    assert source.stat().st_size < 2**16
    refuse_source(source, "compressed more than 200 times", temporary_root)


def test_a_zip_bomb_of_many_entries_is_refused(tmp_path, temporary_root):
    source = write_zip(tmp_path / "bomb.zip", {f"{number}.bin": bytes(15 * 2**20) for number in range(3)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensorflow_checkpoint, "_MAX_ZIP_BYTES", 40 * 2**20)
        refuse_source(source, "47185920 bytes when unpacked", temporary_root)


def test_a_zip_bomb_that_declares_a_small_size_is_refused(tmp_path, temporary_root):
    source = write_zip(tmp_path / "bomb.zip", {"weights.index": bytes(20 * 2**20)})
    content = bytearray(source.read_bytes())
    start = content.index(b"PK\x01\x02") + 24  # the uncompressed size in the central directory
    content[start : start + 4] = (1000).to_bytes(4, "little")
    source.write_bytes(content)
    refuse_source(source, "could not be unpacked", temporary_root)


def test_a_zip_whose_file_is_also_a_folder_is_refused(tmp_path, temporary_root):
    source = write_zip(tmp_path / "bad.zip", {"model": b"a file", "model/weights.index": b"below it"})
    refuse_source(source, "could not be unpacked", temporary_root)


def test_a_corrupt_zip_is_refused(prefix, temporary_root):
    source = zip_checkpoint(prefix)
    content = source.read_bytes()
    source.write_bytes(content[: len(content) // 2])
    refuse_source(source, "Expected a folder or an intact zip", temporary_root)
    source.write_bytes(content)
    flip_bit(source, 60)  # in the first member's bytes
    refuse_source(source, "could not be unpacked", temporary_root)


def test_a_randomly_corrupted_zip_raises_only_checkpoint_errors(prefix, temporary_root):
    rng = random.Random(2)
    source = zip_checkpoint(prefix)
    content = source.read_bytes()
    refused = 0
    for _ in range(500):
        source.write_bytes(_corrupted(content, rng))
        try:
            with open_checkpoint_source(source):
                pass
        except CheckpointError:
            refused += 1
        assert not any(temporary_root.iterdir())
    assert refused > 200


# --- Finding the checkpoint ---


def test_the_only_index_is_found_whatever_its_name(tmp_path):
    write_tensorflow_checkpoint(tmp_path / "a" / "b" / "model.ckpt-7", ARRAYS)
    assert find_checkpoint_prefix(tmp_path) == tmp_path / "a" / "b" / "model.ckpt-7"


def test_weights_are_preferred_to_other_checkpoints(prefix):
    write_tensorflow_checkpoint(prefix.parent / "optimizer", ARRAYS)
    assert find_checkpoint_prefix(prefix.parent.parent) == prefix


def test_hidden_files_of_macos_are_passed_over(tmp_path):
    write_tensorflow_checkpoint(tmp_path / "model", ARRAYS)
    (tmp_path / "._model.index").write_bytes(b"")
    assert find_checkpoint_prefix(tmp_path) == tmp_path / "model"


def test_a_folder_without_an_index_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"a \*\.index file.*none is there"):
        find_checkpoint_prefix(tmp_path)


@pytest.mark.parametrize("names", [("a/weights", "b/weights"), ("first", "second")])
def test_two_candidates_are_refused_and_named(tmp_path, names):
    for name in names:
        write_tensorflow_checkpoint(tmp_path / name, ARRAYS)
    with pytest.raises(CheckpointError, match=rf"2 came: {names[0]}\.index, {names[1]}\.index"):
        find_checkpoint_prefix(tmp_path)
