// The row that is open: its radiograph in the viewer, its answer beside it, and the reader's label.

import { sendLabel, TIMED_OUT } from "./api.js";
import { byId, each, say } from "./dom.js";
import { DICOM, fileSize } from "./files.js";
import { listenToPointers } from "./gestures.js";
import { differ, NotShown, ofAnswer, ofFile } from "./pixels.js";
import { answerOf, mapOf, relianceOf, scaleOf, sentenceOf, warningsOf } from "./words.js";
import { Viewer } from "./viewer.js";

const percent = (value) => `${(100 * value).toFixed(2)}%`;
const KEPT = "Your label is kept to watch how well the model does.";
const NOT_KEPT = "There is no answer that a label could be kept with: it stays in this list.";
const LATER = "The picture that the model is shown comes with the answer.";
const NEVER = "No picture of it came from the API.";
// Of a label that the API does not take now: it holds up nobody, so it waits as long as the API's longest Retry-After.
const [MOST_ATTEMPTS_OF_A_LABEL, LONGEST_WAIT_OF_A_LABEL_SECONDS] = [8, 60];
const LABELS = { NORMAL: "NORMAL", PNEUMONIA: "PNEUMONIA", UNSURE: "unsure" };

function fillList(list, sentences) {
  list.replaceChildren(...each("li", sentences));
  list.hidden = !sentences.length;
}

// An answer's map as it is to be stretched over the radiograph.
const drawn = async ({ blob }) => createImageBitmap(blob);

/** @typedef {import("./worklist.js").Row} Row */

export class Reading {
  /** @type {Row | null} */
  row = null;
  /** What GET /v1/model last said. @type {any} */
  model = null;
  #hidden;
  #changed;
  #failed;
  #pictureOf = null; // the prediction whose map, and perhaps picture, is in the viewer
  #opening = false; // the file is being decoded
  #opened = 0; // how often something was opened: what was begun for an earlier time is not shown
  #unseen = ""; // why the file is not shown
  #lost = false; // the answer's picture cannot be shown either

  /** @param {(row: Row) => boolean} hidden @param {() => void} changed @param {(problem: {title: string, detail: string}) => void} failed */
  constructor(hidden, changed, failed) {
    this.#hidden = hidden;
    this.#changed = changed;
    this.#failed = failed;
    this.viewer = new Viewer(byId("stage"), byId("canvas"), () => this.#readOut());
    listenToPointers(byId("stage"), this.viewer);
  }

  /** @param {Row | null} row @param {{focus?: boolean}} [how] */
  async open(row, { focus = false } = {}) {
    this.row = row;
    this.#opened += 1;
    this.#pictureOf = null;
    this.#unseen = "";
    this.#lost = false;
    this.viewer.show(null);
    byId("reading").hidden = !row;
    if (!row) {
      say("heard", "");
      return;
    }
    // Until its own is shown: the label of what was open before, another's or its own, would name a radiograph that is gone.
    byId("stage").setAttribute("aria-label", `No radiograph of ${row.name} is shown`);
    byId("feedback-status").textContent = KEPT;
    this.#opening = Boolean(row.type);
    this.#note(row.type ? "Opening…" : "There is nothing to show.");
    this.update({});
    if (focus) byId("stage").focus({ preventScroll: true });
    if (row.type) await this.#showFile(row);
  }

  async #showFile(row) {
    const opened = this.#opened;
    let pixels, failed;
    try {
      pixels = await ofFile(row.file, row.type);
    } catch (error) {
      failed = error instanceof NotShown ? error.message : "The browser cannot show this file.";
    }
    if (this.#opened !== opened) return;
    this.#opening = false;
    if (pixels) this.#show(pixels);
    else this.#unseen = failed;
    await this.#showAnswersPictures(row);
    this.#noteUnseen();
  }

  #show(pixels) {
    this.viewer.show(pixels);
    this.#note("");
    byId("stage").setAttribute("aria-label", `The radiograph in ${this.row.name}, ${pixels.width} x ${pixels.height} pixels`);
  }

