// The worklist: every file with its own answer, asked a few at a time and no faster than the API allows.

import { Problem, TIMED_OUT, UPLOAD_FAILED, currentSecret, described, newKey, predict } from "./api.js";
import { isReadable, mediaType, unreadable } from "./files.js";
import { answerOf, INDETERMINATE, REFUSED } from "./words.js";

const AT_ONCE = 3;
// A request that was throttled, or came while the model was starting or while the same one was being answered, has no answer yet: it is sent again.
const SENT_AGAIN = new Set(["throttled", "model_not_ready", "request_in_progress"]);
const MOST_ATTEMPTS_OF_A_FILE = 16; // of two seconds each, while the gateway may still wait for the same request
const MOST_HANGS = 2;
// Short: it holds up all files that wait, and somebody sits before them.
const LONGEST_WAIT_OF_FILES_SECONDS = 30;
const BY_NETWORK = new Set(["no_connection", UPLOAD_FAILED]);
// No other file would be answered otherwise either: nothing more is sent until the person has done something.
const FOR_ALL = new Set(["unauthorized", "api_key_required", "forbidden", "quota_exceeded", "no_connection", TIMED_OUT, "no_model_released"]);

/**
 * @typedef {object} Row one file and what became of it
 * @property {number} number in the order in which files came
 * @property {File} file
 * @property {string} name
 * @property {string} [type] media type, once it was looked at
 * @property {"waiting"|"asking"|"answered"|"failed"} state
 * @property {import("./api.js").Prediction} [prediction]
 * @property {import("./api.js").ProblemDocument} [problem]
 * @property {Date} [answered] when the answer, or the error, came
 * @property {string} [label] the reader's
 * @property {boolean} [kept] whether the API has that label
 * @property {boolean} [readFirst] the label was given before the answer was seen
 * @property {boolean} [seen] the answer was in sight before it would have been hidden
 * @property {boolean} [sending] a label is on its way
 * @property {string} [keptLabel] the last label that the API has
 * @property {number} [attempts] how often it was sent
 * @property {number} [hangs] how often nothing came back in time
 * @property {string} key Idempotency-Key: however often it is sent, one prediction is made
 * @property {string} [upload] id of the file in the bucket
 * @property {AbortController} [request]
 */

export class Worklist {
  /** @type {Row[]} */
  rows = [];
  /** @type {import("./api.js").ProblemDocument | null} why nothing is sent */
  paused = null;
  #changed;
  #number = 0;
  /** @type {Map<string, number>} how many files had a name */
  #named = new Map();
  #notBefore = 0;
  #answeredAt = 0; // when the API last said anything at all
  #timer = 0;

  /** @param {(row?: Row) => void} changed called after every change */
  constructor(changed) {
    this.#changed = changed;
  }

