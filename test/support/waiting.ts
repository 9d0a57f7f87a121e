/** Networks of test/fixtures with operators that are not in the table yet, by the first of them: loaded, never differentiated. */
export const waiting: Readonly<Record<string, RegExp>> = {};
