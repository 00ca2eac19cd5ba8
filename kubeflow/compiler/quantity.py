"""Quantities as Kubernetes writes them, as numbers."""

from __future__ import annotations

_FACTORS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def cpus(quantity: str) -> float:
    """Returns `500m` as 0.5."""
    return float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


def gigabytes(quantity: str) -> float:
    """Returns `2Gi` as 2.147483648."""
    for suffix, factor in _FACTORS.items():
        if quantity.endswith(suffix):
            return float(quantity.removesuffix(suffix)) * factor / 1e9
    return float(quantity) / 1e9
