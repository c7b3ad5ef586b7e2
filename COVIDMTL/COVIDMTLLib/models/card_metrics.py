"""What a model card says of how good its model is, which reports show. None of it has to be there."""

from __future__ import annotations

from typing import Any


def senseless_claim(card: dict[str, Any]) -> str | None:
    """The first of ``metrics``, ``limits``, ``training_distribution`` and ``unseen`` that no report could show.

    None if all can.

    Parameters
    ----------
    card : dict
        With tasks that are as they should be.
    """
    tasks = [task["name"] for task in card["tasks"]]
    checks = {"metrics": _shown_metrics, "limits": _shown_limits, "training_distribution": _counted, "unseen": _unseen}
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


def _unseen(rows: Any, tasks: list[str]) -> bool:
    keys = ("auc", "auc_low", "auc_high", "otherwise")
    return (
        isinstance(rows, list)
        and all(isinstance(row, dict) and isinstance(row.get("auc"), dict) for row in rows)
        and all(isinstance(row.get("where"), str) and isinstance(row.get("cases"), int) for row in rows)
        and all(
            isinstance(row["auc"].get(task), dict) and all(_number(row["auc"][task].get(key)) for key in keys)
            for row in rows
            for task in tasks
        )
    )


def _counted(distribution: Any, _tasks: list[str]) -> bool:
    return isinstance(distribution, dict) and isinstance(distribution.get("cases"), int)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not abs(value) > 1e300  # but NaN
