"""Losses of samples, and the gradients of their mean, in float64 as PyTorch computes them: test/fixtures/losses.json.

    python3 scripts/reference/losses.py
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from torchvision.ops import sigmoid_focal_loss

torch.manual_seed(23)
torch.set_default_dtype(torch.float64)


def drawn(*shape, scale=1.5):
    """In float32, which is what the other side starts from."""
    return (scale * torch.randn(shape)).float().double()


def plain(value):
    kind = "float32" if value.is_floating_point() else "int64"
    numbers = [float(f"{x:.9g}") if kind == "float32" else int(x) for x in value.detach().flatten().tolist()]
    return {"dtype": kind, "shape": list(value.shape), "values": numbers}


cases = []


def case(what, settings, output, of, target=None, others=None, smoothing=0.0):
    """One case; `of` gives the loss of each sample, [N]."""
    output = output.clone().requires_grad_()
    each = of(output)
    (gradient,) = torch.autograd.grad(each.mean(), output)
    cases.append(
        {
            "what": what,
            "loss": settings,
            "labelSmoothing": smoothing,
            "output": plain(output),
            "target": None if target is None else plain(target),
            "others": {name: plain(value) for name, value in (others or {}).items()},
            "perSample": plain(each),
            "gradient": plain(gradient),
        }
    )


def over_places(value):
    return value.flatten(1).mean(1) if value.dim() > 1 else value


def cross_entropy(what, settings, output, target, smoothing=0.0):
    axis = settings.get("axis", 1)
    weights = settings.get("classWeights")
    ignore = settings.get("ignore", -100)

    def of(y):
        each = F.cross_entropy(
            y.movedim(axis, 1),
            target,
            weight=None if weights is None else torch.tensor(weights, dtype=torch.float64),
            ignore_index=ignore,
            label_smoothing=smoothing,
            reduction="none",
        )
        counts = (target != ignore).double()
        if target.dim() == 1:
            return each * counts
        return (each * counts).flatten(1).sum(1) / counts.flatten(1).sum(1).clamp(min=1)

    case(what, {"kind": "cross-entropy", **settings}, output, of, target, smoothing=smoothing)


WEIGHTS = [0.5, 2.0, 1.0, 0.25]
labels = torch.tensor([2, 0, 3])
pixels = torch.randint(0, 4, (3, 2, 5))
tokens = torch.randint(0, 4, (3, 6))
cross_entropy("classes", {}, drawn(3, 4), labels)
cross_entropy("weights and smoothing", {"classWeights": WEIGHTS}, drawn(3, 4), labels, 0.2)
cross_entropy("an ignored sample", {"ignore": 0}, drawn(3, 4), labels)
cross_entropy("ignored below 0, smoothed", {"ignore": -1}, drawn(3, 4), torch.tensor([2, -1, 3]), 0.1)
cross_entropy("pixels", {}, drawn(3, 4, 2, 5), pixels)
cross_entropy("pixels, ignored and weighted", {"ignore": 1, "classWeights": WEIGHTS}, drawn(3, 4, 2, 5), pixels)
cross_entropy("classes last", {"axis": -1}, drawn(3, 2, 5, 4), pixels)
padded = tokens.clone()
padded[0, 3:] = -100
padded[1] = -100
cross_entropy("tokens, classes last, padded", {"axis": 2, "ignore": -100}, drawn(3, 6, 4), padded, 0.1)
cross_entropy("classes in the middle", {"axis": 2}, drawn(3, 2, 4, 5), pixels)


def numbers(what, settings, output, target, of):
    case(what, settings, output, lambda y: over_places(of(y, target)), target)


for shape in [(4,), (3, 5), (2, 3, 2, 2)]:
    some, other = drawn(*shape), drawn(*shape)
    yes = (torch.rand(shape) < 0.4).double()
    said = f"{list(shape)}"
    numbers(said, {"kind": "mse"}, some, other, lambda y, t: F.mse_loss(y, t, reduction="none"))
    numbers(said, {"kind": "l1"}, some, other, lambda y, t: F.l1_loss(y, t, reduction="none"))
    numbers(said, {"kind": "huber"}, some, other, lambda y, t: F.huber_loss(y, t, reduction="none"))
    numbers(
        f"{said}, delta",
        {"kind": "huber", "delta": 0.3},
        some,
        other,
        lambda y, t: F.huber_loss(y, t, reduction="none", delta=0.3),
    )
    numbers(
        said,
        {"kind": "bce"},
        some,
        yes,
        lambda y, t: F.binary_cross_entropy_with_logits(y, t, reduction="none"),
    )
    numbers(
        f"{said}, weighted",
        {"kind": "bce", "positiveWeight": 3},
        some,
        yes,
        lambda y, t: F.binary_cross_entropy_with_logits(y, t, reduction="none", pos_weight=torch.tensor(3.0)),
    )
    numbers(
        said,
        {"kind": "focal"},
        4 * some,
        yes,
        lambda y, t: sigmoid_focal_loss(y, t, reduction="none"),
    )
    for alpha, gamma in [(0.75, 0), (0.5, 0.5), (0.1, 5)]:
        numbers(
            f"{said}, alpha {alpha}, gamma {gamma}",
            {"kind": "focal", "alpha": alpha, "gamma": gamma},
            some,
            yes,
            lambda y, t, a=alpha, c=gamma: sigmoid_focal_loss(y, t, alpha=a, gamma=c, reduction="none"),
        )


def divergence(what, settings, output, target):
    axis = settings.get("axis", 1)

    def of(y):
        return over_places(F.kl_div(y.log_softmax(axis), target, reduction="none").sum(axis))

    case(what, {"kind": "kl", **settings}, output, of, target)


divergence("classes", {}, drawn(3, 4), drawn(3, 4).softmax(1).float().double())
sure = torch.tensor([[0.0, 1.0, 0.0], [0.25, 0.0, 0.75]])
divergence("what cannot be", {}, drawn(2, 3), sure)
divergence("pixels", {}, drawn(2, 3, 2, 2), drawn(2, 3, 2, 2).softmax(1).float().double())
divergence("classes last", {"axis": -1}, drawn(2, 3, 4), drawn(2, 3, 4).softmax(2).float().double())


def angle(what, settings, output, target):
    axis = settings.get("axis", 1)
    case(
        what,
        {"kind": "cosine", **settings},
        output,
        lambda y: over_places(1 - F.cosine_similarity(y, target, dim=axis)),
        target,
    )


angle("vectors", {}, drawn(3, 5), drawn(3, 5))
angle("maps", {}, drawn(2, 3, 2, 2), drawn(2, 3, 2, 2))
angle("vectors last", {"axis": -1}, drawn(2, 3, 4), drawn(2, 3, 4))


def dice_of(p, t, smooth):
    common, both = (p * t).sum(2), p.sum(2) + t.sum(2)
    return 1 - ((2 * common + smooth) / (both + smooth)).mean(1)


def dice(what, settings, output, target):
    smooth = settings.get("smooth", 1)

    def of(y):
        if "axis" in settings:
            p = y.movedim(settings["axis"], 1).softmax(1)
            t = F.one_hot(target, p.shape[1]).movedim(-1, 1).double()
            return dice_of(p.flatten(2), t.flatten(2), smooth)
        channels = 1 if y.dim() < 3 else y.shape[1]
        return dice_of(*(value.reshape(len(y), channels, -1) for value in (y.sigmoid(), target)), smooth)

    case(what, {"kind": "dice", **settings}, output, of, target)


mask = (torch.rand(3, 2, 3, 4) < 0.3).double()
mask[0, 1] = 0
dice("masks of channels", {}, drawn(3, 2, 3, 4), mask)
dice("masks, smooth", {"smooth": 0.01}, drawn(3, 2, 3, 4), mask)
dice("one channel", {}, drawn(3, 1, 3, 4), mask[:, :1])
dice("without channels", {"smooth": 2}, drawn(3, 7), (torch.rand(3, 7) < 0.5).double())
dice("classes", {"axis": 1}, drawn(3, 4, 2, 5), pixels)
dice("classes last", {"axis": -1, "smooth": 0.1}, drawn(3, 2, 5, 4), pixels)


def ctc(what, settings, output, target):
    blank, time = settings.get("blank", 0), settings.get("time", 1)
    lengths = (target >= 0).sum(1)

    def of(y):
        steps = y if time == 0 else y.transpose(0, 1)
        return F.ctc_loss(
            steps.log_softmax(2),
            target.clamp(min=0),
            torch.full((len(target),), len(steps)),
            lengths,
            blank=blank,
            reduction="none",
            zero_infinity=True,
        )

    case(what, {"kind": "ctc", **settings}, output, of, target)


texts = torch.tensor([[1, 2, 3, -1], [4, 4, -1, -1], [2, 1, 2, 1]])
ctc("labels", {}, drawn(3, 8, 5), texts)
ctc("labels of a length", {"length": 5}, drawn(3, 8, 5), texts)
ctc("another blank", {"blank": 4}, drawn(3, 8, 5), torch.tensor([[0, 0, 0], [1, -1, -1], [3, 2, 3]]))
ctc("steps first", {"time": 0}, drawn(8, 3, 5), texts)
ctc("as many labels as steps, too many, none", {}, drawn(3, 4, 4), torch.tensor([[1, 2, 1, 2], [1, 1, 2, 2], [-1] * 4]))
ctc("one step", {}, drawn(2, 1, 3), torch.tensor([[1], [-1]]))
ctc("far logits", {}, drawn(2, 6, 4, scale=30), torch.tensor([[1, 2], [3, 3]]))


def contrast(what, settings, output, other, named=None):
    def of(y):
        a, b = F.normalize(y, dim=1), F.normalize(other, dim=1)
        scores = a @ b.T / settings.get("temperature", 0.07)
        return F.cross_entropy(scores, torch.arange(len(y)), reduction="none")

    target, others = (other, None) if named is None else (None, {named: other})
    case(what, {"kind": "info-nce", **settings}, output, of, target, others)


contrast("pairs", {}, drawn(4, 6), drawn(4, 6))
contrast("temperature", {"temperature": 0.5}, drawn(4, 6), drawn(4, 6))
contrast("another output", {"temperature": 0.2, "with": "texts"}, drawn(5, 3), drawn(5, 3), "texts")


def next_token(what, settings, output, ids, mask=None, target=None):
    named = {settings.get("tokens", "input_ids"): ids}
    if mask is not None:
        named[settings.get("mask", "attention_mask")] = mask
    ignore = settings.get("ignore", -100)
    real = torch.ones_like(ids) if mask is None else mask
    counts = ((real[:, 1:] * real[:, :-1] > 0) & (ids[:, 1:] != ignore)).double()

    def of(y):
        each = F.cross_entropy(y[:, :-1].transpose(1, 2), ids[:, 1:], ignore_index=ignore, reduction="none")
        return (each * counts).sum(1) / counts.sum(1).clamp(min=1)

    case(what, {"kind": "next-token", **settings}, output, of, ids if target else None, None if target else named)


ids = torch.randint(0, 7, (3, 5))
real = torch.tensor([[1, 1, 1, 0, 0], [0, 0, 1, 1, 1], [1, 0, 0, 0, 0]])
next_token("tokens", {}, drawn(3, 5, 7), ids)
next_token("padding right, left and all but one", {}, drawn(3, 5, 7), ids, real)
next_token("ignored", {"ignore": 3}, drawn(3, 5, 7), ids, real)
next_token("by other names", {"tokens": "text", "mask": "real"}, drawn(3, 5, 7), ids, real)
next_token("a target", {"tokens": "text", "ignore": -100}, drawn(3, 5, 7), padded[:, :5], target=True)

path = Path("test/fixtures/losses.json")
path.write_text(json.dumps({"torch": torch.__version__, "cases": cases}, separators=(",", ":")) + "\n")
print(f"{path}: {path.stat().st_size} bytes, {len(cases)} cases")
