"""Say of files whether onnx.checker accepts them and this interpreter's onnxruntime loads them.

Usage: python3 scripts/zoo/check.py - < PATHS, one a line and without .onnx; prints a line of JSON for each.
`checker` and `load` hold what was said against the file. onnx may be absent.
"""

import json
import sys

import onnxruntime

try:
    import onnx
except ImportError:
    onnx = None

onnxruntime.set_default_logger_severity(4)


def said(work):
    try:
        work()
    except Exception as error:
        return (str(error).strip() or type(error).__name__)[:300]
    return None


for line in sys.stdin:
    path = line.strip()
    if not path:
        continue
    row = {"path": path, "version": onnxruntime.__version__}
    if onnx:
        row["checker"] = said(lambda: onnx.checker.check_model(f"{path}.onnx", full_check=True))
    # The optimiser has faults of its own on valid graphs.
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    row["load"] = said(
        lambda: onnxruntime.InferenceSession(f"{path}.onnx", options, providers=["CPUExecutionProvider"])
    )
    print(json.dumps(row), flush=True)
