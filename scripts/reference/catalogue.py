"""Every small network with the way in which it is exported."""

from collections import namedtuple

from torch import nn

import conv_nets
import nets
import token_nets

# mode: "kept" leaves BatchNormalization and shape arithmetic in the graph; "folded" is the exporter's default.
# post: what is done to the exported graph. random: whether randomize() is called.
Net = namedtuple(
    "Net",
    "build shape opset mode batch loss post random",
    defaults=("kept", "dynamic", "crossEntropy", None, True),
)

NETS = {
    "plain-cnn": Net(nets.plain_cnn, (1, 12, 12), 13, "folded"),
    "vgg": Net(nets.vgg, (3, 12, 12), 13),
    "vgg-folded": Net(nets.vgg, (3, 12, 12), 17, "folded"),
    "vgg-shared": Net(nets.vgg, (3, 12, 12), 13, random=False),
    "residual-pad": Net(lambda: nets.residual("pad"), (3, 10, 10), 13),
    "residual-pad-folded": Net(lambda: nets.residual("pad"), (3, 10, 10), 11, "folded"),
    "residual-conv": Net(lambda: nets.residual("conv"), (3, 9, 9), 17),
    "residual-conv-folded": Net(lambda: nets.residual("conv"), (3, 9, 9), 13, "folded", "fixed"),
    "depthwise": Net(nets.mobilenet, (3, 12, 12), 11),
    "depthwise-folded": Net(nets.mobilenet, (3, 12, 12), 13, "folded"),
    "mobilenet-v3": Net(nets.mobilenet_v3, (3, 8, 8), 17),
    "mobilenet-v3-13": Net(nets.mobilenet_v3, (3, 8, 8), 13, "folded"),
    "grouped": Net(nets.resnext, (3, 8, 8), 13),
    "dense": Net(nets.densenet, (3, 8, 8), 17),
    "inception": Net(nets.inception, (3, 9, 9), 13),
    "inception-folded": Net(nets.inception, (3, 9, 9), 11, "folded", post="count_include_pad"),
    "decoder": Net(nets.decoder, (6, 3, 3), 13, loss="meanSquaredError"),
    "activations": Net(nets.activations, (3, 11, 11), 13, "folded"),
    "mlp": Net(nets.mlp, (20,), 13, "folded"),
    "mlp-kept": Net(nets.mlp, (20,), 17),
    "tokens": Net(nets.Tokens, (3, 12, 12), 13, "folded"),
    "gate": Net(nets.gated, (3, 8, 8), 13),
    "odd-strides": Net(nets.odd_strides, (3, 31, 31), 13, batch="fixed"),
    "auto-encoder": Net(nets.AutoEncoder, (1, 12, 12), 13, "folded", loss="meanSquaredError"),
    "auto-encoder-kept": Net(nets.AutoEncoder, (1, 12, 12), 11, loss="meanSquaredError"),
    "reduce-mean": Net(nets.Means, (3, 8, 8), 13),
    "split": Net(nets.Split, (3, 8, 8), 13),
    "split-17-folded": Net(nets.Split, (3, 8, 8), 17, "folded"),
    "lstm": Net(token_nets.lstm, (7, 6), 13),
    "lstm-folded": Net(token_nets.lstm, (7, 6), 14, "folded"),
    "lstm-bidirectional": Net(token_nets.lstm_bidirectional, (4, 4), 13, "folded"),
    "gru": Net(token_nets.gru, (5, 5), 13, "folded"),
    "gru-bidirectional": Net(token_nets.gru_bidirectional, (4, 5), 11),
    "rnn": Net(token_nets.rnn, (5, 5), 17, "folded"),
    "float16": Net(lambda: nets.residual("conv"), (3, 8, 8), 13, post="float16"),
    "float16-cast": Net(nets.mobilenet, (3, 8, 8), 13, "folded", post="float16-cast"),
    "gates": Net(conv_nets.gates, (3, 8, 8), 13, "folded"),
    "gates-pooled": Net(lambda: conv_nets.gates(True), (3, 8, 8), 17, "folded"),
    "shuffle-v1": Net(conv_nets.shuffle_v1, (3, 8, 8), 13),
    "shuffle-v2": Net(conv_nets.shuffle_v2, (3, 8, 8), 13, "folded"),
    "c2f": Net(conv_nets.c2f, (3, 8, 8), 17, "folded"),
    "grouped-uneven": Net(conv_nets.grouped_uneven, (3, 6, 6), 13, "folded"),
    "pixel-shuffle": Net(
        lambda: conv_nets.pixel_shuffle(nn.PixelShuffle(2)), (3, 4, 4), 13, "folded", loss="meanSquaredError"
    ),
    "pixel-shuffle-views": Net(
        lambda: conv_nets.pixel_shuffle(conv_nets.Unfold(2, True)), (3, 4, 4), 13, loss="meanSquaredError"
    ),
    "pixel-unshuffle": Net(conv_nets.pixel_unshuffle, (3, 8, 8), 13, "folded"),
    "unet-transpose": Net(lambda: conv_nets.UNet("transpose"), (3, 8, 8), 13, "folded", loss="meanSquaredError"),
    "unet-nearest": Net(lambda: conv_nets.UNet("nearest"), (3, 8, 8), 13, "folded", loss="meanSquaredError"),
    "unet-bilinear": Net(lambda: conv_nets.UNet("bilinear"), (3, 8, 8), 11, "folded", loss="meanSquaredError"),
    "shared": Net(conv_nets.Shared, (3, 8, 8), 13, "folded"),
    "concat-axes": Net(conv_nets.ConcatAxes, (3, 6, 6), 13, "folded"),
    "concat-itself": Net(conv_nets.Twice, (3, 6, 6), 13, "folded"),
    "boxes": Net(conv_nets.Boxes, (3, 8, 8), 13, loss="meanSquaredError"),
    "attention-merged": Net(lambda: token_nets.transformer("merged"), (6, 5), 13, "folded"),
    "attention-separate": Net(lambda: token_nets.transformer("separate"), (6, 5), 13),
    "attention-grouped": Net(lambda: token_nets.transformer("grouped"), (6, 5), 13, "folded"),
    "attention-torch": Net(token_nets.TorchTransformer, (6, 5), 13, "folded"),
    "transformer": Net(lambda: token_nets.transformer("merged", True), (6, 5), 17),
    "transformer-13": Net(lambda: token_nets.transformer("separate", True), (6, 5), 13, "folded"),
    "class-token": Net(token_nets.ClassToken, (3, 8, 8), 13, "folded"),
    "windows": Net(lambda: token_nets.Windows(False), (3, 8, 8), 17),
    "windows-shifted": Net(lambda: token_nets.Windows(True), (3, 8, 8), 13),
    "mixer": Net(token_nets.Mixer, (3, 12, 12), 17, "folded"),
    "convnext": Net(token_nets.ConvNext, (3, 8, 8), 17),
    "convnext-13": Net(token_nets.ConvNext, (3, 8, 8), 13, "folded"),
}
