// The radiograph in sight: zoom, place, window, map and ruler, drawn on one canvas.

import { reduced, shade } from "./pixels.js";

const MOST_ZOOM = 16; // canvas pixels to one of the radiograph
const LARGE = 1400; // pixels of an edge: what is larger has a copy at a part of its size, which is windowed as it is dragged
const MAP_OPACITY = 0.6; // of the overlay where it marks most (model_code/network/grad_cam.py)

/** Draws on `canvas`, which fills the element around it. */
export class Viewer {
  /** @type {import("./pixels.js").Pixels | null} */
  pixels = null;
  map = { shown: false, held: false, opacity: 1, threshold: 0 };
  tool = "move";
  /** @type {{x: number, y: number}[]} ends of the measured line, in the radiograph's pixels */
  ruler = [];
  /** @type {{x: number, y: number} | null} where the keyboard measures */
  cursor = null;
  #stage;
  #canvas;
  #changed;
  /** @type {{pixels: import("./pixels.js").Pixels, context: any, shaded: boolean}[]} from the smallest copy to the whole */
  #copies = [];
  #overlay = null; // the map as it came, and as its threshold leaves it
  #kept = null;
  #due = 0;

  /** @param {HTMLElement} stage @param {HTMLCanvasElement} canvas @param {() => void} changed after each drawing */
  constructor(stage, canvas, changed) {
    this.#stage = stage;
    this.#canvas = canvas;
    this.#changed = changed;
    new ResizeObserver(() => this.draw()).observe(stage);
    this.reset();
  }

  /** @param {import("./pixels.js").Pixels | null} pixels nothing is left of what was shown before */
  show(pixels) {
    this.pixels = pixels;
    this.#overlay = this.#kept = null;
    this.map.shown = this.map.held = false;
    const factor = pixels ? Math.floor(Math.max(pixels.width, pixels.height) / LARGE) : 0;
    const copies = factor > 1 ? [reduced(pixels, factor), pixels] : [pixels].filter(Boolean);
    this.#copies = copies.map((one) => ({ pixels: one, context: new OffscreenCanvas(one.width, one.height).getContext("2d"), shaded: false }));
    this.reset();
  }

  /** @param {ImageBitmap | null} bitmap the answer's map, to be stretched over the radiograph */
  set overlay(bitmap) {
    this.#overlay = bitmap && new OffscreenCanvas(bitmap.width, bitmap.height);
    this.#overlay?.getContext("2d").drawImage(bitmap, 0, 0);
    this.thresholdMap(this.map.threshold);
  }

  get hasMap() {
    return this.#overlay !== null;
  }

  reset() {
    const { center = 128, windowWidth = 256, inverted = false } = this.pixels ?? {};
    this.view = { zoom: 1, x: 0, y: 0, center, windowWidth, inverted };
    this.ruler = [];
    this.measuring = false;
    this.cursor = null;
    this.#shadeAgain();
  }

