"""SIMD values of sixteen float32 lanes for Numba kernels.

One row of a 16-pixel tile is one such value. LLVM compiles it to one AVX-512 register, two AVX2 or four NEON
registers. Kernels are written as plain arithmetic (``w = alpha * T``) and do not depend on the auto-vectorizer.
Products and sums may be contracted to fused multiply-adds.
"""

# The definition of a Numba intrinsic has two more arguments than its call, which type checkers do not support.
# mypy: disable-error-code="call-arg"

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.datamodel import models, register_default
from numba.extending import intrinsic, overload
from numba.np import arrayobj

WIDTH = 16

_F32, _I32, _I1 = ir.FloatType(), ir.IntType(32), ir.IntType(1)
_VECTOR, _BITS, _FLAGS = (ir.VectorType(t, WIDTH) for t in (_F32, _I32, _I1))
_CONTRACT = ("contract",)


class LanesType(types.Type):
    """The Numba type of sixteen float32 numbers."""

    def __init__(self) -> None:
        super().__init__(name="lanes")


class MaskType(types.Type):
    """The Numba type of sixteen booleans."""

    def __init__(self) -> None:
        super().__init__(name="mask")


lanes, mask = LanesType(), MaskType()


@register_default(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: types.Type) -> None:
        super().__init__(dmm, fe_type, _VECTOR)


@register_default(MaskType)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: types.Type) -> None:
        super().__init__(dmm, fe_type, _FLAGS)


def _broadcast(context: Any, builder: Any, kind: types.Type, value: Any) -> Any:
    """Lanes unchanged; a number as sixteen copies."""
    if kind is lanes:
        return value
    number = context.cast(builder, value, kind, types.float32)
    first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), number, _I32(0))
    return builder.shuffle_vector(first, ir.Constant(_VECTOR, ir.Undefined), ir.Constant(_BITS, None))


