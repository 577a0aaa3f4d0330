// The page of the API: a worklist of radiographs, each with its own answer. No third party, nothing kept but the key, in this tab.

import { AUTHENTICATION, currentSecret, described, limited, Problem, servingModel, useSecret } from "./api.js";
import { byId, each, element, say } from "./dom.js";
import { chosen, dropped, fromBase64 } from "./files.js";
import { pressed, ZOOM_STEP } from "./gestures.js";
import { Reading } from "./reading.js";
import { fill } from "./sheet.js";
import { returned, SIGN_IN, signIn } from "./signin.js";
import { asCsv, cellsOf, makeTable } from "./table.js";
import { answerOf, modelEntries } from "./words.js";
import { NOT_FROM_A_BROWSER, ordered, Worklist } from "./worklist.js";
import { workbook } from "./xlsx.js";

const BLIND = "cxr-read-first";

const hidden = (row) => byId("blind").checked && row.state === "answered" && !row.label && !row.seen;
const reading = new Reading(hidden, () => refresh(), (problem) => showProblem(problem));
const worklist = new Worklist((row) => {
  refresh();
  if (row?.prediction) {
    reading.deliver(row);
    learnModel(row.prediction.model.package_arn);
  }
});
const drawTable = makeTable(byId("rows"), (row) => open(row));
const inOrder = () => ordered(worklist.rows, byId("order").value, hidden);

function refresh() {
  const rows = inOrder();
  if (!byId("blind").checked) for (const row of rows) row.seen ||= row.state === "answered";
  byId("worklist").hidden = !rows.length;
  drawTable(rows, hidden, reading.row);
  const place = rows.indexOf(reading.row);
  byId("previous").disabled = place <= 0;
  byId("next").disabled = place < 0 || place === rows.length - 1;
  byId("print").disabled = Boolean(reading.row && hidden(reading.row));
  reading.update({ position: rows.length > 1 ? `${place + 1} of ${rows.length}` : "" });
  showProgress(rows);
  if (worklist.paused) showProblem(worklist.paused);
}

function showProgress(rows) {
  const { waiting, asking, answered, failed } = worklist.counts;
  const bar = byId("progress-bar");
  bar.hidden = waiting + asking === 0;
  byId("resume").hidden = !(worklist.paused && waiting && currentSecret());
  [bar.max, bar.value] = [Math.max(1, rows.length), answered + failed];
  const left = waiting + asking ? [`${answered + failed} of ${rows.length} done`] : [];
  if (waiting && !asking && !currentSecret()) left.push(`waiting for the ${byId("secret-label").textContent}`);
  const tally = new Map();
  for (const row of rows) {
    const word = hidden(row) ? "not read yet" : answerOf(row).toLowerCase().replace("normal", "NORMAL").replace("pneumonia", "PNEUMONIA");
    if (word) tally.set(word, (tally.get(word) ?? 0) + 1);
  }
  const said = [...left, ...[...tally].map(([word, count]) => `${count} ${word}`)].join(", ");
  say("progress", said);
  // Each of hundreds of answers would be too much to hear: the open one's is (`heard`), and how all ended.
  if (!asking && !(waiting && currentSecret() && !worklist.paused)) say("ended", said);
}

function showProblem(problem) {
  const box = byId("error");
  const lines = [problem.title, problem.detail, [problem.code, problem.request_id && `request ${problem.request_id}`].filter(Boolean).join(", ")];
  box.replaceChildren(...each("p", lines.filter(Boolean)));
  box.hidden = false;
}

function open(row, how = { focus: true }) {
  reading.open(row, how);
  refresh();
  // In one column the radiograph lies below the worklist.
  if (byId("stage").getBoundingClientRect().top > 0.6 * window.innerHeight) byId("reading").scrollIntoView();
}

function step(by) {
  const rows = inOrder();
  const row = rows[rows.indexOf(reading.row) + by];
  if (row) open(row);
}

