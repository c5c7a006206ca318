// Files that the page makes and the browser saves.

import { el } from "./dom.js";

/** Save this content as a file. */
export function download(content, type, name) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser reads it after the click
}

/** A file name of these parts and a moment in Unix seconds: `cartman-cpu-20261130-200329.csv`. */
export function fileName(parts, unix, extension) {
  const local = new Date(unix * 1000 - new Date(unix * 1000).getTimezoneOffset() * 60_000);
  const time = local.toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
  const name = [...parts, time].join("-").replace(/[^\p{L}\p{N}.-]+/gu, "_");
  return `${name.slice(-120)}.${extension}`;
}
