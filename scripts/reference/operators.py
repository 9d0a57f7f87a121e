"""What PyTorch makes of single operators, and its gradients: test/fixtures/operators.json.

    python3 scripts/reference/operators.py
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F

torch.manual_seed(11)
cases = []


def numbers(value):
    return {"shape": list(value.shape), "values": [float(f"{x:.9g}") for x in value.detach().flatten().tolist()]}


def case(name, run, nodes, constants=None, **inputs):
    """`nodes` say in ONNX what `run` says in PyTorch, of the inputs by name; the last node's output is compared."""
    leaves = {key: value.float().double().requires_grad_() for key, value in inputs.items()}
    y = run(**leaves)
    seed = torch.randn(y.shape, dtype=torch.float64).float().double()
    (y * seed).sum().backward()
    cases.append(
        {
            "name": name,
            "nodes": nodes,
            "constants": constants or {},
            "inputs": {key: numbers(value) for key, value in leaves.items()},
            "seed": numbers(seed),
            "output": numbers(y),
            "gradients": {key: numbers(value.grad) for key, value in leaves.items()},
        }
    )


def node(op, inputs, output="y", **attributes):
    return {"op": op, "inputs": inputs, "output": output, "attributes": attributes}


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


case(
    "instance_norm",
    lambda x, s, b: F.instance_norm(x, weight=s, bias=b, eps=1e-3),
    [node("InstanceNormalization", ["x", "s", "b"], epsilon=1e-3)],
    **{"x": draw(2, 3, 4, 3), "s": draw(3), "b": draw(3)},
)
case(
    "group_norm",
    lambda x, s, b: F.group_norm(x, 3, s, b, eps=1e-3),
    [node("GroupNormalization", ["x", "s", "b"], epsilon=1e-3, num_groups=3)],
    **{"x": draw(2, 6, 2, 3), "s": draw(6), "b": draw(6)},
)
case(
    "layer_norm",
    lambda x, s, b: F.layer_norm(x, (3, 4), s, b, eps=1e-3),
    [node("LayerNormalization", ["x", "s", "b"], epsilon=1e-3, axis=1)],
    **{"x": draw(3, 3, 4), "s": draw(3, 4), "b": draw(3, 4)},
)
for p in (1, 2):
    case(
        f"normalize, p = {p}",
        lambda x, p=p: F.normalize(x, p=p, dim=1),
        [node("LpNormalization", ["x"], axis=1, p=p)],
        x=draw(2, 4, 3),
    )
case(
    "local_response_norm",
    lambda x: F.local_response_norm(x, 3, alpha=0.8, beta=0.6, k=1.5),
    [node("LRN", ["x"], size=3, alpha=0.8, beta=0.6, bias=1.5)],
    x=draw(2, 6, 2, 3),
)
case(
    "pixel_shuffle",
    lambda x: F.pixel_shuffle(x, 2),
    [node("DepthToSpace", ["x"], blocksize=2, mode="CRD")],
    x=draw(2, 12, 2, 3),
)


def resize(name, shape, size, attributes, **options):
    case(
        f"interpolate, {name}",
        lambda x: F.interpolate(x, size=size, **options),
        [node("Resize", ["x", "", "", "sizes"], **attributes)],
        {"sizes": list(shape[:2]) + list(size)},
        x=draw(*shape),
    )


asymmetric = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
resize("nearest, whole factors", (2, 3, 3, 2), (6, 6), asymmetric, mode="nearest")
resize("nearest, both ways", (2, 3, 4, 5), (7, 3), asymmetric, mode="nearest")
exact = {"coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_ceil"}
resize("nearest-exact", (2, 3, 4, 5), (8, 7), exact, mode="nearest-exact")
half, corners = ({"coordinate_transformation_mode": mode} for mode in ("half_pixel", "align_corners"))
resize("linear", (2, 3, 5), (8,), {"mode": "linear", **half}, mode="linear", align_corners=False)
resize("bilinear", (2, 3, 4, 5), (7, 3), {"mode": "linear", **half}, mode="bilinear", align_corners=False)
resize("bilinear, corners", (2, 3, 4, 5), (7, 3), {"mode": "linear", **corners}, mode="bilinear", align_corners=True)
# PyTorch's filter is cut off at the border.
resize(
    *("bilinear, antialias", (1, 2, 7, 6), (3, 4), {"mode": "linear", "antialias": 1, "exclude_outside": 1, **half}),
    **{"mode": "bilinear", "align_corners": False, "antialias": True},
)
resize("bicubic", (1, 2, 4, 5), (6, 7), {"mode": "cubic", **half}, mode="bicubic", align_corners=False)
resize("bicubic, corners", (1, 2, 4, 5), (6, 7), {"mode": "cubic", **corners}, mode="bicubic", align_corners=True)
resize("trilinear", (1, 2, 2, 3, 2), (4, 4, 3), {"mode": "linear", **half}, mode="trilinear", align_corners=False)

pair = [node("QuantizeLinear", ["x", "s", "z"], "q"), node("DequantizeLinear", ["q", "s", "z"])]
# Steps that are no power of two would lie on a rounding boundary in one precision and off it in the other.
case(
    "fake_quantize, all alike",
    lambda x, s: torch._fake_quantize_learnable_per_tensor_affine(
        x.float(), s.float(), torch.tensor([5.0]), -128, 127, 1.0
    ).double(),
    pair,
    {"z": [5]},
    **{"x": draw(4, 5) * 2, "s": torch.tensor([0.015625])},
)
case(
    "fake_quantize, each channel",
    lambda x, s: torch._fake_quantize_learnable_per_channel_affine(
        x.float(), s.float(), torch.tensor([0.0, 4.0, -9.0]), 1, -128, 127, 1.0
    ).double(),
    pair,
    {"z": [0, 4, -9]},
    **{"x": draw(4, 3, 2) * 2, "s": torch.tensor([0.015625, 0.03125, 0.0078125])},
)

path = Path(__file__).parents[2] / "test/fixtures/operators.json"
path.write_text(json.dumps({"torch": torch.__version__, "cases": cases}) + "\n")
print(f"{path}: {len(cases)} cases")
