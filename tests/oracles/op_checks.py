"""The operators from Python: torch.library.opcheck and gradcheck.

opcheck checks schema, autograd registration, meta functions and aliasing. Usage:
op_checks.py LIBLAIT_OPS_SO. Prints one line for each check and throws where one fails.
"""
import sys

import torch


def offsets(lengths):
    return torch.tensor([0, *torch.tensor(lengths).cumsum(0).tolist()], dtype=torch.int32)


def needs_gradient(argument):
    return torch.is_tensor(argument) and argument.requires_grad


def check(name, op, arguments, keywords=None, gradients=True):
    keywords = keywords or {}
    torch.library.opcheck(op, arguments, keywords)
    print(f"opcheck {name}: passed")
    if gradients:
        differentiable = [a for a in [*arguments, *keywords.values()] if needs_gradient(a)]
        assert differentiable, name

        def outputs(*tensors):
            given = iter(tensors)
            replaced = [next(given) if needs_gradient(a) else a for a in arguments]
            named = {k: next(given) if needs_gradient(a) else a for k, a in keywords.items()}
            out = op(*replaced, **named)
            return out[0] if isinstance(out, tuple) else out

        assert torch.autograd.gradcheck(outputs, differentiable, nondet_tol=0.0)
        print(f"gradcheck {name}: passed")


def random(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype, requires_grad=True)


def words(count):
    """Of two tokens in two segments (kernels/lexical_bias.h)."""
    return torch.randint(2, (count,), dtype=torch.int32) * 4096 + torch.arange(count).int() % 2


def attention():
    op = torch.ops.lait.segment_attention.default
    lengths = [3, 0, 1, 5]
    rows, units = sum(lengths) + 2, offsets(lengths)
    ids = torch.arange(4, dtype=torch.int32)
    plain = dict(scale=0.2, q_positions=None, causal=False, bias_table=None, bias_max_distance=128,
                 bias_bidirectional=True, dropout_p=0.0, seed=1, step=2, layer=3, unit_ids=None)
    cases = {
        "plain": {},
        "causal_bias": dict(causal=True, bias_table=random(8, 2), bias_max_distance=6,
                            bias_bidirectional=False),
        "dropout_bias": dict(bias_table=random(8, 2), bias_max_distance=6, dropout_p=0.3,
                             unit_ids=ids),
        "lexical": dict(lexical_bias=random(2), q_words=words(rows), k_words=words(rows)),
        "lexical_dropout_bias": dict(bias_table=random(8, 2), bias_max_distance=6, dropout_p=0.3,
                                     unit_ids=ids, lexical_bias=random(2), q_words=words(rows),
                                     k_words=words(rows)),
    }
    for name, change in cases.items():
        q, k, v = (random(rows, 2, 32) for _ in range(3))
        check(f"segment_attention {name}", op, (q, k, v, units, units), {**plain, **change})
    fused = random(rows, 3, 2, 32)  # strided views of one tensor
    q, k, v = (t.detach().requires_grad_() for t in fused.detach().unbind(1))
    check("segment_attention strided", op, (q, k, v, units, units), plain, gradients=False)
    first = offsets([1 if n else 0 for n in lengths])
    q = random(int(first[-1]), 2, 32)
    positions = torch.zeros(q.shape[0], dtype=torch.int32)
    k, v = random(rows, 2, 32), random(rows, 2, 32)
    check("segment_attention rows read", op, (q, k, v, first, units),
          {**plain, "q_positions": positions})
    for dtype in (torch.float32, torch.bfloat16):
        q, k, v = (random(rows, 2, 32, dtype=dtype) for _ in range(3))
        check(f"segment_attention {dtype}", op, (q, k, v, units, units), plain, gradients=False)


def rows():
    ids, positions = torch.arange(6, dtype=torch.int32), torch.arange(6, dtype=torch.int32)
    check("dropout_add", torch.ops.lait.dropout_add.default,
          (random(6, 8), random(6, 8), ids, positions),
          dict(p=0.4, seed=1, step=2, layer=3, site=2))
    index = torch.tensor([2, 0, 2], dtype=torch.int32)
    inverse_offsets = torch.tensor([0, 1, 1, 3], dtype=torch.int32)
    inverse = torch.tensor([1, 0, 2], dtype=torch.int32)
    check("gather_rows", torch.ops.lait.gather_rows.default,
          (random(3, 8), index, inverse_offsets, inverse))
    weight = torch.rand(8, dtype=torch.float64, requires_grad=True)
    check("rms_norm", torch.ops.lait.rms_norm.default, (random(70, 8), weight, 0.1))
    check("unit_mean", torch.ops.lait.unit_mean.default, (random(7, 8), offsets([2, 0, 4])))


if __name__ == "__main__":
    torch.manual_seed(5)
    torch.ops.load_library(sys.argv[1])
    attention()
    rows()
