"""Which arithmetic a network runs in by default: a table by processor, and one pure function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from latup_cli.config import AUTO, BFLOAT16, FLOAT32, INT8
from latup_cli.errors import DeviceError, PrecisionMissingError
from latup_cli.inference.processor import (
    AMD,
    AMX,
    ARM,
    AVX2,
    AVX512_BF16,
    AVX512_VNNI,
    AVX_VNNI,
    Processor,
)

TF32 = "tf32"
"""What CUDA's tensor cores make of float32: products are rounded to ten bits. float16 is not
offered: `benchmarks/activations.py` finds values far beyond its range in LATUP-Net."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table.

    Attributes:
        features: A processor with all of these falls under it.
        order: What it is fast at, the fastest first; float32 is always the last resort.
        words: Why.
    """

    features: frozenset[str]
    order: tuple[str, ...]
    words: str


DEFAULTS = (
    # With matrix units `benchmarks/engines.py` measured 0.5 times the time of float32 in bfloat16
    # and 0.9 in int8 for latup-net-fast: convolutions in float32 do without them, and so do those
    # in int8 by now, since OpenVINO's kernels for them take no zero points.
    Rule(frozenset({AMX}), (BFLOAT16, INT8), "its matrix units (AMX) are fast at bfloat16"),
    # Of processors with instructions for bfloat16 but no matrix units, `benchmarks/engines.py`
    # measured 0.49 times the time of float32 on an AMD EPYC (int8: 0.83), and 1.7 times on an
    # Intel Xeon.
    Rule(frozenset({AMD, AVX512_BF16}), (BFLOAT16, INT8), "AMD's vectors are fast at bfloat16"),
    Rule(frozenset({AVX512_VNNI}), (INT8,), "it multiplies int8 in 512-bit vectors (VNNI)"),
    Rule(frozenset({AVX_VNNI}), (INT8,), "it multiplies int8 in 256-bit vectors (VNNI)"),
    Rule(frozenset({AVX2}), (), "it has no fast int8 or bfloat16"),
    Rule(frozenset({ARM}), (), "other arithmetic was not measured on Arm"),
    Rule(frozenset(), (), "nothing faster is known of this processor"),
)
"""The default by processor; the first row that fits counts. A precision is taken only where the
model was measured in it and hardly differed."""


@dataclass(frozen=True, slots=True)
class Precision:
    """The arithmetic that was chosen, and why."""

    name: str
    reason: str


def choose_precision(
    asked: str, engine: str, device: str, processor: Processor, offered: Mapping[str, bool]
) -> Precision:
    """Decide on the arithmetic of an engine on a device.

    Args:
        asked: "auto", "float32", "bfloat16" or "int8".
        engine: "onnxruntime" or "openvino".
        device: Kind of the device, "cpu" or "cuda".
        processor: What computes, if it is the CPU.
        offered: Precisions that the model was measured in, and whether each may be the default.

    Raises:
        PrecisionMissingError: If int8 is asked for and the model has no such weights.
        DeviceError: If the engine or the processor cannot do what is asked for.
    """
    if device == "cuda":
        return _on_cuda(asked)
    if engine == "onnxruntime":
        return _in_onnxruntime(asked)
    if asked == AUTO:
        return _by_table(processor, offered)
    if asked == INT8 and INT8 not in offered:
        raise PrecisionMissingError(INT8)
    if asked == BFLOAT16 and not computes_in_bfloat16(processor):
        raise DeviceError("bfloat16", "this processor does not compute in it")
    return Precision(asked, f"{asked} was asked for")


def computes_in_bfloat16(processor: Processor) -> bool:
    """Whether it does; OpenVINO emulates nothing."""
    return bool(processor.features & {AMX, AVX512_BF16})


def rule_for(processor: Processor) -> Rule:
    """The row of the table that a processor falls under."""
    return next(rule for rule in DEFAULTS if rule.features <= processor.features)


def _by_table(processor: Processor, offered: Mapping[str, bool]) -> Precision:
    rule = rule_for(processor)
    for name in rule.order:
        if offered.get(name):
            return Precision(name, f"the fastest that this model was measured in: {rule.words}")
    if rule.order:
        return Precision(FLOAT32, "this model's measurements allow nothing shorter as a default")
    return Precision(FLOAT32, rule.words)


def _on_cuda(asked: str) -> Precision:
    if asked in (BFLOAT16, INT8):
        raise DeviceError(asked, "it is for the CPU; CUDA computes in tf32 or float32")
    if asked == FLOAT32:
        return Precision(FLOAT32, "float32 was asked for")
    return Precision(TF32, "tensor cores round products of float32 to ten bits")


def _in_onnxruntime(asked: str) -> Precision:
    if asked in (BFLOAT16, INT8):
        raise DeviceError(asked, "onnxruntime computes in float32 on the CPU")
    reason = "float32 was asked for" if asked == FLOAT32 else "onnxruntime computes in float32"
    return Precision(FLOAT32, reason)