  /** @param {number} factor @param {{x: number, y: number}} [at] point of the stage that stays where it is */
  zoom(factor, at = this.#middle) {
    const before = this.toImage(at);
    this.view.zoom = Math.min(MOST_ZOOM / this.#fit, Math.max(1, this.view.zoom * factor));
    const after = this.toImage(at);
    this.view.x += before.x - after.x;
    this.view.y += before.y - after.y;
    this.#keepInside();
    this.draw();
  }

  /** @param {number} x @param {number} y in pixels of the stage */
  move(x, y) {
    this.view.x -= x / this.#scale;
    this.view.y -= y / this.#scale;
    this.#keepInside();
    this.draw();
  }

  /** @param {number} level of the window's width @param {number} width of itself: 0.1 is a tenth more */
  window(level, width) {
    this.view.center += level * this.view.windowWidth;
    this.view.windowWidth = Math.max(1, this.view.windowWidth * (1 + width));
    this.#shadeAgain();
  }

  invert() {
    this.view.inverted = !this.view.inverted;
    this.#shadeAgain();
  }

  get inverted() {
    return this.view.inverted !== (this.pixels?.inverted ?? false);
  }

  /** @param {number} threshold 0 to 1 of the strongest mark: what is weaker is not drawn */
  thresholdMap(threshold) {
    this.map.threshold = threshold;
    this.#kept = this.#overlay;
    if (this.#overlay && threshold > 0) {
      const { width, height } = this.#overlay;
      const image = this.#overlay.getContext("2d").getImageData(0, 0, width, height);
      for (let at = 3; at < image.data.length; at += 4) {
        if (image.data[at] < 255 * MAP_OPACITY * threshold) image.data[at] = 0;
      }
      this.#kept = new OffscreenCanvas(width, height);
      this.#kept.getContext("2d").putImageData(image, 0, 0);
    }
    this.draw();
  }

  /** Where a point of the stage lies in the radiograph's pixels. */
  toImage({ x, y }) {
    const { width, height } = this.pixels ?? { width: 1, height: 1 };
    const middle = this.#middle;
    return { x: (x - middle.x) / this.#scale + width / 2 + this.view.x, y: (y - middle.y) / this.#scale + height / 2 + this.view.y };
  }

  #toStage({ x, y }) {
    const { width, height } = this.pixels;
    const middle = this.#middle;
    return { x: (x - width / 2 - this.view.x) * this.#scale + middle.x, y: (y - height / 2 - this.view.y) * this.#scale + middle.y };
  }

  /** Length of the measured line, or null. */
  get measured() {
    if (this.ruler.length < 2 || !this.pixels) return null;
    const [from, to] = this.ruler;
    const pixels = Math.hypot(to.x - from.x, to.y - from.y);
    const { spacing } = this.pixels;
    return { pixels, mm: spacing && pixels * spacing.mm, where: spacing?.where };
  }

  /** A picture of the whole radiograph in its window. @param {boolean} withMap @returns {HTMLCanvasElement} */
  picture(withMap, edge = 1200) {
    const { width, height } = this.pixels;
    const scale = Math.min(1, edge / Math.max(width, height));
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [Math.round(width * scale), Math.round(height * scale)];
    const context = canvas.getContext("2d");
    context.drawImage(this.#grey(canvas.width), 0, 0, canvas.width, canvas.height);
    if (withMap && this.#kept) context.drawImage(this.#kept, 0, 0, canvas.width, canvas.height);
    return canvas;
  }

  draw() {
    this.#due ||= requestAnimationFrame(() => {
      this.#due = 0;
      this.#paint();
      this.#changed();
    });
  }

  get #size() {
    return { width: this.#stage.clientWidth, height: this.#stage.clientHeight };
  }

  get #middle() {
    return { x: this.#size.width / 2, y: this.#size.height / 2 };
  }

  get #fit() {
    const { width, height } = this.pixels ?? { width: 1, height: 1 };
    return Math.min(this.#size.width / width, this.#size.height / height) || 1;
  }

  get #scale() {
    return this.#fit * this.view.zoom;
  }

  // At least the middle of the stage shows the radiograph.
  #keepInside() {
    if (!this.pixels) return;
    const { width, height } = this.pixels;
    const inside = (value, most) => Math.min(most, Math.max(-most, value));
    this.view.x = this.view.zoom === 1 ? 0 : inside(this.view.x, width / 2);
    this.view.y = this.view.zoom === 1 ? 0 : inside(this.view.y, height / 2);
  }

  #shadeAgain() {
    for (const copy of this.#copies) copy.shaded = false;
    this.draw();
  }

  // The radiograph as its window shows it, in the smallest copy that has so many pixels a row; shaded at most once a frame.
  #grey(width) {
    const copy = this.#copies.find(({ pixels }) => pixels.width >= width) ?? this.#copies.at(-1);
    const { pixels, context } = copy;
    if (!copy.shaded) {
      const image = context.createImageData(pixels.width, pixels.height);
      shade(pixels, this.view, image);
      context.putImageData(image, 0, 0);
      copy.shaded = true;
    }
    return context.canvas;
  }

  #paint() {
    const ratio = window.devicePixelRatio || 1;
    const { width, height } = this.#size;
    [this.#canvas.width, this.#canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (!this.pixels) return;
    const context = this.#canvas.getContext("2d");
    context.scale(ratio, ratio);
    const corner = this.#toStage({ x: 0, y: 0 });
    const area = [corner.x, corner.y, this.pixels.width * this.#scale, this.pixels.height * this.#scale];
    context.imageSmoothingQuality = "high";
    context.imageSmoothingEnabled = this.#scale < 4; // single pixels are seen as they are
    context.drawImage(this.#grey(area[2] * ratio), ...area);
    if (this.#kept && (this.map.shown || this.map.held)) {
      context.imageSmoothingEnabled = true;
      context.globalAlpha = this.map.opacity;
      context.drawImage(this.#kept, ...area);
      context.globalAlpha = 1;
    }
    this.#paintRuler(context);
  }

  #paintRuler(context) {
    const points = this.ruler.map((point) => this.#toStage(point));
    const line = new Path2D();
    if (points.length === 2) {
      line.moveTo(points[0].x, points[0].y);
      line.lineTo(points[1].x, points[1].y);
    }
    for (const { x, y } of points) line.arc(x, y, 3, 0, 2 * Math.PI);
    if (this.cursor && this.tool === "measure") {
      const { x, y } = this.#toStage(this.cursor);
      for (const [dx, dy] of [[9, 0], [0, 9]]) {
        line.moveTo(x - dx, y - dy);
        line.lineTo(x + dx, y + dy);
      }
    }
    // Dark below light: seen on any grey.
    for (const [colour, thickness] of [["#000", 4], ["#ffd84a", 1.75]]) {
      context.strokeStyle = colour;
      context.lineWidth = thickness;
      context.stroke(line);
    }
  }
}
