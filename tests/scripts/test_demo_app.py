# Copyright 2026 The astromer_hf developers. MIT licence.
"""The demo page's functions: uploads and their columns, what it finds out about a star, its pictures, files and words."""

import ast
import bz2
import gzip
import importlib.metadata
import io
import json
import lzma
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import demo_app
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from astropy.table import Table
from demo_page import space, uploads
from demo_page.examples import write_examples
from demo_page.stars import Classes, Demo, Look
from demo_page.uploads import AS_RECOGNISED, FLUXES, MAGNITUDES, NO_COLUMN, Columns, read_upload
from demo_page.words import say_classes, say_period, say_star
from forks import fork_here

from astromer_hf import default_classifier_folder, default_model_folder
from astromer_hf.light_curves.simulation import simulate_light_curve, simulate_light_curves, to_table
from astromer_hf.light_curves.source import LightCurveSource

SCRIPTS = Path(demo_app.__file__).parent


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "mine.parquet"
    pq.write_table(to_table(simulate_light_curves(3, seed=5)), path)
    return path


@pytest.fixture(scope="module")
def demo() -> Demo:
    return Demo(str(default_model_folder()), str(default_classifier_folder()), gallery_size=21)


@pytest.fixture(scope="module")
def look(demo: Demo) -> Look:
    curve = simulate_light_curve("RRab", np.random.default_rng(7))
    one = {"object_id": "RR", "mjd": curve.mjd, "mag": curve.mag, "magerr": curve.magerr, "band": "V"}
    return demo.look(one, 0.5, name="RR, V", time_system="MJD")


# --- Uploads ---


def test_an_uploaded_table_gives_its_light_curves(table: Path):
    upload = read_upload(table)
    expected = simulate_light_curves(3, seed=5)
    assert [one["object_id"] for one in upload.light_curves.values()] == [curve.object_id for curve in expected]
    np.testing.assert_array_equal([*upload.light_curves.values()][2]["mag"], expected[2].mag)
    assert "3 stars" in upload.account
    assert str(table.parent) not in upload.account


def test_a_file_of_one_light_curve_needs_no_object_id(tmp_path: Path):
    path = tmp_path / "star.csv"
    pd.DataFrame({"time": [1.0, 2.0, 3.0], "mag": [15.0, 15.1, 15.2]}).to_csv(path, index=False)
    upload = read_upload(path)
    ((name, light_curve),) = upload.light_curves.items()
    assert name == light_curve["object_id"] == "star"
    assert light_curve["mjd"].tolist() == [1.0, 2.0, 3.0]
    assert upload.columns == upload.recognised == Columns(time="time", value="mag")


@pytest.mark.parametrize("ending", ["csv", "parquet", "ecsv", "vot", "fits", "json"])
def test_a_table_of_six_stars_is_six_stars(tmp_path: Path, ending: str):
    rows = pd.DataFrame(
        {
            "star": np.repeat([f"S{i}" for i in range(6)], 5),
            "mjd": np.tile(np.arange(5.0), 6) + 58000,
            "mag": 15 + np.arange(30) / 30,
        }
    )
    path = tmp_path / f"six.{ending}"
    if ending in ("ecsv", "vot", "fits"):
        Table.from_pandas(rows).write(path, **({"format": "votable"} if ending == "vot" else {}))
    else:
        getattr(rows, f"to_{ending}")(path, **({"orient": "records"} if ending == "json" else {"index": False}))
    upload = read_upload(path)
    assert [*upload.light_curves] == [f"S{i}" for i in range(6)]
    assert [len(one["mjd"]) for one in upload.light_curves.values()] == [5] * 6
    assert "6 stars, 6 light curves; 30 of 30 points used" in upload.account
    assert upload.columns.object_id == "star"


def test_the_bands_of_a_star_are_light_curves_of_their_own(tmp_path: Path):
    path = tmp_path / "star.csv"
    pd.DataFrame({"mjd": range(8), "mag": [15.0] * 8, "band": ["g", "r"] * 4}).to_csv(path, index=False)
    assert [*read_upload(path).light_curves] == ["star, g", "star, r"]


def test_of_a_large_table_the_first_light_curves_are_offered_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(uploads, "MAX_UPLOADED", 4)
    path = tmp_path / "many.parquet"
    pq.write_table(to_table(simulate_light_curves(6, seed=5, classes=["Constant"])), path)
    upload = read_upload(path)
    assert len(upload.light_curves) == 4
    assert upload.account.startswith("⚠️ The file holds more: these are its first 4 light curves.")


