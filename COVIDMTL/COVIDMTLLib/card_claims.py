"""What a model card says of how good its model is, which reports show. None of it has to be there."""

from __future__ import annotations

from typing import Any


def senseless_claim(card: dict[str, Any]) -> str | None:
    """The first of ``metrics``, ``limits`` and ``training_distribution`` that no report could show; None if all can.

    Parameters
    ----------
    card : dict
        With tasks that are as they should be.
    """
    tasks = [task["name"] for task in card["tasks"]]
    checks = {"metrics": _shown_metrics, "limits": _shown_limits, "training_distribution": _counted}
    return next((key for key, shown in checks.items() if card.get(key) and not shown(card[key], tasks)), None)


def _shown_metrics(metrics: Any, tasks: list[str]) -> bool:
    if not isinstance(metrics, dict) or not isinstance(metrics.get("cases"), int):
        return False
    of_tasks = [metrics.get(task) for task in tasks]
    return all(isinstance(one, dict) and all(_number(one.get(key)) for key in ("auc", "accuracy")) for one in of_tasks)


def _shown_limits(limits: Any, tasks: list[str]) -> bool:
    if not isinstance(limits, list) or not all(isinstance(row, dict) for row in limits):
        return False
    wheres, aucs = [row.get("where") for row in limits], [row.get("auc") for row in limits]
    return all(isinstance(where, str) and where for where in wheres) and all(
        isinstance(auc, dict) and all(task in auc and (auc[task] is None or _number(auc[task])) for task in tasks)
        for auc in aucs
    )


def _counted(distribution: Any, tasks: list[str]) -> bool:
    return isinstance(distribution, dict) and isinstance(distribution.get("cases"), int)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not abs(value) > 1e300  # but NaN
