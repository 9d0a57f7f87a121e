/** Cyclic redundancy checks of 32 bits, where there is no zlib of Node's: in a browser, and of TensorBoard's files. */

function crcBy(polynomial: number): (bytes: Uint8Array) => number {
  const table = Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    return crc;
  });
  return (bytes) => {
    let crc = 0xffffffff;
    for (const byte of bytes) crc = table[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
    return ~crc >>> 0;
  };
}

/** That of zip files (ISO 3309). */
export const crc32 = crcBy(0xedb88320);
/** Castagnoli's, which TFRecord takes (RFC 3720, appendix B.4). */
export const crc32c = crcBy(0x82f63b78);
