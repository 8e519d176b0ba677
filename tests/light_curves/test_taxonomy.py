# Copyright 2026 The astromer_hf developers. MIT licence.
"""Labels of every survey become sets of leaves of one taxonomy."""

import numpy as np
import pytest

from astromer_hf.light_curves.surveys import SURVEYS, Survey, SurveyClass
from astromer_hf.light_curves.taxonomy import LEAF_NAMES, LEAVES, PARENT_OF, allowed_leaves, possible_leaves

RECORDED = [survey for survey in SURVEYS.values() if survey.classes]


@pytest.mark.parametrize("survey", RECORDED, ids=lambda survey: survey.name)
def test_every_class_of_a_survey_names_leaves_that_exist(survey: Survey):
    names = [record.name for record in survey.classes]
    allowed = allowed_leaves(survey, names)
    assert allowed.shape == (len(names), len(LEAF_NAMES))
    assert allowed.sum(1).tolist() == [len(record.leaves) for record in survey.classes]


def test_only_the_second_overtone_of_cepheids_has_no_leaf():
    without = {record.name for survey in RECORDED for record in survey.classes if not record.leaves}
    assert without == {"2O", "2O/3O"}


def test_a_label_of_a_class_with_subclasses_allows_all_of_them():
    allowed = allowed_leaves(SURVEYS["macho_lmc_cepheids_noerr"], ["Cep_multi", "Cep_1", "Cep_multi"])
    assert [np.array(LEAF_NAMES)[row].tolist() for row in allowed] == [["CEP_F", "CEP_1O"], ["CEP_1O"], ["CEP_F", "CEP_1O"]]


def test_leaves_have_one_parent_each_and_no_leaf_has_the_name_of_a_parent():
    assert len(LEAVES) == len(PARENT_OF) == len(set(LEAF_NAMES))
    assert not set(LEAF_NAMES) & set(PARENT_OF.values())


def test_unknown_labels_and_leaves_are_refused_by_name():
    with pytest.raises(ValueError, match="crts_css has no class 'Kilonova'; it has EA"):
        allowed_leaves(SURVEYS["crts_css"], ["Kilonova"])
    wrong = Survey("mine", classes=(SurveyClass("a", "of no leaf", leaves=("RRxx",)),))
    with pytest.raises(ValueError, match="Class 'a' of mine names RRxx, which is no leaf"):
        allowed_leaves(wrong, ["a"])


def test_the_leaves_of_a_survey_are_those_of_its_classes_and_no_variability():
    assert np.array(LEAF_NAMES)[possible_leaves(SURVEYS["sdss_s82_rrlyrae"])].tolist() == ["RRab", "RRc", "NOT_VARIABLE"]
