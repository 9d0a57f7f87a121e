"""When the operators of the ONNX standard came and when attributes were added to them: writes src/onnx/history.ts from onnx.defs.

    python scripts/reference/opsets.py && npx oxfmt src/onnx/history.ts
"""

import json
from collections import defaultdict
from pathlib import Path

import onnx
from onnx import defs, helper

OLDEST, NEWEST = 7, 26

schemas = defaultdict(dict)
for schema in defs.get_all_schemas_with_history():
    if schema.domain == "" and schema.since_version <= NEWEST:
        schemas[schema.name][schema.since_version] = schema


def default_of(attribute):
    if attribute.required or not attribute.default_value.name:
        return None
    value = helper.get_attribute_value(attribute.default_value)
    return value.decode() if isinstance(value, bytes) else value


came = defaultdict(list)
gone = {}
added = {}
inputs = {}
outputs = {}
types = {}
HELD = "bool float16 bfloat16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64".split()
SPELT = {"float": "float32", "double": "float64"}


def types_of(schema, index):
    """Element types that an input may have."""
    if index >= len(schema.inputs):
        return None
    allowed = {t[len("tensor(") : -1] for t in schema.inputs[index].types if t.startswith("tensor(")}
    return {SPELT.get(t, t) for t in allowed}


for name, versions in sorted(schemas.items()):
    order = sorted(versions)
    came[max(order[0], OLDEST)].append(name)
    last = versions[order[-1]]
    if last.deprecated and name != "GroupNormalization":
        gone[name] = order[-1]
    for before, since in zip(order, order[1:]):
        if since <= OLDEST:
            continue
        old, new = versions[before], versions[since]
        for attribute in sorted(set(new.attributes) - set(old.attributes)):
            added.setdefault(name, {})[attribute] = [since, default_of(new.attributes[attribute])]
        many = defs.OpSchema.FormalParameterOption.Variadic
        for known, params in ((inputs, "inputs"), (outputs, "outputs")):
            count = [len(getattr(schema, params)) for schema in (old, new)]
            if count[1] > count[0] and all(p.option != many for p in getattr(new, params)):
                known.setdefault(name, []).append([since, count[0]])

    for before, since in zip(order, order[1:]):
        if since <= OLDEST:
            continue
        for index in range(2):
            old, new = types_of(versions[before], index), types_of(versions[since], index)
            fresh = [t for t in HELD if old and new and t in new - old]
            line = f"{since} {index} {' '.join(fresh)}"
            if fresh and f"{since} 0 {' '.join(fresh)}" not in types.get(name, []):
                types.setdefault(name, []).append(line)

PATH = Path(__file__).parents[2] / "src/onnx/history.ts"
text = f"""/** When operators of ONNX came, went and grew, opsets {OLDEST} to {NEWEST}: scripts/reference/opsets.py wrote it from onnx {onnx.__version__}. */

/** Operators by the opset that they came in; {OLDEST} stands for it and those before. */
const came: Readonly<Record<number, string>> = {json.dumps({k: " ".join(v) for k, v in sorted(came.items())})};

/** The opset that an operator came in. */
export const introduced: ReadonlyMap<string, number> = new Map(
  Object.entries(came).flatMap(([opset, names]) => names.split(" ").map((name) => [name, Number(opset)] as const)),
);

/** The opset that no longer has an operator. */
export const removed: Readonly<Record<string, number | undefined>> = {json.dumps(gone)};

/** Attributes that an operator was given later: the opset, and what it means to leave them out. */
export const added: Readonly<
  Record<string, Readonly<Record<string, readonly [since: number, otherwise: number | string | null]>> | undefined>
> = {json.dumps(added)};

/** Operators that take more inputs since an opset, and how many they took before. */
export const moreInputs: Readonly<Record<string, readonly (readonly [since: number, before: number])[] | undefined>> = {json.dumps(inputs)};

/** The same for outputs. */
export const moreOutputs: Readonly<Record<string, readonly (readonly [since: number, before: number])[] | undefined>> = {json.dumps(outputs)};

/** For each operator "opset input types": element types that an input may have since an opset. Those of the first hold for the second. */
const types: Readonly<Record<string, string>> = {json.dumps({k: ", ".join(v) for k, v in types.items()})};

export const moreTypes: ReadonlyMap<
  string,
  readonly {{ readonly since: number; readonly input: number; readonly types: readonly string[] }}[]
> = new Map(
  Object.entries(types).map(([op, text]) => {{
    const lines = text.split(", ").map((line) => line.split(" "));
    return [op, lines.map(([since, input, ...names]) => ({{ since: Number(since), input: Number(input), types: names }}))];
  }}),
);
"""
PATH.write_text(text)
