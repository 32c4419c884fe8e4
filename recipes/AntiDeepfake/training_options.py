"""Whether the numbers of an experiment make sense, before anything is built."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from recipes.AntiDeepfake.usage import UsageError

__all__ = ["check_numbers"]

_Rule = tuple[str, Callable[[float], bool]]
_POSITIVE: _Rule = ("a number above 0", lambda v: 0 < v < math.inf)
_COUNT: _Rule = ("a whole number from 1 on", lambda v: v >= 1 and v % 1 == 0)
_NATURAL: _Rule = ("a whole number from 0 on", lambda v: v >= 0 and v % 1 == 0)
_RULES: dict[str, _Rule] = {
    **dict.fromkeys(("lr", "max_batch_length", "longest_crop"), _POSITIVE),
    # What is below 0 would turn gradients round.
    "max_grad_norm": _POSITIVE,
    **dict.fromkeys(("total_steps", "valid_interval", "number_of_epochs"), _COUNT),
    **dict.fromkeys(("num_buckets", "grad_accumulation_factor"), _COUNT),
    **dict.fromkeys(("warmup_steps", "num_workers", "head_only_steps"), _NATURAL),
    "nonfinite_patience": _NATURAL,
    "ema_decay": ("a number between 0 and 1, or null", lambda v: 0 < v < 1),
    "layer_decay": ("a number above 0, up to 1, or null", lambda v: 0 < v <= 1),
    "most_waiting": ("a number from 0 to 1", lambda v: 0 <= v <= 1),
}


def check_numbers(values: Mapping[str, object]) -> None:
    """Raise if numbers are out of range, or if the steps do not fit together.

    Arguments
    ---------
    values : dict
        Values of an experiment, or options of a command; of those that are not there
        nothing is said. None stands for a default.

    Raises
    ------
    UsageError
        Names all of them, and what to give instead.

    Example
    -------
    >>> check_numbers({"total_steps": 240, "valid_interval": 60, "lr": 1e-4})
    >>> check_numbers({"max_batch_length": -5.0})
    Traceback (most recent call last):
    ...
    recipes.AntiDeepfake.usage.UsageError: max_batch_length is -5.0; give a number ...
    """
    problems = [
        f"{key} is {values[key]!r}; give {wanted}."
        for key, (wanted, fits) in _RULES.items()
        if _is_plain(values.get(key)) and not _fits(values[key], fits)
        if key != "number_of_epochs" or values[key] not in _derived_epochs(values)
    ]
    problems = [*problems, *_crop_problem(values.get("crop"))] or _misfits(values)
    if problems:
        raise UsageError("\n       ".join(problems))


def _is_plain(value: object) -> bool:
    """Whether a value is written down, and not made by a function or left out."""
    return isinstance(value, (bool, int, float, str))


def _fits(value: object, fits: Callable[[float], bool]) -> bool:
    return not isinstance(value, (bool, str)) and fits(value)


def _crop_problem(crop: object) -> list[str]:
    """What is wrong with a shortest and a longest crop."""
    if not isinstance(crop, list):
        return []
    fit = len(crop) == 2 and all(_fits(value, lambda v: v > 0) for value in crop)
    if fit and crop[0] <= crop[1]:
        return []
    return [f"crop is {crop}; give seconds as [shortest, longest], or null."]


def _derived_epochs(values: Mapping[str, object]) -> tuple[object, object]:
    """Nominal epochs as they follow from other values, and as HyperPyYAML has it."""
    total, interval = values.get("total_steps"), values.get("valid_interval")
    return _epochs(values), f"{total} // {interval}"


def _epochs(values: Mapping[str, object]) -> int | None:
    """Nominal epochs as the number of steps gives them."""
    total, interval = values.get("total_steps"), values.get("valid_interval")
    if isinstance(total, int) and isinstance(interval, int) and interval > 0:
        return total // interval
    return None


def _misfits(values: Mapping[str, object]) -> list[str]:
    """What is wrong with steps that are numbers each by itself."""
    total, interval = values.get("total_steps"), values.get("valid_interval")
    warmup, problems = values.get("warmup_steps"), []
    factor = values.get("grad_accumulation_factor") or 1
    if isinstance(interval, int) and interval % factor:
        problems.append(
            f"valid_interval is {interval} batches and grad_accumulation_factor "
            f"{factor}: the last {interval % factor} batches of each nominal epoch "
            "would be in no optimiser step. Give a multiple as --valid_interval."
        )
    if _epochs(values) is None:
        return problems
    # Another number of epochs was asked for; `total_steps` is for the schedule only.
    as_given = values.get("number_of_epochs") != _epochs(values)
    if total < interval and not as_given:
        problems.append(
            f"total_steps is {total} and valid_interval {interval}: training would end "
            "before its first validation, by which the detector is selected. Give "
            f"--valid_interval {total}, or a number that divides it."
        )
    elif total % interval and not as_given:
        whole = total - total % interval
        problems.append(
            f"total_steps is {total} and valid_interval {interval}: the last "
            f"{total % interval} batches would not be trained with. Give --total_steps "
            f"{whole} or {whole + interval}, or a --valid_interval that divides it."
        )
    if isinstance(warmup, int) and warmup > total:
        problems.append(
            f"warmup_steps is {warmup} and total_steps {total}: the learning rate "
            f"would never come up to lr. Give --warmup_steps {total // 10}, a tenth."
        )
    return problems
