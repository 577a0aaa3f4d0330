// The API as the page asks it: one function for each path, and its errors. No third party; the key stays in this tab.

import { fileSize, fromBase64 } from "./files.js";

/**
 * @typedef {{title?: string, detail?: string, code?: string, status?: number, request_id?: string}} ProblemDocument
 * @typedef {{low: number, high: number}} Band
 * @typedef {{id: string, probability: number, label: string, indeterminate: boolean, threshold: number, guarantee: any,
 *   model: {version: number, package_arn: string, indeterminate: Band}, dicom?: any, overlay?: any, radiograph?: any,
 *   outside_intended_population?: string[], notice: string}} Prediction the pictures (`overlay`, `radiograph`) with a `blob`
 * @typedef {object} Asked what is asked about, and what stays the same however often it is
 * @property {File} file
 * @property {string} type its media type
 * @property {string} key Idempotency-Key
 * @property {string} [upload] id under which the file is in the bucket already
 */

const SETTINGS = document.documentElement.dataset;
// Above this many bytes the gateway takes no image: it goes to the bucket first.
export const LARGEST_BODY = Number(SETTINGS.maxImageBytes);
const SECRET = "cxr-secret";
export const UPLOAD_FAILED = "upload_failed";
export const TIMED_OUT = "timed_out";
// The gateway ends a request after 29 s; the rest is for the way, and for a file on a slow line.
// Slow: three files share a line, some of 256 kbit/s, and what is ended too early never gets through.
const [LONGEST_SECONDS, SLOWEST_BYTES_A_SECOND] = [45, 10_000];
const PICTURES = ["overlay", "radiograph"];

/** How this deployment's clients prove who they are: `api_key`, `jwt` or `iam`. */
export const AUTHENTICATION = SETTINGS.authentication;

let secret = sessionStorage.getItem(SECRET) ?? "";

/** What the person entered: a key or a token. */
export const currentSecret = () => secret;

/** @param {string} value */
export function useSecret(value) {
  secret = value.trim();
  sessionStorage.setItem(SECRET, secret);
}

/** An error that a person is told: the API's problem document (RFC 9457), or one of the page's own. */
export class Problem extends Error {
  /**
   * @param {ProblemDocument} document
   * @param {number} [retryAfter] seconds after which the same request may be answered
   */
  constructor(document, retryAfter) {
    super(document.detail ?? document.title);
    this.document = document;
    this.retryAfter = retryAfter;
  }

  get code() {
    return this.document.code;
  }
}

/** @param {unknown} error what was thrown @returns {ProblemDocument} */
export const described = (error) =>
  error instanceof Problem ? error.document : { title: "The page failed", detail: String(error) };

/** The header that says who asks. @param {string} given a key or a token */
export const identity = (given) => (AUTHENTICATION === "api_key" ? { "x-api-key": given } : { authorization: `Bearer ${given}` });

/**
 * The end of a request that hangs: a connection without an answer would be waited for for ever.
 * @param {number} [bytes] that are sent @param {AbortSignal} [signal] ends it before
 */
export function limited(bytes = 0, signal) {
  const limit = AbortSignal.timeout(1000 * Math.ceil(LONGEST_SECONDS + bytes / SLOWEST_BYTES_A_SECOND));
  return signal ? AbortSignal.any([signal, limit]) : limit;
}

/** A key for a request and its repetitions. Pages over HTTP have no `randomUUID`. */
export const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** What the network gives. @template T @param {Promise<T>} asked @returns {Promise<T>} @throws {Problem} it gave nothing */
export async function reached(asked) {
  try {
    return await asked;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (error.name === "TimeoutError") throw new Problem({ title: "No answer in time", detail: "The connection hung: nothing came back for longer than the API takes. Check the network and try again.", code: TIMED_OUT });
    throw new Problem({ title: "No connection", detail: "The API could not be reached. Check the network and try again.", code: "no_connection" });
  }
}

