/** What bytes that are no ONNX model look like, so that the message can say what went wrong. */

interface Kind {
  readonly what: string;
  readonly advice: string;
  /** The text or bytes at `at`. */
  readonly magic: string;
  readonly at?: number;
}

const exportIt = "export the model to ONNX";
const kinds: readonly Kind[] = [
  {
    magic: "version https://git-lfs",
    what: "a Git LFS pointer, not the file itself",
    advice: "run `git lfs pull`",
  },
  { magic: "\x89PNG", what: "a PNG image", advice: "name an ONNX model" },
  { magic: "\xff\xd8\xff", what: "a JPEG image", advice: "name an ONNX model" },
  { magic: "GIF8", what: "a GIF image", advice: "name an ONNX model" },
  { magic: "%PDF", what: "a PDF document", advice: "name an ONNX model" },
  {
    magic: "PK\x03\x04",
    what: "a zip archive (PyTorch, Keras and NumPy files are such)",
    advice: exportIt,
  },
  { magic: "\x89HDF", what: "an HDF5 file (Keras)", advice: exportIt },
  { magic: "\x1f\x8b", what: "a gzip archive", advice: "unpack it first" },
  {
    magic: "ORTM",
    at: 4,
    what: "a model in the ORT format",
    advice: "use the .onnx file that it was made from",
  },
  { magic: "TFL3", at: 4, what: "a TensorFlow Lite model", advice: exportIt },
  { magic: "\x80\x02", what: "a Python pickle (old PyTorch files are such)", advice: exportIt },
  { magic: '{"', at: 8, what: "a safetensors file", advice: exportIt },
  { magic: "<!doctype", what: "an HTML page", advice: "download the file itself" },
  { magic: "<html", what: "an HTML page", advice: "download the file itself" },
  { magic: "<?xml", what: "an XML document", advice: "name an ONNX model" },
  { magic: "{", what: "a JSON document", advice: "name an ONNX model" },
];

/** A sentence on what the bytes look like and what to do, after "this is not an ONNX model: ". */
export function describeForeign(bytes: Uint8Array): string {
  if (bytes.length === 0) return "it is empty; export or download it again";
  const head = String.fromCharCode(...bytes.subarray(0, 128)).toLowerCase();
  const text = head.trimStart();
  for (const { magic, at, what, advice } of kinds) {
    const wanted = magic.toLowerCase();
    if ((at === undefined ? text : head).startsWith(wanted, at ?? 0)) return `it looks like ${what}; ${advice}`;
  }
  if (/^[\t\n\r\x20-\x7e]{16,}$/.test(head)) return "it looks like plain text; name an ONNX model";
  return "it cannot be read as ONNX, so it is something else, cut short or damaged; export or download it again";
}
