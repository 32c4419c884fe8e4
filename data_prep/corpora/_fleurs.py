"""What FLEURS and its restored copy FLEURS-R have in common: folders and names."""

from __future__ import annotations

from collections.abc import Iterator

from data_prep.corpora._subfolders import known_subfolders
from data_prep.corpora.base import Utterance
from data_prep.corpora.tree import Tree

__all__ = ["FOLDERS", "LAYOUT", "PREFIX", "fleurs_utterances"]

#: IDs of FLEURS start with it.
PREFIX = "FLEURS"
LAYOUT = (
    "data/<language>_<region>/audio/{train,dev,test}/<number>.wav\n"
    "data/<language>_<region>/audio/{train,dev,test}.tar.gz, unpacked where they are"
)

_SPLITS = {"train": "train", "dev": "valid", "test": "test"}
_FOLDERS = """
af_za am_et ar_eg as_in ast_es az_az be_by bg_bg bn_in bs_ba ca_es ceb_ph ckb_iq
cmn_hans_cn cs_cz cy_gb da_dk de_de el_gr en_us es_419 et_ee fa_ir ff_sn fi_fi fil_ph
fr_fr ga_ie gl_es gu_in ha_ng he_il hi_in hr_hr hu_hu hy_am id_id ig_ng is_is it_it
ja_jp jv_id ka_ge kam_ke kea_cv kk_kz km_kh kn_in ko_kr ky_kg lb_lu lg_ug ln_cd lo_la
lt_lt luo_ke lv_lv mi_nz mk_mk ml_in mn_mn mr_in ms_my mt_mt my_mm nb_no ne_np nl_nl
nso_za ny_mw oc_fr om_et or_in pa_in pl_pl ps_af pt_br ro_ro ru_ru sd_in sk_sk sl_si
sn_zw so_so sr_rs sv_se sw_ke ta_in te_in tg_tj th_th tr_tr uk_ua umb_ao ur_pk uz_uz
vi_vn wo_sn xh_za yo_ng yue_hant_hk zu_za
"""
#: Language of each folder: the code before the region, but one name for Mandarin in
#: all corpora.
FOLDERS = {name: name.split("_")[0].upper() for name in _FOLDERS.split()} | {
    "cmn_hans_cn": "ZH"
}


def fleurs_utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield the utterances of FLEURS; the restored ones have the same names."""
    for folder, language in known_subfolders(tree, FOLDERS, "data"):
        if not tree.exists(f"{folder}/audio"):
            tree.skip(folder, "there is no folder audio in it: unpack its archives")
            continue
        for part, split in known_subfolders(tree, _SPLITS, f"{folder}/audio"):
            for file in tree.files(part):
                yield Utterance(
                    file.path,
                    "real",
                    key=f"{language}-{file.stem}",
                    split=split,
                    language=language,
                )
