/** Cyclic redundancy checks of 32 bits, least significant bit first. */

/**
 * @param polynomial reversed: its highest power is the lowest bit
 * @returns the checksum of bytes
 */
function createCrc(polynomial: number): (bytes: Uint8Array) => number {
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

/** Of zip files and PNG (ISO 3309). */
export const crc32 = createCrc(0xedb88320);
/** Castagnoli's, of TFRecord (RFC 3720, appendix B.4). */
export const crc32c = createCrc(0x82f63b78);
