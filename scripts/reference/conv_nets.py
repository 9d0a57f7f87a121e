"""Convolutional networks whose channels are coupled in ways that a plain chain of layers does not show."""

import torch
import torch.nn.functional as F
from torch import nn

from nets import Classifier, conv_bn


class ChannelGate(nn.Module):
    """Squeeze and excitation: one factor for each channel, the same for all pixels."""

    def __init__(self, width, squeeze):
        super().__init__()
        self.down = nn.Conv2d(width, squeeze, 1)
        nn.init.uniform_(self.down.bias, 0.2, 0.8)
        self.up = nn.Conv2d(squeeze, width, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(x, 1)))))


class SpatialGate(nn.Module):
    """One factor for each pixel, the same for all channels; `pooled` computes it of the channels' mean and maximum."""

    def __init__(self, width, pooled=False):
        super().__init__()
        self.pooled = pooled
        self.conv = nn.Conv2d(2 if pooled else width, 1, 3, padding=1)

    def forward(self, x):
        y = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1) if self.pooled else x
        return x * torch.sigmoid(self.conv(y))


def gates(pooled=False):
    return Classifier(
        *(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), ChannelGate(8, 3), SpatialGate(8, pooled)),
        *(nn.Conv2d(8, 6, 3, 2), nn.ReLU()),
        width=6,
    )


class Shuffle(nn.Module):
    """Channels written as (group, place), transposed, and flattened again."""

    def __init__(self, groups):
        super().__init__()
        self.groups = groups

    def forward(self, x):
        n, c, h, w = x.shape[0], x.shape[1], x.shape[2], x.shape[3]
        return x.view(n, self.groups, c // self.groups, h, w).transpose(1, 2).reshape(n, c, h, w)


class ShuffleV1(nn.Module):
    """Grouped 1x1, shuffle, depthwise, grouped 1x1; added to the input, or concatenated to its average pool."""

    def __init__(self, fan_in, width, groups, stride):
        super().__init__()
        self.stride = stride
        out = width - fan_in if stride == 2 else width
        # Places of a group that a shuffle sends to the same place of a group need a square of the groups.
        middle = 2 * groups * groups
        self.body = nn.Sequential(
            *(nn.Conv2d(fan_in, middle, 1, groups=groups), nn.ReLU(), Shuffle(groups)),
            *(nn.Conv2d(middle, middle, 3, stride, 1, groups=middle), nn.Conv2d(middle, out, 1, groups=groups)),
        )

    def forward(self, x):
        y = self.body(x)
        return F.relu(torch.cat([F.avg_pool2d(x, 3, 2, 1), y], 1) if self.stride == 2 else x + y)


def shuffle_v1():
    return Classifier(
        *(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU()),
        *(ShuffleV1(6, 12, 2, 2), ShuffleV1(12, 12, 2, 1)),
        width=12,
    )


class ShuffleV2(nn.Module):
    """One half passes, the other is convolved; both halves are concatenated and shuffled."""

    def __init__(self, width):
        super().__init__()
        half = width // 2
        self.body = nn.Sequential(
            *(nn.Conv2d(half, half, 1), nn.ReLU()),
            *(nn.Conv2d(half, half, 3, 1, 1, groups=half), nn.Conv2d(half, half, 1), nn.ReLU()),
        )
        self.shuffle = Shuffle(2)

    def forward(self, x):
        halves = x.chunk(2, 1)
        return self.shuffle(torch.cat([halves[0], self.body(halves[1])], 1))


class ShuffleV2Down(nn.Module):
    """Both branches are convolved, halve the pixels and double the channels."""

    def __init__(self, fan_in, width):
        super().__init__()
        half = width // 2
        self.left = nn.Sequential(
            nn.Conv2d(fan_in, fan_in, 3, 2, 1, groups=fan_in), nn.Conv2d(fan_in, half, 1), nn.ReLU()
        )
        self.right = nn.Sequential(
            *(nn.Conv2d(fan_in, half, 1), nn.ReLU()),
            *(nn.Conv2d(half, half, 3, 2, 1, groups=half), nn.Conv2d(half, half, 1), nn.ReLU()),
        )
        self.shuffle = Shuffle(2)

    def forward(self, x):
        return self.shuffle(torch.cat([self.left(x), self.right(x)], 1))


def shuffle_v2():
    return Classifier(
        *(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), ShuffleV2Down(6, 16), ShuffleV2(16), ShuffleV2(16)),
        *(nn.Conv2d(16, 6, 1), nn.ReLU()),
        width=6,
    )


