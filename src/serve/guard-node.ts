/** Who may ask: our own page, at our own address, with the token. */

import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";

/** Why a request is not answered. */
export interface Refusal {
  readonly status: 401 | 403 | 405;
  readonly why: string;
}

const hosts = ["127.0.0.1", "localhost"];

/** Names of our own address; a browser leaves the port of HTTP out. */
const addresses = (port: number): string[] =>
  hosts.flatMap((host) => [`${host}:${port}`, ...(port === 80 ? [host] : [])]);

/**
 * What is wrong with the way in which a request came. A page of elsewhere whose name leads to this machine gives its
 * own name as the host, and a script of elsewhere its own origin.
 *
 * @returns nothing where it may be answered
 */
export function refuseAddress({ method, headers }: IncomingMessage, port: number): Refusal | undefined {
  const ours = addresses(port);
  if (!ours.includes((headers.host ?? "").toLowerCase()))
    return { status: 403, why: `this server is ${ours[0]} only; open the address that it printed` };
  const { origin } = headers;
  if (origin !== undefined && !ours.some((one) => origin.toLowerCase() === `http://${one}`))
    return { status: 403, why: "this server answers its own page only" };
  if (method !== "GET" && method !== "HEAD") return { status: 405, why: "this server is read by GET and HEAD only" };
  return undefined;
}

/**
 * Whether a request brings the token: as `Authorization: Bearer TOKEN`, or where headers can't be set, in its query.
 *
 * @param query of an address whose token counts
 */
export function bringsToken({ headers }: IncomingMessage, token: string, query?: URLSearchParams): boolean {
  const [, given] = /^Bearer +(\S+)$/i.exec(headers.authorization ?? "") ?? [];
  return isSame(given ?? query?.get("token") ?? "", token);
}

/** Texts are compared in a time that does not tell how much of them is right. */
const isSame = (one: string, other: string): boolean => timingSafeEqual(digest(one), digest(other));
const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
