// A radiograph's pixels: of a JPEG or PNG file, of a DICOM file, or of the picture that came with an answer.

import { DICOM } from "./files.js";

/**
 * Grey values and how to show them at first. A value v stands for `slope * v + intercept`, in which `center` and
 * `width` are (PS3.3, C.11.2.1.2).
 * @typedef {object} Pixels
 * @property {number} width
 * @property {number} height
 * @property {Uint8Array | Uint16Array | Int16Array} values row by row
 * @property {number} low the least value, and `high` the greatest
 * @property {number} high
 * @property {{low: number, high: number} | null} [padding] values that are no part of the image: black, whatever the rest is
 * @property {number} slope
 * @property {number} intercept
 * @property {number} center
 * @property {number} windowWidth
 * @property {boolean} inverted whether low values are white (MONOCHROME1)
 * @property {{mm: number, where: string} | null} spacing of a pixel, and where that holds
 * @property {string} origin what is said of where the picture comes from
 */

/** The browser does not show the file; `message` says why. */
export class NotShown extends Error {}

const PNG_DEPTH_AT = 24; // in IHDR, which comes first (PNG 3rd edition, 11.2.1), and the type of colour behind it
const WITH_ALPHA = new Set([4, 6]);
const EDGE = 2048; // of what is compared: more pixels of larger pictures are passed over
const SAME = 4; // grey levels by which two drawings of one file may differ in the mean

/**
 * @param {File} file @param {string} type its media type
 * @returns {Promise<Pixels>}
 * @throws {NotShown}
 */
export async function ofFile(file, type) {
  if (type === DICOM) {
    const { read } = await import("./dicom.js");
    return read(new Uint8Array(await file.arrayBuffer()));
  }
  if (type !== "image/png") return ofBlob(file, "");
  const bytes = new Uint8Array(await file.arrayBuffer());
  const png = await import("./png.js");
  const [depth, colour] = [bytes[PNG_DEPTH_AT], bytes[PNG_DEPTH_AT + 1]];
  const pixels = depth === 16 || WITH_ALPHA.has(colour) ? await png.read(bytes) : null;
  if (pixels) return pixels;
  const opaque = png.opaque(bytes);
  return depth === 16 ? coarse(await ofBlob(opaque, "In few grey levels: this browser shows eight of the file's sixteen bits.")) : ofBlob(opaque, "");
}

// Sixteen bits often hold twelve: black is 0, and white what the bits in use can hold, as the API has it.
const coarse = (pixels) => ({ ...pixels, ...fullRange(0, 2 ** Math.max(1, Math.ceil(Math.log2(pixels.high + 1))) - 1) });

/** Of the picture that the model was shown. @param {{blob: Blob}} picture */
export async function ofAnswer({ blob }) {
  return ofBlob(blob, "The picture that the model was shown: at most 1,024 pixels, its window fixed.");
}

/**
 * @param {Blob} blob a JPEG or PNG file, shown upright as its EXIF says
 * @param {string} origin
 * @returns {Promise<Pixels>}
 */
export async function ofBlob(blob, origin) {
  let bitmap;
  try {
    // As the model sees it: the numbers of the file, whatever a profile or a gamma says.
    bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
  } catch {
    throw new NotShown("This browser cannot show the file: it is damaged, or too large.");
  }
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  const values = new Uint8Array(width * height);
  // Luma of ITU-R BT.601, as the model sees colour.
  for (let at = 0, from = 0; at < values.length; at += 1, from += 4) {
    values[at] = (77 * data[from] + 150 * data[from + 1] + 29 * data[from + 2] + 128) >> 8;
  }
  const { low, high } = extent(values);
  return { width, height, values, low, high, slope: 1, intercept: 0, ...fullRange(0, 255), inverted: false, spacing: null, origin };
}