  /**
   * @param {import("./files.js").Named[]} files
   * @returns {Promise<{added: Row[], skipped: number}>} what a folder holds beside radiographs is skipped
   */
  async add(files) {
    const types = await Promise.all(files.map(({ file, name, lost }) => (lost ? unreadable(name) : mediaType(file, name).catch((error) => error))));
    /** @type {Row[]} */
    const added = [];
    let skipped = 0;
    files.forEach(({ file, name, inFolder }, index) => {
      const type = types[index];
      if (typeof type !== "string" && inFolder && type.code === "unsupported_media_type") {
        skipped += 1;
        return;
      }
      const row = { number: ++this.#number, file, name: this.#unlike(name), key: newKey() };
      added.push(typeof type === "string" ? { ...row, type, state: "waiting" } : { ...row, state: "failed", problem: described(type), answered: new Date() });
    });
    this.rows.push(...added);
    this.#changed();
    return { added, skipped };
  }

  // Studies of two patients have files of the same names, so the second one is told apart.
  #unlike(name) {
    const times = (this.#named.get(name) ?? 0) + 1;
    this.#named.set(name, times);
    return times > 1 ? `${name} (${times})` : name;
  }

  /** Ask about what waits; after a pause, once its reason is gone. */
  start() {
    this.paused = null;
    this.#fill();
  }

  /** @param {Row} row ask about it once more, its label kept */
  again(row) {
    Object.assign(row, { state: "waiting", problem: undefined, prediction: undefined, answered: undefined });
    this.start();
  }

  clear() {
    for (const row of this.rows) row.request?.abort();
    clearTimeout(this.#timer);
    this.rows = [];
    this.#named.clear();
    this.paused = null;
    this.#changed();
  }

  /** How many are in each state. */
  get counts() {
    const counts = { waiting: 0, asking: 0, answered: 0, failed: 0 };
    for (const row of this.rows) counts[row.state] += 1;
    return counts;
  }

  #fill() {
    clearTimeout(this.#timer);
    const wait = this.#notBefore - Date.now();
    if (this.paused || !currentSecret()) return this.#changed();
    if (wait > 0) {
      this.#timer = setTimeout(() => this.#fill(), wait);
      return this.#changed();
    }
    const free = Math.max(0, AT_ONCE - this.counts.asking);
    for (const row of this.rows.filter(({ state }) => state === "waiting").slice(0, free)) this.#ask(row);
    this.#changed();
  }

  async #ask(row) {
    row.state = "asking";
    row.attempts = (row.attempts ?? 0) + 1;
    const request = (row.request = new AbortController());
    const [begun, earlier] = [performance.now(), row.upload];
    let prediction, error;
    try {
      prediction = await predict(row, request.signal);
    } catch (thrown) {
      // A file that was changed or removed since looks like a lost connection, and would hold up all others.
      const gone = BY_NETWORK.has(thrown.code) && !(await isReadable(row.file));
      error = gone ? unreadable(row.name) : thrown;
    }
    if (!this.rows.includes(row)) return; // cleared meanwhile
    row.request = undefined;
    if (prediction || error.document?.request_id) this.#answeredAt = performance.now();
    // A day later the bucket has lost it: it is uploaded once more, and another upload is another request.
    if (error?.code === "upload_not_found") Object.assign(row, { upload: undefined, key: newKey() });
    if (error?.code === TIMED_OUT) row.hangs = (row.hangs ?? 0) + 1;
    if (prediction) this.#settle(row, { state: "answered", prediction });
    else if (SENT_AGAIN.has(error.code) && row.attempts < MOST_ATTEMPTS_OF_A_FILE) {
      row.state = "waiting";
      const wait = error.retryAfter ?? 2 ** (row.attempts - 1);
      this.#notBefore = Math.max(this.#notBefore, Date.now() + 1000 * Math.min(wait, LONGEST_WAIT_OF_FILES_SECONDS));
    } else if ((error.code === TIMED_OUT && row.hangs < MOST_HANGS) || (error.code === "upload_not_found" && earlier)) row.state = "waiting";
    // Where others were answered meanwhile, it is this file that does not get through.
    else if (FOR_ALL.has(error.code) && !(error.code === TIMED_OUT && this.#answeredAt > begun)) {
      row.state = "waiting";
      row.attempts = row.hangs = 0;
      this.paused = described(error);
    } else this.#settle(row, { state: "failed", problem: described(error) });
    try {
      this.#changed(row);
    } finally {
      this.#fill();
    }
  }

  #settle(row, outcome) {
    Object.assign(row, outcome, { answered: new Date(), attempts: 0, hangs: 0 });
  }
}

// What a person should look at first comes first: the model could not tell, then the most probable; then what has none.
function rank(row, hidden) {
  if (row.state === "answered" && !hidden(row)) return answerOf(row) === INDETERMINATE ? 0 : 1;
  if (row.state !== "failed") return 2;
  return answerOf(row) === REFUSED ? 3 : 4;
}

/**
 * The rows in the order in which they are shown.
 * @param {Row[]} rows @param {string} by `probability`, `added` or `name`
 * @param {(row: Row) => boolean} hidden whether its answer is not to be seen yet: then it says nothing by its place either
 */
export function ordered(rows, by, hidden) {
  const byNumber = (one, other) => one.number - other.number;
  if (by === "added") return [...rows].sort(byNumber);
  if (by === "name") return [...rows].sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }) || byNumber(one, other));
  const probability = (row) => (hidden(row) ? 0 : (row.prediction?.probability ?? 0));
  return [...rows].sort(
    (one, other) => rank(one, hidden) - rank(other, hidden) || probability(other) - probability(one) || byNumber(one, other),
  );
}

/** The problem of a deployment whose requests no page can sign. */
export const NOT_FROM_A_BROWSER = new Problem({
  title: "Not from a browser",
  detail: "This deployment takes requests signed with AWS credentials only: use `cxr predict`.",
});
