"""Export networks that people have, the way people export them: by both of torch's exporters, with fixed and with open sizes.

Usage: python3 scripts/zoo/exports.py CACHE [--only WORD,WORD] [--again]

CACHE gets NAME.onnx and NAME.json for each: what the inputs are, which axes are open and at which other sizes to run. NAME is
NET.EXPORTER.FORM: `ts` is torch.onnx.export(dynamo=False), `dynamo` the default exporter; `fixed` is what
torch.onnx.export(model, (x,), file) writes, `batch` opens the first axis, `open` opens lengths, heights and widths too.
Weights are random by a fixed seed; nothing is fetched. Needs torch, torchvision, transformers, timm and onnx from PyPI.
"""

import argparse
import gc
import json
import os
import sys
import time
import traceback
import warnings
import zlib

import torch

from exports_nets import NETS

warnings.filterwarnings("ignore")


class Positional(torch.nn.Module):
    """A network called by the names of its inputs, whose outputs are a flat tuple of tensors."""

    def __init__(self, net, names):
        super().__init__()
        self.net = net
        self.names = names

    def forward(self, *inputs):
        found = self.net(**dict(zip(self.names, inputs))) if self.names else self.net(*inputs)
        return tuple(flat(found))


def flat(found):
    if isinstance(found, torch.Tensor):
        return [found]
    values = found.values() if hasattr(found, "values") else found
    if not isinstance(values, (list, tuple)) and not hasattr(values, "__iter__"):
        return []
    return [one for value in values if value is not None for one in flat(value)]


def export(net, exporter, form, path):
    """Write the file; returns what is to be known of its inputs."""
    torch.manual_seed(zlib.crc32(net.name.encode()))
    model = net.build().eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
        if parameter.numel() > 1 and parameter.min() == parameter.max():
            parameter.add_(torch.randn_like(parameter) * 0.2)
        # Weights of 0.02, as transformers starts with, would hide what a layer computes behind its shortcut.
        if parameter.dim() >= 2:
            fan_in = parameter[0].numel()
            parameter.mul_(max(1.0, fan_in**-0.5 / float(parameter.std().clamp(min=1e-6))))
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    batch = 1 if form == "fixed" else 2
    values, facts = [], []
    for one in net.inputs:
        shape = [batch, *one.shape]
        if one.ids:
            values.append(torch.randint(0, one.ids, shape))
        elif one.ones:
            values.append(torch.ones(shape, dtype=torch.int64))
        else:
            values.append(torch.randn(shape))
        axes = {0: "batch"} if form != "fixed" else {}
        if form == "open":
            axes.update({axis + 1: symbol for axis, symbol in one.open.items()})
        facts.append(
            {"name": one.name, "shape": list(one.shape), "ids": one.ids, "ones": one.ones, "axes": axes}
        )
    named = Positional(model, [one.name for one in net.inputs] if net.keywords else None)
    names = [one.name for one in net.inputs]
    axes = {one["name"]: one["axes"] for one in facts}
    common = dict(input_names=names, opset_version=net.opset.get(exporter))
    if exporter == "ts":
        outputs = len(named(*values))
        out = [f"output_{i}" for i in range(outputs)]
        torch.onnx.export(
            named,
            tuple(values),
            path,
            dynamo=False,
            output_names=out,
            dynamic_axes=None if form == "fixed" else {**axes, **{name: {0: "batch"} for name in out}},
            **{k: v for k, v in common.items() if v is not None},
        )
    else:
        dims = {}
        shapes = tuple(
            {axis: dims.setdefault(symbol, torch.export.Dim.DYNAMIC) for axis, symbol in one["axes"].items()}
            for one in facts
        )
        torch.onnx.export(
            named,
            tuple(values),
            path,
            dynamo=True,
            external_data=False,
            dynamic_shapes=None if form == "fixed" else (shapes,),
            verbose=False,
            **{k: v for k, v in common.items() if v is not None},
        )
    return {"inputs": facts, "sizes": net.sizes, "parameters": sum(p.numel() for p in model.parameters())}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache")
    parser.add_argument("--only", help="words, one of which a name must contain")
    parser.add_argument("--again", action="store_true", help="export what is there already, too")
    args = parser.parse_args()
    os.makedirs(args.cache, exist_ok=True)
    words = args.only.split(",") if args.only else None
    for net in NETS:
        for exporter in ("ts", "dynamo"):
            for form in ("fixed", "batch", *(["open"] if any(one.open for one in net.inputs) else [])):
                name = f"{net.name}.{exporter}.{form}"
                path = os.path.join(args.cache, name)
                if words and not any(word in name for word in words):
                    continue
                if os.path.exists(f"{path}.json") and not args.again:
                    continue
                start = time.time()
                try:
                    head = export(net, exporter, form, f"{path}.onnx")
                except Exception as error:
                    head = {"failed": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:300]}
                    if words:
                        traceback.print_exc()
                head = {"name": name, "family": net.family, **head, "torch": torch.__version__}
                with open(f"{path}.json", "w") as file:
                    json.dump(head, file, indent=1)
                said = head.get("failed", f"{os.path.getsize(path + '.onnx') / 1e6:.1f} MB" if "failed" not in head else "")
                print(f"{name}: {said} ({time.time() - start:.0f} s)", flush=True)
                gc.collect()


if __name__ == "__main__":
    sys.exit(main())