/** The least and the greatest value, in no order where there is none. @param {ArrayLike<number>} values @param {{low: number, high: number} | null} [padding] which does not count */
export function extent(values, padding) {
  let low = Infinity;
  let high = -Infinity;
  const [from, to] = padding ? [padding.low, padding.high] : [Infinity, -Infinity];
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at];
    if (value >= from && value <= to) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return { low, high };
}

/** The window from the least to the greatest value. */
export const fullRange = (low, high) => ({ center: (low + high + 1) / 2, windowWidth: Math.max(1, high - low + 1) });

/** Share of white of a number in a window (PS3.3, C.11.2.1.2.1). */
export function share(number, { center, windowWidth }) {
  const [middle, span] = [center - 0.5, windowWidth - 1];
  if (span <= 0) return number > middle ? 1 : 0;
  return Math.min(1, Math.max(0, (number - middle) / span + 0.5));
}

/**
 * What each value looks like: RGBA as the canvas has it, from `low` on.
 * @param {Pixels} pixels @param {{center: number, windowWidth: number, inverted: boolean}} shown
 */
export function greys({ low, high, padding, slope, intercept }, shown) {
  const table = new Uint32Array(high - low + 1);
  for (let at = 0; at < table.length; at += 1) {
    const value = low + at;
    const level = Math.round(255 * share(slope * value + intercept, shown));
    const seen = shown.inverted ? 255 - level : level;
    const grey = padding && value >= padding.low && value <= padding.high ? 0 : seen;
    table[at] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
  }
  return table;
}

/** Draw the pixels into image data of their size. */
export function shade(pixels, shown, image) {
  const table = greys(pixels, shown);
  const target = new Uint32Array(image.data.buffer);
  const { values, low } = pixels;
  for (let at = 0; at < target.length; at += 1) target[at] = table[values[at] - low];
}

/**
 * Whether two drawings show another picture, each in its first window: turned, inverted, of other grey levels or another shape.
 * @param {Pixels} one @param {Pixels} other
 */
export function differ(one, other) {
  const ratio = (one.width * other.height) / (one.height * other.width);
  if (Math.abs(ratio - 1) > 0.02) return true;
  const [levels, others] = [thumbnail(one), thumbnail(other)];
  return levels.reduce((sum, level, at) => sum + Math.abs(level - others[at]), 0) / levels.length > SAME;
}

const CELLS = 32;

// Mean grey levels of 32 x 32 parts of a picture.
function thumbnail(pixels) {
  const table = greys(pixels, pixels);
  const step = Math.max(1, Math.floor(Math.max(pixels.width, pixels.height) / EDGE));
  const [sums, counts] = [new Float64Array(CELLS ** 2), new Float64Array(CELLS ** 2)];
  for (let y = step >> 1; y < pixels.height; y += step) {
    const row = CELLS * Math.floor((CELLS * y) / pixels.height);
    for (let x = step >> 1; x < pixels.width; x += step) {
      const cell = row + Math.floor((CELLS * x) / pixels.width);
      sums[cell] += table[pixels.values[y * pixels.width + x] - pixels.low] & 0xff;
      counts[cell] += 1;
    }
  }
  return sums.map((sum, cell) => (counts[cell] ? sum / counts[cell] : 0));
}

/**
 * The same picture at a part of its size: each value is the mean of `factor` x `factor`, without what does not fill one.
 * @param {Pixels} pixels @param {number} factor
 * @returns {Pixels}
 */
export function reduced(pixels, factor) {
  const [width, height] = [Math.floor(pixels.width / factor), Math.floor(pixels.height / factor)];
  const values = new pixels.values.constructor(width * height);
  for (let y = 0, at = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, at += 1) {
      let sum = 0;
      for (let row = y * factor; row < (y + 1) * factor; row += 1) {
        const from = row * pixels.width + x * factor;
        for (let column = 0; column < factor; column += 1) sum += pixels.values[from + column];
      }
      values[at] = Math.round(sum / factor ** 2);
    }
  }
  return { ...pixels, width, height, values };
}
