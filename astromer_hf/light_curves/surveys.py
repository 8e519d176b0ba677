# Copyright 2026 The astromer_hf developers. MIT licence.
"""What is known of each survey: bands, classes, columns, time system, citations. A new survey is one record here, no code.

Before this file stands nothing; after it stands `source.py`, which reads a survey's table by its record. Counts
are those that the authors of ASTROMER print from their copy of the data; a number that could not be verified is None.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Band:
    """A passband. A number is None where no source was at hand.

    Args:
        name (`str`): as in the tables.
        effective_wavelength_nm (`float`, *optional*): of the filter.
        wavelength_range_nm (`tuple[float, float]`, *optional*): what the filter lets pass, as the paper's Table 3 gives it.
    """

    name: str
    effective_wavelength_nm: float | None = None
    wavelength_range_nm: tuple[float, float] | None = None


@dataclass(frozen=True)
class SurveyClass:
    """A class of a survey's labels.

    Args:
        name (`str`): of the class.
        description (`str`): what it holds.
        count (`int`, *optional*): light curves in the authors' copy.
        leaves (`tuple[str, ...]`): classes of `taxonomy.py` that a star with this label may belong to; empty where none fits.
    """

    name: str
    description: str
    count: int | None = None
    leaves: tuple[str, ...] = ()


@dataclass(frozen=True)
class PublishedTraining:
    """A training of ASTROMER on all light curves of a survey, as published (paper, Sect. 6, Table 5 and Fig. 8).

    Args:
        epochs (`int`): until the validation loss no longer fell.
        hours (`float`): on one NVIDIA A100 GPU.
        test_rmse (`float`): on the test set, in magnitudes, with the mask of the released code.
        test_rmse_before (`float`, *optional*): of the pre-trained model on the same light curves, before it was fine-tuned.
        num_windows (`int`, *optional*): training windows of 200 observations.
    """

    epochs: int
    hours: float
    test_rmse: float
    test_rmse_before: float | None = None
    num_windows: int | None = None


@dataclass(frozen=True)
class Survey:
    """One table of a survey, and how to read it.

    Args:
        name (`str`): its key in `SURVEYS`, the stem of its table and the folder of its prepared dataset.
        description (`str`): what it holds, in a sentence.
        bands (`tuple` of [`Band`]): its passbands.
        classes (`tuple` of [`SurveyClass`]): the labels after `label_groups`; empty where nothing is labelled.
        label_groups (`Mapping[str, str]`): raw label -> the class that it belongs to.
        unclassified (`tuple[str, ...]`): raw labels that are no class, such as "unknown" or the parent of other classes. Their
            objects stay, unlabelled.
        columns (`Mapping[str, str]`): catalogue column (`object_id`, `mjd`, `mag`, `magerr`, `band`, `label`, `identity`, and
            `path` in a metadata table) -> its name in the raw table, where it cannot be guessed. `identity` names the star
            itself, so that one star seen twice, or by two surveys, is known to be one.
        time_system (`str`): of the raw times, in days; only differences of time matter to the model.
        held_out (`bool`, defaults to `False`): every object is for testing, and kept out of training in other surveys too.
        num_light_curves (`int`, *optional*): in the authors' copy.
        cadence_days (`tuple[float, float]`, *optional*): mean and standard deviation of the time between observations.
        training ([`PublishedTraining`], *optional*): of ASTROMER on this survey.
        published_accuracy (`Mapping[str, float]`): the paper's classifier -> its accuracy on the balanced test set of 100 light
            curves a class (paper, Sect. 8).
        citations (`tuple[str, ...]`): what to cite for the measurements and labels.
    """

    name: str
    description: str = ""
    bands: tuple[Band, ...] = ()
    classes: tuple[SurveyClass, ...] = ()
    label_groups: Mapping[str, str] = field(default_factory=dict)
    unclassified: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    time_system: str = "unknown"
    held_out: bool = False
    num_light_curves: int | None = None
    cadence_days: tuple[float, float] | None = None
    training: PublishedTraining | None = None
    published_accuracy: Mapping[str, float] = field(default_factory=dict)
    citations: tuple[str, ...] = ()

    def class_of(self, label: str | None) -> str | None:
        """The class of a raw label; None for no label and for one that is no class."""
        return None if not label or label in self.unclassified else self.label_groups.get(label, label)


# The paper's Sects. 6 and 7: labelled samples a class, and test samples a class.
FEW_SHOT_SAMPLES = (20, 50, 100, 500)
FEW_SHOT_TRAINING_FRACTION = 0.8  # of the labelled samples; the others are the validation set
FEW_SHOT_TEST_SAMPLES = 100

# Ranges: the paper's Table 3, after Alcock et al. (1999), Udalski et al. (2015) and Tonry et al. (2018).
# Midpoints of the passbands 440-590 and 590-780 nm given in VizieR II/247.
MACHO_BANDS = (Band("R", 685.0, (630.0, 760.0)), Band("B", 515.0))
# Johnson-Cousins system, Bessell (2005, ARA&A 43, 293).
V_BAND = Band("V", 545.0)
I_BAND = Band("I", 798.0, (727.0, 875.0))
# Midpoints of the passbands 560-820 and 420-650 nm, Tonry et al. (2018, PASP 130, 064505).
ATLAS_BANDS = (Band("o", 690.0, (562.0, 820.0)), Band("c", 535.0))
CATALINA_BAND = Band("V_CSS")  # unfiltered, calibrated to V

ASTROMER = "Donoso-Oliva et al. 2023, A&A 670, A54"
MACHO_PHOTOMETRY = "Alcock et al. 1996, ApJ 461, 84"
MACHO_VARIABLES = "Alcock et al. 2001, VizieR II/247"
OGLE3_PHOTOMETRY = "Udalski et al. 2008, AcA 58, 69"
OGLE_CEPHEIDS = "Soszyński et al. 2015, AcA 65, 297"

# A star with a second overtone beside the first is of the first. No leaf is of the second overtone without it.
OGLE_CEPHEID_MODES = tuple(
    SurveyClass(modes, "classical Cepheid, modes F = fundamental, 1O, 2O, 3O = overtones", leaves=leaves)
    for modes, leaves in {
        "F": ("CEP_F",),
        "1O": ("CEP_1O",),
        "2O": (),
        "F/1O": ("CEP_F", "CEP_1O"),
        "1O/2O": ("CEP_1O",),
        "1O/3O": ("CEP_1O",),
        "2O/3O": (),
        "F/1O/2O": ("CEP_F", "CEP_1O"),
        "1O/2O/3O": ("CEP_1O",),
    }.items()
)

SURVEYS: dict[str, Survey] = {
    survey.name: survey
    for survey in (
        # --- The paper's: each object a file `mjd mag err`, listed in a metadata table with ID, Class, Path and Band. ---
        Survey(
            name="macho",
            description="MACHO R-band light curves without labels, on which ASTROMER was pre-trained.",
            bands=MACHO_BANDS,
            unclassified=("NonVar",),
            time_system="MJD",
            num_light_curves=1_529_386,  # after the filter of Sect. 5.1
            cadence_days=(2.9, 17.3),
            training=PublishedTraining(epochs=970, hours=9 * 24 + 17, test_rmse=0.148, num_windows=6_201_030),
            citations=(MACHO_PHOTOMETRY, ASTROMER),
        ),
        Survey(
            name="alcock",
            description="Labelled variables of the Large Magellanic Cloud in MACHO, the paper's MACHO classification set.",
            bands=MACHO_BANDS,
            classes=(
                SurveyClass("RRab", "RR Lyrae, fundamental mode", 7397, leaves=("RRab",)),
                SurveyClass("EC", "eclipsing binary", 6824, leaves=("EA", "EW_EB")),
                SurveyClass("LPV", "long-period variable, Wood's sequences A to D", 3046, leaves=("LPV",)),
                SurveyClass("RRc", "RR Lyrae, first overtone", 1762, leaves=("RRc",)),
                SurveyClass("Cep_0", "classical Cepheid, fundamental mode", 1182, leaves=("CEP_F",)),
                SurveyClass("Cep_1", "classical Cepheid, first overtone", 683, leaves=("CEP_1O",)),
            ),
            label_groups={f"LPV Wood{sequence}": "LPV" for sequence in "ABCD"},
            unclassified=("UNK", "std", "Dubious"),
            columns={"path": "Path_R"},
            time_system="MJD",
            num_light_curves=20_894,  # Table 1
            training=PublishedTraining(epochs=115, hours=23 / 60, test_rmse=0.09, test_rmse_before=0.10),
            published_accuracy={"LSTM": 0.782, "MLP": 0.767},
            citations=(MACHO_PHOTOMETRY, MACHO_VARIABLES, ASTROMER),
        ),
        Survey(
            name="ogle3",
            description="Labelled variables of OGLE-III, the paper's OGLE classification set.",
            bands=(I_BAND,),
            classes=(
                SurveyClass("EC", "eclipsing binary, contact", 6862, leaves=("EW_EB",)),
                SurveyClass("ED", "eclipsing binary, detached", 21503, leaves=("EA",)),
                SurveyClass("ESD", "eclipsing binary, semi-detached", 9475, leaves=("EW_EB",)),
                SurveyClass("Mira", "Mira", 6090, leaves=("LPV",)),
                SurveyClass("OSARG", "OGLE small-amplitude red giant", 234932, leaves=("LPV",)),
                SurveyClass("RRab", "RR Lyrae, fundamental mode", 25943, leaves=("RRab",)),
                SurveyClass("RRc", "RR Lyrae, first overtone", 7990, leaves=("RRc",)),
                SurveyClass("SRV", "semi-regular variable", 34835, leaves=("LPV",)),
                SurveyClass("CEP", "classical Cepheid", 7836, leaves=("CEP_F", "CEP_1O")),
                SurveyClass("DSCT", "delta Scuti", 2822, leaves=("DSCT",)),
            ),
            label_groups={"cep": "CEP", "dsct": "DSCT"},
            time_system="HJD",
            num_light_curves=358_288,  # Table 2
            cadence_days=(3.8, 14.6),
            training=PublishedTraining(epochs=244, hours=24 + 8, test_rmse=0.06, test_rmse_before=0.08),
            published_accuracy={"LSTM": 0.880},
            citations=(OGLE3_PHOTOMETRY, "Becker et al. 2020, MNRAS 493, 2981", ASTROMER),
        ),
        Survey(
            name="atlas",
            description="Labelled variables of the first ATLAS catalogue, the paper's ATLAS classification set.",
            bands=ATLAS_BANDS,
            classes=(
                SurveyClass("CB", "close eclipsing binary, at its full or half period", 80218, leaves=("EW_EB",)),
                SurveyClass("DB", "detached eclipsing binary, at its full or half period", 28767, leaves=("EA",)),
                SurveyClass("Mira", "Mira", 7370, leaves=("LPV",)),
                SurveyClass(
                    "Pulse",
                    "pulsator: RR Lyrae, delta Scuti, Cepheid",
                    25021,
                    leaves=("RRab", "RRc", "RRd", "CEP_F", "CEP_1O", "CEP_II", "DSCT"),
                ),
            ),
            label_groups={"CBF": "CB", "CBH": "CB", "DBF": "DB", "DBH": "DB", "MIRA": "Mira", "PULSE": "Pulse"},
            time_system="MJD",
            num_light_curves=141_376,  # Table 4; the text of Sect. 5.2 says 422 630, with objects of no astrophysical class
            cadence_days=(4.7, 19.1),
            training=PublishedTraining(epochs=147, hours=9 + 58 / 60, test_rmse=0.07, test_rmse_before=0.22),
            citations=("Heinze et al. 2018, AJ 156, 241", ASTROMER),
        ),
        # --- Gathered from public repositories: one row an object, with the columns id, label, time, mag, err and band. ---
        Survey(
            name="macho_with_err",
            description="A few MACHO variables with their errors, kept for testing.",
            bands=MACHO_BANDS,
            classes=(
                SurveyClass("RRab", "RR Lyrae, fundamental mode", leaves=("RRab",)),
                SurveyClass("RRc", "RR Lyrae, first overtone", leaves=("RRc",)),
                SurveyClass("RRe", "RR Lyrae, second overtone", leaves=("RRc",)),
                SurveyClass("EC", "eclipsing binary", leaves=("EA", "EW_EB")),
                SurveyClass("LPV", "long-period variable", leaves=("LPV",)),
                SurveyClass("Cep_0", "classical Cepheid, fundamental mode", leaves=("CEP_F",)),
            ),
            time_system="MJD",
            held_out=True,
            citations=(MACHO_PHOTOMETRY, MACHO_VARIABLES),
        ),
        Survey(
            name="macho_lmc_cepheids_noerr",
            description="Cepheids of the Large Magellanic Cloud in MACHO, without errors; labels are their modes in OGLE-IV.",
            bands=MACHO_BANDS,
            classes=(
                SurveyClass("Cep_0", "classical Cepheid, fundamental mode", leaves=("CEP_F",)),
                SurveyClass("Cep_1", "classical Cepheid, first overtone", leaves=("CEP_1O",)),
                SurveyClass("Cep_multi", "classical Cepheid, several modes", leaves=("CEP_F", "CEP_1O")),
            ),
            columns={"identity": "ogle_id"},
            time_system="MJD, repaired from truncated HJD",
            citations=(MACHO_PHOTOMETRY, OGLE_CEPHEIDS),
        ),
        Survey(
            name="ogle_lmc_cepheids_I",
            description="Cepheids of the Large Magellanic Cloud in OGLE-III and OGLE-IV; many stars are there twice.",
            bands=(I_BAND,),
            classes=OGLE_CEPHEID_MODES,
            time_system="HJD",
            citations=(OGLE3_PHOTOMETRY, "Soszyński et al. 2008, AcA 58, 163", OGLE_CEPHEIDS),
        ),
        Survey(
            name="ogle_lmc_cepheids_V",
            description="The V band of the stars in ogle_lmc_cepheids_I, under the same ids.",
            bands=(V_BAND,),
            classes=OGLE_CEPHEID_MODES,
            time_system="HJD",
            citations=(OGLE3_PHOTOMETRY, "Soszyński et al. 2008, AcA 58, 163", OGLE_CEPHEIDS),
        ),
        Survey(
            name="eros2_lmc_cepF",
            description="Classical Cepheids of the Large Magellanic Cloud in EROS-2, in two bands.",
            bands=(Band("R_EROS"), Band("B_EROS")),
            classes=(SurveyClass("Cep_0", "classical Cepheid, fundamental mode", leaves=("CEP_F",)),),
            time_system="HJD",
            citations=("Tisserand et al. 2007, A&A 469, 387",),
        ),
        Survey(
            name="sdss_s82_rrlyrae",
            description="RR Lyrae of SDSS Stripe 82 in five bands.",
            bands=tuple(map(Band, "ugriz")),
            classes=(
                SurveyClass("RRab", "RR Lyrae, fundamental mode", leaves=("RRab",)),
                SurveyClass("RRc", "RR Lyrae, first overtone", leaves=("RRc",)),
            ),
            time_system="MJD",
            citations=("Sesar et al. 2010, ApJ 708, 717",),
        ),
        Survey(
            name="asas_acvs",
            description="The ASAS Catalogue of Variable Stars.",
            bands=(V_BAND,),
            classes=(
                SurveyClass("Mira", "Mira", leaves=("LPV",)),
                SurveyClass("Contact Systems", "eclipsing binary, contact", leaves=("EW_EB",)),
                SurveyClass("Semidetached", "eclipsing binary, semi-detached", leaves=("EW_EB",)),
                SurveyClass("Detached", "eclipsing binary, detached", leaves=("EA",)),
                SurveyClass("RR Lyrae, Fundamental Mode", "RR Lyrae, fundamental mode", leaves=("RRab",)),
                SurveyClass("RR Lyrae, First Overtone", "RR Lyrae, first overtone", leaves=("RRc",)),
                SurveyClass("Delta Scuti", "delta Scuti", leaves=("DSCT",)),
                SurveyClass("Alpha2 Canum Venaticorum", "magnetic chemically peculiar star, rotating", leaves=("ROT",)),
                SurveyClass("Beta Cephei", "beta Cephei", leaves=("OTHER",)),
            ),
            unclassified=("Close Binary Eclipsing Systems",),  # the parent of Contact Systems, Semidetached and Detached
            time_system="HJD",
            citations=("Pojmański 2002, AcA 52, 397", "Richards et al. 2012, ApJS 203, 32"),
        ),
        Survey(
            name="crts_css",
            description="Periodic variables of the Catalina Sky Survey.",
            bands=(CATALINA_BAND,),
            classes=(
                SurveyClass("EA", "eclipsing binary, detached", leaves=("EA",)),
                SurveyClass("EW", "eclipsing binary, contact", leaves=("EW_EB",)),
                SurveyClass("beta_lyrae", "eclipsing binary, semi-detached", leaves=("EW_EB",)),
                SurveyClass("ELL", "ellipsoidal variable", leaves=("ROT",)),
                SurveyClass("PCEB", "post-common-envelope binary", leaves=("OTHER",)),
                SurveyClass("RS_CVn", "RS Canum Venaticorum", leaves=("ROT",)),
                SurveyClass("RRab", "RR Lyrae, fundamental mode", leaves=("RRab",)),
                SurveyClass("RRc", "RR Lyrae, first overtone", leaves=("RRc",)),
                SurveyClass("RRd", "RR Lyrae, two modes", leaves=("RRd",)),
                SurveyClass("Blazhko", "RR Lyrae, modulated", leaves=("RRab", "RRc")),
                SurveyClass("LPV", "long-period variable", leaves=("LPV",)),
                SurveyClass("HADS", "delta Scuti, high amplitude", leaves=("DSCT",)),
                SurveyClass("LADS", "delta Scuti, low amplitude", leaves=("DSCT",)),
                SurveyClass("ACEP", "anomalous Cepheid", leaves=("CEP_II",)),
                SurveyClass("Cep_II", "type II Cepheid", leaves=("CEP_II",)),
                SurveyClass("Hump", "light curve with a hump", leaves=("OTHER",)),
            ),
            time_system="MJD",
            citations=("Drake et al. 2014, ApJS 213, 9",),
        ),
        Survey(
            name="sss_catalina_south",
            description="Periodic variables of the Siding Spring Survey, the south of Catalina.",
            bands=(CATALINA_BAND,),
            classes=(
                SurveyClass("Ecl", "eclipsing binary, contact or semi-detached", leaves=("EW_EB",)),
                SurveyClass("EA", "eclipsing binary, detached", leaves=("EA",)),
                SurveyClass("Rotational", "RS Canum Venaticorum or ellipsoidal variable", leaves=("ROT",)),
                SurveyClass("RRab", "RR Lyrae, fundamental mode", leaves=("RRab",)),
                SurveyClass("RRc", "RR Lyrae, first overtone", leaves=("RRc",)),
                SurveyClass("RRd", "RR Lyrae, two modes", leaves=("RRd",)),
                SurveyClass("Blazhko", "RR Lyrae, modulated", leaves=("RRab", "RRc")),
                SurveyClass("LPV", "long-period variable", leaves=("LPV",)),
                SurveyClass("DSCT", "delta Scuti", leaves=("DSCT",)),
                SurveyClass("ACEP", "anomalous Cepheid", leaves=("CEP_II",)),
                SurveyClass("CepII", "type II Cepheid", leaves=("CEP_II",)),
                SurveyClass("LMC-Cep", "classical Cepheid of the Large Magellanic Cloud", leaves=("CEP_F", "CEP_1O")),
            ),
            unclassified=("Misc",),
            time_system="MJD",
            citations=("Drake et al. 2017, MNRAS 469, 3688",),
        ),
    )
}


def find_survey(name: str) -> Survey:
    """The record of a survey by its name.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in SURVEYS:
        raise ValueError(f"There is no survey {name!r}; there are: {', '.join(SURVEYS)}. A record of your own works too.")
    return SURVEYS[name]