// Asked when a key is there, and once more for each version that answers.
let learned = null;
async function learnModel(arn) {
  if (!currentSecret() || (learned !== null && learned === arn)) return;
  learned = arn;
  try {
    reading.model = await servingModel();
    learned = reading.model.package_arn;
  } catch {
    learned = null; // with the next answer again
    return;
  }
  const items = modelEntries(reading.model).flatMap(([term, description]) => [
    element("dt", {}, term),
    element("dd", {}, description),
  ]);
  byId("model").replaceChildren(...items);
  byId("about-model").hidden = false;
  refresh();
}

async function take(files) {
  byId("error").hidden = true;
  const { added, skipped } = await worklist.add(files);
  if (!added.length) {
    const detail = skipped ? `None of the ${skipped} files of the folder is a JPEG, PNG or DICOM file.` : "What was dropped is no file. Save the radiograph first, then drop the file.";
    showProblem({ title: "No radiograph", detail });
    return;
  }
  byId("file-help").textContent = skipped ? `Left out, because they are no JPEG, PNG or DICOM files: ${skipped} of the folder.` : "Sent to the model at once, and not kept.";
  open(added[0], { focus: Boolean(currentSecret()) });
  start();
}

function start() {
  if (AUTHENTICATION === "iam") return showProblem(NOT_FROM_A_BROWSER.document);
  byId("error").hidden = true;
  if (!currentSecret()) {
    (SIGN_IN ? byId("sign-in").firstElementChild : byId("secret")).focus();
    if (SIGN_IN) showProblem({ title: "Not signed in", detail: "Sign in, and the radiographs are sent." });
    else showProblem({ title: `No ${byId("secret-label").textContent}`, detail: "Enter it, and the radiographs are sent." });
  }
  worklist.start();
}

byId("signing").addEventListener("submit", (event) => {
  event.preventDefault();
  useSecret(byId("secret").value);
  if (!worklist.rows.length) showProblem({ title: "No file", detail: "Choose or drop radiographs first." });
  else start();
});
byId("secret").addEventListener("input", () => useSecret(byId("secret").value));
byId("secret").addEventListener("change", () => learnModel(""));
for (const id of ["file", "folder"]) {
  byId(id).addEventListener("change", (event) => {
    const files = chosen(event.target.files);
    event.target.value = ""; // the same files may be chosen again
    if (files.length) take(files);
  });
}
byId("examples").addEventListener("click", async ({ currentTarget: button }) => {
  if (button.ariaBusy === "true") return; // the second of two clicks
  button.ariaBusy = "true";
  try {
    const drawn = await (await fetch("examples.json", { signal: limited() })).json();
    await take(chosen(drawn.map(({ name, data }) => new File([fromBase64(data)], name, { type: "image/jpeg" }))));
  } catch (error) {
    showProblem(described(error instanceof Problem ? error : new Problem({ title: "No examples", detail: "The drawn examples could not be loaded. Check the network and try again." })));
  }
  button.ariaBusy = "false";
});
byId("blind").checked = sessionStorage.getItem(BLIND) === "true";
byId("blind").addEventListener("change", (event) => {
  sessionStorage.setItem(BLIND, String(event.target.checked));
  refresh();
});
byId("order").addEventListener("change", refresh);
byId("previous").addEventListener("click", () => step(-1));
byId("next").addEventListener("click", () => step(1));
byId("again").addEventListener("click", () => {
  worklist.again(reading.row);
  byId("stage").focus({ preventScroll: true }); // the button is gone
});
byId("resume").addEventListener("click", () => {
  start();
  (reading.row ? byId("stage") : byId("file")).focus({ preventScroll: true }); // this button too
});
byId("clear").addEventListener("click", () => {
  reading.open(null);
  worklist.clear();
  byId("error").hidden = true;
  byId("file").focus();
});
function save(blob, name) {
  const address = URL.createObjectURL(blob);
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}
byId("csv").addEventListener("click", () => save(new Blob([asCsv(cellsOf(inOrder(), hidden))], { type: "text/csv" }), "predictions.csv"));
byId("excel").addEventListener("click", async () => save(await workbook(cellsOf(inOrder(), hidden)), "predictions.xlsx"));
byId("print").addEventListener("click", () => window.print());
// However it was asked for: what is printed is the open row, never one that was printed before, and no answer that is hidden.
window.addEventListener("beforeprint", () => {
  const { row, viewer, model } = reading;
  fill(byId("sheet"), row && hidden(row) ? null : row, viewer, model);
});
window.addEventListener("afterprint", () => byId("sheet").replaceChildren());
byId("show-keys").addEventListener("click", () => byId("keys").showModal());
byId("feedback").addEventListener("click", (event) => {
  const button = event.target.closest("button[data-label]");
  if (button) reading.read(button.dataset.label);
});

