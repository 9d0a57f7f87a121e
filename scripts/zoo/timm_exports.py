"""Export small networks of timm's families to ONNX, by both exporters of torch, with an open or a fixed batch.

Usage: python3 scripts/zoo/timm_exports.py CACHE [--only NAME,NAME] [--exporters ts,dynamo] [--forms batch,fixed] [--again]

CACHE gets NAME.EXPORTER.FORM.onnx and .json, as those of exports.py, so that written.mjs takes them. The networks are timm's own
architectures, made narrower and shorter where they let us, at the smallest images that they take. Weights are random by a fixed seed;
nothing is fetched. What has more parameters than a file should hold, or takes too long, is left out, and its .json says so.
Needs torch, timm, onnx and onnxscript.
"""

import argparse
import functools
import gc
import itertools
import json
import os
import signal
import sys
import warnings
import zlib

import timm
import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from form import calibrate, randomize

MOST_BYTES = 150e6
MOST_SECONDS = 240
CLASSES = 10
OPSETS = {"ts": 17, "dynamo": 20}


def net(name, size=64, **options):
    """A network of timm: its name there, the side of its images, and what is made smaller."""
    return name, size, options


# One or two of each family. Depths and widths are cut down where the architecture takes them.
NETS = {
    "resnet10t": net("resnet10t"),
    "resnet26d": net("resnet26d", 32, layers=[1, 1, 1, 1]),
    "resnetblur50": net("resnetblur50", layers=[1, 1, 1, 1]),
    "resnext50": net("resnext50_32x4d", 32, layers=[1, 1, 1, 1]),
    "seresnet": net("legacy_seresnet18", 32),
    "ecaresnet": net("ecaresnet50t", layers=[1, 1, 1, 1]),
    "ecaresnext": net("ecaresnext26t_32x4d", layers=[1, 1, 1, 1]),
    "eca_nfnet": net("eca_nfnet_l0", depths=(1, 1, 1, 1)),
    "nfnet": net("nfnet_f0", depths=(1, 1, 1, 1)),
    "resnetv2_bit": net("resnetv2_50x1_bit", 64),
    "resnetv2_gn": net("resnetv2_50d_gn", layers=[1, 1, 1, 1]),
    "resnet_gn": net("resnet50_gn", layers=[1, 1, 1, 1]),
    "bat_resnext": net("bat_resnext26ts", 256),
    "gcresnet": net("gcresnext26ts", 64),
    "botnet": net("botnet26t_256", 64),
    "halonet": net("halonet26t", 256),
    "lambda_resnet": net("lambda_resnet26t", 64),
    "regnetx": net("regnetx_002"),
    "regnety": net("regnety_002"),
    "regnetz": net("regnetz_005"),
    "efficientnet_b0": net("efficientnet_b0", 32),
    "tf_efficientnet_lite0": net("tf_efficientnet_lite0"),
    "tf_efficientnetv2_b0": net("tf_efficientnetv2_b0"),
    "mixnet": net("mixnet_s"),
    "mnasnet": net("semnasnet_075"),
    "fbnet": net("fbnetc_100"),
    "lcnet": net("lcnet_050"),
    "tinynet": net("tinynet_e"),
    "mobilenetv2": net("mobilenetv2_050"),
    "mobilenetv3": net("mobilenetv3_small_050"),
    "mobilenetv4": net("mobilenetv4_conv_small_050"),
    "mobilenetv4_hybrid": net("mobilenetv4_hybrid_medium", 64),
    "hardcorenas": net("hardcorenas_a"),
    "ghostnet": net("ghostnet_050"),
    "ghostnetv2": net("ghostnetv2_100"),
    "repghost": net("repghostnet_050"),
    "rexnet": net("rexnet_100"),
    "hrnet": net("hrnet_w18_small", 64),
    "res2net": net("res2net50_14w_8s", 32, layers=[1, 1, 1, 1]),
    "resnest": net("resnest14d", 32),
    "sknet": net("skresnet18", 32),
    "senet": net("legacy_seresnext26_32x4d", 32),
    "densenet": net("densenet121", 32, block_config=(2, 2, 2, 2)),
    "dla": net("dla46x_c", 32),
    "dpn": net("dpn48b"),
    "vovnet": net("ese_vovnet19b_slim"),
    "cspresnet": net("cspresnet50", 64),
    "cspdarknet": net("cspdarknet53", 64),
    "darknet": net("darknet17", 64),
    "repvgg": net("repvgg_a0", 32),
    "mobileone": net("mobileone_s0"),
    "vgg": net("vgg11_bn", 32, feature_window_size=1),
    "convnext": net("convnext_atto"),
    "convnextv2": net("convnextv2_atto"),
    "convmixer": net("convmixer_768_32", 64, depth=2),
    "mixer": net("mixer_s32_224", 64),
    "resmlp": net("resmlp_12_224", 64),
    "gmlp": net("gmlp_ti16_224", 64),
    "gmixer": net("gmixer_12_224", 64),
    "vit": net("vit_tiny_patch16_224", 64, depth=2),
    "vit_gap": net("vit_medium_patch16_gap_256", 64, depth=2),
    "vit_relpos": net("vit_relpos_small_patch16_224", 64, depth=2),
    "vit_hybrid": net("vit_tiny_r_s16_p8_224", 64, depth=2),
    "vit_sam": net("samvit_base_patch16_224", 64, depth=2, embed_dim=96, num_heads=3),
    "vitamin": net("vitamin_small_224", 64),
    "deit": net("deit_tiny_distilled_patch16_224", 64, depth=2),
    "deit3": net("deit3_small_patch16_224", 64, depth=2),
    "beit": net("beit_base_patch16_224", 64, depth=2, embed_dim=96, num_heads=3),
    "beitv2": net("beitv2_base_patch16_224", 64, depth=2, embed_dim=96, num_heads=3),
    "eva02": net("eva02_tiny_patch14_224", 56, depth=2),
    "cait": net("cait_xxs24_224", 64, depth=2),
    "convit": net("convit_tiny", 64, depth=2, local_up_to_layer=1),
    "swin": net("swin_tiny_patch4_window7_224", 224, depths=(1, 2, 1, 1), embed_dim=24, num_heads=(1, 2, 4, 8)),
    "swinv2": net("swinv2_tiny_window8_256", 256, depths=(1, 2, 1, 1), embed_dim=24, num_heads=(1, 2, 4, 8)),
    "swinv2_cr": net("swinv2_cr_tiny_ns_224", 224, depths=(1, 2, 1, 1), embed_dim=24, num_heads=(1, 2, 4, 8)),
    "coat": net("coat_lite_tiny", 64),
    "coat_parallel": net("coat_tiny", 224),
    "levit": net("levit_128s", 224),
    "levit_conv": net("levit_conv_128s", 224),
    "mobilevit": net("mobilevit_xxs", 64),
    "mobilevitv2": net("mobilevitv2_050", 64),
    "edgenext": net("edgenext_xx_small", 64),
    "efficientformer": net("efficientformer_l1", 224),
    "efficientformerv2": net("efficientformerv2_s0", 224),
    "efficientvit": net("efficientvit_b0", 64),
    "efficientvit_m": net("efficientvit_m0", 224),
    "fastvit": net("fastvit_t8", 64),
    "fastvit_sa": net("fastvit_sa12", 64),
    "poolformer": net("poolformer_s12", 64),
    "poolformerv2": net("poolformerv2_s12", 64),
    "convformer": net("convformer_s18", 64, depths=(1, 1, 1, 1)),
    "caformer": net("caformer_s18", 64, depths=(1, 1, 1, 1)),
    "maxvit": net("maxvit_rmlp_pico_rw_256", 256),
    "coatnet": net("coatnet_nano_rw_224", 224),
    "coatnet_rmlp": net("coatnet_rmlp_nano_rw_224", 224),
    "xcit": net("xcit_nano_12_p16_224", 64, depth=2),
    "tnt": net("tnt_s_legacy_patch16_224", 64, depth=2),
    "twins": net("twins_svt_small", 224, depths=(1, 1, 1, 2)),
    "twins_pcpvt": net("twins_pcpvt_small", 224, depths=(1, 1, 1, 1)),
    "pit": net("pit_ti_224", 64),
    "pvt": net("pvt_v2_b0", 64),
    "nest": net("nest_tiny_jx", 224, depths=(1, 1, 1)),
    "volo": net("volo_d1_224", 64, layers=(1, 1, 1, 1)),
    "crossvit": net("crossvit_tiny_240", 240),
    "davit": net("davit_tiny", 64, depths=(1, 1, 1, 1)),
    "focalnet": net("focalnet_tiny_srf", 64, depths=(1, 1, 1, 1)),
    "gcvit": net("gcvit_xxtiny", 224, depths=(1, 1, 1, 1)),
    "hiera": net("hiera_tiny_224", 224, stages=(1, 1, 2, 1)),
    "mvitv2": net("mvitv2_tiny", 224, depths=(1, 1, 1, 1)),
    "nextvit": net("nextvit_small", 64, depths=(1, 1, 2, 1)),
    "hgnet": net("hgnetv2_b0", 64),
    "inception_v3": net("inception_v3", 96),
    "inception_v4": net("inception_v4", 96),
    "inception_resnet": net("inception_resnet_v2", 96),
    "inception_next": net("inception_next_atto", 64),
    "nasnet": net("nasnetalarge", 64),
    "pnasnet": net("pnasnet5large", 64),
    "xception": net("legacy_xception", 96),
    "xception41": net("xception41", 64),
    "tresnet": net("tresnet_m", 64),
    "selecsls": net("selecsls42b", 64),
    "visformer": net("visformer_tiny", 224),
    "tiny_vit": net("tiny_vit_5m_224", 224),
    "repvit": net("repvit_m0_9", 64),
    "rdnet": net("rdnet_tiny", 64, num_init_features=32, growth_rates=(16, 24, 32), num_blocks_list=(2, 2, 2), is_downsample_block=(None, True, True), transition_compression_ratio=0.5, block_type=["Block", "Block", "BlockESE"]),
    "starnet": net("starnet_s050", 64),
    "sequencer": net("sequencer2d_s", 224, layers=(1, 1, 1, 1)),
    "mambaout": net("mambaout_femto", 64),
    "fasternet": net("fasternet_t0", 64),
    "swiftformer": net("swiftformer_xs", 64),
    "shvit": net("shvit_s1", 64),
    "lowformer": net("lowformer_b0", 64),
    "cspnext": net("cspnext_tiny", 64),
    "efficientvim": net("efficientvim_m1", 64),
    "iformer": net("iformer_t", 224),
    "gernet": net("gernet_s", 64),
    "vit_rope": net("vit_small_patch16_rope_224", 64, depth=2),
}


