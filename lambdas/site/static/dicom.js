// DICOM before the answer: what dicom-parser and jpeg-lossless-decoder-js (vendored, MIT) read. The rest waits for the API's picture.
//
// The API reads far more than this (model_code/dicom), and what is shown here must be what the model is shown. So whatever is not plainly
// as the standard has it is left to the API, and a test compares the two.

import { extent, fullRange, NotShown, ofBlob, share } from "./pixels.js";

const EXPLICIT = "1.2.840.10008.1.2.1";
const BIG_ENDIAN = "1.2.840.10008.1.2.2";
const UNCOMPRESSED = new Set(["1.2.840.10008.1.2", EXPLICIT, BIG_ENDIAN]);
// Baseline, extended and lossless: which one it is, the codestream tells.
const JPEG = new Set(["50", "51", "57", "70"].map((number) => `1.2.840.10008.1.2.4.${number}`));
const [SEQUENTIAL, LOSSLESS] = [new Set([0xc0, 0xc1]), 0xc3];
// Those whose lengths dicom-parser knows (PS3.5, 7.1.2).
const REPRESENTATION = /^(AE|AS|AT|CS|DA|DS|DT|FD|FL|IS|LO|LT|OB|OD|OF|OL|OW|PN|SH|SL|SQ|SS|ST|TM|UC|UI|UL|UN|UR|US|UT)$/;
const BINARY = /^(AT|FD|FL|OB|OD|OF|OL|OW|SL|SS|UL|US)$/;
const PIXELS = "x7fe00010";
const MAX_RATIO = 1.01; // of a pixel's edges: what is further from square is drawn by the API
const MISTAKEN_RATIO = 5;
const MANY_TORN = 2; // in a row, as in model_code/dicom/contradictions.py, with a margin

let loading;

// A classic script, because the library has no other form; it is fetched when the first DICOM file is opened.
function parser() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "vendor/dicomParser.min.js";
    script.onload = () => resolve(window.dicomParser);
    script.onerror = () => {
      loading = undefined;
      reject(new NotShown("The reader of DICOM files could not be loaded."));
    };
    document.head.append(script);
  });
  return loading;
}

/**
 * @param {Uint8Array} bytes a DICOM file
 * @returns {Promise<import("./pixels.js").Pixels>} upright, as the API draws it, in full size
 * @throws {NotShown} the reason is said, and whether a picture comes with the answer is not
 */
export async function read(bytes) {
  const library = await parser();
  try {
    return await pixelsOf(library, bytes);
  } catch (error) {
    // The libraries throw texts and errors of many kinds at damaged files.
    throw error instanceof NotShown ? error : new NotShown("The browser cannot read this DICOM file.");
  }
}

async function pixelsOf(library, bytes) {
  // What stands behind the pixels is no part of the image.
  const data = library.parseDicom(bytes, { untilTag: PIXELS });
  if (Object.values(data.elements).some(({ vr }) => vr !== undefined && !REPRESENTATION.test(vr))) {
    throw new NotShown("The file is written in a way that only the API reads.");
  }
  if (data.elements.x00283000 || data.elements.x00283010 || /SIGMOID|LINEAR_EXACT/.test(text(data, "x00281056"))) {
    throw new NotShown("The file describes its grey levels by a table or a curve, which only the API applies.");
  }
  if (data.elements.x52009229 || data.elements.x52009230) {
    throw new NotShown("The file describes its grey levels for each frame, which only the API applies.");
  }
  if (numbers(data, "x00280008")[0] >= 2 || whole(data, "x00280002", 1) !== 1) {
    throw new NotShown("The file has several frames, or colours: the API will say whether it takes it.");
  }
  const inverted = whiteIsLow(data);
  const shape = layout(data);
  if (covered(data, shape)) throw new NotShown("The file covers a part of its picture, as only the API does.");
  const mm = spacing(data);
  const pixels = await decoded(data, bytes, shape);
  return upright(data, { ...pixels, ...shownAs(data, pixels.values, shape), inverted, spacing: mm, origin: "" });
}

// What the attributes of the pixels say (PS3.3, C.7.6.3), as the API takes it.
function layout(data) {
  const [height, width, allocated, bits, signed] = ["x00280010", "x00280011", "x00280100", "x00280101", "x00280103"].map((tag) => whole(data, tag));
  const high = whole(data, "x00280102", bits - 1);
  if (!width || !height || ![8, 16].includes(allocated) || !(bits >= 1 && bits <= allocated && high >= bits - 1 && high < allocated) || signed === undefined) {
    throw new NotShown("The file does not say how its pixels are laid out, or in an unusual way.");
  }
  return { height, width, allocated, bits, spare: high + 1 - bits, signed: signed === 1, room: allocated, overlaid: overlaid(data) };
}

