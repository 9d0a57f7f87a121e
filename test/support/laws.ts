/** What `npm test` leaves out and `npm run test:laws` does not; CONTRIBUTING.md says which tests that are. */

import type { TestOptions } from "vitest";

/** Of a test, or of all of a group, that does for many networks, steps or pages what others do for a few. */
export const laws: TestOptions = { tags: ["laws"] };

/** Of one test of many, unless it is among the few that are run all the same. */
export const lawsBut = <T>(few: readonly T[], one: T): TestOptions => (few.includes(one) ? {} : laws);

/** Of one sample of an operator: the first three of each operator are run all the same. */
export const ofSample = (number: number): TestOptions => (number < 3 ? {} : laws);