class Late(Exception):
    """An export that took too long."""


def build(name, size, options):
    """The network with random weights; with images of another size where it has to know. What it fixes itself stays as it is."""
    options = {**options, "img_size": size}
    while True:
        try:
            return timm.create_model(name, pretrained=False, num_classes=CLASSES, **options)
        except TypeError as error:
            refused = [option for option in options if f"'{option}'" in str(error)]
            if not refused:
                raise
            del options[refused[0]]


def export(model, x, exporter, form, path):
    """Write the ONNX file."""
    opened = form == "batch"
    names = {"input_names": ["input"], "output_names": ["output"], "opset_version": OPSETS[exporter]}
    if exporter == "ts":
        axes = {"dynamic_axes": {"input": {0: "batch"}, "output": {0: "batch"}}} if opened else {}
        torch.onnx.export(model, (x,), path, dynamo=False, **names, **axes)
    else:
        shapes = {"dynamic_shapes": ({0: torch.export.Dim("batch")},)} if opened else {}
        torch.onnx.export(model, (x,), path, dynamo=True, external_data=False, verbose=False, **names, **shapes)


def prepare(key):
    """The network of a name, its BatchNormalizations used to what they read."""
    name, size, options = NETS[key]
    torch.manual_seed(zlib.crc32(key.encode()))
    model = build(name, size, options)
    count = sum(p.numel() for p in model.parameters())
    if 4 * count > MOST_BYTES:
        raise ValueError(f"{count / 1e6:.0f} million parameters are too many for here")
    randomize(model)
    model.eval()
    calibrate(model, torch.randn(8, 3, size, size))
    return model.eval(), count


