/** What every answer tells the browser: what files are, and how little the page may do. */

/** The page takes nothing from elsewhere, and nobody else can frame it or read from it. */
export const contentSecurityPolicy =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; " +
  "worker-src 'self' blob:; connect-src 'self' blob: data:; font-src 'self'; base-uri 'none'; form-action 'none'; " +
  "frame-ancestors 'none'";

/** Headers of all answers. The two policies named first let the page use threads of WebAssembly. */
export const safeHeaders: Readonly<Record<string, string>> = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Content-Security-Policy": contentSecurityPolicy,
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cache-Control": "no-store",
};

const types: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  html: "text/html; charset=utf-8",
  ico: "image/x-icon",
  js: "text/javascript; charset=utf-8",
  json: "application/json; charset=utf-8",
  mjs: "text/javascript; charset=utf-8",
  png: "image/png",
  svg: "image/svg+xml; charset=utf-8",
  txt: "text/plain; charset=utf-8",
  wasm: "application/wasm",
  webmanifest: "application/manifest+json; charset=utf-8",
};

/** A type that nothing is made of: models, arrays, and what is not known. */
export const plainBytes = "application/octet-stream";

/** The content type of a file, by the end of its name. */
export function contentTypeOf(name: string): string {
  const [, end = ""] = /\.(\w+)$/.exec(name) ?? [];
  return types[end.toLowerCase()] ?? plainBytes;
}
