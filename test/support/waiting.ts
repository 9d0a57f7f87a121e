/** Networks of test/fixtures with operators that are not in the table yet, by the first of them: loaded, never differentiated. */
export const waiting: Readonly<Record<string, RegExp>> = {
  convnext: /LayerNormalization/,
  "convnext-13": /Erf/,
  "gates-pooled": /ReduceMax/,
  gru: /GRU/,
  lstm: /LSTM/,
  mixer: /LayerNormalization/,
  "pixel-shuffle": /DepthToSpace/,
  transformer: /LayerNormalization/,
  "transformer-13": /Erf/,
  "unet-bilinear": /Resize/,
  "unet-nearest": /Resize/,
  windows: /LayerNormalization/,
  "windows-shifted": /Tile/,
};