  // The map; and of a DICOM file that the browser does not show, or shows otherwise, the picture that the model was shown.
  async #showAnswersPictures(row) {
    const { prediction } = row;
    if (!prediction || this.#pictureOf === prediction || this.#opening) return;
    const opened = this.#opened;
    this.#pictureOf = prediction;
    if (row.type === DICOM && prediction.radiograph) {
      const pixels = await ofAnswer(prediction.radiograph).catch(() => null);
      if (this.#opened !== opened) return;
      this.#lost = !pixels;
      const own = this.viewer.pixels;
      if (pixels && !own) this.#show(pixels);
      else if (pixels && differ(own, pixels)) this.#show({ ...pixels, origin: `The file looked different as this browser reads it. ${pixels.origin}` });
    }
    if (!this.viewer.pixels || !prediction.overlay) return;
    const bitmap = await drawn(prediction.overlay).catch(() => null);
    if (this.#opened !== opened) return;
    this.viewer.overlay = bitmap;
    this.update({});
  }

  #note(sentence) {
    say("stage-note", sentence);
    byId("stage-note").hidden = !sentence;
  }

  // Of a file that is not shown: why, and whether a picture may still come.
  #noteUnseen() {
    if (!this.row || this.viewer.pixels || !this.#unseen) return;
    const { state, type, prediction } = this.row;
    const coming = prediction ? prediction.radiograph && !this.#lost : state !== "failed";
    this.#note(type === DICOM ? `${this.#unseen} ${coming ? LATER : NEVER}` : this.#unseen);
  }

  /** Draw what is known of the open row. @param {{position?: string}} changes */
  update({ position }) {
    const { row } = this;
    if (!row) return;
    if (row.prediction) this.#showAnswersPictures(row).then(() => this.#noteUnseen());
    else this.#noteUnseen();
    const hidden = this.#hidden(row);
    const { prediction } = row;
    byId("identity").textContent = row.name;
    if (position !== undefined) this.position = position;
    byId("about").textContent = [this.position, fileSize(row.file.size), row.answered && `answered at ${row.answered.toLocaleTimeString()}`, prediction && !hidden && `model version ${prediction.model.version}`]
      .filter(Boolean)
      .join(" · ");
    this.#labels(row);
    byId("answer").dataset.hidden = String(hidden);
    say("sentence", hidden ? "Say what you read, and the answer is shown." : sentenceOf(row));
    const against = prediction && !hidden ? warningsOf(prediction) : [];
    say("heard", [`${row.name}:`, byId("sentence").textContent, ...against].join(" "));
    byId("sentence").dataset.answer = hidden ? "" : answerOf(row);
    byId("again").hidden = row.state !== "failed" || !row.type;
    byId("figures").hidden = hidden || !prediction;
    if (prediction && !hidden) this.#figures(prediction);
    this.#mapControls(row, hidden);
  }

  #figures(prediction) {
    const { probability, threshold, model } = prediction;
    const band = model.indeterminate;
    byId("band").style.left = percent(band.low);
    byId("band").style.width = percent(Math.max(0, band.high - band.low));
    byId("threshold").style.left = percent(threshold);
    byId("probability").style.left = percent(probability);
    byId("probability").dataset.answer = byId("sentence").dataset.answer;
    byId("scale-help").textContent = scaleOf(prediction);
    byId("scale").setAttribute("aria-label", `Probability ${probability.toFixed(3)} on a scale from 0 to 1. ${scaleOf(prediction)}`);
    fillList(byId("warnings"), warningsOf(prediction));
    fillList(byId("reliance"), relianceOf(prediction, this.model));
  }

