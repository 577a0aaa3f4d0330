// One row on paper: file, picture, map, answer, how far it can be relied on, and what it is not.

import { fileSize } from "./files.js";
import { mapOf, relianceOf, scaleOf, sentenceOf, warningsOf } from "./words.js";

const text = (name, content) => Object.assign(document.createElement(name), { textContent: content });

function picture(address, caption) {
  const figure = document.createElement("figure");
  figure.append(Object.assign(document.createElement("img"), { src: address, alt: caption }), text("figcaption", caption));
  return figure;
}

function list(items) {
  const made = document.createElement("ul");
  made.append(...items.map((item) => text("li", item)));
  return made;
}

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
  const pictures = document.createElement("div");
  pictures.className = "pictures";
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
  const parts = [text("h1", "Chest X-ray: probability of pneumonia"), text("p", facts.join("; ")), text("h2", sentenceOf(row))];
  if (prediction) parts.push(text("p", scaleOf(prediction, false)), list([...warningsOf(prediction), ...relianceOf(prediction, model)]));
  if (row.label) parts.push(text("p", `Read as ${row.label}${row.readFirst ? ", before the answer was seen" : ""}.`));
  const notice = prediction?.notice ?? "For research use only. Not a medical device and not a diagnosis.";
  sheet.replaceChildren(...parts, pictures, text("p", notice));
  await Promise.all([...sheet.querySelectorAll("img")].map((image) => image.decode()));
}
