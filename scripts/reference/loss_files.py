"""Losses as ONNX files by both exporters of PyTorch, small networks for them, and what PyTorch computes:
test/fixtures/losses.

    python3 scripts/reference/loss_files.py
"""

import contextlib
import json
import re
from pathlib import Path

import onnx
import torch
import torch.nn.functional as F
from torch import nn

FOLDER = Path("test/fixtures/losses")
BATCH, SIDE, CLASSES, MOST = 4, 16, 3, 5

torch.manual_seed(23)


class Detector(nn.Module):
    """Scores [N, A, C] and boxes [N, A, 4] for the 8 x 8 places of an image."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, stride=2, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 8, 3, padding=1)
        self.scores = nn.Conv2d(8, CLASSES, 1)
        self.boxes = nn.Conv2d(8, 4, 1)

    def forward(self, image):
        x = F.relu(self.conv2(F.relu(self.norm1(self.conv1(image)))))
        return self.scores(x).flatten(2).transpose(1, 2), self.boxes(x).flatten(2).transpose(1, 2)


class DetectorLoss(nn.Module):
    """Focal loss of scores and smooth L1 of the boxes of positives; labels [N, M] are filled up with -1."""

    def __init__(self, whole=False):
        super().__init__()
        places = (torch.arange(8.0) + 0.5) / 8
        grid = torch.stack(torch.meshgrid(places, places, indexing="xy"), -1).reshape(1, -1, 1, 2)
        self.register_buffer("places", grid)
        self.whole = whole

    def forward(self, scores, boxes, labels, truth):
        far = (self.places - truth[:, None, :, :2]).abs().amax(-1)
        far = far.masked_fill((labels < 0)[:, None], 1e9)
        least, nearest = far.min(-1)
        positive = (least < 0.1).to(scores.dtype)
        box = truth.gather(1, nearest[..., None].expand(-1, -1, 4))
        label = labels.gather(1, nearest).clamp(min=0)
        wanted = F.one_hot(label, CLASSES) * positive[..., None]
        p = torch.sigmoid(scores)
        right = p * wanted + (1 - p) * (1 - wanted)
        weight = 0.25 * wanted + 0.75 * (1 - wanted)
        focal = weight * (1 - right) ** 2 * F.binary_cross_entropy_with_logits(scores, wanted, reduction="none")
        # The older exporter does not know F.smooth_l1_loss.
        far = (boxes - box).abs()
        off = torch.where(far < 1, far * far / 2, far - 0.5).sum(-1) * positive
        loss, count = focal.sum((1, 2)) + off.sum(1), positive.sum(1)
        return loss.sum() / count.sum().clamp(min=1) if self.whole else loss / count.clamp(min=1)


class Segmenter(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, stride=2, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(6)
        self.up = nn.ConvTranspose2d(6, 6, 2, stride=2)
        self.mask = nn.Conv2d(6, CLASSES, 1)

    def forward(self, image):
        return self.mask(F.relu(self.up(F.relu(self.norm1(self.conv1(image))))))


class SegmenterLoss(nn.Module):
    """Cross-entropy and dice; pixels of the class -1 do not count."""

    def __init__(self, whole=False):
        super().__init__()
        self.whole = whole

    def forward(self, mask, target):
        counts = target >= 0
        entropy = F.cross_entropy(mask, target, ignore_index=-1, reduction="none").sum((1, 2)) / counts.sum((1, 2))
        there = F.one_hot(target.clamp(min=0), CLASSES).permute(0, 3, 1, 2) * counts[:, None]
        share = mask.softmax(1) * counts[:, None]
        both, all_ = (share * there).sum((2, 3)), (share + there).sum((2, 3))
        loss = entropy + 1 - ((2 * both + 1) / (all_ + 1)).mean(1)
        return loss.mean() if self.whole else loss


def rounded(value):
    return value.float().double() if value.is_floating_point() else value


def plain(value):
    numbers = value.detach().flatten().tolist()
    return {"shape": list(value.shape), "values": [float(f"{x:.9g}") for x in numbers]}


def targets_of(name):
    if name == "segmenter":
        return {"target": torch.randint(-1, CLASSES, (BATCH, SIDE, SIDE))}
    labels = torch.full((BATCH, MOST), -1)
    for n, count in enumerate([3, 5, 0, 1]):
        labels[n, :count] = torch.randint(0, CLASSES, (count,))
    return {"labels": labels, "truth": rounded(torch.rand(BATCH, MOST, 4))}


def export(path, model, values, names, outputs, dynamo=False, is_open=True):
    values = tuple(value.float() if value.is_floating_point() else value for value in values)
    axes = {}
    if is_open and dynamo:
        axes = {"dynamic_shapes": tuple({0: torch.export.Dim("batch", min=1, max=4096)} for _ in values)}
    elif is_open:
        axes = {"dynamic_axes": {name: {0: "batch"} for name in names}}
    more = {"external_data": False} if dynamo else {
        "opset_version": 17, "training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False
    }
    model.float()
    torch.onnx.export(model, values, str(path), input_names=names, output_names=outputs, dynamo=dynamo, **axes, **more)
    model.double()


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, net, loss in [("detector", Detector(), DetectorLoss), ("segmenter", Segmenter(), SegmenterLoss)]:
        net = net.double()
        with torch.no_grad():
            for norm in [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]:
                norm.weight.uniform_(0.5, 1.5), norm.bias.uniform_(-0.3, 0.3)
                norm.running_mean.uniform_(-0.2, 0.2), norm.running_var.uniform_(0.5, 1.5)
            for tensor in net.state_dict().values():
                if tensor.is_floating_point():
                    tensor.copy_(rounded(tensor))
        image, targets = rounded(torch.randn(BATCH, 3, SIDE, SIDE)), targets_of(name)
        found = {"image": plain(image), "targets": {key: plain(value) for key, value in targets.items()}}
        outputs = ["scores", "boxes"] if name == "detector" else ["mask"]
        export(FOLDER / f"{name}.onnx", net.eval(), [image], ["image"], outputs)
        for mode in ["eval", "train"]:
            net.train(mode == "train")
            start = {key: value.clone() for key, value in net.state_dict().items()}
            for whole in [False, True]:
                net.load_state_dict(start)
                net.zero_grad()
                given = net(image)
                given = list(given) if isinstance(given, tuple) else [given]
                value = loss(whole).double()(*given, *targets.values())
                value.mean().backward()
                found[f"{mode}-{'mean' if whole else 'each'}"] = {
                    "loss": plain(value),
                    "gradients": {key: plain(p.grad) for key, p in net.named_parameters()},
                }
            net.load_state_dict(start)
        net.eval()
        values = net(image)
        values = [*(values if isinstance(values, tuple) else [values]), *targets.values()]
        for whole in [False, True]:
            for dynamo in [False, True]:
                path = FOLDER / f"{name}-{'mean' if whole else 'each'}-{'dynamo' if dynamo else 'older'}.onnx"
                export(path, loss(whole).eval(), values, outputs + list(targets), ["loss"], dynamo)
        path = FOLDER / f"{name}-each-fixed.onnx"
        export(path, loss().eval(), values, outputs + list(targets), ["loss"], True, False)
        (FOLDER / f"{name}.json").write_text(json.dumps(found))


main()


def without_traces():
    """Files without where on the disk the program stood that wrote them."""
    for path in FOLDER.glob("*.onnx"):
        model = onnx.load(path)
        for part in [*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info, model.graph]:
            del part.metadata_props[:]
            part.doc_string = ""
        path.write_bytes(model.SerializeToString())


def of_guide():
    """The losses of docs/guide/your-own-loss.md, by the programs that stand there."""
    page = Path("docs/guide/your-own-loss.md").read_text()
    for code in re.findall(r"^```python\n(.*?)^```", page, re.M | re.S):
        with contextlib.chdir(FOLDER):
            exec(code, {})


of_guide()
without_traces()
