# Copyright 2026 The astromer_hf developers. MIT licence.
"""The records agree with themselves, with what the authors of ASTROMER print, and with the real tables where these are here."""

import pickle

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from astromer_hf.light_curves.surveys import SURVEYS, Survey, SurveyClass, find_survey

RECORDS = pytest.mark.parametrize("survey", SURVEYS.values(), ids=SURVEYS)
IN_SHARED_DATA = [
    "asas_acvs",
    "crts_css",
    "macho_lmc_cepheids_noerr",
    "macho_with_err",
    "ogle_lmc_cepheids_I",
    "sss_catalina_south",
]


@RECORDS
def test_every_record_says_what_to_cite_and_in_what_band_and_time_it_observed(survey):
    assert SURVEYS[survey.name] is survey
    assert survey.description
    assert survey.citations
    assert survey.bands
    assert survey.time_system != "unknown"


@RECORDS
def test_raw_labels_lead_to_classes_and_only_there(survey):
    classes = [item.name for item in survey.classes]
    assert len(set(classes)) == len(classes)
    assert set(survey.label_groups.values()) <= set(classes)
    assert not set(survey.unclassified) & (set(classes) | set(survey.label_groups))
    assert [survey.class_of(name) for name in classes] == classes
    assert {survey.class_of(raw) for raw in (*survey.unclassified, None, "")} == {None}


def test_the_papers_surveys_and_all_real_tables_have_a_record():
    assert {"macho", "alcock", "ogle3", "atlas", *IN_SHARED_DATA} == set(SURVEYS)


def test_the_counts_of_the_alcock_catalogue_add_up():
    alcock = SURVEYS["alcock"]
    assert sum(item.count for item in alcock.classes) == alcock.num_light_curves == 20_894


@pytest.mark.parametrize(
    ("survey", "raw", "expected"),
    [
        ("alcock", "LPV WoodC", "LPV"),
        ("alcock", "Dubious", None),
        ("atlas", "CBH", "CB"),
        ("asas_acvs", "Close Binary Eclipsing Systems", None),
        ("asas_acvs", "Mira", "Mira"),
    ],
)
def test_subclasses_are_grouped_and_what_is_no_class_is_unlabelled(survey, raw, expected):
    assert SURVEYS[survey].class_of(raw) == expected


def test_a_record_of_ones_own_groups_labels_too():
    survey = Survey("mine", classes=(SurveyClass("E", "eclipsing"),), label_groups={"EA": "E"}, unclassified=("?",))
    assert [survey.class_of(raw) for raw in ("EA", "E", "?", "new")] == ["E", "E", None, "new"]


def test_an_unknown_survey_is_refused_with_the_names_of_those_there_are():
    with pytest.raises(ValueError, match=r"no survey 'lsst'; there are: macho, .*sss_catalina_south"):
        find_survey("lsst")
    assert find_survey("atlas") is SURVEYS["atlas"]


def test_records_survive_a_process_boundary():
    assert pickle.loads(pickle.dumps(SURVEYS)) == SURVEYS


@pytest.mark.parametrize("name", IN_SHARED_DATA)
def test_a_record_agrees_with_the_real_table(shared_data, name):
    survey, file = SURVEYS[name], shared_data / f"{name}.parquet"
    table = pq.read_table(file, columns=["id", "label", "band", *survey.columns.values()])
    raw = set(pc.unique(table["label"]).to_pylist()) - {None}
    known = {item.name for item in survey.classes} | set(survey.unclassified)
    assert raw == known
    assert set(pc.unique(table["band"]).to_pylist()) == {band.name for band in survey.bands}
    times = pq.ParquetFile(file).read_row_group(0, columns=["time"])["time"].combine_chunks().flatten()
    assert (pc.min(times).as_py() > 2_400_000) == (survey.time_system == "HJD")
