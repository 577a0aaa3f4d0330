// The page of the API: sends one radiograph, shows the answer. No third party, nothing kept but the key, in this tab.

const SECRET = "cxr-secret";
// Above this many bytes the gateway takes no image: it goes to the bucket first.
const LARGEST_BODY = Number(document.documentElement.dataset.maxImageBytes);
const byId = (id) => document.getElementById(id);
const fileSize = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
const FILE_HELP = byId("file-help").textContent;
const percent = (value) => `${(100 * value).toFixed(2)}%`;
const asPercent = (share) => `${Number((100 * share).toFixed(1))} %`;

let authentication = "api_key";
let chosen = null; // the file that was dropped or picked
let asking = null; // aborts the request that is under way, whose answer nobody wants once another file is chosen
let shown = null; // the prediction on the page, with its file: { file, prediction, row }

class Problem extends Error {
  constructor(document) {
    super(document.detail ?? document.title);
    this.document = document;
  }
}

function headers() {
  const secret = byId("secret").value.trim();
  return authentication === "api_key" ? { "x-api-key": secret } : { authorization: `Bearer ${secret}` };
}

const NOT_FROM_A_BROWSER = new Problem({
  title: "Not from a browser",
  detail: "This deployment takes requests signed with AWS credentials only: use `cxr predict`.",
});

// One request to the API; an answer that is not 2xx is thrown as a Problem.
async function call(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: { ...headers(), ...options.headers } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ title: "No connection", detail: "The API could not be reached. Check the network and try again." });
  }
  const text = await response.text();
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    answer = { title: "Unexpected answer", detail: `The API answered ${response.status} without saying why.` };
  }
  if (!response.ok) throw new Problem(answer);
  return answer;
}

// What a file is, by its first bytes: names and the browser's guess are wrong too often.
async function mediaType(file) {
  let start;
  try {
    start = new Uint8Array(await file.slice(0, 132).arrayBuffer());
  } catch {
    throw new Problem({ title: "Not readable", detail: `${file.name} cannot be read: it is a folder, or it was changed or removed. Choose it again.` });
  }
  const begins = (bytes, at = 0) => bytes.every((byte, index) => start[at + index] === byte);
  if (begins([0xff, 0xd8, 0xff])) return "image/jpeg";
  if (begins([0x89, 0x50, 0x4e, 0x47])) return "image/png";
  if (begins([0x44, 0x49, 0x43, 0x4d], 128)) return "application/dicom";
  throw new Problem({ title: "Not a radiograph's file", detail: `${file.name} is no JPEG, PNG or DICOM file.`, code: "unsupported_media_type" });
}

async function upload(file, type, signal) {
  const form = await call("v1/uploads", {
    method: "POST",
    signal,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ media_type: type }),
  });
  const data = new FormData();
  for (const [name, value] of Object.entries(form.fields)) data.append(name, value);
  data.append("file", file);
  let response;
  try {
    response = await fetch(form.url, { method: "POST", body: data, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    response = { ok: false };
  }
  if (!response.ok) {
    throw new Problem({ title: "The upload failed", detail: "The storage refused the file: it may be too large. Try again.", code: "upload_failed" });
  }
  return form.upload;
}

async function predict(file, type, signal) {
  if (file.size <= LARGEST_BODY) {
    return call("v1/predictions?explain=true", { method: "POST", signal, headers: { "content-type": type }, body: file });
  }
  const key = await upload(file, type, signal);
  return call("v1/predictions?explain=true", {
    method: "POST",
    signal,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ upload: key }),
  });
}

function showError(error) {
  const box = byId("error");
  box.replaceChildren();
  const problem = error instanceof Problem ? error.document : { title: "The page failed", detail: String(error) };
  const lines = [problem.title, problem.detail, [problem.code, problem.request_id && `request ${problem.request_id}`].filter(Boolean).join(", ")];
  for (const line of lines.filter(Boolean)) {
    const paragraph = document.createElement("p");
    paragraph.textContent = line;
    box.append(paragraph);
  }
  box.hidden = false;
}

// What the model answered, in one word: between the two labels it may be able to tell neither.
const answerOf = ({ label, indeterminate }) => (indeterminate ? "INDETERMINATE" : label);

// How far such an answer can be relied on, and among which patients.
function guaranteeOf({ label, indeterminate, guarantee }) {
  if (indeterminate) return "";
  if (!guarantee) return `Nothing is guaranteed about how many answers ${label} are right.`;
  const { predictive_value: value, confidence, prevalence } = guarantee;
  return `At least ${asPercent(value)} of such answers are right (${asPercent(confidence)} confidence), where ${asPercent(prevalence)} of the patients have pneumonia and are otherwise like the model's validation data.`;
}

