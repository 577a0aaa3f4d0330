// One row on paper: file, picture, map, answer, how far it can be relied on, and what it is not.

import { each, element } from "./dom.js";
import { fileSize } from "./files.js";
import { mapOf, relianceOf, scaleOf, sentenceOf, warningsOf } from "./words.js";

const NOTICE = "For research use only. Not a medical device and not a diagnosis.";
// As canvases: a browser that is asked to print does not wait for images.
const picture = (canvas, caption) => element("figure", {}, Object.assign(canvas, { role: "img", ariaLabel: caption }), element("figcaption", {}, caption));

/**
 * Fill the sheet that only a printer sees.
 * @param {HTMLElement} sheet
 * @param {import("./worklist.js").Row | null} row the one in the viewer; null, or one whose answer is hidden, leaves nothing to print
 * @param {import("./viewer.js").Viewer} viewer
 * @param {any} model of GET /v1/model, if it is known
 */
export function fill(sheet, row, viewer, model) {
  if (!row) return sheet.replaceChildren(element("p", {}, "There is nothing to print: open a radiograph, and in a blind reading say first what you read."), element("p", {}, NOTICE));
  const { prediction } = row;
  const pictures = element("div", { className: "pictures" });
  if (viewer.pixels) {
    pictures.append(picture(viewer.picture(false), `${row.name}, as windowed on the screen. ${viewer.pixels.origin}`.trim()));
    if (viewer.hasMap) {
      const empty = prediction.overlay.empty ? " The map is empty: nothing is marked." : "";
      pictures.append(picture(viewer.picture(true), `With the map.${empty} ${mapOf(prediction.overlay)}`));
    }
  }
  const facts = [`${row.name}, ${fileSize(row.file.size)}`];
  if (row.answered) facts.push(`answered ${row.answered.toLocaleString("sv", { timeZoneName: "short" })}`);
  if (prediction) facts.push(`model version ${prediction.model.version}`, `prediction ${prediction.id}`);
  const parts = [element("h1", {}, "Chest X-ray: probability of pneumonia"), element("p", {}, facts.join("; ")), element("h2", {}, sentenceOf(row))];
  if (prediction) parts.push(element("p", {}, scaleOf(prediction, false)), element("ul", {}, ...each("li", [...warningsOf(prediction), ...relianceOf(prediction, model)])));
  if (row.label) parts.push(element("p", {}, `Read as ${row.label}${row.readFirst ? ", before the answer was seen" : ""}.`));
  sheet.replaceChildren(...parts, pictures, element("p", {}, prediction?.notice ?? NOTICE));
}
