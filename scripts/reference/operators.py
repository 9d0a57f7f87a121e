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
    y = run(*leaves.values())
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

def fixed(dtype, value):
    """An input that has no gradient."""
    value = torch.as_tensor(value)
    return {"dtype": dtype, "shape": list(value.shape), "values": [float(x) for x in value.flatten().tolist()]}


def single(op, run, attributes=None, constants=None, what="", order=None, **inputs):
    """One node, whose inputs stand in the order of the arguments, or in another one; "" is an input left out."""
    names = order or [*inputs, *(constants or {})]
    case(what or op, run, [node(op, names, **(attributes or {}))], constants, **inputs)


# Losses as one node.
labels = torch.tensor([[0, 2, 1], [-1, 1, 3]])
some, weights = draw(2, 4, 3), torch.tensor([0.5, 2, 1, 1.5], dtype=torch.float64)
deep = torch.tensor([[[0, 2], [1, -1]], [[3, 3], [2, 0]]])
for op, loss, scores in [
    ("SoftmaxCrossEntropyLoss", F.cross_entropy, lambda x: x),
    ("NegativeLogLikelihoodLoss", F.nll_loss, lambda x: x.log_softmax(1)),
]:
    for reduction in ("none", "mean", "sum"):
        for shape, target in [((2, 4, 3), labels), ((2, 4, 2, 2), deep), ((3, 4), torch.tensor([2, 0, 3]))]:
            for weight in (None, weights):
                single(
                    op,
                    lambda x, r=reduction, t=target, w=weight, f=loss: f(
                        x, t, weight=w, ignore_index=-1, reduction=r
                    ),
                    {"reduction": reduction, "ignore_index": -1},
                    {"t": fixed("int64", target), **({} if weight is None else {"w": fixed("float32", weight)})},
                    f"{op}, {reduction}, {list(shape)}" + ("" if weight is None else ", weights"),
                    x=scores(draw(*shape)),
                )
    single(
        op,
        lambda x, f=loss: f(x, torch.tensor([1, 3, 1]), ignore_index=3, reduction="mean"),
        {"ignore_index": 3},
        {"t": fixed("int32", [1, 3, 1])},
        f"{op}, a class is ignored",
        x=scores(draw(3, 4)),
    )
    single(
        op,
        lambda x, f=loss: f(x, torch.tensor([1, 3, 1])),
        constants={"t": fixed("int64", [1, 3, 1])},
        what=f"{op}, as it comes",
        x=scores(draw(3, 4)),
    )

# One number from one.
for op, run in {
    "Cos": torch.cos,
    "Sin": torch.sin,
    "Sinh": torch.sinh,
    "Cosh": torch.cosh,
    "Tan": torch.tan,
    "Atan": torch.atan,
    "Asinh": torch.asinh,
    "Exp": torch.exp,
    "Reciprocal": torch.reciprocal,
    "Mish": F.mish,
    "Selu": F.selu,
    "Softsign": F.softsign,
    "Identity": torch.clone,
    "com.microsoft.Gelu": F.gelu,
    "com.microsoft.FastGelu": lambda x: F.gelu(x, approximate="tanh"),
}.items():
    single(op, run, x=draw(3, 4))
for op, run in {"Acos": torch.acos, "Asin": torch.asin, "Atanh": torch.atanh}.items():
    single(op, run, x=draw(3, 4).tanh() * 0.9)
single("Acosh", torch.acosh, x=1.1 + draw(3, 4).abs())
single("Celu", lambda x: F.celu(x, 0.7), {"alpha": 0.7}, x=draw(3, 4))
single("ThresholdedRelu", lambda x: F.threshold(x, 0.4, 0.0), {"alpha": 0.4}, x=draw(3, 4))
single("Gelu", F.gelu, x=draw(3, 4))
single("Gelu", lambda x: F.gelu(x, approximate="tanh"), {"approximate": "tanh"}, what="Gelu, tanh", x=draw(3, 4))
single("com.microsoft.QuickGelu", lambda x: x * torch.sigmoid(1.3 * x), {"alpha": 1.3}, x=draw(3, 4))
single("com.microsoft.BiasGelu", lambda x, b: F.gelu(x + b), x=draw(3, 4), b=draw(4))
single("CastLike", torch.clone, constants={"like": fixed("float32", [1.0])}, x=draw(3, 4))
single("Dropout", lambda x: F.dropout(x, 0.5, training=False), constants={"r": fixed("float32", 0.5)}, x=draw(3, 4))
single("Min", torch.minimum, a=draw(3, 4), b=draw(4))
single("Mod", torch.fmod, {"fmod": 1}, a=draw(3, 4) * 3, b=0.5 + draw(4).abs())
single("Sum", lambda a, b, c: a + b + c, a=draw(3, 4), b=draw(4), c=draw(3, 1))
single("Mean", lambda a, b, c: (a + b + c) / 3, a=draw(3, 4), b=draw(4), c=draw(3, 1))