def test_the_account_tells_what_was_left_out_by_reason(tmp_path: Path):
    asassn, ztf, six = write_examples(tmp_path)
    points = pd.read_csv(asassn)
    limits = points["mag"].astype(str).str.startswith(">").sum()
    assert limits > 0
    assert f"{len(points) - limits} of {len(points)} points used" in read_upload(asassn).account
    assert f"Left out: {limits} upper limit." in read_upload(asassn).account
    assert "read as ASAS-SN" in read_upload(asassn).account
    flagged = (pd.read_csv(ztf)["catflags"] > 0).sum()
    assert f"Left out: {flagged} flagged." in read_upload(ztf).account
    assert len(read_upload(six).light_curves) == 6


# --- Files that would harm the server ---

STAR = "mjd,mag,magerr\n58000,15,0.1\n58001,16,0.1\n58002,15.5,0.1\n"


def zipped(path: Path, **members: bytes | str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.csv", content)
    return path


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize("upwards", [True, False])
def test_an_uploaded_list_of_files_is_not_followed(tmp_path: Path, compress: Callable[[bytes], bytes], upwards: bool):
    secret, folder = tmp_path / "secret.csv", tmp_path / "upload"
    secret.write_text(STAR.replace("15.5", "7.125"))
    folder.mkdir()
    path = folder / "list.csv"
    path.write_bytes(compress(f"id,path\na,{'../secret.csv' if upwards else secret}\n".encode()))
    assert LightCurveSource.open(path).format == "catalogue of files"  # on a machine of one's own it is
    upload = read_upload(path)
    assert "upload an archive of them" in upload.account
    # Nor by whoever sends chosen columns without the page.
    again = read_upload(path, Columns(time="mjd", value="mag"), before=upload)
    for one in (upload, again, read_upload(path, Columns(time="id", value="path"))):
        assert not one.light_curves
        assert str(tmp_path) not in one.account
        assert "7.125" not in one.account


def test_a_list_in_an_archive_is_followed_as_far_as_the_archive_goes(tmp_path: Path):
    secret = tmp_path / "secret.csv"
    secret.write_text(STAR)
    path = zipped(tmp_path / "t.zip", list=f"id,path\na,{secret}\nb,inside.csv\nc,words.csv\n", inside=STAR, words="a,b\nx,y\n")
    upload = read_upload(path)
    assert [len(one["mjd"]) for one in upload.light_curves.values()] == [0, 3, 0]
    assert "2 light curves could not be read: a, c" in upload.account
    assert "outside the archive" in upload.account


def test_a_light_curve_of_an_archive_that_cannot_be_read_is_told_without_paths_and_options(tmp_path: Path):
    path = zipped(tmp_path / "t.zip", list="id,path\nb,inside.csv\nc,words.csv\n", inside=STAR, words="a,b,c,d\nx,y,z,w\n")
    source = LightCurveSource.open(path)
    list(source.chunks())
    assert "--" in source.ledger.unreadable_line
    assert tempfile.gettempdir() in source.ledger.unreadable_line
    account = read_upload(path).account
    assert "1 light curve could not be read: c (" in account
    assert "--" not in account
    assert tempfile.gettempdir() not in account


def compressed_tar(star: bytes) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as archive:
        member = tarfile.TarInfo("star.csv")
        member.size = len(star)
        archive.addfile(member, io.BytesIO(star))
    return whole.getvalue()


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("star.csv.gz", gzip.compress),
        ("star.csv", bz2.compress),
        ("star.csv.xz", lzma.compress),
        ("t.tar.gz", compressed_tar),
        ("t.zip", None),
        ("compressed_inside.zip", gzip.compress),
    ],
)
def test_what_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, pack: Callable[[bytes], bytes] | None
):
    monkeypatch.setattr(uploads, "MAX_UNPACKED_BYTES", 20_000)
    for rows, is_read in ((3, True), (10_000, False)):
        star = ("mjd,mag\n" + "".join(f"{58000 + row},15\n" for row in range(rows))).encode()
        path = tmp_path / name
        if path.suffix == ".zip":
            zipped(path, star=star if pack is None else pack(star))
        else:
            assert pack is not None
            path.write_bytes(pack(star))
        upload = read_upload(path)
        assert path.stat().st_size < 20_000 or not is_read
        assert bool(upload.light_curves) == is_read, upload.account
        assert ("unpacks to more than" in upload.account) == (not is_read)


def test_a_table_compressed_twice_is_refused(tmp_path: Path):
    path = tmp_path / "star.csv.gz"
    path.write_bytes(gzip.compress(gzip.compress(STAR.encode())))
    assert "compressed twice" in read_upload(path).account


