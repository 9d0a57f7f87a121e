/** The law of the project on further generated networks, beside those of generated.test.ts. */

import { checkCuts } from "./laws.ts";

checkCuts(3);
