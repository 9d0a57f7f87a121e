/** Networks of test/fixtures with operators that are not in the table yet, by the first of them: loaded, never differentiated. */
export const waiting: Readonly<Record<string, RegExp>> = {
  convnext: /Erf/,
  "convnext-13": /Erf/,
  "gates-pooled": /ReduceMax/,
  mixer: /Erf/,
  transformer: /Erf/,
  "transformer-13": /Erf/,
};