# Along axes.
single("LogSoftmax", lambda x: x.log_softmax(1), {"axis": 1}, x=draw(2, 4, 3))
single("CumSum", lambda x: x.cumsum(1), constants={"a": fixed("int64", 1)}, x=draw(2, 4, 3))
single("Trilu", lambda x: x.triu(1), constants={"k": fixed("int64", 1)}, x=draw(2, 4, 3))
single("Trilu", lambda x: x.tril(-1), {"upper": 0}, {"k": fixed("int64", -1)}, "Trilu, lower", x=draw(2, 4, 3))
axes = {"axes": fixed("int64", [1])}
for op, run in {
    "ReduceL1": lambda x: x.abs().sum(1, keepdim=True),
    "ReduceL2": lambda x: torch.linalg.vector_norm(x, dim=1, keepdim=True),
    "ReduceLogSumExp": lambda x: x.logsumexp(1, keepdim=True),
    "ReduceProd": lambda x: x.prod(1, keepdim=True),
    "ReduceSumSquare": lambda x: (x * x).sum(1, keepdim=True),
}.items():
    single(op, run, constants=axes, x=draw(2, 4, 3))
single("ReduceLogSum", lambda x: x.sum(1, keepdim=True).log(), constants=axes, x=0.5 + draw(2, 4, 3).abs())
single("GlobalMaxPool", lambda x: F.adaptive_max_pool2d(x, 1), x=draw(2, 3, 4, 3))
single("SpaceToDepth", lambda x: F.pixel_unshuffle(x, 2), {"blocksize": 2}, what="pixel_unshuffle", x=draw(2, 1, 4, 6))
single(
    "MeanVarianceNormalization",
    lambda x: (x - x.mean((0, 2), keepdim=True)) / x.std((0, 2), unbiased=False, keepdim=True),
    {"axes": [0, 2]},
    x=draw(2, 3, 4),
)
single(
    *("TopK", lambda x: x.topk(2, dim=1, largest=False).values, {"axis": 1, "largest": 0}, {"k": fixed("int64", [2])}),
    x=draw(2, 4, 3),
)
kept = torch.tensor([True, False, True, True])
single("Compress", lambda x: x[:, kept], {"axis": 1}, {"c": fixed("bool", kept)}, x=draw(2, 4, 3))
single(
    "ReverseSequence",
    lambda x: torch.stack([torch.cat([x[i, :n].flip(0), x[i, n:]]) for i, n in enumerate((2, 4))]),
    {"batch_axis": 0, "time_axis": 1},
    {"n": fixed("int64", [2, 4])},
    x=draw(2, 4, 3),
)
where = torch.tensor([[0, 2, 1], [3, 0, 2]])
for reduction, update in [("none", torch.Tensor.scatter), ("add", torch.Tensor.scatter_add)]:
    single(
        "ScatterElements",
        lambda x, u, f=update: f(x, 0, where, u),
        {"axis": 0, "reduction": reduction},
        {"i": fixed("int64", where)},
        f"scatter, {reduction}",
        ["x", "i", "u"],
        **{"x": draw(4, 3), "u": draw(2, 3)},
    )
    single(
        "ScatterND",
        lambda x, u, r=reduction: x.index_put((torch.tensor([3, 1]),), u, accumulate=r == "add"),
        {"reduction": reduction},
        {"i": fixed("int64", [[3], [1]])},
        f"index_put, {reduction}",
        ["x", "i", "u"],
        **{"x": draw(4, 3), "u": draw(2, 3)},
    )
single(
    "GatherND",
    lambda x: x[[2, 0, 2], [1, 3, -1]],
    constants={"i": fixed("int64", [[2, 1], [0, 3], [2, -1]])},
    what="indexing, GatherND",
    x=draw(3, 4, 2),
)
# PyTorch gives the places of the maxima, which ONNX counts over the whole tensor.
pooled, places = F.max_pool2d(draw(2, 3, 4, 6), 2, return_indices=True)
planes = torch.arange(6).reshape(2, 3, 1, 1) * 24
single(
    "MaxUnpool",
    lambda x: F.max_unpool2d(x, places, 2),
    {"kernel_shape": [2, 2], "strides": [2, 2]},
    {"i": fixed("int64", places + planes)},
    x=pooled,
)

