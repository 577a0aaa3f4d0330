// DICOM before the answer: what dicom-parser and jpeg-lossless-decoder-js (vendored, MIT) read. The rest waits for the API's picture.

import { extent, fullRange, NotShown, ofBlob } from "./pixels.js";

const IMPLICIT = "1.2.840.10008.1.2";
const EXPLICIT = "1.2.840.10008.1.2.1";
const BIG_ENDIAN = "1.2.840.10008.1.2.2";
const BASELINE = "1.2.840.10008.1.2.4.50";
const LOSSLESS = new Set(["1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"]);
const UNCOMPRESSED = new Set([IMPLICIT, EXPLICIT, BIG_ENDIAN]);
const LATER = "The picture that the model is shown comes with the answer.";
const MAX_RATIO = 1.01; // of a pixel's edges: what is further from square is drawn by the API

let loading;

// A classic script, because the library has no other form; it is fetched when the first DICOM file is opened.
function parser() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "vendor/dicomParser.min.js";
    script.onload = () => resolve(window.dicomParser);
    script.onerror = () => {
      loading = undefined;
      reject(new NotShown(`The reader of DICOM files could not be loaded. ${LATER}`));
    };
    document.head.append(script);
  });
  return loading;
}

/**
 * @param {Uint8Array} bytes a DICOM file
 * @returns {Promise<import("./pixels.js").Pixels>} upright, as the API draws it, in full size
 * @throws {NotShown}
 */
export async function read(bytes) {
  const library = await parser();
  let data;
  try {
    data = library.parseDicom(bytes);
  } catch {
    throw new NotShown(`The browser cannot read this DICOM file. ${LATER}`);
  }
  const syntax = data.string("x00020010") ?? EXPLICIT;
  if (data.elements.x00283000 || data.elements.x00283010 || /SIGMOID/.test(data.string("x00281056") ?? "")) {
    throw new NotShown(`The file describes its grey levels by a table, which only the API applies. ${LATER}`);
  }
  if (data.elements.x52009229 || data.elements.x52009230) {
    throw new NotShown(`The file describes its grey levels for each frame, which only the API applies. ${LATER}`);
  }
  if (Number(data.intString?.("x00280008") ?? 1) > 1 || data.uint16("x00280002") !== 1) {
    throw new NotShown("The file has several frames, or colours: the API will say whether it takes it.");
  }
  const pixels = syntax === BASELINE ? await ofBlob(new Blob([frame(library, data)]), "") : await stored(library, data, bytes, syntax);
  return upright(data, { ...pixels, ...shownAs(data, pixels), spacing: spacing(data), origin: "" });
}

// The one compressed frame of the file.
function frame(library, data) {
  const element = data.elements.x7fe00010;
  const fragments = element?.fragments?.length;
  if (!fragments) throw new NotShown(`The file has no pixels that the browser can find. ${LATER}`);
  return library.readEncapsulatedPixelDataFromFragments(data, element, 0, fragments);
}

// Stored values as they stand in the file (PS3.5, 8.1.1), or in its lossless JPEG.
async function stored(library, data, bytes, syntax) {
  const [height, width, allocated, bits, high, signed] = ["x00280010", "x00280011", "x00280100", "x00280101", "x00280102", "x00280103"].map((tag) => data.uint16(tag));
  const count = width * height;
  let view, step;
  if (UNCOMPRESSED.has(syntax)) {
    const element = data.elements.x7fe00010;
    if (element?.fragments) throw new NotShown(`The file is compressed, and says that it is not. ${LATER}`);
    view = element && new DataView(bytes.buffer, bytes.byteOffset + element.dataOffset, element.length);
    step = allocated / 8;
  } else if (LOSSLESS.has(syntax)) {
    view = await lossless(frame(library, data));
    step = view.byteLength / count;
  } else throw new NotShown(`The file is compressed in a way that browsers do not know. ${LATER}`);
  if (!view || !count || ![1, 2].includes(step) || view.byteLength < count * step) {
    throw new NotShown(`The file has no pixels that the browser can show. ${LATER}`);
  }
  const unsettled = () => new NotShown(`The file says in two ways where its values lie, which only the API settles. ${LATER}`);
  if (!bits || !(high >= bits - 1)) throw unsettled();
  const values = signed ? new Int16Array(count) : new Uint16Array(count);
  const shift = high + 1 - bits;
  const mask = 2 ** bits - 1;
  const sign = signed ? 2 ** (bits - 1) : 0;
  const little = syntax !== BIG_ENDIAN;
  for (let at = 0; at < count; at += 1) {
    // Bytes travel in swapped words in big endian (PS3.5, 8.1.1 and A.3).
    const word = step === 2 ? view.getUint16(2 * at, little) : view.getUint8(little ? at : at ^ 1);
    const value = (word >> shift) & mask;
    if (!signed && word >> shift > mask) throw unsettled();
    values[at] = value & sign ? value - 2 * sign : value;
  }
  return { width, height, values };
}

