"""Export the networks of the zoo to ONNX, with what PyTorch computes of each in float64.

Usage: python3 scripts/zoo/export.py [CACHE] [--only NAME,NAME] [--again]

CACHE (default ~/.cache/secateur-zoo) gets NAME.onnx, NAME.json and NAME.bin of each network: the file, and the input,
target, loss and gradients of one batch of 2 in inference mode. A gradient jumps where a Relu's or a MaxPool's choice hangs
on the last bit, so batches are drawn until PyTorch's own gradients in float32, of the batch and of it disturbed by 2e-6, are
those in float64; 100 at most and for about two minutes of processor time. What is there already is left alone without --again.
Weights are random by a fixed seed. Needs torch 1.13, torchvision 0.14 and onnx (Debian's packages); nothing is fetched.
"""

import argparse
import gc
import json
import os
import sys
import time
import warnings
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../reference"))

import numpy as np
import onnx
import torch
from torch import nn
from torch.fx.experimental.optimization import fuse
from torch.onnx import TrainingMode

import detect
import own
import sequence
import vision
from form import calibrate, randomize
from small_nets import backward, match

NETS = {**vision.NETS, **own.NETS, **detect.NETS, **sequence.NETS}

BATCH = 2
# Above so many bytes of gradients, large ones are stored as sketches.
MOST_BYTES = 400e6
SKETCHED = 1 << 22
BUCKETS = 1 << 16
DRAWS = 100
CLOSE = 1e-4
MOST_SECONDS = 120


def sketch(values):
    """Sums of `values` in buckets with random signs (a count sketch), which keeps norms of differences."""
    h = np.arange(values.size, dtype=np.uint32) * np.uint32(2654435761)
    h ^= h >> np.uint32(15)
    h *= np.uint32(2246822519)
    h ^= h >> np.uint32(13)
    signs = np.where(h & np.uint32(1), 1.0, -1.0)
    return np.bincount(h >> np.uint32(16), values * signs, BUCKETS)


def samples(net):
    if net.ids:
        return torch.randint(0, net.ids, (BATCH, *net.shape))
    return torch.randn(BATCH, *net.shape)


def export(model, x, outputs, net, path):
    """Write the ONNX file. MultiheadAttention counts as training, so that it is written by standard operators."""
    for module in model.modules():
        if isinstance(module, (nn.MultiheadAttention, nn.TransformerEncoder, nn.TransformerEncoderLayer)):
            module.training = True
    normed = any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    names = ["output", *(f"output_{i}" for i in range(1, outputs))]
    torch.onnx.export(
        model,
        x,
        path,
        opset_version=net.opset,
        input_names=["input"],
        output_names=names,
        dynamic_axes={name: {0: "batch"} for name in ("input", *names)},
        training=TrainingMode.PRESERVE if net.kept or not normed else TrainingMode.EVAL,
        do_constant_folding=not net.kept,
    )


class Store:
    """Arrays behind one another in one file."""

    def __init__(self, path):
        self.file = open(path, "wb")
        self.offset = 0

    def add(self, array, dtype="<f4"):
        data = np.ascontiguousarray(array).astype(dtype)
        entry = {"shape": list(data.shape), "offset": self.offset}
        self.file.write(data.tobytes())
        self.offset += data.nbytes
        return entry


def aim(net, shape):
    """A target for an output."""
    if net.loss == "crossEntropy":
        return torch.randint(0, shape[1], (shape[0], *shape[2:]))
    return torch.rand(shape)


def apart(some, others):
    """The largest relative difference of two sets of gradients, those that are all but zero left out."""
    sizes = {name: np.linalg.norm(g) for name, g in others.items()}
    most = max(sizes.values())
    return max(np.linalg.norm(some[n] - g) / sizes[n] for n, g in others.items() if sizes[n] >= 1e-6 * most)


def shares(result, joined):
    """The loss, the output, and of every value that operators read the gradient: of copies of one initializer, each its own."""
    loss, outputs, sums, own = result
    return loss, outputs, {**{name: g for name, g in sums.items() if name in joined}, **own}


