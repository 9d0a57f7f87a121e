"""Export small networks with more open than the batch: lengths, heights and widths, a past. Both of PyTorch's exporters write them.

Usage: python3 scripts/reference/open_sizes.py [test/fixtures/open-sizes [NAME ...]]

Needs a PyTorch with both exporters (made with 2.15) and onnxscript.
"""

import contextlib
import io
import os
import sys
import warnings

import onnx
import torch
import torch.nn.functional as F
from torch import nn


class Encoder(nn.Module):
    """A layer of attention that its exporter writes with the heads folded into the batch."""

    def __init__(self):
        super().__init__()
        self.into = nn.Linear(6, 16)
        self.layer = nn.TransformerEncoderLayer(16, 4, 24, batch_first=True)
        self.out = nn.Linear(16, 5)

    def forward(self, x):
        return self.out(self.layer(self.into(x)))


class Masked(nn.Module):
    """nn.MultiheadAttention with a mask of tokens."""

    def __init__(self):
        super().__init__()
        self.into, self.attention = nn.Linear(6, 16), nn.MultiheadAttention(16, 4, batch_first=True)
        self.out = nn.Linear(16, 5)

    def forward(self, x, mask):
        y = F.relu(self.into(x))
        y, _ = self.attention(y, y, y, key_padding_mask=mask < 0, need_weights=False)
        return self.out(y)


class Folded(nn.Module):
    """Attention by hand with batch times heads in one axis, as DeBERTa writes it."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(16, 16) for _ in range(3))
        self.into, self.out = nn.Linear(6, 16), nn.Linear(16, 5)

    def fold(self, y):
        y = y.view(y.shape[0], y.shape[1], 4, 4).permute(0, 2, 1, 3).contiguous()
        return y.view(-1, y.shape[2], y.shape[3])

    def forward(self, x):
        y = F.relu(self.into(x))
        q, k, v = self.fold(self.q(y)), self.fold(self.k(y)), self.fold(self.v(y))
        scores = torch.bmm(q, k.transpose(1, 2)) / 2
        scores = scores.view(-1, 4, scores.shape[1], scores.shape[2]).softmax(-1)
        z = torch.bmm(scores.view(-1, scores.shape[2], scores.shape[3]), v)
        z = z.view(-1, 4, z.shape[1], z.shape[2]).permute(0, 2, 1, 3).contiguous()
        return self.out(z.view(z.shape[0], z.shape[1], -1))


class UNet(nn.Module):
    """Two scales that meet; `by` is how the smaller one is brought to the size of the larger: "sizes" or "padding"."""

    def __init__(self, by):
        super().__init__()
        self.by = by
        self.a, self.b, self.c = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 8, 3, padding=1), nn.Conv2d(8, 10, 3, padding=1)
        self.up, self.end, self.out = nn.Conv2d(18, 8, 3, padding=1), nn.Conv2d(14, 6, 3, padding=1), nn.Conv2d(6, 2, 1)

    def join(self, small, large):
        if self.by == "sizes":
            y = F.interpolate(small, size=large.shape[2:], mode="bilinear", align_corners=False)
        else:
            y = F.interpolate(small, scale_factor=2, mode="nearest")
            down, right = large.shape[2] - y.shape[2], large.shape[3] - y.shape[3]
            y = F.pad(y, [right // 2, right - right // 2, down // 2, down - down // 2])
        return torch.cat([y, large], 1)

    def forward(self, x):
        a = F.relu(self.a(x))
        b = F.relu(self.b(F.max_pool2d(a, 2)))
        c = F.relu(self.c(F.max_pool2d(b, 2)))
        return self.out(F.relu(self.end(self.join(F.relu(self.up(self.join(c, b))), a))))


class Windows(nn.Module):
    """Attention within windows of 4 x 4, the image padded up to a multiple of them."""

    def __init__(self):
        super().__init__()
        self.into, self.qkv, self.merge, self.out = nn.Conv2d(3, 8, 1), nn.Linear(8, 24), nn.Linear(8, 8), nn.Conv2d(8, 2, 1)

    def forward(self, x):
        y = F.relu(self.into(x)).permute(0, 2, 3, 1)
        n, h, w, c = y.shape
        y = F.pad(y, (0, 0, 0, (4 - w % 4) % 4, 0, (4 - h % 4) % 4))
        rows, columns = y.shape[1] // 4, y.shape[2] // 4
        z = y.view(n, rows, 4, columns, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, c)
        q, k, v = self.qkv(z).reshape(-1, 16, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        z = (q @ k.transpose(-2, -1) / 2).softmax(-1) @ v
        z = self.merge(z.transpose(1, 2).reshape(-1, 16, c))
        z = z.view(n, rows, columns, 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(n, rows * 4, columns * 4, c)
        return self.out(z[:, :h, :w].permute(0, 3, 1, 2))


class Cached(nn.Module):
    """A layer of a decoder that takes keys and values of the past and gives them with those of the present."""

    def __init__(self):
        super().__init__()
        self.embed, self.q, self.k, self.v = nn.Embedding(20, 16), *(nn.Linear(16, 16) for _ in range(3))
        self.merge, self.up, self.down, self.out = nn.Linear(16, 16), nn.Linear(16, 24), nn.Linear(24, 16), nn.Linear(16, 20)

    def forward(self, ids, mask, key, value):
        x = self.embed(ids)
        q, k, v = (f(x).view(x.shape[0], x.shape[1], 4, 4).transpose(1, 2) for f in (self.q, self.k, self.v))
        key, value = torch.cat([key, k], 2), torch.cat([value, v], 2)
        scores = q @ key.transpose(-2, -1) / 2 + (1 - mask[:, None, None, :].to(q.dtype)) * -1e4
        y = (scores.softmax(-1) @ value).transpose(1, 2).reshape(x.shape[0], x.shape[1], 16)
        x = x + self.merge(y)
        return self.out(x + self.down(F.relu(self.up(x)))), key, value


class Recurrent(nn.Module):
    """Two layers of GRU over a sequence."""

    def __init__(self):
        super().__init__()
        self.into, self.gru, self.out = nn.Linear(6, 8), nn.GRU(8, 10, 2, batch_first=True), nn.Linear(10, 5)

    def forward(self, x):
        return self.out(self.gru(F.relu(self.into(x)))[0])


class Waves(nn.Module):
    """Convolutions along time, with a mean over it."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.out = nn.Conv1d(2, 8, 5, 2, 2), nn.Conv1d(8, 10, 3, 2, 1), nn.Linear(10, 5)

    def forward(self, x):
        return self.out(F.relu(self.b(F.relu(self.a(x)))).mean(2))


