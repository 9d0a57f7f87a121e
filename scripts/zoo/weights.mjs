/** Weights for files that have structure only. */

/** The model around another form of its graph. */
export const newModelOf = (model, graph) => ({ ...model, graph });

/** A small generator of numbers in [0, 1). */
function generator(seed) {
  let state = (seed * 2654435761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 4294967296;
  };
}

/**
 * The graph with every ConstantOfShape of a constant shape turned into an initializer of random numbers: weights keep the variance of
 * what they are applied to, and what has one axis (biases, scales, statistics) is between 0.5 and 1.5.
 */
export function randomWeights(graph) {
  const next = generator(3);
  const initializers = new Map(graph.initializers);
  const nodes = graph.nodes.filter(({ op, inputs, outputs }) => {
    if (op !== "ConstantOfShape" || !graph.initializers.has(inputs[0])) return true;
    const shape = Array.from(graph.initializers.get(inputs[0]).data, Number);
    const count = shape.reduce((n, dim) => n * dim, 1);
    const bound = Math.sqrt(6 / (count / shape[0]));
    const draw = shape.length > 1 ? () => (2 * next() - 1) * bound : () => 0.5 + next();
    initializers.set(outputs[0], { dtype: "float32", shape, data: Float32Array.from({ length: count }, draw) });
    return false;
  });
  return { ...graph, nodes, initializers };
}
