"""A calibration as text for people."""

from __future__ import annotations

import pandas

from recipes.AntiDeepfake.calibration import Calibration

__all__ = ["describe_calibration"]


def describe_calibration(calibration: Calibration) -> str:
    """What was found, for people; rates in per cent."""
    data = calibration.fitted_on
    measured = {
        name: {key: value for key, value in found.items() if key != "rates"}
        for name, found in calibration.measured.items()
    }
    figures = pandas.DataFrame(measured).T
    figures = figures.astype({"real": int, "fake": int})
    figures["eer"] *= 100
    figures = figures.rename(columns={"eer": "EER %"})
    lines = [
        f"{data['file']}: {data['real']} real, {data['fake']} fake",
        f"llr = {calibration.formula()}",
        "",
        figures.to_string(float_format="{:.3f}".format),
    ]
    if calibration.operating_points:
        lines += ["", _describe_points(calibration)]
    return "\n".join(lines)


def _describe_points(calibration: Calibration) -> str:
    """The operating points, and what becomes of their rates elsewhere."""
    rows = {}
    for name, point in calibration.operating_points.items():
        low, high = point.threshold_interval
        rows[name] = {
            "threshold": f"{point.threshold:.4g} [{low:.4g}, {high:.4g}]",
            "FPR %": f"{100 * point.fpr:.2f}",
            "FNR %": f"{100 * point.fnr:.2f}",
        }
        low, high = (100 * rate for rate in point.other_interval)
        other = "FNR %" if name.startswith("fpr") else "FPR %"
        rows[name][other] += f" [{low:.2f}, {high:.2f}]"
        for data, found in calibration.measured.items():
            if data not in ("development", "cross-validated"):
                rates = found["rates"][name]
                rows[name][f"on {data}: FPR %, FNR %"] = (
                    f"{100 * rates['fpr']:.2f}, {100 * rates['fnr']:.2f}"
                )
    return pandas.DataFrame(rows).T.to_string()
