/** Opens an address in the browser of whoever sits at this machine. */

import { spawn } from "node:child_process";
import { platform } from "node:os";

/** What opens an address, by system. No shell reads it; Windows' own `start` is a part of one. */
const openers: Readonly<Record<string, readonly [program: string, ...words: string[]]>> = {
  darwin: ["open"],
  win32: ["rundll32", "url.dll,FileProtocolHandler"],
};

/**
 * The browser is a process of its own: Ctrl-C ends the server and not it.
 *
 * @param onFail is told where there is nothing that opens the address
 */
export function openBrowser(url: string, onFail: () => void): void {
  const [program, ...words] = openers[platform()] ?? ["xdg-open"];
  const child = spawn(program, [...words, url], { detached: true, stdio: "ignore", windowsHide: true });
  child.once("error", onFail);
  child.once("exit", (code) => {
    if (code !== 0) onFail();
  });
  child.unref();
}