# --- Columns ---


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    path = tmp_path / "odd.csv"
    columns = {"night": np.arange(10.0) + 58000, "brightness": np.linspace(15, 16, 10), "sigma": 0.01, "other": 100.0}
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def test_columns_that_are_not_recognised_are_asked_for_without_a_word_of_options(odd: Path):
    upload = read_upload(odd)
    assert not upload.light_curves
    assert upload.available == ("night", "brightness", "sigma", "other")
    assert "choose it below" in upload.account
    assert "--" not in upload.account
    assert upload.columns.error == "sigma"  # an unusual table keeps what is usual of it


def test_chosen_columns_are_read(odd: Path):
    upload = read_upload(odd)
    chosen = Columns(time="night", value="brightness", error="sigma")
    again = read_upload(odd, chosen, before=upload)
    ((_, light_curve),) = again.light_curves.items()
    np.testing.assert_allclose(light_curve["mag"], np.linspace(15, 16, 10))
    np.testing.assert_allclose(light_curve["magerr"], 0.01)
    assert again.columns == chosen


def test_a_column_read_as_fluxes_becomes_magnitudes(odd: Path):
    upload = read_upload(odd)
    again = read_upload(odd, Columns(time="night", value="other", kind=FLUXES), before=upload)
    ((_, light_curve),) = again.light_curves.items()
    np.testing.assert_allclose(light_curve["mag"], -2.5 * np.log10(100.0))


def test_a_choice_that_is_missing_is_named(odd: Path):
    upload = read_upload(odd)
    assert "Choose the column of the times." in read_upload(odd, Columns(value="brightness"), before=upload).account


def test_what_a_survey_says_of_its_points_holds_as_long_as_the_choice_is_the_recognised_one(tmp_path: Path):
    _, ztf, _ = write_examples(tmp_path)
    first = read_upload(ztf)
    assert first.columns == Columns(object_id="oid", time="mjd", value="mag", error="magerr", band="filtercode")
    again = read_upload(ztf, first.columns, before=first)
    assert again.account == first.account
    other = read_upload(ztf, Columns(**{**vars(first.columns), "time": "hjd"}), before=first)
    ((_, light_curve),) = other.light_curves.items()
    assert light_curve["mjd"].min() > 2_400_000
    assert "flagged" in other.account


def test_bands_in_columns_of_their_own_stay_as_recognised():
    columns = Columns(time="mjd", value=AS_RECOGNISED, error=AS_RECOGNISED, band=AS_RECOGNISED)
    assert columns.given(columns) == {}
    assert Columns(**{**vars(columns), "value": "gmag"}).given(columns) == {"mag": "gmag"}
    recognised = Columns(time="mjd", value="flux", kind=FLUXES, error="flux_err")
    assert Columns(time="mjd", value="m", kind=MAGNITUDES, error=NO_COLUMN).given(recognised) == {"mag": "m", "magerr": "none"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rubbish.csv", b"\x00\x01\x02 not a table"),
        ("rubbish.parquet", b"PAR1 not really"),
        ("words.csv", b"a,b\nx,y\n"),
        ("empty.csv", b""),
        ("picture.png", b"\x89PNG"),
    ],
)
def test_a_bad_upload_is_one_clear_message(tmp_path: Path, name: str, content: bytes):
    path = tmp_path / name
    path.write_bytes(content)
    upload = read_upload(path)
    assert upload.account.startswith("⚠️ ")
    assert len(upload.account) > 20
    assert str(tmp_path) not in upload.account
    assert not upload.light_curves


# --- Stars ---


