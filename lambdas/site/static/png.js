// PNG files that a canvas would not give back: of sixteen bits, of which it keeps eight, and with transparency, which darkens.

import { extent, fullRange } from "./pixels.js";

const SIGNATURE_BYTES = 8;
const CHANNELS = { 0: 1, 2: 3, 4: 2, 6: 4 }; // by the type of colour (PNG 3rd edition, 11.2.1)
const MOST_PIXELS = 40e6; // above what the API takes

/**
 * The samples as the model sees them: transparency dropped, colour as luma, and white what the bits in use can hold (model_code/imaging/decoding.py).
 * @param {Uint8Array} bytes of a PNG file
 * @returns {Promise<import("./pixels.js").Pixels | null>} null where the browser decodes it better: interlaced, turned by EXIF data, or damaged
 */
export async function read(bytes) {
  const { width, height, depth, colour, interlaced, noted, turned, packed } = chunks(bytes);
  const channels = CHANNELS[colour];
  if (!channels || ![8, 16].includes(depth) || interlaced || turned || !(width * height <= MOST_PIXELS)) return null;
  const pixelBytes = (channels * depth) / 8;
  const lines = await inflated(packed, height * (1 + width * pixelBytes));
  if (!lines || !unfilter(lines, width * pixelBytes, height, pixelBytes)) return null;
  const { values, largest } = grey(lines, width, height, channels, depth);
  const white = depth === 16 ? 2 ** bitsInUse(noted, largest) - 1 : 255;
  return { width, height, values, ...extent(values), slope: 1, intercept: 0, ...fullRange(0, white), inverted: false, spacing: null, origin: "" };
}

// Those that sBIT notes, unless samples are larger; else those that the largest sample needs.
function bitsInUse(noted, largest) {
  if (noted >= 1 && noted < 16) return largest < 2 ** noted ? noted : 16;
  return Math.max(8, 32 - Math.clz32(largest));
}

function chunks(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = { noted: 0, turned: false, packed: [] };
  for (let at = SIGNATURE_BYTES; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const content = bytes.subarray(at + 8, at + 8 + length);
    if (kind === "IHDR" && length >= 13) {
      Object.assign(found, { width: view.getUint32(at + 8), height: view.getUint32(at + 12), depth: content[8], colour: content[9], interlaced: content[12] !== 0 });
    } else if (kind === "sBIT" && !found.packed.length) found.noted ||= content[0];
    else if (kind === "eXIf" && !found.packed.length) found.turned ||= isTurned(content);
    else if (kind === "IDAT") found.packed.push(content);
    else if (kind === "IEND") break;
    at += 12 + length;
  }
  return found;
}

/** The file without the chunk that makes a colour transparent, of which a canvas would keep nothing. @param {Uint8Array} bytes */
export function opaque(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = SIGNATURE_BYTES; at + 12 <= bytes.length; at += 12 + view.getUint32(at)) {
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (kind === "tRNS") return new Blob([bytes.subarray(0, at), bytes.subarray(at + 12 + view.getUint32(at))]);
    if (kind === "IDAT") break;
  }
  return new Blob([bytes]);
}

// Whether EXIF data say that the picture is to be turned (Exif 2.32, 4.6.4 A).
function isTurned(content) {
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const little = content[0] === 0x49;
  try {
    const start = view.getUint32(4, little);
    for (let at = start + 2; at < start + 2 + 12 * view.getUint16(start, little); at += 12) {
      if (view.getUint16(at, little) === 0x0112) return view.getUint16(at + 8, little) > 1;
    }
  } catch {
    // It ends before what it names.
  }
  return false;
}

// As many bytes as the picture has; null where there are fewer.
async function inflated(packed, length) {
  const found = new Uint8Array(length);
  const reader = new Blob(packed).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  let at = 0;
  try {
    while (at < length) {
      const { done, value } = await reader.read();
      if (done) return null;
      found.set(value.subarray(0, length - at), at);
      at += value.length;
    }
    await reader.cancel();
  } catch {
    return null;
  }
  return found;
}

// Undo what each line was filtered by, in place (PNG, 9.2); false where a line names another filter.
function unfilter(lines, rowBytes, height, pixelBytes) {
  for (let y = 0; y < height; y += 1) {
    const from = y * (1 + rowBytes) + 1;
    const filter = lines[from - 1];
    if (filter > 4) return false;
    for (let x = 0; filter && x < rowBytes; x += 1) {
      const at = from + x;
      const left = x >= pixelBytes ? lines[at - pixelBytes] : 0;
      const above = y ? lines[at - 1 - rowBytes] : 0;
      const corner = y && x >= pixelBytes ? lines[at - 1 - rowBytes - pixelBytes] : 0;
      lines[at] += filter === 1 ? left : filter === 2 ? above : filter === 3 ? (left + above) >> 1 : paeth(left, above, corner);
    }
  }
  return true;
}

function paeth(left, above, corner) {
  const [toLeft, toAbove, toCorner] = [Math.abs(above - corner), Math.abs(left - corner), Math.abs(left + above - 2 * corner)];
  return toLeft <= toAbove && toLeft <= toCorner ? left : toAbove <= toCorner ? above : corner;
}

function grey(lines, width, height, channels, depth) {
  const step = depth / 8;
  const sample = step === 2 ? (at) => (lines[at] << 8) | lines[at + 1] : (at) => lines[at];
  const values = new Uint16Array(width * height);
  const coloured = channels > 2;
  let largest = 0;
  for (let at = 0; at < values.length; at += 1) {
    const from = at * channels * step + Math.floor(at / width) + 1;
    const first = sample(from);
    const [second, third] = coloured ? [sample(from + step), sample(from + 2 * step)] : [0, 0];
    largest = Math.max(largest, first, second, third);
    values[at] = coloured ? (77 * first + 150 * second + 29 * third + 128) >> 8 : first;
  }
  return { values, largest };
}