def _operator(op: Callable, result: types.Type, emit: Callable) -> None:
    """Implement the binary operator `op` for lanes; a plain number on one side is broadcast."""

    @intrinsic
    def call(typingctx: Any, a: Any, b: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            left, right = (_broadcast(context, builder, k, v) for k, v in zip(signature.args, args))
            return emit(builder, left, right)

        return result(a, b), codegen

    @overload(op)
    def implement(a, b):
        if lanes in (a, b) and all(x is lanes or isinstance(x, types.Number) for x in (a, b)):
            return lambda a, b: call(a, b)
        return None


_operator(operator.add, lanes, lambda b, x, y: b.fadd(x, y, flags=_CONTRACT))
_operator(operator.sub, lanes, lambda b, x, y: b.fsub(x, y, flags=_CONTRACT))
_operator(operator.mul, lanes, lambda b, x, y: b.fmul(x, y, flags=_CONTRACT))
_operator(operator.truediv, lanes, lambda b, x, y: b.fdiv(x, y))
_operator(operator.lt, mask, lambda b, x, y: b.fcmp_ordered("<", x, y))
_operator(operator.le, mask, lambda b, x, y: b.fcmp_ordered("<=", x, y))
_operator(operator.gt, mask, lambda b, x, y: b.fcmp_ordered(">", x, y))
_operator(operator.ge, mask, lambda b, x, y: b.fcmp_ordered(">=", x, y))
_operator(min, lanes, lambda b, x, y: b.select(b.fcmp_ordered("<", x, y), x, y))
_operator(max, lanes, lambda b, x, y: b.select(b.fcmp_ordered(">", x, y), x, y))


@intrinsic
def _and_masks(typingctx: Any, a: Any, b: Any) -> Any:
    return mask(a, b), lambda context, builder, signature, args: builder.and_(*args)


@overload(operator.and_)
def _and(a, b):
    return (lambda a, b: _and_masks(a, b)) if a is mask and b is mask else None


@intrinsic
def where(typingctx: Any, chosen: Any, yes: Any, no: Any) -> Any:
    """Per lane: `yes` where `chosen`, else `no` (each is lanes or one number)."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        sides = [_broadcast(context, builder, k, v) for k, v in zip(signature.args[1:], args[1:])]
        return builder.select(args[0], *sides)

    return lanes(chosen, yes, no), codegen


@intrinsic
def any_lane(typingctx: Any, flags: Any) -> Any:
    """Whether any lane of a mask is true."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = builder.bitcast(args[0], ir.IntType(WIDTH))
        return builder.icmp_unsigned("!=", word, ir.Constant(ir.IntType(WIDTH), 0))

    return types.boolean(flags), codegen


@intrinsic
def bits(typingctx: Any, flags: Any) -> Any:
    """A mask as the low sixteen bits of an integer; lane 0 is the lowest bit."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.zext(builder.bitcast(args[0], ir.IntType(WIDTH)), ir.IntType(64))

    return types.int64(flags), codegen


@intrinsic
def lowest(typingctx: Any, word: Any) -> Any:
    """The index of the lowest bit that is set in a nonzero integer."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), codegen


@intrinsic
def total(typingctx: Any, x: Any) -> Any:
    """The sum of the sixteen lanes, in tree order, so that the result is deterministic."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(_F32, [_F32, _VECTOR])
        reduce = cgutils.get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.fadd.v{WIDTH}f32")
        return builder.call(reduce, [ir.Constant(_F32, -0.0), args[0]], fastmath=("reassoc",))

    return types.float32(x), codegen


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = arrayobj.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())


@intrinsic
def load(typingctx: Any, array: Any, index: Any) -> Any:
    """Sixteen numbers of a flat float32 array, starting at `index`; bounds are not checked."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_address(context, builder, signature.args[0], *args), align=4)

    return lanes(array, types.intp), codegen


@intrinsic
def store(typingctx: Any, array: Any, index: Any, x: Any) -> Any:
    """Write sixteen numbers (lanes, or one number for all) to a flat float32 array, starting at `index`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = _broadcast(context, builder, signature.args[2], args[2])
        builder.store(value, _address(context, builder, signature.args[0], *args[:2]), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, x), codegen


@intrinsic
def fill(typingctx: Any, number: Any) -> Any:
    """Sixteen copies of one number."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _broadcast(context, builder, signature.args[0], args[0])

    return lanes(number), codegen


@intrinsic
def magnitude(typingctx: Any, x: Any) -> Any:
    """Absolute value of each lane."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits = builder.bitcast(args[0], _BITS)
        keep = ir.Constant(_BITS, [0x7FFFFFFF] * WIDTH)
        return builder.bitcast(builder.and_(bits, keep), _VECTOR)

    return lanes(x), codegen


@intrinsic
def _times_power_of_two(typingctx: Any, x: Any, shifted: Any) -> Any:
    """`x` times 2**n, where n is in the low bits of `shifted` (n + 1.5 * 2**23 as a float)."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits, exponent = (builder.bitcast(v, _BITS) for v in args)
        moved = builder.shl(exponent, ir.Constant(_BITS, [23] * WIDTH))
        return builder.bitcast(builder.add(bits, moved), _VECTOR)

    return lanes(x, shifted), codegen


@njit(error_model="numpy")
def workspace(size):
    """An uninitialized flat float32 array, aligned to 64 bytes, so that no row of lanes crosses a cache line."""
    array = np.empty(size + WIDTH, np.float32)
    start = (-(array.ctypes.data >> 2)) % WIDTH
    return array[start : start + size]


_LOG2_E = np.float32(1.4426950408889634)
_ROUND = np.float32(1.5 * 2**23)  # adding and subtracting it rounds a float32 to an integer
# 2**f on [-1/2, 1/2]: Taylor coefficients ln(2)**n / n!, the last one is fitted to the remainder; error 5e-8.
_C1, _C2, _C3, _C4, _C5, _C6 = (
    np.float32(c) for c in (0.6931472, 0.24022651, 0.055504109, 0.0096181291, 0.0013333558, 0.0001540353)
)
_ONE = np.float32(1)
_HIGHEST = np.float32(100)


@njit(error_model="numpy")
def exp_minus(x):
    """exp(-x) of lanes x >= 0, to about one unit in the last place; x is clamped to 69."""
    y = min(_LOG2_E * x, _HIGHEST)
    y = np.float32(0) - y
    shifted = y + _ROUND
    f = y - (shifted - _ROUND)
    p = _C6 * f + _C5
    p = p * f + _C4
    p = p * f + _C3
    p = p * f + _C2
    p = p * f + _C1
    p = p * f + _ONE
    return _times_power_of_two(p, shifted)
