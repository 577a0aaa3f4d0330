// The page of the API: sends one radiograph, shows the answer. No third party, nothing kept but the key, in this tab.

const SECRET = "cxr-secret";
// Above this many bytes the gateway takes no image: it goes to the bucket first.
const LARGEST_BODY = Number(document.documentElement.dataset.maxImageBytes);
const byId = (id) => document.getElementById(id);
const fileSize = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
const percent = (value) => `${(100 * value).toFixed(2)}%`;

let authentication = "api_key";
let chosen = null; // the file that was dropped or picked
let shown = null; // the prediction on the page

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

// One request to the API; an answer that is not 2xx is thrown as a Problem.
async function call(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: { ...headers(), ...options.headers } });
  } catch {
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
  const start = new Uint8Array(await file.slice(0, 132).arrayBuffer());
  const begins = (bytes, at = 0) => bytes.every((byte, index) => start[at + index] === byte);
  if (begins([0xff, 0xd8, 0xff])) return "image/jpeg";
  if (begins([0x89, 0x50, 0x4e, 0x47])) return "image/png";
  if (begins([0x44, 0x49, 0x43, 0x4d], 128)) return "application/dicom";
  throw new Problem({ title: "Not a radiograph's file", detail: `${file.name} is no JPEG, PNG or DICOM file.`, code: "unsupported_media_type" });
}

async function upload(file, type) {
  const form = await call("v1/uploads", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ media_type: type }),
  });
  const data = new FormData();
  for (const [name, value] of Object.entries(form.fields)) data.append(name, value);
  data.append("file", file);
  let response;
  try {
    response = await fetch(form.url, { method: "POST", body: data });
  } catch {
    response = { ok: false };
  }
  if (!response.ok) {
    throw new Problem({ title: "The upload failed", detail: "The storage refused the file: it may be too large. Try again.", code: "upload_failed" });
  }
  return form.upload;
}

async function predict(file, type) {
  if (file.size <= LARGEST_BODY) {
    return call("v1/predictions?explain=true", { method: "POST", headers: { "content-type": type }, body: file });
  }
  const key = await upload(file, type);
  return call("v1/predictions?explain=true", {
    method: "POST",
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

function showPicture(file, prediction) {
  const address = (png) => `data:${png.media_type};base64,${png.data}`;
  const picture = byId("radiograph");
  URL.revokeObjectURL(picture.src);
  // Browsers show no DICOM: the answer has the picture that the model was shown.
  picture.src = prediction.radiograph ? address(prediction.radiograph) : URL.createObjectURL(file);
  byId("overlay").src = address(prediction.overlay);
}

function showResult(file, prediction) {
  shown = prediction;
  const { probability, threshold, label, indeterminate, model } = prediction;
  const band = model.indeterminate;
  byId("sentence").textContent = indeterminate
    ? `Indeterminate: probability of pneumonia ${probability.toFixed(3)}, too close to the threshold to tell (${label} by the threshold alone).`
    : `${label}: probability of pneumonia ${probability.toFixed(3)}.`;
  byId("band").style.left = percent(band.low);
  byId("band").style.width = percent(Math.max(0, band.high - band.low));
  byId("threshold").style.left = percent(threshold);
  byId("probability").style.left = percent(probability);
  const described = `Threshold ${threshold.toFixed(3)} (dashed); between ${band.low.toFixed(3)} and ${band.high.toFixed(3)} (shaded) the model cannot tell.`;
  byId("scale-help").textContent = described;
  byId("scale").setAttribute("aria-label", `Probability ${probability.toFixed(3)} on a scale from 0 to 1. ${described}`);
  showPicture(file, prediction);
  for (const button of byId("feedback").querySelectorAll("button")) button.setAttribute("aria-pressed", "false");
  byId("feedback-status").textContent = "Your label is kept to watch how well the model does.";
  byId("result").hidden = false;
  byId("result-title").focus();
  remember(file, prediction);
}

function remember(file, prediction) {
  const row = document.createElement("tr");
  const cells = [
    new Date().toLocaleTimeString(),
    file.name,
    prediction.probability.toFixed(3),
    prediction.indeterminate ? `${prediction.label}, indeterminate` : prediction.label,
    `version ${prediction.model.version}`,
  ];
  for (const text of cells) {
    const cell = document.createElement("td");
    cell.textContent = text;
    row.append(cell);
  }
  byId("history").prepend(row);
  byId("history-wide").hidden = false;
  byId("history-empty").hidden = true;
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

async function ask(event) {
  event.preventDefault();
  const file = chosen;
  byId("error").hidden = true;
  if (!file) {
    showError(new Problem({ title: "No file", detail: "Choose or drop a radiograph first." }));
    return;
  }
  sessionStorage.setItem(SECRET, byId("secret").value);
  const button = byId("ask").querySelector("button");
  button.disabled = true;
  byId("result").hidden = true;
  byId("progress").textContent = `Asking the model about ${file.name}…`;
  try {
    const type = await mediaType(file);
    showResult(file, await predict(file, type));
    await showModel();
  } catch (error) {
    showError(error);
  } finally {
    button.disabled = false;
    byId("progress").textContent = "";
  }
}

async function sendLabel(event) {
  const button = event.target.closest("button[data-label]");
  if (!button || !shown) return;
  const status = byId("feedback-status");
  try {
    await call(`v1/predictions/${encodeURIComponent(shown.id)}/feedback`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ label: button.dataset.label }),
    });
    for (const other of byId("feedback").querySelectorAll("button")) other.setAttribute("aria-pressed", String(other === button));
    status.textContent = `Thank you: kept as ${button.dataset.label}.`;
  } catch (error) {
    status.textContent = `Not kept: ${error.message}`;
  }
}

function choose(file) {
  chosen = file ?? null;
  if (chosen) byId("file-help").textContent = `${chosen.name}, ${fileSize(chosen.size)}`;
}

// How clients prove who they are is a setting of the deployment; its OpenAPI document says it.
async function learnAuthentication() {
  const description = await (await fetch("openapi.json")).json();
  [authentication] = Object.keys(description.components.securitySchemes);
  if (authentication === "jwt") byId("secret-label").textContent = "Access token";
  if (authentication === "iam") {
    byId("signing").hidden = true;
    byId("ask").querySelector("button").disabled = true;
    showError(new Problem({ title: "Not from a browser", detail: "This deployment takes requests signed with AWS credentials only: use `cxr predict`." }));
  }
}

byId("secret").value = sessionStorage.getItem(SECRET) ?? "";
byId("ask").addEventListener("submit", ask);
byId("file").addEventListener("change", (event) => choose(event.target.files[0]));
byId("feedback").addEventListener("click", sendLabel);
byId("opacity").addEventListener("input", (event) => {
  byId("overlay").style.opacity = event.target.value / 100;
});
const drop = byId("drop");
for (const name of ["dragover", "dragleave", "drop"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragover");
  });
}
drop.addEventListener("drop", (event) => choose(event.dataTransfer.files[0]));
learnAuthentication().catch(showError);