// One request to the API; an answer that is not 2xx is thrown as a Problem.
async function call(path, options = {}) {
  const response = await reached(fetch(path, { ...options, signal: options.signal ?? limited(), headers: { ...identity(secret), ...options.headers } }));
  const text = await reached(response.text());
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    answer = null;
  }
  const wait = seconds(response.headers.get("Retry-After"));
  if (!response.ok) throw new Problem(answer?.title || answer?.detail ? answer : { title: "Unexpected answer", detail: `The API answered ${response.status} without saying why.` }, wait);
  if (answer === null || typeof answer !== "object") throw new Problem(NOT_THE_API);
  return answer;
}

// Sign-in pages of networks answer 200 to everything. No file would be answered otherwise.
const NOT_THE_API = { title: "Not the API", detail: "Something else answered in its place: a proxy, or the sign-in page of the network. Load this page in another tab to see it.", code: "no_connection" };

// Retry-After is seconds or a date (RFC 9110, 10.2.3).
export function seconds(header) {
  if (!header) return undefined;
  const value = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(value) ? Math.max(0, value) : undefined;
}

const json = (document, signal, headers) => ({
  method: "POST",
  signal,
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(document),
});

async function upload(file, type, signal) {
  const form = await call("v1/uploads", json({ media_type: type }, limited(0, signal)));
  if (file.size > form.max_bytes) {
    const detail = `The file has ${fileSize(file.size)}, and at most ${fileSize(form.max_bytes)} are taken.`;
    throw new Problem({ title: "The image is too large", detail, code: "image_too_large" });
  }
  const data = new FormData();
  for (const [name, value] of Object.entries(form.fields)) data.append(name, value);
  data.append("file", file);
  let response;
  try {
    response = await reached(fetch(form.url, { method: "POST", body: data, signal: limited(file.size, signal) }));
  } catch (error) {
    if (error.code !== "no_connection") throw error;
    throw new Problem({ title: "The upload failed", detail: "The storage could not be reached, or does not answer this page. Check the network and try again.", code: UPLOAD_FAILED });
  }
  if (!response.ok) throw new Problem({ title: "The upload failed", detail: `The storage refused the file (${response.status}). Try again.`, code: UPLOAD_FAILED });
  return form.upload;
}

/**
 * Ask for one file's answer with its map. A repetition has the same key and names the same upload: it gets the answer that was made.
 * @param {Asked} asked gets the id of its upload @param {AbortSignal} signal @returns {Promise<Prediction>}
 */
export async function predict(asked, signal) {
  const { file, type, key } = asked;
  const headers = { "idempotency-key": key };
  const direct = file.size <= LARGEST_BODY;
  if (!direct) asked.upload ??= await upload(file, type, signal);
  const sent = direct
    ? { method: "POST", signal: limited(file.size, signal), headers: { ...headers, "content-type": type }, body: file }
    : json({ upload: asked.upload }, limited(0, signal), headers);
  const answer = await call("v1/predictions?explain=true", sent);
  if (typeof answer.probability !== "number" || !answer.model?.indeterminate) throw new Problem(NOT_THE_API);
  for (const name of PICTURES.filter((one) => answer[one])) answer[name] = kept(answer[name]);
  return answer;
}

// Hundreds of pictures in base64 would fill the tab's memory; the browser keeps blobs elsewhere, and on disk where they are many.
function kept({ data, ...picture }) {
  try {
    return { ...picture, blob: new Blob([fromBase64(data)], { type: picture.media_type }) };
  } catch {
    return { ...picture, blob: new Blob() }; // which nobody can show, as is said where it would be
  }
}

/** Send what a reader says that a prediction's radiograph shows. */
export const sendLabel = (id, label) => call(`v1/predictions/${encodeURIComponent(id)}/feedback`, json({ label }));

/** The model that serves, with its figures. */
export const servingModel = () => call("v1/model");
