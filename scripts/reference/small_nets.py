"""Export the small networks to ONNX and write what PyTorch computes of each in float64.

Usage: python3 scripts/reference/small_nets.py [test/fixtures/nets [NAME ...]]
"""

import json
import os
import sys
import warnings
import zlib

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.fx.experimental.optimization import fuse
from torch.onnx import TrainingMode

import nets
from catalogue import NETS

BATCH = 4
MOMENTUM = 0.1


def to_float16(model, keep_types):
    """Make every float32 of the graph a float16; with `keep_types`, Casts keep the inputs and outputs float32."""
    graph = model.graph
    for i, initializer in enumerate(graph.initializer):
        if initializer.data_type == TensorProto.FLOAT:
            array = numpy_helper.to_array(initializer).astype(np.float16)
            graph.initializer[i].CopyFrom(numpy_helper.from_array(array, initializer.name))
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR and attribute.t.data_type == TensorProto.FLOAT:
                attribute.t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(attribute.t).astype(np.float16)))
    nodes = list(graph.node)
    for value in (*graph.input, *graph.output):
        if not keep_types:
            value.type.tensor_type.elem_type = TensorProto.FLOAT16
    if keep_types:
        x, y = graph.input[0].name, graph.output[0].name
        for node in nodes:
            node.input[:] = [f"{x}_half" if name == x else name for name in node.input]
            node.output[:] = [f"{y}_half" if name == y else name for name in node.output]
        first = helper.make_node("Cast", [x], [f"{x}_half"], "cast_in", to=TensorProto.FLOAT16)
        last = helper.make_node("Cast", [f"{y}_half"], [y], "cast_out", to=TensorProto.FLOAT)
        del graph.node[:]
        graph.node.extend([first, *nodes, last])


def include_pads(graph):
    """Write a Pad before an AveragePool as count_include_pad, the form that other exporters use."""
    pads = {node.output[0]: node for node in graph.node if node.op_type == "Pad"}
    constants = {node.output[0]: node.attribute[0].t for node in graph.node if node.op_type == "Constant"}
    for node in graph.node:
        if node.op_type == "AveragePool" and node.input[0] in pads:
            pad = pads[node.input[0]]
            sizes = numpy_helper.to_array(constants[pad.input[1]]).tolist()
            kept = [a for a in node.attribute if a.name not in ("pads", "count_include_pad")]
            del node.attribute[:]
            node.attribute.extend(kept)
            node.attribute.append(helper.make_attribute("pads", [*sizes[2:4], *sizes[6:8]]))
            node.attribute.append(helper.make_attribute("count_include_pad", 1))
            node.input[0] = pad.input[0]
            graph.node.remove(pad)


def export(model, x, net, path):
    """Write the ONNX file and return its model."""
    kept = net.mode == "kept"
    torch.onnx.export(
        model,
        x,
        path,
        opset_version=net.opset,
        input_names=["input"],
        output_names=["output"],
        dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}} if net.batch == "dynamic" else None,
        training=TrainingMode.PRESERVE if kept else TrainingMode.EVAL,
        do_constant_folding=not kept,
    )
    exported = onnx.load(path)
    if net.post == "count_include_pad":
        include_pads(exported.graph)
    elif net.post:
        to_float16(exported, net.post == "float16-cast")
    onnx.checker.check_model(exported)
    onnx.save(exported, path)
    return exported


