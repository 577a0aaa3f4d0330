// Files that a person dropped or chose: which they are, and what they hold by their first bytes.

import { Problem } from "./api.js";

export const DICOM = "application/dicom";

/** @param {number} bytes */
export const fileSize = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

/** @param {string} text base64 @returns {Uint8Array} */
export function fromBase64(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = characters.charCodeAt(at);
  return bytes;
}

/**
 * A file with the name that a person knows it by: of a folder, its path in it.
 * @typedef {{file: File, name: string, inFolder: boolean, lost?: boolean}} Named
 */

/** @param {Iterable<File>} files of an input element @returns {Named[]} */
export const chosen = (files) =>
  [...files].map((file) => ({ file, name: file.webkitRelativePath || file.name, inFolder: Boolean(file.webkitRelativePath) }));

/**
 * What was dropped, folders opened.
 * @param {DataTransfer} transfer its items are gone after the first wait
 * @returns {Promise<Named[]>}
 */
export async function dropped(transfer) {
  const files = [...transfer.files];
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return chosen(files);
  return (await Promise.all(entries.map((entry) => within(entry, "")))).flat();
}

// What cannot be read is a row that says so, and takes nothing else of its folder along.
const lost = (name) => ({ file: new File([], name), name, inFolder: true, lost: true });

async function within(entry, folder) {
  const name = folder + entry.name;
  if (entry.isFile) {
    const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
    return [file ? { file, name, inFolder: folder !== "" } : lost(name)];
  }
  const reader = entry.createReader();
  const found = [];
  // A reader gives some at a time, and none at the end.
  for (;;) {
    const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve(null)));
    if (!some) return [lost(name)];
    if (!some.length) break;
    found.push(...some);
  }
  found.sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));
  return (await Promise.all(found.map((one) => within(one, `${name}/`)))).flat();
}

/** Whether a file is what it was when it was chosen. @param {File} file */
export const isReadable = (file) => file.slice(0, 1).arrayBuffer().then(() => true, () => false);

/** @param {string} name */
export const unreadable = (name) => new Problem({ title: "Not readable", detail: `${name} cannot be read: it is a folder, or it was changed or removed. Choose it again.`, code: "unreadable_file" });

/**
 * What a file is, by its first bytes: names and the browser's guess are wrong too often.
 * @param {File} file @param {string} name
 * @throws {Problem} it cannot be read, or is none of the three
 */
export async function mediaType(file, name) {
  let start;
  try {
    start = new Uint8Array(await file.slice(0, 132).arrayBuffer());
  } catch {
    throw unreadable(name);
  }
  if (!start.length) throw new Problem({ title: "Not a radiograph's file", detail: `${name} is empty.`, code: "empty_body" });
  const begins = (bytes, at = 0) => bytes.every((byte, index) => start[at + index] === byte);
  if (begins([0xff, 0xd8, 0xff])) return "image/jpeg";
  if (begins([0x89, 0x50, 0x4e, 0x47])) return "image/png";
  if (begins([0x44, 0x49, 0x43, 0x4d], 128) || isDataset(start)) return DICOM;
  const other = otherFormat(start);
  const advice = ["a PDF document", "an archive", "a web page", "a pointer of Git LFS"].includes(other) ? "choose the radiograph's own file" : "save it as PNG, or send the DICOM file";
  const detail = other ? `${name} is ${other}, which the model is not asked about: ${advice}.` : `${name} is no JPEG, PNG or DICOM file.`;
  throw new Problem({ title: "Not a radiograph's file", detail, code: "unsupported_media_type" });
}

// What people store beside radiographs, by the first bytes, as the API names it (model_code/contract/images.py).
const OTHERS = [
  ["a TIFF", /^(II[*+]\0|MM\0[*+])/],
  ["a GIF", /^GIF8/],
  ["a BMP", /^BM.{4}\0{4}/s],
  ["a WebP", /^RIFF.{4}WEBP/s],
  ["an AVIF", /^.{4}ftyp(avi[fs]|m[is]f1.{4}(.{4}){0,8}?avi[fs])/s],
  ["a HEIC", /^.{4}ftyp(he[a-z]{2}|mif1|msf1)/s],
  ["a JPEG 2000", /^(\0{3}\x0cjP {2}|\xff\x4f\xff\x51)/],
  ["a JPEG XL", /^(\0{3}\x0cJXL |\xff\x0a)/],
  ["a PDF document", /^%PDF-/],
  ["an archive", /^(PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!|\xfd7zXZ\0|BZh[1-9]|\x28\xb5\x2f\xfd)/],
  ["a Netpbm picture", /^P[1-6]\s/],
  ["a web page", /^\s*<(!doctype\s+html|html)\b/i],
  ["a pointer of Git LFS", /^version https:\/\/git-lfs\.github\.com\/spec\//],
];

/** @param {Uint8Array} start @returns {string | undefined} such as `a WebP` */
const otherFormat = (start) => {
  const text = String.fromCharCode(...start);
  return OTHERS.find(([, begins]) => begins.test(text))?.[0];
};

const FIRST_KINDS = new Set(["UL", "OB", "UI", "CS", "DA", "TM", "LO", "SH"]);

// A DICOM dataset without what goes before it in a file (PS3.10, 7.1), as the API knows one (model_code/contract/images.py).
function isDataset(start) {
  const group = start[0] + 256 * start[1];
  if (start.length < 8 || ![0x0002, 0x0008, 0x0800].includes(group)) return false;
  if (FIRST_KINDS.has(String.fromCharCode(start[4], start[5]))) return true;
  // Without representations: a tag, a length, a value, and a tag of the same group (PS3.5, 7.1.3).
  const next = 8 + new DataView(start.buffer).getUint32(4, true);
  return group === 0x0008 && start[next] === 0x08 && start[next + 1] === 0x00;
}
