/**
 * What the library for zip files does not tell of one:
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, sections 4.3.12 to 4.3.16.
 */

const signatures = { entry: 0x02014b50, end: 0x06054b50, end64: 0x06064b50, locator64: 0x07064b50 } as const;
/** Bytes of the parts of fixed size. */
const sizes = { entry: 46, end: 22, locator64: 20 } as const;

/** Its length has 16 bits. */
const longestComment = 0xffff;

/**
 * The CRC-32 that a zip file declares of each of its members, in the order of its directory.
 *
 * @throws RangeError where it is no zip file
 */
export function checksumsOf(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = (place: number): number => view.getUint32(place, true);
  let end = bytes.length - sizes.end;
  while (at(end) !== signatures.end)
    if (bytes.length - --end > sizes.end + longestComment) throw new RangeError("it has no end");
  const wide = end64Of(at, end);
  const count = wide === undefined ? view.getUint16(end + 8, true) : at(wide + 32);
  let entry = wide === undefined ? at(end + 16) : at(wide + 48);
  const checksums: number[] = [];
  for (let i = 0; i < count; i++) {
    if (at(entry) !== signatures.entry) throw new RangeError("its directory is damaged");
    checksums.push(at(entry + 16));
    const [name, extra, comment] = [28, 30, 32].map((place) => view.getUint16(entry + place, true));
    entry += sizes.entry + name! + extra! + comment!;
  }
  return checksums;
}

/** Where the end of a directory of more than 65,535 members or 4 GiB stands. */
function end64Of(at: (place: number) => number, end: number): number | undefined {
  const locator = end - sizes.locator64;
  if (locator < 0 || at(locator) !== signatures.locator64) return undefined;
  const place = at(locator + 8);
  return at(place) === signatures.end64 ? place : undefined;
}
