// Mouse, touch and keyboard on the radiograph.

/** How much nearer one step of zooming comes. */
export const ZOOM_STEP = 1.25;
const WINDOW_STEP = 0.05;
const MOVE_STEP = 40; // pixels of the stage

/** @param {HTMLElement} stage @param {import("./viewer.js").Viewer} viewer */
export function listenToPointers(stage, viewer) {
  /** @type {Map<number, {x: number, y: number}>} */
  const pointers = new Map();
  let tool = null;
  const place = ({ clientX, clientY }) => {
    const { left, top } = stage.getBoundingClientRect();
    return { x: clientX - left - stage.clientLeft, y: clientY - top - stage.clientTop };
  };
  stage.addEventListener("pointerdown", (event) => {
    if (!viewer.pixels || event.button === 1) return;
    pointers.set(event.pointerId, place(event));
    // A pointer that a test or a pen made up cannot be captured.
    try {
      stage.setPointerCapture(event.pointerId);
    } catch {
      /* it is followed as long as it stays on the stage */
    }
    tool = event.button === 2 ? "window" : viewer.tool;
    if (tool === "measure" && pointers.size === 1) viewer.ruler = [viewer.toImage(place(event))];
    viewer.cursor = null;
  });
  stage.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = place(event);
    const others = [...pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
    pointers.set(event.pointerId, now);
    const [x, y] = [now.x - before.x, now.y - before.y];
    if (others.length) {
      const distance = (from, to) => Math.hypot(from.x - to.x, from.y - to.y) || 1;
      viewer.zoom(distance(now, others[0]) / distance(before, others[0]), { x: (now.x + others[0].x) / 2, y: (now.y + others[0].y) / 2 });
      viewer.move(x / 2, y / 2);
    } else if (tool === "measure") {
      viewer.ruler = [viewer.ruler[0] ?? viewer.toImage(before), viewer.toImage(now)];
      viewer.draw();
    } else if (tool === "window") viewer.window(y / stage.clientHeight, x / stage.clientWidth);
    else viewer.move(x, y);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    stage.addEventListener(name, (event) => {
      pointers.delete(event.pointerId);
      stage.dataset.zoomed = String(viewer.view.zoom > 1);
    });
  }
  stage.addEventListener("contextmenu", (event) => event.preventDefault());
  stage.addEventListener("dblclick", () => viewer.reset());
  // Elsewhere the wheel scrolls the page, and over the radiograph once it has the focus it zooms.
  stage.addEventListener(
    "wheel",
    (event) => {
      if (!viewer.pixels || (document.activeElement !== stage && !event.ctrlKey)) return;
      event.preventDefault();
      viewer.zoom(ZOOM_STEP ** (-Math.sign(event.deltaY) * Math.min(1, Math.abs(event.deltaY) / 50)), place(event));
    },
    { passive: false },
  );
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * A key's effect on the picture; whether it had one.
 * @param {KeyboardEvent} event @param {import("./viewer.js").Viewer} viewer
 */
export function pressed(event, viewer) {
  if (!viewer.pixels) return false;
  const arrow = ARROWS[event.key];
  if (arrow && viewer.tool === "measure") moveCursor(viewer, arrow, event.shiftKey);
  else if (arrow) viewer.move(-MOVE_STEP * arrow[0], -MOVE_STEP * arrow[1]);
  else if (event.key === "Enter" && viewer.tool === "measure" && viewer.cursor) setEnd(viewer);
  else {
    const act = ACTS[event.key];
    if (!act) return false;
    act(viewer);
  }
  return true;
}

const ACTS = {
  "+": (viewer) => viewer.zoom(ZOOM_STEP),
  "=": (viewer) => viewer.zoom(ZOOM_STEP),
  "-": (viewer) => viewer.zoom(1 / ZOOM_STEP),
  "[": (viewer) => viewer.window(WINDOW_STEP, 0),
  "]": (viewer) => viewer.window(-WINDOW_STEP, 0),
  "{": (viewer) => viewer.window(0, -WINDOW_STEP),
  "}": (viewer) => viewer.window(0, WINDOW_STEP),
  i: (viewer) => viewer.invert(),
  0: (viewer) => viewer.reset(),
};

function moveCursor(viewer, [x, y], far) {
  const { width, height } = viewer.pixels;
  const step = far ? Math.max(width, height) / 20 : Math.max(1, Math.max(width, height) / 400);
  const from = viewer.cursor ?? { x: width / 2, y: height / 2 };
  const within = (value, most) => Math.min(most, Math.max(0, value));
  viewer.cursor = { x: within(from.x + x * step, width), y: within(from.y + y * step, height) };
  // With one end set, the line follows.
  if (viewer.ruler.length && viewer.measuring) viewer.ruler = [viewer.ruler[0], viewer.cursor];
  viewer.draw();
}

function setEnd(viewer) {
  viewer.ruler = viewer.measuring ? [viewer.ruler[0], viewer.cursor] : [viewer.cursor];
  viewer.measuring = !viewer.measuring;
  viewer.draw();
}