# Products, and what is sampled.
for equation, *shapes in [
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 2)),
    ("ij,kj->ki", (3, 4), (2, 4)),
    ("bii->b", (2, 3, 3)),
]:
    values = {name: draw(*shape) for name, shape in zip("ab", shapes)}
    said = {"equation": equation}
    single("Einsum", lambda *x, e=equation: torch.einsum(e, *x), said, what=f"einsum {equation}", **values)
single(
    "com.microsoft.FusedMatMul",
    lambda a, b: 0.5 * a.transpose(1, 2) @ b.transpose(1, 2),
    {"alpha": 0.5, "transA": 1, "transB": 1},
    **{"a": draw(2, 4, 3), "b": draw(2, 5, 4)},
)
single(
    "com.microsoft.FusedGemm",
    lambda a, b, c: F.leaky_relu(0.5 * a @ b.T + 2 * c, 0.2),
    {"alpha": 0.5, "beta": 2.0, "transB": 1, "activation": "LeakyRelu", "activation_alpha": 0.2},
    **{"a": draw(3, 4), "b": draw(5, 4), "c": draw(5)},
)
single(
    "com.microsoft.FusedConv",
    lambda x, w, b: F.relu(F.conv2d(x, w, b, stride=2, padding=1)),
    {"pads": [1, 1, 1, 1], "strides": [2, 2], "activation": "Relu"},
    **{"x": draw(2, 3, 5, 4), "w": draw(4, 3, 3, 3), "b": draw(4)},
)
for padding, corners in [("zeros", False), ("border", True), ("reflection", False)]:
    single(
        "GridSample",
        lambda x, g, p=padding, c=corners: F.grid_sample(x, g, "bilinear", p, align_corners=c),
        {"mode": "linear", "padding_mode": padding, "align_corners": int(corners)},
        what=f"grid_sample, {padding}",
        **{"x": draw(2, 3, 4, 5), "g": draw(2, 3, 2, 2)},
    )

# Of transformers.
single("RMSNormalization", lambda x, s: F.rms_norm(x, (4,), s, 0.1), {"epsilon": 0.1}, x=draw(2, 3, 4), s=draw(4))
single(
    "SimplifiedLayerNormalization",
    lambda x, s: F.rms_norm(x, (4,), s, 0.1),
    {"epsilon": 0.1},
    **{"x": draw(2, 3, 4), "s": draw(4)},
)
skipped = {"x": draw(2, 3, 4), "k": draw(2, 3, 4), "s": draw(4)}
single(
    "com.microsoft.SkipLayerNormalization",
    lambda x, k, s, b, c: F.layer_norm(x + k + c, (4,), s, b, 0.1),
    {"epsilon": 0.1},
    **{**skipped, "b": draw(4), "c": draw(4)},
)
single(
    "com.microsoft.SkipSimplifiedLayerNormalization",
    lambda x, k, s, c: F.rms_norm(x + k + c, (4,), s, 0.1),
    {"epsilon": 0.1},
    **{**skipped, "c": draw(4)},
)
attended = {"q": draw(2, 4, 3, 4), "k": draw(2, 2, 3, 4), "v": draw(2, 2, 3, 5)}
single(
    "Attention",
    lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.3, enable_gqa=True),
    {"is_causal": 1, "scale": 0.3},
    what="scaled_dot_product_attention, grouped, causal",
    **attended,
)
mask = torch.tensor([[True, False, True, True], [True, True, True, False]])
single(
    "Attention",
    lambda q, k, v: F.scaled_dot_product_attention(q, k, v, mask),
    constants={"m": fixed("bool", mask)},
    what="scaled_dot_product_attention, masked",
    **{"q": draw(1, 2, 2, 3), "k": draw(1, 2, 4, 3), "v": draw(1, 2, 4, 3)},
)
angles = draw(5, 2)


def turned(x):
    a, b = x.chunk(2, dim=-1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


single(
    "RotaryEmbedding",
    turned,
    constants={
        "c": fixed("float32", angles.cos()),
        "s": fixed("float32", angles.sin()),
        "p": fixed("int64", torch.arange(5).repeat(2, 1)),
    },
    x=draw(2, 3, 5, 4),
)

path = Path(__file__).parents[2] / "test/fixtures/operators.json"
path.write_text(json.dumps({"torch": torch.__version__, "cases": cases}) + "\n")
print(f"{path}: {len(cases)} cases")