class Bottleneck(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.body = nn.Sequential(conv_bn(width, width, 1, act=nn.SiLU), conv_bn(width, width, 3, act=nn.SiLU))

    def forward(self, x):
        return x + self.body(x)


class C2f(nn.Module):
    """YOLOv8's block: halves of a convolution, each further block of the last part, all concatenated."""

    def __init__(self, fan_in, width, count):
        super().__init__()
        self.first = conv_bn(fan_in, 2 * width, 1, act=nn.SiLU)
        self.blocks = nn.ModuleList(Bottleneck(width) for _ in range(count))
        self.last = conv_bn((2 + count) * width, fan_in, 1, act=nn.SiLU)

    def forward(self, x):
        halves = self.first(x).chunk(2, 1)
        parts = [halves[0], halves[1]]
        for block in self.blocks:
            parts.append(block(parts[-1]))
        return self.last(torch.cat(parts, 1))


class PyramidPool(nn.Module):
    """YOLO's SPPF: a convolution beside its repeated max pools, concatenated."""

    def __init__(self, fan_in, width):
        super().__init__()
        self.first = conv_bn(fan_in, width, 1, act=nn.SiLU)
        self.last = conv_bn(4 * width, fan_in, 1, act=nn.SiLU)

    def forward(self, x):
        x = self.first(x)
        a = F.max_pool2d(x, 3, 1, 1)
        b = F.max_pool2d(a, 3, 1, 1)
        return self.last(torch.cat([x, a, b, F.max_pool2d(b, 3, 1, 1)], 1))


def c2f():
    return Classifier(conv_bn(3, 6, 3, 2, act=nn.SiLU), C2f(6, 3, 2), PyramidPool(6, 4), width=6)


def grouped_uneven():
    """Groups of unequal numbers of inputs and outputs, and a depthwise convolution with two outputs for each input."""
    return Classifier(
        *(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 12, 3, padding=1, groups=3), nn.ReLU()),
        *(nn.Conv2d(12, 24, 3, 2, 1, groups=12), nn.ReLU(), nn.Conv2d(24, 8, 1, groups=2), nn.ReLU()),
        width=8,
    )


class Unfold(nn.Module):
    """Pixel shuffle in view, permute and reshape, or without `up` its inverse."""

    def __init__(self, by, up):
        super().__init__()
        self.by = by
        self.up = up

    def forward(self, x):
        n, c, h, w, r = x.shape[0], x.shape[1], x.shape[2], x.shape[3], self.by
        if self.up:
            x = x.view(n, c // (r * r), r, r, h, w).permute(0, 1, 4, 2, 5, 3)
            return x.reshape(n, c // (r * r), h * r, w * r)
        x = x.view(n, c, h // r, r, w // r, r).permute(0, 1, 3, 5, 2, 4)
        return x.reshape(n, c * r * r, h // r, w // r)


def pixel_shuffle(up):
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 16, 3, padding=1), up, nn.ReLU()),
        *(nn.Conv2d(4, 3, 3, padding=1), nn.Tanh()),
    )


def pixel_unshuffle():
    return Classifier(
        *(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), Unfold(2, False), nn.Conv2d(16, 6, 1), nn.ReLU()), width=6
    )


class UNet(nn.Module):
    """Two levels; `up` is "transpose", "nearest" or "bilinear"."""

    def __init__(self, up):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 6, 3, 2, 1)
        self.mode = up
        self.up = nn.ConvTranspose2d(6, 5, 2, 2) if up == "transpose" else nn.Conv2d(6, 5, 1)
        self.last = nn.Conv2d(9, 4, 3, padding=1)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        a = F.relu(self.first(x))
        b = self.up(F.relu(self.second(a)))
        if self.mode == "nearest":
            b = F.interpolate(b, scale_factor=2, mode="nearest")
        elif self.mode == "bilinear":
            b = F.interpolate(b, scale_factor=2, mode="bilinear", align_corners=False)
        return self.head(F.relu(self.last(torch.cat([a, F.relu(b)], 1))))


class Shared(nn.Module):
    """One convolution applied twice, and one linear layer to two branches."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.conv = nn.Conv2d(6, 6, 3, padding=1)
        self.branch = nn.Conv2d(6, 6, 3, 2)
        self.embed = nn.Linear(6, 8)
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        x = F.relu(self.stem(x))
        x = F.relu(self.conv(F.relu(self.conv(x))))
        a = F.relu(self.embed(x.mean((2, 3))))
        b = F.relu(self.embed(F.relu(self.branch(x)).mean((2, 3))))
        return self.head(torch.cat([a, b], 1))


class ConcatAxes(nn.Module):
    """Two branches side by side in space, one above the other, and one after the other in the batch."""

    def __init__(self):
        super().__init__()
        self.left = nn.Conv2d(3, 6, 3, padding=1)
        self.right = nn.Conv2d(3, 6, 3, padding=1)
        self.below = nn.Conv2d(6, 5, 3)
        self.again = nn.Conv2d(6, 5, 3)
        self.head = nn.Linear(10, 5)

    def forward(self, x):
        wide = torch.cat([F.relu(self.left(x)), F.relu(self.right(x))], 3)
        tall = torch.cat([F.relu(self.below(wide)), F.relu(self.again(wide))], 2).mean((2, 3))
        return self.head(torch.cat([tall, torch.tanh(tall)], 1))


class Twice(nn.Module):
    """A convolution concatenated with itself, behind an activation or not."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.next = nn.Conv2d(18, 5, 3)
        self.head = nn.Linear(5, 5)

    def forward(self, x):
        x = self.stem(x)
        return self.head(F.relu(self.next(torch.cat([x, F.relu(x), x], 1))).mean((2, 3)))


class Boxes(nn.Module):
    """SSD's head: 4 numbers and 3 scores for each of 2 boxes a pixel, of two levels, concatenated over the boxes."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, 2, 1)
        self.second = nn.Conv2d(6, 8, 3, 2, 1)
        self.places = nn.ModuleList([nn.Conv2d(6, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)])
        self.scores = nn.ModuleList([nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(8, 6, 3, padding=1)])

    def forward(self, x):
        a = F.relu(self.first(x))
        b = F.relu(self.second(a))
        n = x.shape[0]

        def boxes(layers, size):
            rows = [layer(y).permute(0, 2, 3, 1).reshape(n, -1, size) for layer, y in zip(layers, (a, b))]
            return torch.cat(rows, 1)

        return torch.cat([boxes(self.places, 4), boxes(self.scores, 3).sigmoid()], 2)