def match(graph, model, atol=2e-3, strict=True):
    """Pair the model's float parameters and statistics with the graph's values.

    Return, by the model's name, (value, initializer, transposed): the value that the operators read, the initializer
    it is (the same, or the one that an Identity copies), and whether the initializer is the parameter's transpose; and
    by initializer the parameters of a recurrent layer that it was put together from.
    With `strict`, every parameter must be an initializer and the other way round; without, those that are not are left out.
    """
    arrays = {i.name: numpy_helper.to_array(i).astype(np.float64) for i in graph.initializer}
    owner = {name: name for name in arrays}
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in owner:
            owner[node.output[0]] = owner[node.input[0]]
    state = {n: t.detach().double().numpy() for n, t in model.state_dict().items() if t.is_floating_point()}
    pairs = {name: (name, owner[name], False) for name in state if name in owner}
    # The exporter's folding leaves nothing of a recurrent layer's parameters but W, R and B, in that order for each layer.
    joined = {}
    for names, value in recurrent(model, state):
        if names[0] in pairs:
            continue
        found = [n for n in arrays if n not in joined and arrays[n].shape == value.shape and np.allclose(arrays[n], value)]
        if len(found) != 1:
            raise SystemExit(f"{names[0]}: {len(found)} initializers are made of it")
        joined[found[0]] = names
    state = {name: value for name, value in state.items() if not any(name in names for names in joined.values())}
    for name, value in state.items():
        if name in pairs:
            continue
        taken = {initializer for _, initializer, _ in pairs.values()} | joined.keys()
        found = []
        for free in (n for n in arrays if n not in taken):
            for transposed, expected in ((False, value), (True, value.T)):
                # PReLU's initializer has axes for the pixels that the parameter lacks.
                shape = arrays[free].shape[:1] if arrays[free].shape[1:] == (1, 1) else arrays[free].shape
                if shape == expected.shape and np.allclose(arrays[free].reshape(shape), expected, atol=atol):
                    found.append((free, free, transposed))
                    break
        if len(found) != 1 and strict:
            raise SystemExit(f"{name}: {len(found)} initializers have its values")
        if len(found) == 1:
            pairs[name] = found[0]
    used = {p[1] for p in pairs.values()} | joined.keys()
    kinds = (TensorProto.FLOAT, TensorProto.FLOAT16)
    lost = [i.name for i in graph.initializer if i.data_type in kinds and i.name not in used]
    if lost and strict:
        raise SystemExit(f"initializers without a parameter: {', '.join(lost)}")
    return arrays, pairs, joined


# ONNX's order of the gates in terms of PyTorch's.
GATES = {nn.LSTM: [0, 3, 1, 2], nn.GRU: [1, 0, 2], nn.RNN: [0]}


def recurrent(model, values):
    """Put what PyTorch holds by gate, layer and direction together as ONNX's W, R and B; yield (parameters, array)."""
    for prefix, module in model.named_modules():
        order = next((order for kind, order in GATES.items() if isinstance(module, kind)), None)
        if order is None:
            continue
        ends = ("", "_reverse") if module.bidirectional else ("",)
        for layer in range(module.num_layers):

            def stacked(kind, layer=layer):
                names = [f"{prefix}.{kind}_l{layer}{end}" for end in ends]
                parts = [np.concatenate([np.split(values[n], len(order))[g] for g in order]) for n in names]
                return names, np.stack(parts)

            yield stacked("weight_ih")
            yield stacked("weight_hh")
            (wi, b), (ri, c) = stacked("bias_ih"), stacked("bias_hh")
            yield wi + ri, np.concatenate([b, c], 1)


def plain(array):
    """A tensor as JSON, rounded to 7 significant digits."""
    array = np.asarray(array, dtype=np.float64)
    return {"shape": list(array.shape), "values": [float(f"{v:.7g}") for v in array.ravel()]}


