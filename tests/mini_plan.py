"""A plan that is small enough to build in a test."""

from data_prep.mini.plan import Part, Plan, Voice

TINY = Plan(
    parts={
        "posttrain": Part(
            domain="posttrain",
            splits=("train", "valid"),
            telephone=False,
            genuine={"carlo_it": 10},
            voices=(Voice("espeak", "it", "it", 5), Voice("hibari", "heart", "en", 5)),
            copies={"griffinlim": {"train": 2, "valid": 1}},
        ),
        "zeroshot": Part(
            domain="zeroshot",
            splits=("test",),
            telephone=False,
            genuine={"june_fr": 4},
            voices=(
                Voice("piper", "fr", "fr", 2),
                Voice("kokoro", "jm_kumo@fr-fr", "fr", 1),
            ),
            copies={"lpc": {"test": 2}},
        ),
        "target_train": Part(
            domain="target",
            splits=("train", "valid"),
            telephone=True,
            genuine={"menardi_it": 10},
            voices=(
                Voice("flite", "kal16", "en", 5),
                Voice("festival", "czech_krb", "cs", 5),
            ),
            copies={"codec2": {"train": 2, "valid": 1}},
        ),
    },
    subset_sizes=(4, 8),
)
