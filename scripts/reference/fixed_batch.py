"""Export small networks at a fixed batch, as `torch.onnx.export(model, (x,), file)` does, and write what PyTorch computes of three samples.

Usage: python3 scripts/reference/fixed_batch.py [test/fixtures/fixed-batch [NAME ...]]

Needs a PyTorch with both exporters (made with 2.15) and onnxscript.
"""

import contextlib
import io
import json
import os
import sys
import warnings

import onnx
import torch
import torch.nn.functional as F
from torch import nn


class Cnn(nn.Module):
    """Convolutions and a flattened end; the batch in the target of a Reshape."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 6, 3, 2, 1)
        self.up, self.out = nn.Conv2d(6, 4, 1), nn.Linear(4 * 6 * 6, 5)

    def forward(self, x):
        y = F.relu(self.b(F.relu(self.a(x))))
        y = F.interpolate(self.up(y), size=(6, 6), mode="bilinear", align_corners=False)
        return self.out(y.reshape(x.shape[0], -1))


class Tokens(nn.Module):
    """A class token in front of patches, and attention with heads folded into the batch, on either side of it."""

    def __init__(self, heads_first):
        super().__init__()
        self.heads_first = heads_first
        self.patches, self.token = nn.Conv2d(3, 16, 4, 4), nn.Parameter(torch.randn(1, 1, 16))
        self.qkv, self.mix, self.out = nn.Linear(16, 48), nn.Linear(16, 16), nn.Linear(16, 5)

    def forward(self, x):
        y = self.patches(x).flatten(2).transpose(1, 2)
        y = torch.cat([self.token.expand(y.shape[0], -1, -1), y], 1)
        n, t, _ = y.shape
        order = (2, 0, 1, 3) if self.heads_first else (0, 2, 1, 3)
        q, k, v = (z.reshape(n, t, 4, 4).permute(order).reshape(n * 4, t, 4) for z in self.qkv(y).chunk(3, -1))
        z = torch.bmm(torch.softmax(torch.bmm(q, k.transpose(1, 2)) * 0.5, -1), v)
        z = z.reshape(4, n, t, 4).permute(1, 2, 0, 3) if self.heads_first else z.reshape(n, 4, t, 4).transpose(1, 2)
        return self.out((y + self.mix(z.reshape(n, t, 16)))[:, 0])


class Recurrence(nn.Module):
    """A state that is learned and spread over the batch, on the second axis."""

    def __init__(self):
        super().__init__()
        self.rnn, self.out = nn.LSTM(6, 8, batch_first=True), nn.Linear(8, 5)
        self.h = nn.Parameter(torch.randn(1, 1, 8))

    def forward(self, x):
        h = self.h.expand(-1, x.shape[0], -1).contiguous()
        return self.out(self.rnn(x, (h, h))[0][:, -1])


class Queries(nn.Module):
    """Tokens before the batch, and queries that are the same for all samples until they meet what they ask."""

    def __init__(self):
        super().__init__()
        self.q, self.norm = nn.Parameter(torch.randn(3, 16)), nn.LayerNorm(16)
        self.own, self.cross = nn.MultiheadAttention(16, 4), nn.MultiheadAttention(16, 4)
        self.out = nn.Linear(16, 5)

    def forward(self, x):
        m = x.transpose(0, 1)
        q = self.q.unsqueeze(1).repeat(1, x.shape[0], 1)
        q = self.norm(q + self.own(q, q, q, need_weights=False)[0])
        return self.out(self.cross(q, m, m, need_weights=False)[0].mean(0))


class Picked(nn.Module):
    """Places that are picked by the number of the sample and their own, as masks of transformers are."""

    def __init__(self):
        super().__init__()
        self.a, self.out = nn.Linear(6, 8), nn.Linear(8, 5)

    def forward(self, x):
        y = F.relu(self.a(x))
        picked = y[torch.arange(x.shape[0])[:, None], torch.tensor([[2, 0]])]
        return self.out(picked.mean(1))


class Mixed(nn.Module):
    """What a sample gives depends on the others: no opening is right."""

    def __init__(self):
        super().__init__()
        self.a, self.out = nn.Linear(6, 8), nn.Linear(8, 5)

    def forward(self, x):
        y = F.relu(self.a(x))
        return self.out(y - 0.5 * y.mean(0, keepdim=True))


class Different(nn.Module):
    """A constant that differs from sample to sample."""

    def __init__(self, batch):
        super().__init__()
        self.a, self.out = nn.Linear(6, 8), nn.Linear(8, 5)
        self.register_buffer("shift", torch.randn(batch, 8))

    def forward(self, x):
        return self.out(F.relu(self.a(x) + self.shift[: x.shape[0]]))


# Name: network of a batch size, shape of a sample.
NETS = {
    "cnn": (lambda _: Cnn(), (3, 12, 12)),
    "tokens": (lambda _: Tokens(False), (3, 8, 8)),
    "tokens-heads-first": (lambda _: Tokens(True), (3, 8, 8)),
    "recurrence": (lambda _: Recurrence(), (4, 6)),
    "queries": (lambda _: Queries(), (4, 16)),
    "picked": (lambda _: Picked(), (4, 6)),
    "mixed": (lambda _: Mixed(), (6,)),
    "different": (Different, (6,)),
}


def main(folder="test/fixtures/fixed-batch", *names):
    warnings.filterwarnings("ignore")
    os.makedirs(folder, exist_ok=True)
    for name in names or NETS:
        make, shape = NETS[name]
        for batch in (1, 2):
            torch.manual_seed(len(name))
            net = make(batch).eval()
            # Samples in whole batches.
            x = torch.randn(4, *shape).mul(256).round().div(256)
            with torch.no_grad():
                y = torch.cat([net(part) for part in x.split(batch)])
            # Either exporter once, each with its own way to write constants.
            dynamo = batch == 1
            path = f"{folder}/{name}-{batch}"
            more = {"external_data": False} if dynamo else {}
            with contextlib.redirect_stdout(io.StringIO()):
                torch.onnx.export(net, (x[:batch],), f"{path}.onnx", dynamo=dynamo, input_names=["x"], **more)
            model = onnx.load(f"{path}.onnx")
            for part in (model.graph, *model.graph.node, *model.graph.value_info):
                del part.metadata_props[:]
            onnx.save(model, f"{path}.onnx")
            with open(f"{path}.json", "w") as file:
                values = {key: [round(v, 6) for v in t.flatten().tolist()] for key, t in (("x", x), ("y", y))}
                json.dump({"shape": list(x.shape), **values}, file)
                file.write("\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
