/**
 * The law of the project on further generated networks, beside those of generated.test.ts.
 *
 * @module-tag laws
 */

import { checkCuts } from "./laws.ts";

checkCuts(3, 315);
