"""Write the loss and the gradients of ResNet-20 on a fixed batch, as PyTorch computes them in float64.

Usage: python3 scripts/reference/resnet20_gradients.py MODEL.onnx [test/fixtures/resnet20-gradients]
"""

import json
import sys

import numpy as np
import torch
import torch.nn.functional as F

from resnet20 import load_resnet20

BATCH = 8
SEED = 20
MOMENTUM = 0.1


def compute(path, inputs, labels, train, dtype=torch.float64):
    """Return loss, logits, gradients by parameter name, and (train only) the statistics after the step."""
    model = load_resnet20(path).to(dtype)
    model.train(train)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = MOMENTUM
    logits = model(inputs.to(dtype))
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    statistics = {name: b for name, b in model.named_buffers() if "running" in name} if train else {}
    return loss.item(), logits.detach(), gradients, statistics


def main(path, out):
    generator = torch.Generator().manual_seed(SEED)
    inputs = torch.randn((BATCH, 3, 32, 32), generator=generator, dtype=torch.float32)
    labels = torch.randint(0, 10, (BATCH,), generator=generator)
    chunks, offset = [], 0

    def store(tensor):
        nonlocal offset
        data = np.ascontiguousarray(tensor.detach().numpy()).astype("<f4")
        chunks.append(data.tobytes())
        entry = {"shape": list(data.shape), "offset": offset}
        offset += data.size
        return entry

    header = {
        "model": "resnet20-cifar10.onnx",
        "torch": torch.__version__,
        "loss": "crossEntropy",
        "momentum": MOMENTUM,
        "input": {"name": "input", **store(inputs)},
        "labels": labels.tolist(),
    }
    for mode in ("eval", "train"):
        loss, logits, gradients, statistics = compute(path, inputs, labels, mode == "train")
        header[mode] = {
            "loss": loss,
            "output": {"name": "logits", **store(logits)},
            "gradients": {name: store(value) for name, value in gradients.items()},
            "statistics": {name: store(value) for name, value in statistics.items()},
        }
        single = compute(path, inputs, labels, mode == "train", torch.float32)[2]
        worst = max(((single[n].double() - g).norm() / g.norm()).item() for n, g in gradients.items())
        print(f"{mode}: loss {loss:.6f}, float32 differs by {worst:.1e} of the norm of a gradient at most")
    with open(f"{out}.bin", "wb") as file:
        file.write(b"".join(chunks))
    with open(f"{out}.json", "w") as file:
        json.dump(header, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    torch.set_num_threads(2)
    main(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else "test/fixtures/resnet20-gradients")