def make(name, net, folder):
    torch.manual_seed(zlib.crc32(name.split("-")[0].encode()))
    model = net.build()
    randomize(model)
    model.eval()
    calibrate(model, torch.randint(0, net.ids, (64, *net.shape)) if net.ids else torch.randn(64, *net.shape))
    x = samples(net)
    path = os.path.join(folder, name)
    with torch.no_grad():
        output = model(x)
    many = output if isinstance(output, tuple) else (output,)
    export(model, x, len(many), net, f"{path}.onnx")
    graph = onnx.load(f"{path}.onnx").graph
    norms = sum(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    left = sum(node.op_type == "BatchNormalization" for node in graph.node)
    twin = fuse(model) if norms and left < norms else model
    arrays, pairs, joined = match(graph, twin, 1e-5, strict=False)
    best, start = None, time.process_time()
    for _ in range(DRAWS):
        x = samples(net)
        target = aim(net, many[0].shape)
        run = lambda x, dtype: shares(backward(twin, arrays, pairs, joined, x, target, net.loss, dtype), joined)
        loss, outputs, sums = run(x, torch.float64)
        own = apart(run(x, torch.float32)[2], sums)
        if own < CLOSE and not net.ids:
            # Other kernels round in other places.
            own = max(apart(run(x * (1 + 2e-6 * torch.randn_like(x)), torch.float32)[2], sums) for _ in range(2))
        if best is None or own < best[0]:
            best = (own, x, target, loss, outputs, sums)
        if own < CLOSE or time.process_time() - start > MOST_SECONDS:
            break
    own, x, target, loss, outputs, sums = best
    store = Store(f"{path}.bin")
    whole = sum(g.size for g in sums.values()) * 4 <= MOST_BYTES
    gradients = {}
    for initializer, g in sums.items():
        if whole or g.size <= SKETCHED:
            gradients[initializer] = store.add(g)
        else:
            gradients[initializer] = {**store.add(sketch(g.ravel())), "of": list(g.shape), "sketch": True}
    known = {*sums, *joined, *(pair[1] for pair in pairs.values())}
    first = outputs[0] if isinstance(outputs, tuple) else outputs
    header = {
        "name": name,
        "note": net.note,
        "torch": torch.__version__,
        "opset": net.opset,
        "form": "kept" if net.kept else "folded",
        "loss": net.loss,
        "ids": net.ids,
        "parameters": sum(p.numel() for p in model.parameters()),
        "input": {"name": "input", "dtype": "int64" if net.ids else "float32", **store.add(x.numpy(), "<i8" if net.ids else "<f4")},
        "target": {
            "dtype": "int64" if net.loss == "crossEntropy" else "float32",
            **store.add(target.numpy(), "<i8" if net.loss == "crossEntropy" else "<f4"),
        },
        # How far PyTorch's own gradients in float32 are from these.
        "float32": own,
        "expected": {"loss": loss.item(), "output": store.add(first.detach().numpy()), "gradients": gradients},
        # Computed from parameters by the exporter, so that PyTorch has no gradient of it.
        "unmatched": [
            i.name
            for i in graph.initializer
            if i.data_type == onnx.TensorProto.FLOAT and i.dims and i.name not in known
        ],
    }
    store.file.close()
    with open(f"{path}.json", "w") as file:
        json.dump(header, file)
    spread = first.detach().std(0).mean().item()
    sizes = [np.sqrt((g**2).mean()) for g in sums.values()]
    print(
        f"{name}: {os.path.getsize(path + '.onnx') / 1e6:.1f} MB, {len(graph.node)} nodes, loss {loss.item():.3f}, "
        f"outputs differ by {spread:.2g}, {len(sums)} gradients of {min(sizes):.1e} to {max(sizes):.1e}, "
        f"float32 differs by {own:.1e}, {len(header['unmatched'])} initializers without one",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", nargs="?", default=os.path.expanduser("~/.cache/secateur-zoo"))
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(NETS))
    parser.add_argument("--again", action="store_true")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    os.makedirs(options.cache, exist_ok=True)
    failed = []
    for name in options.only:
        path = os.path.join(options.cache, f"{name}.json")
        if os.path.exists(path) and not options.again:
            with open(path) as file:
                if "failed" not in json.load(file):
                    continue
        try:
            make(name, NETS[name], options.cache)
        except (Exception, SystemExit) as error:
            # The table has a row for it that says so.
            failed.append(name)
            reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
            with open(path, "w") as file:
                json.dump({"name": name, "note": NETS[name].note, "failed": reason}, file)
            print(f"{name}: FAILED, {reason}", flush=True)
        gc.collect()
    if failed:
        raise SystemExit(f"not exported: {', '.join(failed)}")


if __name__ == "__main__":
    main()
