/** How long nothing is said of work that goes on. */

/**
 * On a terminal, milliseconds of silence before it is said what goes on: with two looks each
 * second, it is less than two seconds.
 */
const onTerminal = 1750;
/**
 * Elsewhere each line stays, so that there are few: after this, and after longer the longer it takes, as a share of it.
 */
const elsewhere = 30_000;
const share = 1 / 20;

/** @param spent milliseconds since the work began */
export const patience = (terminal: boolean, spent: number): number =>
  terminal ? onTerminal : Math.max(elsewhere, share * spent);