tokens, image = torch.randn(2, 7, 6), torch.randn(2, 3, 20, 16)
sequence, plane = {0: "batch", 1: "length"}, {0: "batch", 2: "height", 3: "width"}
cached = (torch.randint(0, 20, (2, 3)), torch.ones(2, 8, dtype=torch.int64), torch.randn(2, 4, 5, 4), torch.randn(2, 4, 5, 4))
past = {0: "batch", 2: "past"}
NETS = {
    "encoder": (Encoder, [tokens], [sequence], "dynamo"),
    "masked": (Masked, [tokens, torch.ones(2, 7)], [sequence, sequence], "ts"),
    # Axes in a list get names that are different for every input.
    "masked-unnamed": (Masked, [tokens, torch.ones(2, 7)], [[0, 1], [0, 1]], "ts"),
    "folded": (Folded, [tokens], [sequence], "dynamo"),
    "folded-ts": (Folded, [tokens], [sequence], "ts"),
    "unet-sizes": (lambda: UNet("sizes"), [image], [plane], "ts"),
    "unet-sizes-dynamo": (lambda: UNet("sizes"), [image], [plane], "dynamo"),
    "unet-padding": (lambda: UNet("padding"), [image], [plane], "ts"),
    "windows": (Windows, [image], [plane], "ts"),
    "cached": (Cached, list(cached), [sequence, {0: "batch", 1: "total"}, past, past], "ts"),
    "recurrent": (Recurrent, [tokens], [sequence], "ts"),
    "waves": (Waves, [torch.randn(2, 2, 32)], [{0: "batch", 2: "time"}], "ts"),
}
LETTERS = ["x", "mask", "key", "value"]


def export(name, folder):
    make, inputs, axes, exporter = NETS[name]
    torch.manual_seed(0)
    model = make().eval()
    names = ["ids", *LETTERS[1:]] if name == "cached" else LETTERS[: len(inputs)]
    path = os.path.join(folder, f"{name}.onnx")
    if exporter == "ts":
        torch.onnx.export(
            model, tuple(inputs), path, dynamo=False, input_names=names, dynamic_axes=dict(zip(names, axes)), opset_version=17
        )
    else:
        shapes = tuple({axis: torch.export.Dim.AUTO for axis in one} for one in axes)
        torch.onnx.export(
            model, tuple(inputs), path, dynamo=True, input_names=names, dynamic_shapes=shapes, external_data=False, verbose=False
        )
    # Where in a source the exporter was is not needed, and larger than the rest.
    model = onnx.load(path)
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    del model.metadata_props[:]
    onnx.save(model, path)
    print(name, os.path.getsize(path))


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    folder = sys.argv[1] if len(sys.argv) > 1 else "test/fixtures/open-sizes"
    os.makedirs(folder, exist_ok=True)
    for name in sys.argv[2:] or NETS:
        with contextlib.redirect_stderr(io.StringIO()):
            export(name, folder)