// Whether a shutter may cover some of the picture (C.7.6.11). Devices write one of the whole image too, and of no shape.
function covered(data, { width, height }) {
  const shapes = new Set(parts(data, "x00181600").map((shape) => shape.toUpperCase()));
  if (shapes.has("CIRCULAR") || shapes.has("POLYGONAL")) return true;
  if (!shapes.has("RECTANGULAR")) return false;
  const [left, right, upper, lower] = ["x00181602", "x00181604", "x00181606", "x00181608"].map((tag) => finite(data, tag));
  // Where a 0 is, pixels were counted from there.
  const reaches = (from, to, count) => from <= 1 && to >= (from === 0 ? count - 1 : count);
  return !reaches(left, right, width) || !reaches(upper, lower, height);
}

// Whether a bit of the pixels beside the stored ones is said to be an overlay's (as PS3.5, 8.1.2 had it).
function overlaid(data) {
  const groups = Array.from({ length: 16 }, (_, at) => `x${(0x6000 + 2 * at).toString(16)}`);
  return groups.some((group) => {
    const [allocated, position] = [whole(data, `${group}0100`, 1), whole(data, `${group}0102`, 0)];
    if (allocated === undefined || position === undefined) throw new NotShown("The file is written in a way that only the API reads.");
    return allocated > 1 || position > 0;
  });
}

// Whether low values are white; the same may be said twice (C.8.11.3.1.2).
function whiteIsLow(data) {
  const [stated, shape] = [text(data, "x00280004"), text(data, "x20500020")];
  const said = { MONOCHROME1: true, MONOCHROME2: false }[stated];
  const again = { INVERSE: true, IDENTITY: false }[shape] ?? said;
  if (said === undefined || said !== again) throw new NotShown("The file does not say clearly which of its values are dark.");
  return said;
}

async function decoded(data, bytes, shape) {
  const syntax = (data.string("x00020010") ?? EXPLICIT).trim();
  const element = data.elements[PIXELS];
  if (!element) throw new NotShown("The file has no pixels that the browser can find.");
  if (UNCOMPRESSED.has(syntax)) return plain(element, bytes, shape, syntax === BIG_ENDIAN);
  if (!JPEG.has(syntax)) throw new NotShown("The file is compressed in a way that browsers do not know.");
  const frame = await onlyFrame(element, bytes);
  const header = jpegHeader(frame);
  const { width, height, bits, allocated } = shape;
  if (header?.width !== width || header.height !== height || header.components !== 1 || header.bits > allocated) {
    throw new NotShown("The file's compressed pixels are not what its header says.");
  }
  if (header.process === LOSSLESS) return lossless(frame, header, shape);
  if (!SEQUENTIAL.has(header.process) || header.bits !== 8 || bits !== 8 || shape.spare || shape.signed || header.exif) {
    throw new NotShown("The file is compressed in a way that browsers do not know.");
  }
  return ofBlob(new Blob([frame]), "");
}

// Stored values as they stand in the file (PS3.5, 8.1.1).
function plain({ dataOffset, length, hadUndefinedLength, vr }, bytes, shape, big) {
  const step = shape.allocated / 8;
  if (hadUndefinedLength || dataOffset + length > bytes.length || length < shape.width * shape.height * step) {
    throw new NotShown("The file's pixels end too early, or are not what its header says.");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + dataOffset, length);
  if (step === 2) return stored(shape, (at) => view.getUint16(2 * at, !big));
  // In big endian bytes travel in swapped words, where they are written as words (A.3).
  return stored(shape, big && vr === "OW" ? (at) => view.getUint8(at ^ 1) : (at) => view.getUint8(at));
}