const DO = {
  in: () => reading.viewer.zoom(ZOOM_STEP),
  out: () => reading.viewer.zoom(1 / ZOOM_STEP),
  invert: () => reading.viewer.invert(),
  reset: () => reading.viewer.reset(),
  map: () => reading.toggleMap("shown"),
};
function useTool(tool) {
  reading.viewer.tool = tool;
  for (const button of byId("tools").querySelectorAll("[data-tool]")) button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
  byId("stage").dataset.tool = tool;
  reading.viewer.draw();
}
byId("tools").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.tool) useTool(button.dataset.tool);
  else if (button) DO[button.dataset.do]();
});
byId("opacity").addEventListener("input", (event) => {
  reading.viewer.map.opacity = event.target.value / 100;
  reading.viewer.draw();
});
byId("map-threshold").addEventListener("input", (event) => reading.viewer.thresholdMap(event.target.value / 100));

const KEYS = {
  n: () => step(1),
  p: () => step(-1),
  1: () => reading.read("NORMAL"),
  2: () => reading.read("PNEUMONIA"),
  3: () => reading.read("UNSURE"),
  l: () => useTool(reading.viewer.tool === "measure" ? "move" : "measure"),
  m: () => reading.toggleMap("held", true),
  "?": () => byId("keys").showModal(),
};
// Only where the focus is beside the radiograph: single keys mean other things elsewhere (WCAG 2.1.4).
byId("reading").addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const onButton = event.target.matches("button") && (key === "Enter" || key === " ");
  if (onButton) return;
  if (KEYS[key]) {
    if (!event.repeat) KEYS[key]();
  } else if (!pressed(event, reading.viewer)) return;
  event.preventDefault();
});
document.addEventListener("keyup", (event) => {
  if (event.key.toLowerCase() === "m") reading.toggleMap("held", false);
});
window.addEventListener("blur", () => reading.toggleMap("held", false));

// A drop counts wherever on the page it falls: a browser would leave the page to show the file.
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    // Text may be dropped into the field for the key, as anywhere.
    if (event.target === byId("secret") && !event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    byId("drop").classList.toggle("over", name === "dragover");
    if (name === "drop") dropped(event.dataTransfer).then(take, (error) => showProblem(described(error)));
  });
}
document.addEventListener("paste", (event) => {
  const files = chosen(event.clipboardData.files);
  if (!files.length) return;
  event.preventDefault();
  take(files);
});
window.addEventListener("beforeunload", (event) => {
  if (worklist.counts.answered + worklist.counts.asking) event.preventDefault();
});

function signedOut() {
  useSecret("");
  byId("sign-in").lastElementChild.textContent = "Your token has ended: sign in again. The worklist stays.";
}
byId("sign-in").firstElementChild.addEventListener("click", async () => {
  try {
    await signIn(signedOut);
  } catch (error) {
    return showProblem(described(error));
  }
  byId("sign-in").lastElementChild.textContent = "Signed in.";
  byId("error").hidden = true;
  learnModel("");
  if (worklist.rows.length) start();
});

byId("sign-in").hidden = !SIGN_IN;
byId("signing").hidden = Boolean(SIGN_IN);
byId("secret").value = currentSecret();
if (!returned()) learnModel("");
if (AUTHENTICATION === "jwt") byId("secret-label").textContent = "Access token";
if (AUTHENTICATION === "iam") {
  byId("signing").hidden = true;
  showProblem(NOT_FROM_A_BROWSER.document);
}