async function lossless(bytes) {
  const { Decoder } = await import("./vendor/jpegLossless.min.js");
  try {
    return new DataView(new Decoder().decompress(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  } catch {
    throw new NotShown(`The browser cannot decode this file. ${LATER}`);
  }
}

const number = (data, tag, index = 0) => {
  const value = data.floatString(tag, index);
  return Number.isFinite(value) ? value : undefined;
};

// The first usable window of the file, or else from the lowest to the highest value.
function shownAs(data, { values }) {
  const slope = number(data, "x00281053") || 1;
  const intercept = number(data, "x00281052") ?? 0;
  const padding = data.elements.x00280120 && (values instanceof Int16Array ? data.int16("x00280120") : data.uint16("x00280120"));
  const { low, high } = extent(values, padding);
  const inverted = (data.string("x00280004") ?? "").startsWith("MONOCHROME1");
  const ends = [slope * low + intercept, slope * high + intercept];
  const [center, windowWidth] = [number(data, "x00281050"), number(data, "x00281051")];
  const range = Math.max(...ends) - Math.min(...ends);
  const shows = windowWidth >= 1 && range > 0.065 * windowWidth && (range < 64 || windowWidth >= 6);
  const usable = center !== undefined && shows && center - windowWidth / 2 < Math.max(...ends) && center + windowWidth / 2 > Math.min(...ends);
  return { low, high, slope, intercept, inverted, ...(usable ? { center, windowWidth } : fullRange(Math.min(...ends), Math.max(...ends))) };
}

// Millimetres of a pixel: at the detector, unless the file says that it was calibrated to the patient (PS3.3, 10.7.1.3).
function spacing(data) {
  const calibrated = number(data, "x00280030");
  const detector = number(data, "x00181164");
  for (const tag of ["x00280030", "x00181164"]) {
    const [down, across] = [number(data, tag, 0), number(data, tag, 1)];
    if (down > 0 && across > 0) {
      const ratio = down / across;
      if (ratio > MAX_RATIO || ratio < 1 / MAX_RATIO) throw new NotShown(`The file's pixels are not square. ${LATER}`);
    }
  }
  const type = data.string("x00280a02");
  if (calibrated > 0 && ["FIDUCIAL", "GEOMETRY"].includes(type) && calibrated !== detector) return { mm: calibrated, where: "in the patient, as calibrated by the file" };
  const mm = detector || calibrated;
  return mm > 0 ? { mm, where: "at the detector: shorter in the patient" } : null;
}

// Head up and the patient's left to the right, where Patient Orientation says how the picture lies; as the API turns it.
function upright(data, pixels) {
  const stated = (data.string("x00200020") ?? "").split("\\").map((value) => value.trim()[0]?.toUpperCase());
  if (stated.length !== 2) return pixels;
  let [alongRows, alongColumns] = stated;
  const turned = "FH".includes(alongRows) && "LR".includes(alongColumns);
  if (turned) [alongRows, alongColumns] = [alongColumns, alongRows];
  if (!"LR".includes(alongRows) || !"FH".includes(alongColumns)) return pixels;
  const [flipX, flipY] = [alongRows === "R", alongColumns === "H"];
  if (!turned && !flipX && !flipY) return pixels;
  const [width, height] = turned ? [pixels.height, pixels.width] : [pixels.width, pixels.height];
  const values = new pixels.values.constructor(width * height);
  for (let y = 0, at = 0; y < height; y += 1) {
    const fromY = flipY ? height - 1 - y : y;
    for (let x = 0; x < width; x += 1, at += 1) {
      const fromX = flipX ? width - 1 - x : x;
      values[at] = pixels.values[turned ? fromX * pixels.width + fromY : fromY * pixels.width + fromX];
    }
  }
  return { ...pixels, width, height, values };
}