def test_a_look_finds_period_class_and_neighbours(demo: Demo, look: Look):
    truth = simulate_light_curve("RRab", np.random.default_rng(7)).period_days
    assert look.period is not None
    assert look.period.period == pytest.approx(truth, rel=0.001)
    assert look.classes.label == max(look.classes.probabilities, key=look.classes.probabilities.__getitem__)
    assert sum(look.classes.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert look.classes.label in look.classes.likely
    assert look.classes.parent == "pulsating"
    assert len(look.neighbors) == 5
    distances = [one.distance for one in look.neighbors]
    assert distances == sorted(distances)
    assert look.hidden.sum() == len(look.mjd) // 2
    assert look.title.startswith("RR, V: RR")


def test_a_star_of_the_gallery_is_not_its_own_neighbour_and_stands_on_its_place(demo: Demo):
    name = demo.gallery.names[3]
    found = demo.look(demo.gallery.curves[3], 0.5, name=name)
    assert name not in [one.name for one in found.neighbors]
    np.testing.assert_allclose(found.position, demo.gallery.positions[3], atol=1e-3)


def test_neighbours_of_constant_stars_are_drawn_over_time(demo: Demo):
    constant = demo.gallery.labels.index("Constant")
    assert demo.gallery.neighbor(constant, 0.0).period_days is None
    assert demo.gallery.neighbor(0, 0.0).period_days is not None


def test_a_star_of_few_points_gets_no_class_and_no_period_and_that_is_said(demo: Demo):
    one = {"object_id": "few", "mjd": np.arange(5.0), "mag": np.array([15, 15.1, 15.2, 15, 15.1]), "magerr": None}
    found = demo.look(one, 0.5)
    assert found.classes.label is None
    assert "fewer than 20 observations" in say_classes(found)
    assert say_period(found).startswith("**No period.**")
    assert "say little" in say_star(found)


def test_a_light_curve_without_a_usable_point_is_an_error(demo: Demo):
    with pytest.raises(ValueError, match="no observation"):
        demo.look({"object_id": "x", "mjd": np.full(3, np.nan), "mag": np.ones(3), "magerr": None}, 0.5)


def test_a_class_that_the_period_contradicts_is_told(look: Look):
    doubtful = Look(**{**vars(look), "classes": Classes({"NOT_VARIABLE": 1.0}, "NOT_VARIABLE", 1.0)})
    assert "contradict" in say_classes(doubtful)
    assert "contradict" not in say_classes(look)


def test_a_table_of_stars_gives_a_row_for_each_with_the_same_answer_as_alone(demo: Demo, table: Path):
    light_curves = read_upload(table).light_curves
    rows = demo.classify_all(light_curves)
    assert rows["star"].tolist() == [*light_curves]
    for name, row in zip(light_curves, rows.itertuples(), strict=True):
        alone = demo.look(light_curves[name], 0.5, name=name)
        assert row[rows.columns.get_loc("class") + 1] == alone.classes.label
        assert row.probability == pytest.approx(alone.classes.probability, abs=1e-4)
        assert alone.period is not None
        assert row.period_days == pytest.approx(alone.period.period)


def test_a_gallery_of_ones_own_needs_labels_of_no_kind(tmp_path: Path):
    path = tmp_path / "mine.parquet"
    pq.write_table(to_table(simulate_light_curves(4, seed=1)).drop_columns(["label"]), path)
    own = Demo(str(default_model_folder()), str(default_classifier_folder()), gallery=path)
    assert len(own.gallery) == 4
    assert own.gallery.labels == [None] * 4
    assert "mine.parquet" in own.gallery.about
    assert "simulated" not in own.gallery.about


# --- Files and pictures ---


def test_the_downloads_hold_what_the_page_shows(look: Look):
    pytest.importorskip("plotly", reason="the demo page's tools are not installed: pip install -e '.[demo]'")
    from demo_page.downloads import Downloads

    assert look.period is not None
    downloads = Downloads()
    csv, words, png, pdf = downloads.of_star(look, look.period.period)
    rows = pd.read_csv(csv)
    np.testing.assert_allclose(rows["reconstruction"], look.reconstruction)
    np.testing.assert_array_equal(rows["hidden"], look.hidden)
    inside = rows["mag"].between(rows["lower_90"], rows["upper_90"])[look.hidden]
    assert 0.8 < inside.mean() <= 1
    assert rows["phase"].between(0, 1).all()
    told = json.loads(Path(words).read_text(encoding="utf-8"))
    assert told["class"] == look.classes.label
    assert told["period"]["period"] == look.period.period
    assert Path(png).read_bytes().startswith(b"\x89PNG")
    assert Path(pdf).read_bytes().startswith(b"%PDF")
    assert "phase" not in pd.read_csv(downloads.of_star(look, None)[0])


def test_the_picture_shows_every_observation_in_two_cycles(look: Look):
    pytest.importorskip("plotly", reason="the demo page's tools are not installed: pip install -e '.[demo]'")
    from demo_page.pictures import INTERVAL, draw_light_curve

    assert look.period is not None
    folded, over_time = draw_light_curve(look, look.period.period), draw_light_curve(look, None)
    seen = {trace.name: trace for trace in folded.data}
    assert [*seen] == [INTERVAL, "seen", "hidden", "reconstructed"]
    assert len(seen["seen"].x) == 2 * (~look.hidden).sum()
    assert max(seen["hidden"].x) < 2
    assert [len(trace.x) for trace in over_time.data] == [look.hidden.sum(), (~look.hidden).sum(), *[look.hidden.sum()] * 2]
    assert over_time.layout.xaxis.title.text == "MJD [d]"
    # A maximum is at phase 0.
    order = np.argsort(np.minimum(seen["reconstructed"].x % 1, 1 - seen["reconstructed"].x % 1))
    model = seen["reconstructed"].y
    assert model[order[:10]].mean() < model.mean() - look.period.amplitude / 4


def test_the_map_marks_the_star_among_the_gallery(demo: Demo, look: Look):
    pytest.importorskip("plotly", reason="the demo page's tools are not installed: pip install -e '.[demo]'")
    from demo_page.pictures import THIS_STAR, draw_map

    figure = draw_map(demo.gallery, look)
    assert {trace.name for trace in figure.data} == {*demo.gallery.labels, THIS_STAR}
    assert figure.data[-1].x[0] == look.position[0]


# --- The page ---


def test_the_page_comes_with_its_first_star_before_any_event(demo: Demo):
    pytest.importorskip("plotly", reason="the demo page's tools are not installed: pip install -e '.[demo]'")
    pytest.importorskip("gradio", reason="the demo page's tools are not installed: pip install -e '.[demo]'")
    from demo_page.page import build_page

    components = build_page(demo).get_config_file()["components"]
    values = {one["props"].get("elem_id"): one["props"].get("value") for one in components}
    name, curve = demo.gallery.names[0], demo.gallery.curves[0]
    look = demo.look(curve, 0.5, name=name)
    assert values["light-curve"] == name
    assert values["message"] == say_star(look)
    assert values["class-words"] == say_classes(look)
    assert values["classes"]["label"] == look.classes.label
    assert all(values[plot]["plot"] for plot in ("reconstruction", "map", "neighbor-0", "neighbor-4"))


# --- The Space ---


def test_the_space_brings_package_models_and_pinned_requirements(tmp_path: Path):
    pytest.importorskip("plotly", reason="the demo page's tools are not installed: pip install -e '.[demo]'")
    pytest.importorskip("gradio", reason="the demo page's tools are not installed: pip install -e '.[demo]'")
    folder = tmp_path / "space"
    command = ["--space", str(folder), "--space-id", "org/name", "--space-models", "org/model"]
    demo_app.main(demo_app.parse_args(command))
    front = yaml.safe_load((folder / "README.md").read_text(encoding="utf-8").split("---")[1])
    assert front["sdk"] == "gradio"
    assert front["python_version"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert front["models"] == ["org/model"]
    assert front["tags"]
    assert len(front["short_description"]) <= 60
    assert front["thumbnail"].endswith("/org/name/resolve/main/thumbnail.png")
    assert (folder / "thumbnail.png").read_bytes().startswith(b"\x89PNG")
    requirements = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert requirements[0].startswith("--extra-index-url")
    assert all("==" in line and "+" not in line for line in requirements[1:])
    assert not any(line.startswith("astromer") for line in requirements)
    # A process that has nothing of this repository finds the Space's own copy.
    here = (str(SCRIPTS), str(SCRIPTS.parent))

    def find() -> None:
        for name, module in [*sys.modules.items()]:
            if (getattr(module, "__file__", None) or "").startswith((str(SCRIPTS), str(SCRIPTS.parent / "astromer_hf"))):
                del sys.modules[name]
        sys.path[:] = [str(folder), *(path for path in sys.path if path not in here)]
        print([import_module(name).__file__ for name in ("app", "astromer_hf", "demo_page")])
        load = import_module("astromer_hf.hub.load")
        print([str(one()) for one in (load.default_model_folder, load.default_classifier_folder)])

    done = fork_here(find)
    assert done.returncode == 0, done.stderr
    paths = [path for line in done.stdout.splitlines() for path in ast.literal_eval(line)]
    assert len(paths) == 5
    assert all(path.startswith(str(folder)) for path in paths)
    with pytest.raises(FileExistsError, match="new or empty"):
        demo_app.main(demo_app.parse_args(command))


def test_a_space_without_the_tools_of_the_page_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found = importlib.metadata.version

    def version(name: str) -> str:
        return found("a-package-that-nobody-has" if name == "plotly" else name)

    monkeypatch.setattr(space, "version", version)
    with pytest.raises(ImportError, match=r"pip install -e \.\[demo\]"):
        space.write_space(tmp_path / "space", "org/name")
    assert not (tmp_path / "space").exists()


def test_a_space_needs_its_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        demo_app.parse_args(["--space", str(tmp_path / "space")])
    assert "--space-id" in capsys.readouterr().err


def test_host_and_port_come_from_the_environment_of_a_space(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
    monkeypatch.setenv("GRADIO_SERVER_PORT", "7999")
    args = demo_app.parse_args([])
    assert (args.host, args.port) == ("0.0.0.0", 7999)