// DICOM files say what they show, often wrongly or not at all: the model answers, and a person is told.
const BODY_PARTS = {
  other: "The file says that it does not show the chest. The model knows chest radiographs only: its answer means nothing for anything else.",
  unstated: "The file does not say which part of the body it shows. The model knows chest radiographs only.",
};

function showPicture(file, prediction) {
  const address = (png) => `data:${png.media_type};base64,${png.data}`;
  // Browsers show no DICOM: the answer has the picture that the model was shown.
  byId("radiograph").src = prediction.radiograph ? address(prediction.radiograph) : URL.createObjectURL(file);
  byId("radiograph").alt = `The radiograph in ${file.name}`;
  byId("overlay").src = address(prediction.overlay);
  const { cells, empty } = prediction.overlay;
  byId("map-empty").hidden = !empty;
  byId("map-cells").textContent = cells
    ? `The map has ${cells} x ${cells} cells; colours between them are interpolated. Without colour it is empty: nothing spoke for PNEUMONIA enough to be marked.`
    : "";
}

function showResult(file, prediction) {
  const answered = new Date().toLocaleTimeString();
  shown = { file, prediction, row: remember(file, prediction, answered) };
  const { probability, threshold, model } = prediction;
  const band = model.indeterminate;
  const answer = answerOf(prediction);
  byId("identity").textContent = `${file.name}, ${fileSize(file.size)}, answered at ${answered}`;
  byId("sentence").textContent =
    answer === "INDETERMINATE"
      ? `Indeterminate: probability of pneumonia ${probability.toFixed(3)}, too close to the threshold for the model to tell.`
      : `${answer}: probability of pneumonia ${probability.toFixed(3)}.`;
  byId("sentence").dataset.answer = answer;
  byId("guarantee").textContent = guaranteeOf(prediction);
  const outside = prediction.outside_intended_population;
  const warning = [
    outside && `The model is not meant for this ${outside.join(" and ")}: its answer means little here.`,
    BODY_PARTS[prediction.dicom?.body_part],
  ]
    .filter(Boolean)
    .join(" ");
  byId("body-part").textContent = warning;
  byId("body-part").hidden = !warning;
  byId("band").style.left = percent(band.low);
  byId("band").style.width = percent(Math.max(0, band.high - band.low));
  byId("threshold").style.left = percent(threshold);
  byId("probability").style.left = percent(probability);
  byId("probability").dataset.answer = answer;
  const described = `Threshold ${threshold.toFixed(3)} (dashed); between ${band.low.toFixed(3)} and ${band.high.toFixed(3)} (shaded) the model cannot tell.`;
  byId("scale-help").textContent = described;
  byId("scale").setAttribute("aria-label", `Probability ${probability.toFixed(3)} on a scale from 0 to 1. ${described}`);
  showPicture(file, prediction);
  for (const button of byId("feedback").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", "false");
    button.disabled = false;
  }
  byId("feedback-title").textContent = `What do you read in ${file.name}?`;
  byId("feedback-status").textContent = "Your label is kept to watch how well the model does.";
  byId("result").hidden = false;
  byId("result-title").focus();
}

function settle() {
  asking = null;
  byId("progress").textContent = "";
  byId("ask").querySelector("button").disabled = authentication === "iam";
}

// Nothing of an answer stays beside the name of another file: not its picture, and not what its labels would go to.
function clearResult() {
  asking?.abort();
  shown = null;
  byId("result").hidden = true;
  byId("error").hidden = true;
  settle();
  URL.revokeObjectURL(byId("radiograph").src);
  // Without an address: an image keeps showing the last one until the next has loaded.
  for (const image of ["radiograph", "overlay"]) byId(image).removeAttribute("src");
}

function remember(file, prediction, answered) {
  const row = document.createElement("tr");
  const cells = [answered, file.name, prediction.probability.toFixed(3), answerOf(prediction), `version ${prediction.model.version}`, ""];
  for (const text of cells) {
    const cell = document.createElement("td");
    cell.textContent = text;
    row.append(cell);
  }
  row.dataset.answer = answerOf(prediction);
  byId("history").prepend(row);
  byId("history-wide").hidden = false;
  byId("history-empty").hidden = true;
  return row;
}

// Figures with their 95 % intervals, as the evaluation on held-out patients has them.
function figures(metrics) {
  return Object.entries(metrics)
    .filter(([, metric]) => metric.value !== undefined)
    .map(([name, { value, low, high }]) => [
      name.replaceAll("_", " "),
      `${value.toFixed(3)} (95 % interval ${low.toFixed(3)} to ${high.toFixed(3)})`,
    ]);
}

