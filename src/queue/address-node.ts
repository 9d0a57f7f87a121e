/** What every kind of server of a queue has in common: an address, patience, and what is wrong with a certificate. */

import type { BackendFactory, PostgresConnectionOptions, PostgresQueueBackend } from "bullmq";
import { fail, option } from "../graph/error.ts";

/** The address of a queue as people may see it: without its password. */
export const shownAddress = (url: string): string =>
  url.replace(/^([a-z]+:\/\/)?([^/?#]*)@/i, (_, scheme: string | undefined, who: string) => {
    const user = who.split(":")[0]!;
    return `${scheme ?? ""}${who.includes(":") ? `${user}:***` : user}@`;
  });

/** Seconds until a server that does not answer is taken for none. */
export const patience = 10;

/** What Node calls a certificate that nobody vouches for, or that is of another host or time. */
export const isOfCertificate = (code: string): boolean => /CERT|VERIFY|ISSUER|ALTNAME/.test(code);

/** @throws SecateurError `bad-option`, as nobody vouches for the server */
export const untrusted = (shown: string, message: string): never =>
  fail(
    "bad-option",
    `${shown} shows a certificate that is not trusted (${message}): name the file of its authority by ` +
      `${option("queueCa")}, and the host as the certificate has it`,
  );

/** A server that is to be reached. */
export interface Asked {
  readonly address: string;
  readonly bullmq: typeof import("bullmq");
  /** Certificates that vouch for it, as PEM; those of the system where none are given. */
  readonly ca: Buffer | undefined;
  /** Hears whether it is away. */
  readonly tell: (isAway: boolean) => void;
}

/** A server that lets us in. */
export interface Reached extends AsyncDisposable {
  /** What BullMQ speaks to it by: it connects again whenever the server is away, for as long as it takes. */
  client(): unknown;
  /** How BullMQ speaks to it, where that is not by Redis. */
  readonly backend?: BackendFactory<PostgresQueueBackend, PostgresConnectionOptions>;
}
