/** Words as shells read them. */

/** Text that no shell reads anything into. */
export const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** A word of a command line, in quotes only where a shell would read something into it. */
export const word = (text: string): string => (/^[\w./:=,@%+-]+$/.test(text) ? text : quoted(text));