async function showModel() {
  const model = await call("v1/model");
  const list = byId("model");
  list.replaceChildren();
  const entries = [
    ["version", `${model.version} of ${model.group}`],
    ["approval", `${model.approval.status}, ${model.approval.changed_at}`],
    ["threshold", model.threshold.toFixed(3)],
    ["guarantee", model.guarantee?.sentence ?? "none: the model was trained before there were guarantees"],
    ["engine", [model.engine.name, model.engine.weights].filter(Boolean).join(", ")],
    ...figures(model.metrics),
    ["tested on", `${model.metrics.images} radiographs of ${model.metrics.patients} patients`],
    ["dataset (SHA-256)", model.dataset_sha256],
  ];
  for (const [name, value] of entries) {
    const term = document.createElement("dt");
    term.textContent = name;
    const description = document.createElement("dd");
    description.textContent = value;
    list.append(term, description);
  }
  byId("model-empty").hidden = true;
}

async function ask() {
  const file = chosen;
  clearResult();
  if (!file) {
    showError(new Problem({ title: "No file", detail: "Choose or drop a radiograph first." }));
    return;
  }
  sessionStorage.setItem(SECRET, byId("secret").value);
  const request = new AbortController();
  asking = request;
  byId("ask").querySelector("button").disabled = true;
  byId("progress").textContent = `Asking the model about ${file.name}…`;
  try {
    const type = await mediaType(file);
    const prediction = await predict(file, type, request.signal);
    // Another file may have been chosen while the answer was read.
    if (asking !== request) return;
    showResult(file, prediction);
    await showModel();
  } catch (error) {
    if (asking === request) showError(error);
  } finally {
    if (asking === request) settle();
  }
}

async function sendLabel(event) {
  const button = event.target.closest("button[data-label]");
  if (!button || !shown) return;
  const labelled = shown;
  const { label } = button.dataset;
  const status = byId("feedback-status");
  const buttons = [...byId("feedback").querySelectorAll("button")];
  // One at a time: the last label counts, and two under way could arrive the other way round.
  for (const one of buttons) one.disabled = true;
  let said;
  try {
    await call(`v1/predictions/${encodeURIComponent(labelled.prediction.id)}/feedback`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ label }),
    });
    labelled.row.lastElementChild.textContent = label;
    said = `Thank you: ${labelled.file.name} is kept as ${label}.`;
  } catch (error) {
    said = `Not kept: ${error.message}`;
  }
  if (shown !== labelled) return;
  for (const one of buttons) {
    one.disabled = false;
    one.setAttribute("aria-pressed", String(one.dataset.label === labelled.row.lastElementChild.textContent));
  }
  button.focus(); // a button that is disabled loses it
  status.textContent = said;
}

function choose(file) {
  clearResult();
  chosen = file ?? null;
  byId("file-help").textContent = chosen ? `${chosen.name}, ${fileSize(chosen.size)}` : FILE_HELP;
}

// A drop asks at once, wherever on the page it falls: a browser would leave the page to show the file.
function take(files) {
  if (files.length !== 1) {
    choose(null);
    byId("file").value = "";
    showError(
      files.length
        ? new Problem({ title: "One radiograph at a time", detail: `${files.length} files were dropped, and none was sent. Drop one; \`cxr predict\` takes many.` })
        : new Problem({ title: "No file", detail: "What was dropped is no file. Save the radiograph first, then drop the file." }),
    );
    return;
  }
  byId("file").files = files;
  choose(files[0]);
  if (authentication === "iam") showError(NOT_FROM_A_BROWSER);
  else if (byId("secret").value.trim()) ask();
  else {
    byId("secret").focus();
    showError(new Problem({ title: `No ${byId("secret-label").textContent}`, detail: "Enter it first, then ask the model." }));
  }
}

// How clients prove who they are is a setting of the deployment; its OpenAPI document says it.
async function learnAuthentication() {
  const description = await (await fetch("openapi.json")).json();
  [authentication] = Object.keys(description.components.securitySchemes);
  if (authentication === "jwt") byId("secret-label").textContent = "Access token";
  if (authentication === "iam") {
    byId("signing").hidden = true;
    settle();
    showError(NOT_FROM_A_BROWSER);
  }
}

byId("secret").value = sessionStorage.getItem(SECRET) ?? "";
byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
byId("file").addEventListener("change", (event) => choose(event.target.files[0]));
byId("feedback").addEventListener("click", sendLabel);
byId("opacity").addEventListener("input", (event) => {
  byId("overlay").style.opacity = event.target.value / 100;
});
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    // Text may be dropped into the field for the key, as anywhere.
    if (event.target === byId("secret") && !event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    byId("drop").classList.toggle("over", name === "dragover");
  });
}
document.addEventListener("drop", (event) => {
  if (event.defaultPrevented) take(event.dataTransfer.files);
});
learnAuthentication().catch(showError);
