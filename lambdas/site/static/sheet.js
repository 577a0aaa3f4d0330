// One row on paper: file, picture, map, answer, how far it can be relied on, and what it is not.

import { each, element } from "./dom.js";
import { fileSize } from "./files.js";
import { mapOf, relianceOf, scaleOf, sentenceOf, warningsOf } from "./words.js";

const picture = (address, caption) => element("figure", {}, element("img", { src: address, alt: caption }), element("figcaption", {}, caption));

/**
 * Fill the sheet that only a printer sees.
 * @param {HTMLElement} sheet
 * @param {import("./worklist.js").Row} row the one in the viewer
 * @param {import("./viewer.js").Viewer} viewer
 * @param {any} model of GET /v1/model, if it is known
 * @returns {Promise<void>} once its pictures can be printed
 */
export async function fill(sheet, row, viewer, model) {
  const { prediction } = row;
  const pictures = element("div", { className: "pictures" });
  if (viewer.pixels) {
    pictures.append(picture(viewer.picture(false), `${row.name}, as windowed on the screen`));
    if (viewer.hasMap) {
      const empty = prediction.overlay.empty ? " The map is empty: nothing is marked." : "";
      pictures.append(picture(viewer.picture(true), `With the map.${empty} ${mapOf(prediction.overlay)}`));
    }
  }
  const facts = [`${row.name}, ${fileSize(row.file.size)}`];
  if (row.answered) facts.push(`answered ${row.answered.toLocaleString()}`);
  if (prediction) facts.push(`model version ${prediction.model.version}`, `prediction ${prediction.id}`);
  const parts = [element("h1", {}, "Chest X-ray: probability of pneumonia"), element("p", {}, facts.join("; ")), element("h2", {}, sentenceOf(row))];
  if (prediction) parts.push(element("p", {}, scaleOf(prediction, false)), element("ul", {}, ...each("li", [...warningsOf(prediction), ...relianceOf(prediction, model)])));
  if (row.label) parts.push(element("p", {}, `Read as ${row.label}${row.readFirst ? ", before the answer was seen" : ""}.`));
  const notice = prediction?.notice ?? "For research use only. Not a medical device and not a diagnosis.";
  sheet.replaceChildren(...parts, pictures, element("p", {}, notice));
  await Promise.all([...sheet.querySelectorAll("img")].map((image) => image.decode()));
}