def backward(model, arrays, pairs, joined, x, target, loss, dtype=torch.float64):
    """Run one forward and backward pass in float64 (or `dtype`) on the graph's own weights.

    Return the loss, the output, and the gradients by initializer (the sum over its copies) and by value.
    """
    model = model.to(dtype)
    state = {}
    for name, (_, initializer, transposed) in pairs.items():
        value = torch.from_numpy(arrays[initializer])
        state[name] = (value.t() if transposed else value).reshape(model.state_dict()[name].shape).clone()
    model.load_state_dict(state, strict=False)
    model.zero_grad(set_to_none=True)
    output = model(x.to(dtype) if x.is_floating_point() else x)
    first = output[0] if isinstance(output, tuple) else output
    error = F.cross_entropy(first, target) if loss == "crossEntropy" else F.mse_loss(first, target.to(dtype))
    error.backward()
    sums, own = {}, {}
    for names, gradient in recurrent(model, {n: p.grad.numpy() for n, p in model.named_parameters() if p.grad is not None}):
        sums.update({initializer: gradient for initializer, parts in joined.items() if parts == names})
    for name, parameter in model.named_parameters():
        if name not in pairs or parameter.grad is None:
            continue
        value, initializer, transposed = pairs[name]
        gradient = (parameter.grad.t() if transposed else parameter.grad).numpy().reshape(arrays[initializer].shape)
        own[value] = gradient
        sums[initializer] = sums.get(initializer, 0) + gradient
    return error, output, sums, own


def compute(model, arrays, pairs, joined, x, target, net, train):
    """What one pass in inference or training mode gives, as the fixture's file holds it."""
    model.train(train)
    loss, output, sums, own = backward(model, arrays, pairs, joined, x, target, net.loss)
    dead = [name for name, gradient in sums.items() if not gradient.any()]
    if dead:
        raise SystemExit(f"gradients that are zero and so test nothing: {', '.join(dead)}")
    result = {"loss": float(f"{loss.item():.9g}"), "output": plain(output.detach().numpy())}
    result["gradients"] = {name: plain(g) for name, g in sums.items()}
    if any(value != initializer for value, initializer, _ in pairs.values()):
        shared = {initializer for value, initializer, _ in pairs.values() if value != initializer}
        result["aliasGradients"] = {
            value: plain(own[value]) for value, owner, _ in pairs.values() if value in own and owner in shared
        }
    if train:
        result["statistics"] = {pairs[n][0]: plain(b.numpy()) for n, b in model.named_buffers() if "running" in n}
    return result


def make(name, net, folder):
    torch.manual_seed(zlib.crc32(name.split("-folded")[0].encode()))
    model = net.build()
    if net.random:
        nets.randomize(model)
    model.eval()
    # Multiples of 1/16: few digits in JSON, exact in every float type.
    x = torch.round(torch.randn(BATCH, *net.shape) * 16) / 16
    if net.loss == "crossEntropy":
        target = torch.randint(0, 5, (BATCH,))
        goal = {"labels": target.tolist()}
    else:
        target = torch.round(torch.rand(model(x).shape) * 16) / 16
        goal = {"target": plain(target.numpy())}
    path = os.path.join(folder, f"{name}.onnx")
    graph = export(model, x, net, path).graph
    norms = any(node.op_type == "BatchNormalization" for node in graph.node)
    twin = fuse(model) if net.mode == "folded" and nets.has_norms(model) else model
    arrays, pairs, joined = match(graph, twin)
    content = {
        "name": name,
        "torch": torch.__version__,
        "opset": net.opset,
        "mode": net.mode,
        "dtype": "float16" if net.post and "float16" in net.post else "float32",
        "batch": net.batch,
        "loss": net.loss,
        "momentum": MOMENTUM,
        "operators": sorted({node.op_type for node in graph.node}),
        "aliases": {v: i for v, i, _ in pairs.values() if v != i},
        "input": {"name": "input", **plain(x.numpy())},
        **goal,
        "outputName": "output",
        "eval": compute(twin, arrays, pairs, joined, x, target, net, False),
        "train": compute(twin, arrays, pairs, joined, x, target, net, True) if norms else None,
    }
    with open(os.path.join(folder, f"{name}.json"), "w") as file:
        json.dump(content, file, separators=(",", ":"))
        file.write("\n")
    print(f"{name}: {os.path.getsize(path)} bytes, {' '.join(content['operators'])}")


def main(folder="test/fixtures/nets", *names):
    warnings.filterwarnings("ignore")
    os.makedirs(folder, exist_ok=True)
    for name in names or NETS:
        make(name, NETS[name], folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
