# Copyright 2026 The astromer_hf developers. MIT licence.
"""The records agree with themselves, with what the authors of ASTROMER print, and with the real tables where these are here."""

import pickle

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from astromer_hf.light_curves.splits import FRACTIONS
from astromer_hf.light_curves.surveys import (
    FEW_SHOT_SAMPLES,
    FEW_SHOT_TEST_SAMPLES,
    FEW_SHOT_TRAINING_FRACTION,
    SURVEYS,
    Survey,
    SurveyClass,
    find_survey,
)
from astromer_hf.training import few_shot

RECORDS = pytest.mark.parametrize("survey", SURVEYS.values(), ids=SURVEYS)
IN_SHARED_DATA = [
    "asas_acvs",
    "crts_css",
    "eros2_lmc_cepF",
    "macho_lmc_cepheids_noerr",
    "macho_with_err",
    "ogle_lmc_cepheids_I",
    "ogle_lmc_cepheids_V",
    "sdss_s82_rrlyrae",
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


@pytest.mark.parametrize(("name", "total"), [("alcock", 20_894), ("ogle3", 358_288), ("atlas", 141_376)])
def test_the_counts_of_the_papers_catalogues_add_up_to_the_printed_totals(name, total):
    """Tables 1, 2 and 4."""
    survey = SURVEYS[name]
    assert sum(item.count for item in survey.classes) == survey.num_light_curves == total


def test_the_papers_filters_pass_the_printed_ranges_around_their_effective_wavelengths():
    """Table 3, in nanometres."""
    ranges = {name: SURVEYS[name].bands[0].wavelength_range_nm for name in ("macho", "ogle3", "atlas")}
    assert ranges == {"macho": (630, 760), "ogle3": (727, 875), "atlas": (562, 820)}
    for survey in SURVEYS.values():
        for band in survey.bands:
            if band.wavelength_range_nm is not None:
                low, high = band.wavelength_range_nm
                assert low < band.effective_wavelength_nm < high


def test_the_papers_trainings_and_splits_are_on_record():
    """Table 5, Sects. 5.1, 5.2, 6 and 8."""
    trainings = {name: SURVEYS[name].training for name in ("macho", "alcock", "atlas", "ogle3")}
    assert [training.epochs for training in trainings.values()] == [970, 115, 147, 244]
    assert [round(training.hours, 2) for training in trainings.values()] == [233, 0.38, 9.97, 32]
    assert [training.test_rmse for training in trainings.values()] == [0.148, 0.09, 0.07, 0.06]
    assert [training.test_rmse_before for training in trainings.values()] == [None, 0.10, 0.22, 0.08]
    assert trainings["macho"].num_windows == 6_201_030
    assert [SURVEYS[name].cadence_days for name in ("macho", "ogle3", "atlas")] == [(2.9, 17.3), (3.8, 14.6), (4.7, 19.1)]
    assert SURVEYS["alcock"].published_accuracy == {"LSTM": 0.782, "MLP": 0.767}
    assert FRACTIONS == (0.6, 0.2, 0.2)
    assert FEW_SHOT_SAMPLES == (20, 50, 100, 500)
    assert (few_shot.TEST_PER_CLASS, few_shot.TRAINING_FRACTION) == (FEW_SHOT_TEST_SAMPLES, FEW_SHOT_TRAINING_FRACTION)


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
