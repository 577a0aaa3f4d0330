// A radiograph's pixels: of a JPEG or PNG file, of a DICOM file, or of the picture that came with an answer.

import { DICOM, fromBase64 } from "./files.js";

/**
 * Grey values and how to show them at first. A value v stands for `slope * v + intercept`, in which `center` and
 * `width` are (PS3.3, C.11.2.1.2).
 * @typedef {object} Pixels
 * @property {number} width
 * @property {number} height
 * @property {Uint8Array | Uint16Array | Int16Array} values row by row
 * @property {number} low the least value, and `high` the greatest
 * @property {number} high
 * @property {number} slope
 * @property {number} intercept
 * @property {number} center
 * @property {number} windowWidth
 * @property {boolean} inverted whether low values are white (MONOCHROME1)
 * @property {{mm: number, where: string} | null} spacing of a pixel, and where that holds
 * @property {string} origin what is said of where the picture comes from
 */

/** The file cannot be shown before the answer; `message` says why. */
export class NotShown extends Error {}

const PNG_DEPTH_AT = 24; // in IHDR, which comes first (PNG 3rd edition, 11.2.1)

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
  const pixels = await ofBlob(file, "");
  const start = new Uint8Array(await file.slice(0, PNG_DEPTH_AT + 1).arrayBuffer());
  // Sixteen bits often hold twelve: such a file is almost black until it is stretched, as the API does.
  return type === "image/png" && start[PNG_DEPTH_AT] === 16 ? { ...pixels, ...fullRange(pixels.low, pixels.high) } : pixels;
}

/** Of the picture that the model was shown. @param {{media_type: string, data: string}} picture */
export async function ofAnswer({ media_type: type, data }) {
  return ofBlob(new Blob([fromBase64(data)], { type }), "The picture that the model was shown: at most 1,024 pixels, its window fixed.");
}

/**
 * @param {Blob} blob a JPEG or PNG file, shown upright as its EXIF says
 * @param {string} origin
 * @returns {Promise<Pixels>}
 */
export async function ofBlob(blob, origin) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
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

/** The least and the greatest value. @param {ArrayLike<number>} values @param {number} [padding] which does not count */
export function extent(values, padding) {
  let low = Infinity;
  let high = -Infinity;
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at];
    if (value === padding) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? { low, high } : { low: 0, high: 0 };
}

/** The window from the least to the greatest value. */
export const fullRange = (low, high) => ({ center: (low + high + 1) / 2, windowWidth: Math.max(1, high - low + 1) });

/**
 * What each value looks like: RGBA as the canvas has it, from `low` on.
 * @param {Pixels} pixels @param {{center: number, windowWidth: number, inverted: boolean}} shown
 */
export function greys({ low, high, slope, intercept }, { center, windowWidth, inverted }) {
  const table = new Uint32Array(high - low + 1);
  const span = Math.max(1, windowWidth - 1);
  for (let at = 0; at < table.length; at += 1) {
    const value = slope * (low + at) + intercept;
    const level = Math.min(255, Math.max(0, Math.round(((value - (center - 0.5)) / span + 0.5) * 255)));
    const grey = inverted ? 255 - level : level;
    table[at] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
  }
  return table;
}

/** Draw the pixels into image data of their size. */
export function shade(pixels, shown, image) {
  const table = greys(pixels, shown);
  const target = new Uint32Array(image.data.buffer);
  const { values, low, high } = pixels;
  for (let at = 0; at < target.length; at += 1) {
    const value = values[at];
    target[at] = table[(value < low ? low : value > high ? high : value) - low];
  }
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
