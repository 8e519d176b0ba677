# Copyright 2026 The astromer_hf developers. MIT licence.
"""Files that would lead a reader to other files of the machine: archives, the catalogues in them, and VOTables."""

import bz2
import gzip
import io
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from astropy.table import Table

from astromer_hf.light_curves.columns import TableError
from astromer_hf.light_curves.source import LightCurveSource

POINTS = "mjd,mag,magerr\n58000,15,0.1\n58001,16,0.1\n58002,15.5,0.1\n"
SECRET = "mjd,mag,magerr\n58000,7.125,0.1\n58001,7.25,0.1\n"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A light curve of the machine, beside the folder of the files that are given."""
    path = tmp_path / "secret.csv"
    path.write_text(SECRET)
    (tmp_path / "given").mkdir()
    return path


def magnitudes(path: Path) -> list[float]:
    source = LightCurveSource.open(path)
    return [float(value) for chunk in source.chunks() for value in chunk.curves.magnitudes]


def zipped(path: Path, **members: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(f"{name}.csv", text)
    return path


def led_out(secret: Path, how: str) -> str:
    """A path of the secret file, as a catalogue in an unpacked archive may name it."""
    return str(secret) if how == "absolute" else os.path.join(*[".."] * 30, *secret.parts[1:])


@pytest.mark.parametrize("how", ["absolute", "upwards"])
def test_a_catalogue_in_an_archive_does_not_lead_out_of_it(tmp_path: Path, secret: Path, how: str):
    path = led_out(secret, how)
    # The same catalogue in a folder of the user's own is followed: the path is right.
    folder = tmp_path / "given"
    (folder / "catalogue.csv").write_text(f"id,path\na,{path}\n")
    assert magnitudes(folder / "catalogue.csv") == [7.125, 7.25]

    catalogue = f"id,path\na,{path}\nb,inside.csv\n"
    source = LightCurveSource.open(zipped(folder / "t.zip", catalogue=catalogue, inside=POINTS))
    assert [float(value) for chunk in source.chunks() for value in chunk.curves.magnitudes] == [15, 16, 15.5]
    assert [*source.ledger.unreadable] == ["a"]
    assert "lies outside the archive" in source.ledger.line
    with pytest.raises(TableError, match="lies outside the archive"):
        magnitudes(zipped(folder / "alone.zip", catalogue=f"id,path\na,{path}\n", words="a\nb\n"))


def test_an_absolute_path_of_another_machine_is_looked_for_in_the_archive(tmp_path: Path, secret: Path):
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("catalogue.csv", f"id,path\na,{secret}\n")
        archive.writestr(f"LCs/{secret.name}", POINTS)
    assert magnitudes(tmp_path / "t.zip") == [15, 16, 15.5]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("how", ["absolute", "upwards"])
def test_a_link_in_a_tar_does_not_lead_out_of_it(tmp_path: Path, secret: Path, kind: bytes, how: str):
    path = tmp_path / "given" / "t.tar"
    with tarfile.open(path, "w") as archive:
        link = tarfile.TarInfo("star.csv")
        link.type, link.linkname = kind, led_out(secret, how)
        archive.addfile(link)
        content = tarfile.TarInfo("other.csv")
        content.size = len(POINTS)
        archive.addfile(content, io.BytesIO(POINTS.encode()))
    with pytest.raises(TableError, match=r"t\.tar cannot be unpacked"):
        magnitudes(path)


def test_an_encrypted_zip_is_named(tmp_path: Path):
    path = zipped(tmp_path / "t.zip", star=POINTS)
    # The bit of encryption, in the header of the member and in the directory of the archive.
    data = bytearray(path.read_bytes())
    for magic, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(magic) + place] |= 1
    path.write_bytes(data)
    with pytest.raises(TableError, match=r"t\.zip cannot be unpacked: .*encrypted"):
        magnitudes(path)


# --- VOTables ---

VOTABLE = """<?xml version="1.0"?>{doctype}
<{p}VOTABLE version="1.3" xmlns{x}="http://www.ivoa.net/xml/VOTable/v1.3" xmlns:xlink="http://www.w3.org/1999/xlink">
<{p}RESOURCE><{p}TABLE><{p}FIELD name="mjd" datatype="double"/><{p}FIELD name="mag" datatype="double"/>
<{p}DATA><{p}BINARY>{stream}</{p}BINARY></{p}DATA></{p}TABLE></{p}RESOURCE></{p}VOTABLE>
"""


@pytest.fixture
def points(tmp_path: Path) -> Path:
    """Two points as a VOTable of binary data may name them in another file."""
    path = tmp_path / "points.bin"
    path.write_bytes(struct.pack(">4d", 58000, 7.125, 58001, 7.25))
    return path


def test_astropy_would_follow_the_data_of_a_votable(points: Path):
    """Else the tests below show nothing."""
    from astropy.io.votable import parse_single_table

    text = VOTABLE.format(p="", x="", doctype="", stream=f'<STREAM href="{points.as_uri()}"/>')
    assert parse_single_table(io.BytesIO(text.encode())).array["mag"].tolist() == [7.125, 7.25]


@pytest.mark.parametrize(
    ("prefix", "doctype", "stream"),
    [
        ("", "", '<STREAM href="{href}"/>'),
        ("", "", "<STREAM encoding=\"none\"\n  href='{href}'></STREAM>"),
        ("", "", '<STREAM xlink:href="{href}"/>'),
        ("", "", '<stream HREF="{href}"/>'),
        ("vot:", "", '<vot:STREAM type="locator" href="{href}"/>'),
        ("", "<!DOCTYPE VOTABLE [<!ENTITY e '&#60;&#83;TREAM hre&#102;=\"{href}\"/>'>]>", "&e;"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress])
def test_a_votable_does_not_lead_to_other_files(
    tmp_path: Path, points: Path, prefix: str, doctype: str, stream: str, encoding: str, compress: Callable[[bytes], bytes]
):
    href = points.as_uri()
    text = VOTABLE.format(
        p=prefix, x=prefix and ":vot", doctype=doctype.format(href=href), stream=stream.format(href=href)
    ).replace('version="1.0"', f'version="1.0" encoding="{encoding}"', 1)
    path = tmp_path / "t.vot"
    path.write_bytes(compress(text.encode(encoding)))
    with pytest.raises(TableError, match="its data lie in another file"):
        magnitudes(path)


@pytest.mark.parametrize("format", ["tabledata", "binary", "binary2"])
def test_a_votable_with_its_own_data_is_read(tmp_path: Path, format: str):
    path = tmp_path / "t.vot"
    Table({"mjd": [58000.0, 58001.0], "mag": [15.0, 16.0]}).write(path, format="votable", tabledata_format=format)
    assert magnitudes(path) == [15, 16]