  #mapControls({ prediction }, hidden) {
    const { viewer } = this;
    const usable = viewer.hasMap && !hidden;
    if (!usable) viewer.map.shown = viewer.map.held = false;
    const button = byId("tools").querySelector('[data-do="map"]');
    button.disabled = !usable;
    button.setAttribute("aria-pressed", String(viewer.map.shown));
    byId("map-controls").hidden = !usable || !(viewer.map.shown || viewer.map.held);
    if (usable && prediction?.overlay) {
      byId("map-empty").hidden = !prediction.overlay.empty;
      byId("map-cells").textContent = mapOf(prediction.overlay);
    }
  }

  /** @param {"shown" | "held"} how @param {boolean} [on] */
  toggleMap(how, on = !this.viewer.map[how]) {
    if (!this.viewer.hasMap || !this.row || this.#hidden(this.row)) return;
    this.viewer.map[how] = on;
    this.viewer.draw();
    this.update({});
  }

  #readOut() {
    const { viewer } = this;
    byId("readout").textContent = viewer.pixels
      ? `${Math.round(100 * viewer.view.zoom)} %  L ${Math.round(viewer.view.center)} W ${Math.round(viewer.view.windowWidth)}${viewer.pixels.origin ? `  ${viewer.pixels.origin}` : ""}`
      : "";
    byId("tools").querySelector('[data-do="invert"]').setAttribute("aria-pressed", String(viewer.inverted));
    byId("stage").dataset.zoomed = String(viewer.view.zoom > 1);
    const { measured } = viewer;
    const said = !measured
      ? viewer.tool === "measure" ? "Drag along what you want to measure; or arrows, and Enter at each end." : ""
      : measured.mm
        ? `${measured.mm.toFixed(1)} mm ${measured.where}.`
        : `${measured.pixels.toFixed(0)} pixels: ${viewer.pixels.origin ? "of this picture" : "the file does not say how large one is"}.`;
    say("measured", said);
  }

  #labels(row) {
    byId("feedback-title").textContent = `What do you read in ${row.name}?`;
    const status = byId("feedback-status");
    if ([KEPT, NOT_KEPT].includes(status.textContent)) status.textContent = row.state === "failed" ? NOT_KEPT : KEPT;
    for (const button of byId("feedback").querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.label === row.label));
    }
  }

  /** Take a reader's label for the open row. @param {string} label */
  async read(label) {
    const { row } = this;
    if (!row) return;
    const first = this.#hidden(row) || row.state === "waiting" || row.state === "asking";
    // Who changes it after the answer was seen has not read first.
    if (row.label !== label) row.readFirst = first && (row.readFirst ?? true);
    row.label = label;
    row.kept = false;
    this.#changed();
    await this.deliver(row);
  }

  /** Send a row's label to the API, as soon as there is a prediction that it belongs to. @param {Row} row */
  async deliver(row, attempt = 1) {
    if (!row.label || row.kept) return;
    const tell = (sentence) => {
      if (this.row === row) byId("feedback-status").textContent = sentence;
    };
    if (!row.prediction) {
      tell(row.state === "failed" ? NOT_KEPT : "Kept with the answer, once it is there.");
      return;
    }
    row.seen = true;
    // One at a time: the last label counts, and two under way could arrive the other way round.
    if (row.sending) return;
    row.sending = true;
    const { label } = row;
    let failed;
    try {
      await sendLabel(row.prediction.id, label);
      row.kept = row.label === label;
      tell(`Thank you: ${row.name} is kept as ${LABELS[label]}.`);
    } catch (error) {
      failed = error;
    }
    // What hung may have arrived; the same label twice is one.
    const wait = failed?.code === TIMED_OUT && attempt === 1 ? 0 : failed?.retryAfter;
    if (wait !== undefined && attempt < MOST_ATTEMPTS_OF_A_LABEL) {
      tell("Kept as soon as the API takes it.");
      await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(wait, LONGEST_WAIT_OF_A_LABEL_SECONDS)));
      row.sending = false;
      await this.deliver(row, attempt + 1);
      return;
    }
    row.sending = false;
    const another = row.label !== label; // chosen meanwhile
    if (!failed) row.keptLabel = label;
    else if (!another) {
      row.label = row.keptLabel;
      if (this.row === row) tell(`Not kept: ${failed.message}`);
      else this.#failed({ title: `The label of ${row.name} was not kept`, detail: failed.message });
    }
    this.#changed();
    if (another) await this.deliver(row);
  }
}
