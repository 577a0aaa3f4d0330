// The worklist as a table on the page, and as one that is kept.

import { element } from "./dom.js";
import { fileSize } from "./files.js";
import { answerOf, cautionOf, ERROR, REFUSED, sentenceOf } from "./words.js";

/** @typedef {import("./worklist.js").Row} Row */

const STATES = { waiting: "waiting", asking: "asking…" };

/**
 * The table's rows, kept from one drawing to the next so that the focus stays.
 * @param {HTMLElement} body @param {(row: Row) => void} open
 */
export function makeTable(body, open) {
  /** @type {Map<Row, {line: HTMLElement, update: (hidden: boolean, current: boolean) => void}>} */
  const lines = new Map();
  return (/** @type {Row[]} */ rows, /** @type {(row: Row) => boolean} */ hidden, /** @type {Row | null} */ current) => {
    for (const [row, { line }] of lines) {
      if (!rows.includes(row)) {
        line.remove();
        lines.delete(row);
      }
    }
    const focused = document.activeElement;
    rows.forEach((row, index) => {
      if (!lines.has(row)) lines.set(row, made(row, open));
      const { line, update } = lines.get(row);
      update(hidden(row), row === current);
      if (body.children[index] !== line) body.insertBefore(line, body.children[index] ?? null);
    });
    // A line that is moved loses the focus.
    if (focused !== document.activeElement && body.contains(focused)) focused.focus({ preventScroll: true });
  };
}

function made(row, open) {
  const name = element("button", { type: "button", className: "name", textContent: row.name, onclick: () => open(row) });
  const detail = element("small");
  const said = element("small", { className: "said" });
  const figure = element("span", { className: "figure" });
  const word = element("span", { className: "word" });
  const label = element("td");
  const file = element("th", { scope: "row" }, name, detail, said);
  const answered = element("td", {}, figure, word);
  // Who goes from name to name hears the answer with each.
  const parts = [answered, said, label];
  parts.forEach((part, at) => (part.id = `row-${row.number}-${at}`));
  name.setAttribute("aria-describedby", parts.map(({ id }) => id).join(" "));
  const line = element("tr", {}, file, answered, label);
  const update = (hidden, current) => {
    const answer = hidden ? "" : answerOf(row);
    line.dataset.answer = answer;
    line.dataset.state = row.state;
    name.ariaCurrent = current ? "true" : null;
    // What went wrong takes the place of the answer, for it is a sentence.
    file.colSpan = row.problem ? 2 : 1;
    answered.hidden = Boolean(row.problem);
    detail.textContent = [{ [REFUSED]: "refused", [ERROR]: "error" }[answer], fileSize(row.file.size), row.answered?.toLocaleTimeString()].filter(Boolean).join(", ");
    said.textContent = row.problem ? sentenceOf(row) : hidden ? "" : cautionOf(row);
    figure.textContent = hidden || !row.prediction ? "" : row.prediction.probability.toFixed(3);
    word.textContent = hidden ? "hidden" : (STATES[row.state] ?? answer);
    label.textContent = row.label ?? "";
  };
  return { line, update };
}

// The columns of `cxr predict --csv`, as far as the page has them, and then its own.
const COLUMNS = {
  path: ({ name }) => name,
  probability: ({ prediction }) => prediction?.probability,
  label: (row) => row.prediction && answerOf(row),
  indeterminate: ({ prediction }) => prediction?.indeterminate,
  guaranteed: ({ prediction }) => prediction?.guarantee?.predictive_value,
  threshold: ({ prediction }) => prediction?.threshold,
  model_version: ({ prediction }) => prediction?.model.version,
  model_package_arn: ({ prediction }) => prediction?.model.package_arn,
  outside_intended_population: ({ prediction }) => prediction?.outside_intended_population?.join(" "),
  modality: ({ prediction }) => prediction?.dicom?.modality,
  body_part: ({ prediction }) => prediction?.dicom?.body_part,
  error: ({ problem }) => problem?.detail,
  code: ({ problem }) => problem?.code,
  id: ({ prediction }) => prediction?.id,
  answered_at: ({ answered }) => answered?.toISOString(),
  reader_label: ({ label }) => label,
  read_first: ({ label, readFirst }) => label && Boolean(readFirst),
};
const ANSWERS = new Set(["probability", "label", "indeterminate", "guaranteed", "outside_intended_population"]);

/**
 * @param {Row[]} rows @param {(row: Row) => boolean} hidden whose answers are left out, as on the page
 * @returns {unknown[][]} cells, the names of the columns first
 */
export function cellsOf(rows, hidden) {
  const line = (row) => Object.entries(COLUMNS).map(([name, cell]) => (ANSWERS.has(name) && hidden(row) ? "" : cell(row)));
  return [Object.keys(COLUMNS), ...rows.map(line)];
}

/**
 * Comma-separated values (RFC 4180), with a mark that says to Excel that they are UTF-8. No `sep=` above them: Excel is reported to overlook
 * the mark then, and programs take it for the names of the columns (docs/adr/0077).
 * @param {unknown[][]} lines of `cellsOf` @returns {string}
 */
export const asCsv = (lines) => `\ufeff${lines.map((cells) => `${cells.map(quoted).join(",")}\r\n`).join("")}`;

function quoted(value) {
  let text = String(value ?? "");
  // A spreadsheet would compute what begins like this; a name is a name (OWASP, CSV injection).
  if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
