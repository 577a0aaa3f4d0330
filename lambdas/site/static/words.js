// What the page says about an answer: the same words on the screen, in the table and on paper.

export const INDETERMINATE = "INDETERMINATE";
export const REFUSED = "REFUSED";
export const ERROR = "ERROR";

// The model was not made for such a radiograph, and says so: an answer, if not a probability.
const REFUSALS = new Set(["not_a_radiograph", "outside_intended_population"]);

const share = (value) => `${Number((100 * value).toFixed(1))} %`;
const interval = ({ value, low, high }) => `${value.toFixed(3)} (95 % interval ${low.toFixed(3)} to ${high.toFixed(3)})`;

/**
 * A row's answer in one word; between the two labels the model may be able to tell neither.
 * @param {import("./worklist.js").Row} row
 */
export function answerOf({ prediction, problem }) {
  if (problem) return REFUSALS.has(problem.code) ? REFUSED : ERROR;
  if (!prediction) return "";
  return prediction.indeterminate ? INDETERMINATE : prediction.label;
}

/** @param {import("./worklist.js").Row} row */
export function sentenceOf(row) {
  const { prediction, problem } = row;
  if (problem) return [problem.title && `${problem.title}.`, problem.detail].filter(Boolean).join(" ");
  if (!prediction) return row.state === "asking" ? (row.hangs ? "No answer came in time: the model is being asked once more…" : "The model is being asked…") : "Waiting to be sent.";
  const figure = prediction.probability.toFixed(3);
  return prediction.indeterminate
    ? `Indeterminate: probability of pneumonia ${figure}, too close to the threshold for the model to tell.`
    : `${prediction.label}: probability of pneumonia ${figure}.`;
}

/** Where threshold and band lie, and how the scale has them if it is drawn beside the words. */
export function scaleOf({ threshold, model: { indeterminate: band } }, drawn = true) {
  const [line, area] = drawn ? [" (dashed)", " (shaded)"] : ["", ""];
  return `Threshold ${threshold.toFixed(3)}${line}; from ${band.low.toFixed(3)} to ${band.high.toFixed(3)}${area} the model cannot tell.`;
}

// DICOM files say what they show, often wrongly or not at all: the model answers, and a person is told.
const BODY_PARTS = {
  other: "The file says that it does not show the chest. The model knows chest radiographs only: its answer means nothing for anything else.",
  unstated: "The file does not say which part of the body it shows. The model knows chest radiographs only.",
};

/** What speaks against taking this answer at its word. */
export function warningsOf({ dicom, outside_intended_population: outside }) {
  return [
    outside?.length && `The model is not meant for this ${outside.join(" and ")}: its answer means little here.`,
    BODY_PARTS[dicom?.body_part],
    dicom?.rendering === "full_range" && "The file has no usable window: its grey levels are a guess, and the probability with them.",
  ].filter(Boolean);
}

/** The same in few words, for a row of the worklist: what its place by probability must not hide. @param {import("./worklist.js").Row} row */
export function cautionOf({ prediction }) {
  const { dicom, outside_intended_population: outside } = prediction ?? {};
  return [
    outside?.length && `not meant for this ${outside.join(" and ")}`,
    dicom?.body_part === "other" && "not the chest, as the file says",
    dicom?.rendering === "full_range" && "grey levels are a guess",
  ]
    .filter(Boolean)
    .join("; ");
}

// How far such an answer can be relied on, and among which patients.
function guaranteeOf({ label, indeterminate, guarantee }) {
  if (indeterminate) return "Of an indeterminate answer nothing is guaranteed: take it as none.";
  if (!guarantee) return `Nothing is guaranteed about how many answers ${label} are right.`;
  const { predictive_value: value, confidence, prevalence } = guarantee;
  return `At least ${share(value)} of such answers are right (${share(confidence)} confidence), among patients of whom ${share(prevalence)} have pneumonia and who are otherwise like those of the model's validation data.`;
}

const VERDICTS = {
  usable: "usable",
  usable_after_calibration: "usable after calibration to it",
  not_usable: "not usable",
  too_few: "too few to tell",
};

/** What was found on the radiographs of another hospital, the newest first. */
export function siteOf({ site_evaluations: sites }) {
  if (!sites) return "What was found at other sites cannot be read now.";
  if (!sites.length) return "It was never evaluated on another site's radiographs: how it does elsewhere is not known.";
  const [newest] = sites;
  const more = sites.length > 1 ? ` (the newest of ${sites.length} evaluations)` : "";
  return `On ${newest.images} radiographs of another site (${newest.evaluated_at.slice(0, 10)}) it was ${VERDICTS[newest.verdict] ?? newest.verdict}: AUROC ${interval(newest.auroc)}, sensitivity ${share(newest.sensitivity.value)}, specificity ${share(newest.specificity.value)}${more}.`;
}

/** Whom the model is meant for. */
export function populationOf({ population }) {
  if (!population) return "Its training data did not say whom it is meant for.";
  const told = [
    population.ages.length && `ages ${population.ages.join(", ")}`,
    population.views.length && `views ${population.views.join(", ")}`,
    population.modalities.length && `modalities ${population.modalities.join(", ")}`,
  ].filter(Boolean);
  return told.length ? `It is meant for ${told.join("; ")}.` : "Its training data limit its use to no age or view.";
}

/** @param {any} prediction @param {any} model of GET /v1/model; another version's says nothing about this answer */
export function relianceOf(prediction, model) {
  const same = model?.package_arn === prediction.model.package_arn;
  return [
    guaranteeOf(prediction),
    ...(same ? [`In its evaluation: sensitivity ${interval(model.metrics.sensitivity)}, specificity ${interval(model.metrics.specificity)}.`, siteOf(model), populationOf(model)] : []),
  ];
}

/** The model's figures, as the evaluation on held-out patients has them: [term, description] each. */
export function modelEntries(model) {
  const figures = Object.entries(model.metrics)
    .filter(([, metric]) => metric.value !== undefined)
    .map(([name, metric]) => [name.replaceAll("_", " "), interval(metric)]);
  return [
    ["version", `${model.version} of ${model.group}`],
    ["approval", `${model.approval.status}, ${model.approval.changed_at}`],
    ["threshold", model.threshold.toFixed(3)],
    ["guarantee", model.guarantee?.sentence ?? "none: the model was trained before there were guarantees"],
    ["meant for", populationOf(model)],
    ["prevalence", model.target_prevalence ? `probabilities and figures are for ${share(model.target_prevalence)} with pneumonia, as was named` : "probabilities and figures are for that of its images"],
    ...(model.calibrated_from ? [["calibrated", `to a site on ${model.calibrated_from.calibrated_at.slice(0, 10)}, with the weights of version ${model.calibrated_from.version}`]] : []),
    ["elsewhere", siteOf(model)],
    ["engine", [model.engine.name, model.engine.weights].filter(Boolean).join(", ")],
    ...figures,
    ["tested on", `${model.metrics.images} radiographs of ${model.metrics.patients} patients`],
    ["dataset (SHA-256)", model.dataset_sha256],
    ["files served (SHA-256)", model.served_sha256 ?? "not signed"],
  ];
}

/** What the map's cells and its emptiness mean. */
export const mapOf = ({ cells }) =>
  [
    "It says what spoke for PNEUMONIA in this radiograph, not where a disease is.",
    cells && `It has ${cells} x ${cells} cells; colours between them are interpolated.`,
  ]
    .filter(Boolean)
    .join(" ");