def make(key, exporter, form, prepared, path):
    """Export one network; returns what is to be known of the file."""
    model, count = prepared()
    size = NETS[key][1]
    # A batch of 1 would be taken for a size that is fixed.
    x = torch.randn(2 if form == "batch" else 1, 3, size, size)
    with torch.no_grad():
        export(model, x, exporter, form, path)
    axes = {0: "batch"} if form == "batch" else {}
    entry = {"name": "input", "shape": [3, size, size], "ids": 0, "ones": False, "axes": axes}
    return {"inputs": [entry], "sizes": {}, "parameters": count}


def late(*_):
    raise Late(f"stopped after {MOST_SECONDS} seconds")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(NETS))
    parser.add_argument("--exporters", type=lambda text: text.split(","), default=list(OPSETS))
    parser.add_argument("--forms", type=lambda text: text.split(","), default=["batch"])
    parser.add_argument("--again", action="store_true")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    os.makedirs(options.cache, exist_ok=True)
    signal.signal(signal.SIGALRM, late)
    for key in options.only:
        prepared = functools.cache(lambda key=key: prepare(key))
        for exporter, form in itertools.product(options.exporters, options.forms):
            name = f"timm-{key}.{exporter}.{form}"
            path = os.path.join(options.cache, name)
            if os.path.exists(f"{path}.json") and not options.again:
                continue
            signal.alarm(MOST_SECONDS)
            try:
                head = make(key, exporter, form, prepared, f"{path}.onnx")
                said = f"{os.path.getsize(path + '.onnx') / 1e6:.1f} MB"
            except Exception as error:
                said = f"{type(error).__name__}: {(str(error).strip() or 'no text').splitlines()[0]}"[:300]
                head = {"failed": said}
                if os.path.exists(f"{path}.onnx"):
                    os.remove(f"{path}.onnx")
            signal.alarm(0)
            with open(f"{path}.json", "w") as file:
                json.dump({"name": name, "family": "timm", **head, "torch": torch.__version__}, file, indent=1)
            print(f"{name}: {said}", flush=True)
        gc.collect()


if __name__ == "__main__":
    main()
