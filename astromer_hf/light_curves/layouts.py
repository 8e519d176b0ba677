# Copyright 2026 The astromer_hf developers. MIT licence.
"""How the files of each survey look: which column is what, which flag marks a bad epoch. A new survey is one record here.

Before this file stands `records.py`, which says what a record can hold; `roles.py` recognises a table by these records, and the
page "Your files" of the documentation is made from them. `surveys.py` is about something else: the classes and citations of the
tables that models are trained on.
"""

from .records import FLAG_TESTS, BandColumns, Flag, Layout

__all__ = ["FLAG_TESTS", "LAYOUTS", "BandColumns", "Flag", "Layout", "find_layout"]

ZTF_BANDS = {"1": "g", "2": "r", "3": "i"}
# Of tables of no survey: columns that mark upper limits, and zero points of each flux.
UPPER_LIMITS = (
    *(Flag(name, "is", 1) for name in ("upperlimit", "upper_limit", "is_upper_limit", "isupperlimit", "is_limit")),
    *(Flag(name, "is word", "<|>") for name in ("l", "l_mag", "limit_flag", "mag_limit_flag")),
)
ZERO_POINT_NAMES = ("zp", "zeropoint", "zero_point", "zpmag", "zp_mag", "mag_zp", "magzp", "zpt")
DIFFERENCE = "these are magnitudes of difference images, not of the star"

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout(
            name="ztf",
            title="ZTF light-curve service (IRSA)",
            requires=("oid", "mjd|hjd", "mag", "filtercode"),
            columns={"object_id": "oid", "mjd": "mjd|hjd", "mag": "mag", "magerr": "magerr", "band": "filtercode"},
            flags=(Flag("catflags", "at least", 32768),),
            limit="limitmag",
        ),
        Layout(
            name="ztf_forced",
            title="ZTF forced photometry (IPAC)",
            requires=("forcediffimflux", "jd", "filter"),
            columns={
                "mjd": "jd",
                "flux": "forcediffimflux",
                "flux_err": "forcediffimfluxunc",
                "band": "filter",
                "zero_point": "zpdiff",
            },
            flags=(Flag("infobitssci", "at least", 33554432),),
            one_star=True,
            note="these are fluxes of difference images, without that of the reference",
        ),
        Layout(
            name="alerce",
            title="ALeRCE detections",
            requires=("mjd", "fid", "magpsf_corr|mag_corr"),
            columns={
                "object_id": "oid",
                "mjd": "mjd",
                "mag": "magpsf_corr|mag_corr",
                "magerr": "sigmapsf_corr|e_mag_corr",
                "band": "fid",
            },
            bands=ZTF_BANDS,
            flags=(Flag("corrected", "is", 0), Flag("dubious", "is", 1)),
        ),
        Layout(
            name="fink",
            title="Fink, ZTF alerts",
            requires=("i:jd", "i:fid", "i:magpsf"),
            columns={
                "object_id": "i:objectid",
                "mjd": "i:jd",
                "mag": "i:magpsf",
                "magerr": "i:sigmapsf",
                "band": "i:fid",
            },
            bands=ZTF_BANDS,
            flags=(Flag("d:tag", "is word", "BADQUALITY"),),
            upper_limit=Flag("d:tag", "is word", "UPPERLIM"),
            note=DIFFERENCE,
        ),
        Layout(
            name="ztf_alerts",
            title="ZTF alerts (Lasair, ALeRCE without corrected magnitudes)",
            requires=("jd|mjd", "fid", "magpsf"),
            columns={
                "object_id": "objectid|oid",
                "mjd": "mjd|jd",
                "mag": "magpsf",
                "magerr": "sigmapsf",
                "band": "fid",
            },
            bands=ZTF_BANDS,
            flags=(Flag("dubious", "is", 1),),
            note=DIFFERENCE,
        ),
        Layout(
            name="rubin",
            title="Rubin sources (Lasair, alert brokers, data previews)",
            requires=("midpointmjdtai|expmidptmjd", "psfflux", "band"),
            columns={
                "object_id": "diaobjectid|objectid",
                "mjd": "midpointmjdtai|expmidptmjd",
                "flux": "psfflux",
                "flux_err": "psffluxerr",
                "band": "band",
            },
            flags=(Flag("psfflux_flag", "is", 1), Flag("pixelflags_bad", "is", 1), Flag("pixelflags_saturated", "is", 1)),
            zero_point=31.4,
        ),
        Layout(
            name="elasticc",
            title="ELAsTiCC alerts",
            requires=("midpointtai", "psflux", "filtername"),
            columns={
                "object_id": "diaobjectid|snid",
                "mjd": "midpointtai",
                "flux": "psflux",
                "flux_err": "psfluxerr",
                "band": "filtername",
            },
            zero_point=27.5,
        ),
        Layout(
            name="plasticc",
            title="PLAsTiCC",
            requires=("object_id", "mjd", "passband", "flux"),
            columns={"object_id": "object_id", "mjd": "mjd", "flux": "flux", "flux_err": "flux_err", "band": "passband"},
            zero_point=27.5,
        ),
        Layout(
            name="snana",
            title="SNANA",
            requires=("mjd", "flt|band", "fluxcal"),
            columns={"object_id": "snid", "mjd": "mjd", "flux": "fluxcal", "flux_err": "fluxcalerr", "band": "flt|band"},
            zero_point=27.5,
        ),
        Layout(
            name="ogle",
            title="OGLE (a file a star, without a header)",
            columns={"mjd": "1", "mag": "2", "magerr": "3"},
        ),
        Layout(
            name="macho",
            title="MACHO, both bands in a row",
            requires=("rmag", "bmag"),
            columns={"object_id": "objectid|object_id|id|starid", "mjd": "mjd|obsdate|dateobs|jd|time"},
            wide=(BandColumns("R", "rmag", "rerr"), BandColumns("B", "bmag", "berr")),
        ),
        Layout(
            name="eros",
            title="EROS-2 (without a header: time, R, error, B, error)",
            columns={"mjd": "1"},
            wide=(BandColumns("R", "2", "3"), BandColumns("B", "4", "5")),
            endings=(".time",),
            num_columns=5,
        ),
        Layout(
            name="asas",
            title="ASAS-3",
            requires=("hjd", "mag_3", "mer_3", "grade"),
            columns={"mjd": "hjd", "mag": "mag_3", "magerr": "mer_3"},
            flags=(Flag("grade", "is word", "C|D"),),
            markers=(29.999,),
            one_star=True,
        ),
        Layout(
            name="asassn",
            title="ASAS-SN Sky Patrol",
            requires=("hjd", "mag", "mag_err|mag err", "filter", "camera"),
            columns={"object_id": "asas_sn_id", "mjd": "hjd", "mag": "mag", "magerr": "mag_err|mag err", "band": "filter"},
            limit="limit",
        ),
        Layout(
            name="asassn2_web",
            title="ASAS-SN Sky Patrol 2 (web page)",
            requires=("jd", "mag", "mag error", "filter", "camera"),
            columns={"object_id": "asas_sn_id", "mjd": "jd", "mag": "mag", "magerr": "mag error", "band": "filter"},
            flags=(Flag("quality", "is word", "B"),),
            upper_limit=Flag("mag error", "at least", 99),
            limit="limit",
        ),
        Layout(
            name="asassn2",
            title="ASAS-SN Sky Patrol 2",
            requires=("jd", "mag", "mag_err", "phot_filter"),
            columns={"object_id": "asas_sn_id", "mjd": "jd", "mag": "mag", "magerr": "mag_err", "band": "phot_filter"},
            flags=(Flag("quality", "is word", "B"),),
            upper_limit=Flag("mag_err", "at least", 99),
            limit="limit",
        ),
        Layout(
            name="atlas_forced",
            title="ATLAS forced photometry",
            requires=("mjd", "m", "dm", "ujy", "f"),
            columns={"mjd": "mjd", "mag": "m", "magerr": "dm", "band": "f"},
            flags=(Flag("err", "not", 0),),
            limit="mag5sig",
            negative_is_flux=True,
            one_star=True,
        ),
        Layout(
            name="catalina",
            title="Catalina (CRTS)",
            requires=("masterid|inputid", "mag", "mjd"),
            columns={"object_id": "inputid|masterid", "mjd": "mjd", "mag": "mag", "magerr": "magerr"},
        ),
        Layout(
            name="gaia",
            title="Gaia epoch photometry",
            requires=("source_id", "band", "time", "mag", "transit_id|flux_over_error"),
            columns={"object_id": "source_id", "mjd": "time", "mag": "mag", "band": "band", "snr": "flux_over_error"},
            flags=(Flag("rejected_by_photometry", "is", 1),),
        ),
        Layout(
            name="gaia_wide",
            title="Gaia epoch photometry, a transit a row",
            requires=("g_transit_time", "g_transit_mag"),
            columns={"object_id": "source_id|source", "mjd": "g_transit_time"},
            wide=(
                BandColumns("G", "g_transit_mag", None, "g_transit_time"),
                BandColumns("BP", "bp_mag", None, "bp_obs_time", (Flag("photometry_flag_bp_reject", "is", 1),)),
                BandColumns("RP", "rp_mag", None, "rp_obs_time", (Flag("photometry_flag_rp_reject", "is", 1),)),
            ),
        ),
        Layout(
            name="tess",
            title="TESS, Kepler and K2",
            requires=("time", "pdcsap_flux|sap_flux|kspsap_flux"),
            columns={
                "object_id": "ticid|tic|keplerid|kic|target_name",
                "mjd": "time",
                "flux": "pdcsap_flux|kspsap_flux|det_flux|sap_flux",
                "flux_err": "pdcsap_flux_err|kspsap_flux_err|det_flux_err|sap_flux_err",
            },
            flags=(Flag("quality", "not", 0), Flag("sap_quality", "not", 0)),
        ),
        Layout(
            name="lightkurve",
            title="lightkurve (TESS, Kepler and K2)",
            requires=("time", "flux", "quality", "cadenceno|centroid_col"),
            columns={"object_id": "ticid|keplerid|target_name", "mjd": "time", "flux": "flux", "flux_err": "flux_err"},
            flags=(Flag("quality", "not", 0),),
        ),
        Layout(
            name="eleanor",
            title="eleanor (TESS full frames)",
            requires=("time", "raw_flux", "corr_flux"),
            columns={"object_id": "ticid", "mjd": "time", "flux": "corr_flux", "flux_err": "flux_err"},
            flags=(Flag("quality", "not", 0),),
        ),
        Layout(
            name="everest",
            title="EVEREST (K2)",
            requires=("time", "flux", "fraw"),
            columns={"mjd": "time", "flux": "flux", "flux_err": "flux_err|fraw_err"},
            flags=(Flag("quality", "not", 0),),
        ),
        Layout(
            name="k2sff",
            title="K2SFF",
            requires=("t", "fraw", "fcor"),
            columns={"mjd": "t", "flux": "fcor"},
            flags=(Flag("moving", "not", 0),),
        ),
        Layout(
            name="tasoc",
            title="TASOC (TESS)",
            requires=("time", "flux_raw", "flux_corr"),
            columns={"mjd": "time", "flux": "flux_raw", "flux_err": "flux_raw_err"},
            flags=(Flag("pixel_quality", "not", 0),),
            note="FLUX_RAW is read, as FLUX_CORR is relative, in ppm",
        ),
        Layout(
            name="tglc",
            title="TGLC (TESS, Gaia)",
            requires=("time", "cal_psf_flux|cal_aper_flux", "tess_flags"),
            columns={"mjd": "time", "flux": "cal_psf_flux|cal_aper_flux"},
            flags=(Flag("tess_flags", "not", 0), Flag("tglc_flags", "not", 0)),
        ),
        Layout(
            name="cdips",
            title="CDIPS (TESS)",
            requires=("tmid_bjd", "irm1"),
            columns={"mjd": "tmid_bjd", "mag": "tfa1|pca1|irm1", "magerr": "ire1"},
        ),
        Layout(
            name="corot",
            title="CoRoT, white",
            requires=("datehel|datejd|datett|datebartt", "whiteflux"),
            columns={
                "object_id": "corotid",
                "mjd": "datehel|datebartt|datejd|datett",
                "flux": "whiteflux",
                "flux_err": "whitefluxdev",
            },
            flags=(Flag("status", "not", 0),),
        ),
        Layout(
            name="corot_colours",
            title="CoRoT, three colours",
            requires=("datehel|datejd|datett|datebartt", "redflux", "greenflux", "blueflux"),
            columns={"object_id": "corotid", "mjd": "datehel|datebartt|datejd|datett"},
            wide=tuple(BandColumns(colour, f"{colour}flux", f"{colour}fluxdev") for colour in ("red", "green", "blue")),
            wide_is_flux=True,
            flags=(Flag("status", "not", 0),),
        ),
        Layout(
            name="superwasp",
            title="SuperWASP",
            requires=("tmid", "tamflux2|flux2"),
            columns={"mjd": "tmid", "flux": "tamflux2|flux2", "flux_err": "tamflux2_err|flux2_err"},
            note="FLAG is not looked at",
        ),
        Layout(
            name="neowise",
            title="NEOWISE and AllWISE single exposures",
            requires=("mjd", "w1mpro|w1mpro_ep", "w2mpro|w2mpro_ep"),
            columns={"object_id": "allwise_cntr|source_id_mf|object_id|star", "mjd": "mjd"},
            wide=(
                BandColumns("W1", "w1mpro|w1mpro_ep", "w1sigmpro|w1sigmpro_ep", None, (Flag("cc_flags", "character", 0),)),
                BandColumns("W2", "w2mpro|w2mpro_ep", "w2sigmpro|w2sigmpro_ep", None, (Flag("cc_flags", "character", 1),)),
            ),
            flags=(Flag("qual_frame", "is", 0),),
        ),
        Layout(
            name="aavso",
            title="AAVSO download",
            requires=("jd", "magnitude", "band", "uncertainty"),
            columns={
                "object_id": "star name",
                "mjd": "jd",
                "mag": "magnitude",
                "magerr": "uncertainty|hquncertainty",
                "band": "band",
            },
            flags=(Flag("validation flag", "is word", "T|N"),),
            one_star=True,
        ),
        Layout(
            name="aavso_upload",
            title="AAVSO visual and extended format",
            requires=("name", "date", "mag", "commentcode|mtype"),
            columns={"object_id": "name", "mjd": "date", "mag": "mag", "magerr": "merr", "band": "filt"},
            one_star=True,
        ),
        Layout(
            name="antares",
            title="ANTARES",
            requires=("ant_mjd", "ant_passband", "ant_mag"),
            columns={
                "object_id": "ztf_object_id|locus_id",
                "mjd": "ant_mjd",
                "mag": "ant_mag_corrected|ant_mag",
                "magerr": "ant_magerr_corrected|ant_magerr",
                "band": "ant_passband",
            },
            upper_limit=Flag("ant_survey", "is", 2),
            note="without the column ant_mag_corrected these are magnitudes of difference images",
        ),
        Layout(
            name="tns",
            title="Transient Name Server",
            requires=("obsdate|obs-date", "flux|mag. / flux", "flux_unit|flux unit|unit", "filter_name|filter"),
            columns={
                "object_id": "objname|name",
                "mjd": "jd|obsdate|obs-date",
                "mag": "flux|mag. / flux",
                "magerr": "flux_error|err",
                "band": "filter_name|filter",
            },
            flags=(Flag("flux_unit|flux unit|unit", "is other word than", "ABMAG|VEGAMAG|MAG"),),
            note="the column of fluxes holds magnitudes where its unit says so",
        ),
        Layout(
            name="vista",
            title="VISTA (VVV, VMC) detections",
            requires=("mjd|mjdobs", "apermag3"),
            columns={
                "object_id": "sourceid|objid",
                "mjd": "mjd|mjdobs",
                "mag": "apermag3",
                "magerr": "apermag3err",
                "band": "filterid|filter|band",
            },
            bands={"1": "Z", "2": "Y", "3": "J", "4": "H", "5": "Ks"},
        ),
        Layout(
            name="dasch",
            title="DASCH",
            requires=("magcal_magdep", "date|jd|hjd|exposuretimejd"),
            columns={
                "object_id": "ref_number|gsc_bin_index",
                "mjd": "hjd|jd|date|exposuretimejd",
                "mag": "magcal_magdep",
                "magerr": "magcal_local_rms|magcal_magdep_rms|magcal_local_error",
            },
            limit="limiting_mag_local",
            note="AFLAGS and BFLAGS are not looked at",
        ),
        Layout(
            name="kelt",
            title="KELT",
            requires=("kelt_id|kelt_sourceid", "time", "mag"),
            columns={"object_id": "kelt_id|kelt_sourceid", "mjd": "time", "mag": "mag", "magerr": "mag_err|magerr"},
        ),
        Layout(
            name="sdss",
            title="SDSS, all bands in a row",
            requires=("mjd", "psfmag_g", "psfmag_r"),
            columns={"object_id": "thingid|thing_id|star|object_id", "mjd": "mjd"},
            wide=tuple(BandColumns(band, f"psfmag_{band}", f"psfmagerr_{band}") for band in "ugriz"),
        ),
        Layout(
            name="snad",
            title="SNAD viewer (ZTF data releases)",
            requires=("oid", "filter", "mjd", "mag", "clrcoeff"),
            columns={"object_id": "oid", "mjd": "mjd", "mag": "mag", "magerr": "magerr", "band": "filter"},
        ),
        Layout(
            name="panstarrs",
            title="Pan-STARRS detections",
            requires=("objid", "obstime", "filterid", "psfflux"),
            columns={"object_id": "objid", "mjd": "obstime", "flux": "psfflux", "flux_err": "psffluxerr", "band": "filterid"},
            bands={"1": "g", "2": "r", "3": "i", "4": "z", "5": "y"},
            zero_point=8.9,
        ),
        Layout(
            name="starembed",
            title="StarEmbed benchmark",
            requires=("mjd", "target", "past_feat_dynamic_real"),
            columns={
                "object_id": "sourceid|source_id",
                "mjd": "mjd",
                "mag": "target",
                "magerr": "past_feat_dynamic_real",
                "band": "band",
                "label": "class_str",
            },
        ),
        Layout(
            name="multimodal_universe",
            title="Multimodal Universe",
            requires=("lightcurve.band", "lightcurve.time", "lightcurve.mag|lightcurve.flux"),
            columns={
                "object_id": "object_id",
                "mjd": "lightcurve.time",
                "mag": "lightcurve.mag",
                "magerr": "lightcurve.mag_err",
                "flux": "lightcurve.flux",
                "flux_err": "lightcurve.flux_err",
                "band": "lightcurve.band",
                "label": "obj_type|spec_class",
            },
            zero_point=27.5,  # of PLAsTiCC and of SNANA, from which its sets with fluxes were made
            is_padded=True,
        ),
        Layout(
            name="open_catalog",
            title="Open Astronomy Catalogs",
            requires=("time", "magnitude", "band", "e_magnitude|upperlimit"),
            columns={
                "object_id": "event|name",
                "mjd": "time",
                "mag": "magnitude",
                "magerr": "e_magnitude",
                "band": "band",
            },
            upper_limit=Flag("upperlimit", "is", 1),
        ),
    )
}


def find_layout(name: str) -> Layout:
    """The record of a survey's files by its name.

    Raises:
        ValueError: there is none of that name.
    """
    if name.lower() not in LAYOUTS:
        raise ValueError(f"There is no survey {name!r} for --survey; there are: {', '.join(sorted(LAYOUTS))}.")
    return LAYOUTS[name.lower()]