// `room` is of the bits of a word that the file has.
function stored({ width, height, bits, spare, signed, room, overlaid: masked }, word) {
  const values = signed ? new Int16Array(width * height) : new Uint16Array(width * height);
  const mask = 2 ** bits - 1;
  const sign = signed ? 2 ** (bits - 1) : 0;
  const below = 2 ** spare - 1;
  const above = 2 ** (room - spare) - 1;
  let [bare, extended, torn] = [true, true, 0];
  for (let at = 0; at < values.length; at += 1) {
    const raw = word(at) >> spare;
    const value = raw & mask;
    values[at] = value & sign ? value - 2 * sign : value;
    bare &&= raw === value;
    extended &&= raw === (values[at] & above);
    // Bits that are none of the stored ones, and no sign's: the API goes by all values, and by a pixel's neighbours (model_code/dicom/contradictions.py).
    if (!masked && ((!bare && !extended) || word(at) & below)) throw new NotShown("The file says in two ways where its values lie, which only the API settles.");
    if (at % width && Math.abs(values[at] - values[at - 1]) > mask / 2) torn += 1;
  }
  // Neighbours at both ends of the range, more often than borders make them: the sign may be wrong.
  if (torn > MANY_TORN * height) throw new NotShown("The file may be wrong about its values' sign, which only the API settles.");
  return { width, height, values };
}

// All fragments behind the table of offsets (PS3.5, A.4), which is not needed for one frame.
async function onlyFrame({ dataOffset, hadUndefinedLength }, bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const items = [];
  for (let at = dataOffset; hadUndefinedLength && at + 8 <= bytes.length; ) {
    const [tag, length] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
    at += 8;
    if (tag === 0xe0ddfffe) return new Uint8Array(await new Blob(items.slice(1)).arrayBuffer());
    if (tag !== 0xe000fffe) break;
    items.push(bytes.subarray(at, at + length));
    at += length;
  }
  throw new NotShown("The file's compressed pixels end too early, or are not what its header says.");
}

// Process, size and bits of a JPEG codestream (ITU-T T.81, B.2.2), and whether EXIF data could turn it.
function jpegHeader(frame) {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  let exif = false;
  for (let at = 2; at + 10 <= frame.length && frame[at] === 0xff; ) {
    const process = frame[at + 1];
    if (process >= 0xc0 && process <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(process)) {
      return { process, bits: frame[at + 4], height: view.getUint16(at + 5), width: view.getUint16(at + 7), components: frame[at + 9], exif };
    }
    exif ||= process === 0xe1;
    at += process === 0xff ? 1 : 2 + view.getUint16(at + 2);
  }
  return null;
}

async function lossless(frame, header, shape) {
  let end = frame.length - 1; // whatever encoders leave behind it
  while (end > 0 && !(frame[end - 1] === 0xff && frame[end] === 0xd9)) end -= 1;
  if (end <= 0) throw new NotShown("The file's compressed pixels end too early.");
  const { Decoder } = await import("./vendor/jpegLossless.min.js");
  let view;
  try {
    view = new DataView(new Decoder().decompress(frame.buffer, frame.byteOffset, frame.byteLength));
  } catch {
    throw new NotShown("The browser cannot decode this file.");
  }
  // A codestream holds the stored bits alone, or all those up to the high bit.
  const spare = header.bits >= shape.bits + shape.spare ? shape.spare : 0;
  return stored({ ...shape, spare, room: header.bits }, header.bits > 8 ? (at) => view.getUint16(2 * at, true) : (at) => view.getUint8(at));
}

// An attribute of two bytes; what is written otherwise, or several times, is left to the API.
function whole(data, tag, absent) {
  const { length = 0, vr } = data.elements[tag] ?? {};
  if (!length && absent !== undefined) return absent;
  return length === 2 && (vr === undefined || BINARY.test(vr)) ? data.uint16(tag) : undefined;
}

const parts = (data, tag) => (data.string(tag) ?? "").split("\\").map((part) => part.trim());

// The first value of an attribute in capitals.
const text = (data, tag) => parts(data, tag).find(Boolean)?.toUpperCase() ?? "";

// As programs write where the language has a decimal comma; three digits behind it may be thousands (model_code/dicom/attributes.py).
const DECIMAL_COMMA = /^[+-]?(\d+,(\d{1,2}|\d{4,})|(0|\d{4,}),\d{3})$/;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

// The numbers of an attribute in letters; NaN where one is none.
function numbers(data, tag) {
  const { length = 0, vr } = data.elements[tag] ?? {};
  if (!length) return [];
  if (vr !== undefined && BINARY.test(vr)) throw new NotShown("The file is written in a way that only the API reads.");
  return parts(data, tag).map((part) => (DECIMAL_COMMA.test(part) ? part.replace(",", ".") : part)).map((part) => (NUMBER.test(part) ? Number(part) : NaN));
}

const finite = (data, tag) => numbers(data, tag).slice(0, 1).find(Number.isFinite);

