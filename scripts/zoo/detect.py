"""Detectors: a YOLO-like net of C2f, SPPF and a feature pyramid with Resize, and SSD-like heads."""

import torch
import torch.nn.functional as F
from torch import nn

from form import Net
from own import conv_bn

CLASSES = 10


def conv_silu(fan_in, width, kernel=1, stride=1):
    return conv_bn(fan_in, width, kernel, stride, act=nn.SiLU)


class Bottleneck(nn.Module):
    def __init__(self, width, shortcut):
        super().__init__()
        self.body = nn.Sequential(conv_silu(width, width, 3), conv_silu(width, width, 3))
        self.shortcut = shortcut

    def forward(self, x):
        return x + self.body(x) if self.shortcut else self.body(x)


class C2f(nn.Module):
    """Split in halves; every bottleneck's result is kept; all are joined and mixed."""

    def __init__(self, fan_in, width, repeats, shortcut=True):
        super().__init__()
        self.enter = conv_silu(fan_in, width)
        self.blocks = nn.ModuleList(Bottleneck(width // 2, shortcut) for _ in range(repeats))
        self.leave = conv_silu(width // 2 * (2 + repeats), width)

    def forward(self, x):
        # Indexed, not unpacked, here and below: torch.fx cannot trace an iteration.
        halves = self.enter(x).chunk(2, 1)
        parts = [halves[0], halves[1]]
        for block in self.blocks:
            parts.append(block(parts[-1]))
        return self.leave(torch.cat(parts, 1))


class SPPF(nn.Module):
    """Max pools of growing reach, joined."""

    def __init__(self, width):
        super().__init__()
        self.enter = conv_silu(width, width // 2)
        self.leave = conv_silu(width * 2, width)

    def forward(self, x):
        parts = [self.enter(x)]
        for _ in range(3):
            parts.append(F.max_pool2d(parts[-1], 5, 1, 2))
        return self.leave(torch.cat(parts, 1))


class Head(nn.Module):
    """Boxes as distributions over 8 bins, and classes, by separate branches."""

    def __init__(self, fan_in, bins=8):
        super().__init__()
        self.boxes = nn.Sequential(conv_silu(fan_in, 32, 3), conv_silu(32, 32, 3), nn.Conv2d(32, 4 * bins, 1))
        self.classes = nn.Sequential(conv_silu(fan_in, 32, 3), conv_silu(32, 32, 3), nn.Conv2d(32, CLASSES, 1))

    def forward(self, x):
        return torch.cat([self.boxes(x), self.classes(x)], 1)


class Yolo(nn.Module):
    def __init__(self, w=16, bins=8):
        super().__init__()
        self.bins = bins
        self.stem = nn.Sequential(conv_silu(3, w, 3, 2), conv_silu(w, 2 * w, 3, 2), C2f(2 * w, 2 * w, 1))
        self.p3 = nn.Sequential(conv_silu(2 * w, 4 * w, 3, 2), C2f(4 * w, 4 * w, 2))
        self.p4 = nn.Sequential(conv_silu(4 * w, 8 * w, 3, 2), C2f(8 * w, 8 * w, 2))
        self.p5 = nn.Sequential(conv_silu(8 * w, 16 * w, 3, 2), C2f(16 * w, 16 * w, 1), SPPF(16 * w))
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.n4 = C2f(24 * w, 8 * w, 1, False)
        self.n3 = C2f(12 * w, 4 * w, 1, False)
        self.d4 = conv_silu(4 * w, 4 * w, 3, 2)
        self.m4 = C2f(12 * w, 8 * w, 1, False)
        self.d5 = conv_silu(8 * w, 8 * w, 3, 2)
        self.m5 = C2f(24 * w, 16 * w, 1, False)
        self.heads = nn.ModuleList(Head(n * w, bins) for n in (4, 8, 16))
        self.register_buffer("reach", torch.arange(bins, dtype=torch.float))

    def forward(self, x):
        p3 = self.p3(self.stem(x))
        p4 = self.p4(p3)
        p5 = self.p5(p4)
        n4 = self.n4(torch.cat([self.up(p5), p4], 1))
        n3 = self.n3(torch.cat([self.up(n4), p3], 1))
        m4 = self.m4(torch.cat([self.d4(n3), n4], 1))
        m5 = self.m5(torch.cat([self.d5(m4), p5], 1))
        flat = torch.cat([head(f).flatten(2) for head, f in zip(self.heads, (n3, m4, m5))], 2)
        parts = flat.split([4 * self.bins, CLASSES], 1)
        # The expected bin of each side.
        bins = parts[0].view(flat.shape[0], 4, self.bins, flat.shape[2]).softmax(2)
        sides = (bins * self.reach.view(1, 1, -1, 1)).sum(2)
        return torch.cat([sides, parts[1].sigmoid()], 1)


class Ssd(nn.Module):
    """A stem, two more scales, and heads whose maps become one list of boxes and scores each."""

    def __init__(self, anchors=4):
        super().__init__()
        self.one = nn.Sequential(conv_bn(3, 24, 3, 2), conv_bn(24, 48, 3, 2), conv_bn(48, 64, 3, 2))
        self.two = nn.Sequential(conv_bn(64, 32, 1), conv_bn(32, 96, 3, 2))
        self.three = nn.Sequential(conv_bn(96, 48, 1), conv_bn(48, 96, 3, 2))
        widths = (64, 96, 96)
        self.boxes = nn.ModuleList(nn.Conv2d(w, anchors * 4, 3, padding=1) for w in widths)
        self.scores = nn.ModuleList(nn.Conv2d(w, anchors * CLASSES, 3, padding=1) for w in widths)

    def forward(self, x):
        maps = [self.one(x)]
        for block in (self.two, self.three):
            maps.append(block(maps[-1]))
        # Channels last, then one row for each box, as torchvision and most others do.
        rows = lambda y, size: y.permute(0, 2, 3, 1).reshape(y.shape[0], -1, size)
        boxes = torch.cat([rows(head(m), 4) for head, m in zip(self.boxes, maps)], 1)
        scores = torch.cat([rows(head(m), CLASSES) for head, m in zip(self.scores, maps)], 1)
        return torch.cat([boxes, scores], 2), scores.softmax(2)


NETS = {
    "yolo": Net(Yolo, (3, 96, 96), 13, loss="meanSquaredError", note="own code: C2f, SPPF, FPN/PAN, DFL heads"),
    "yolo-folded": Net(Yolo, (3, 96, 96), 17, False, "meanSquaredError", note="the same, folded, in opset 17"),
    "ssd": Net(Ssd, (3, 64, 64), 13, loss="meanSquaredError", note="own code; two outputs, the loss on the first"),
}
