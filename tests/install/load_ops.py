"""The installed operators from Python: segment_attention against scaled_dot_product_attention.

Usage: load_ops.py LIBLAIT_OPS.SO
"""
import sys

import torch

torch.ops.load_library(sys.argv[1])
torch.manual_seed(1)
lengths, heads, head_dim = [3, 17, 1, 40], 4, 32
offsets = torch.tensor([0, *torch.tensor(lengths).cumsum(0)], dtype=torch.int32)
# 61 rows of units and 3 rows outside every unit.
q, k, v = (torch.randn(64, heads, head_dim) for _ in range(3))
out, _ = torch.ops.lait.segment_attention(q, k, v, offsets, offsets, scale=head_dim**-0.5)
worst = 0.0
for begin, end in zip(offsets[:-1].tolist(), offsets[1:].tolist()):
    alone = torch.nn.functional.scaled_dot_product_attention(
        *(t[begin:end].transpose(0, 1) for t in (q, k, v)))
    worst = max(worst, (out[begin:end] - alone.transpose(0, 1)).abs().max().item())
assert out[61:].abs().max() == 0, "rows outside every unit must be zero"
print("largest difference", worst)
assert worst < 1e-5, worst