// The first window of the file that shows anything, or else from the lowest to the highest value (model_code/dicom/grey.py).
function shownAs(data, values, { bits, signed }) {
  const padding = padded(data, signed);
  const { low, high } = extent(values);
  const image = padding ? extent(values, padding) : { low, high };
  if (image.low > image.high) throw new NotShown("The file says of all its pixels that they are no part of the image.");
  let [slope, intercept] = [finite(data, "x00281053") || 1, finite(data, "x00281052") ?? 0];
  const [least, most] = signed ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
  if (!Number.isFinite(slope * most + intercept) || slope * least + intercept === slope * most + intercept) [slope, intercept] = [1, 0];
  const ends = [slope * image.low + intercept, slope * image.high + intercept];
  const widths = numbers(data, "x00281051");
  const windows = numbers(data, "x00281050").map((center, index) => ({ center, windowWidth: widths[index] }));
  const usable = windows.filter(({ center, windowWidth }) => Number.isFinite(center) && windowWidth >= 1 && windowWidth < Infinity);
  const seen = (one) => image.low === image.high || shows((value) => share(slope * value + intercept, one), image, values, padding);
  const window = usable.find(seen);
  if (window) return { low, high, padding, slope, intercept, ...window };
  // Of the whole range the numbers do not matter, but for their order: tiny ones would be lost beside the one of the formula.
  return { low, high, padding, slope: Math.sign(slope), intercept: 0, ...fullRange(...[image.low, image.high].map((end) => Math.sign(slope) * end).sort((one, other) => one - other)) };
}

// Whether a picture can be seen by a window, as the API judges it (`_shows` in model_code/dicom/grey.py).
function shows(shareOf, { low, high }, values, padding) {
  if (Math.abs(shareOf(high) - shareOf(low)) < 0.065) return false;
  if (high - low + 1 < 64) return true;
  const counts = new Uint32Array(high - low + 1);
  for (const value of values) if (value >= low && value <= high && !(padding && value >= padding.low && value <= padding.high)) counts[value - low] += 1;
  const levels = new Set();
  let [all, between] = [0, 0];
  counts.forEach((count, at) => {
    const level = Math.round(255 * shareOf(low + at));
    levels.add(level);
    if (at === 0 || at === high - low) return; // what a collimator covers, or a marker
    all += count;
    if (level > 0 && level < 255) between += count;
  });
  return levels.size >= 6 && between >= 0.05 * all;
}

// The values that stand for "no image here" (C.7.5.1.1.2), with the sign of the pixels.
function padded(data, signed) {
  if (!data.elements.x00280120?.length) return null;
  const value = whole(data, "x00280120");
  if (value === undefined) throw new NotShown("The file is written in a way that only the API reads.");
  const limit = whole(data, "x00280121", value);
  if (limit === undefined) throw new NotShown("The file is written in a way that only the API reads.");
  const ends = [value, limit].map((one) => (signed && one >= 2 ** 15 ? one - 2 ** 16 : one));
  return { low: Math.min(...ends), high: Math.max(...ends) };
}

// Millimetres of a pixel: at the detector, unless the file says that it was calibrated to the patient (PS3.3, 10.7.1.3).
function spacing(data) {
  const edges = (tag) => {
    const [down, across, ...more] = numbers(data, tag);
    const ratio = down / across;
    return down > 0 && across > 0 && !more.length && ratio <= MISTAKEN_RATIO && ratio >= 1 / MISTAKEN_RATIO ? { mm: down, square: ratio <= MAX_RATIO && ratio >= 1 / MAX_RATIO } : null;
  };
  const [stated, atDetector, ofFilm, shape] = ["x00280030", "x00181164", "x00182010", "x00280034"].map(edges);
  if ((stated ?? atDetector ?? ofFilm ?? shape)?.square === false) throw new NotShown("The file's pixels are not square.");
  const [calibrated, detector] = [stated?.mm, atDetector?.square ? atDetector.mm : undefined];
  if (calibrated && ["FIDUCIAL", "GEOMETRY"].includes(text(data, "x00280a02")) && calibrated !== detector) {
    return { mm: calibrated, where: "in the patient, as calibrated by the file" };
  }
  const mm = detector || calibrated;
  return mm ? { mm, where: "at the detector: shorter in the patient" } : null;
}

// Head up and the patient's left to the right, where Patient Orientation says how the picture lies; as the API turns it.
function upright(data, pixels) {
  const stated = parts(data, "x00200020").filter(Boolean).map((value) => value[0].toUpperCase());
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
