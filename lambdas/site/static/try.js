// Try-it-out of /docs: sends what a form says, shows the answer, and writes the same request as a line for a shell.
// The key or token stays in its field: it is written nowhere else.

import { AUTHENTICATION, LARGEST_BODY, Problem, described, identity, limited, reached, seconds } from "./api.js";
import { byId, element } from "./dom.js";
import { DICOM, fileSize, fromBase64, isReadable, mediaType, unreadable } from "./files.js";
import { SIGN_IN, signIn } from "./signin.js";

const API = new URL("./", location.href);
const HEADERS = ["x-request-id", "Retry-After", "Idempotency-Replayed", "Content-Type"];
const ENDINGS = { [DICOM]: "dcm", "application/json": "json", "application/fhir+json": "json", "application/problem+json": "json", "text/html": "html" };
const MULTIPART = "multipart/related";
const JSON_TYPE = "application/json";
const LONG = 200; // characters: a picture in base64, which nobody reads
const SHOWN_CHARACTERS = 20_000;
// As Python's shlex.quote has it, which wrote the lines first.
const PLAIN = /^[\w@%+=:,./-]+$/;

const inQuotes = (word) => `'${word.replaceAll("'", `'"'"'`)}'`;
const quoted = (word) => (PLAIN.test(word) ? word : inQuotes(word));
const essence = (type) => (type ?? "").split(";")[0].trim().toLowerCase();
const isJson = (type) => /[/+]json$/.test(type);
const ending = (type) => ENDINGS[type] ?? "bin";

// What a form says: the request, without who asks.
function filled(form) {
  const request = { method: form.dataset.method, path: form.dataset.path.slice(1), headers: {}, query: new URLSearchParams(), body: undefined };
  for (const { name, value, dataset } of form.querySelectorAll("[data-in]")) {
    if (dataset.in === "path") request.path = request.path.replace(`{${name}}`, encodeURIComponent(value));
    else if (value && dataset.in === "query") request.query.append(name, value);
    else if (value) request.headers[name] = value;
  }
  const { body, file, json, accept } = form.elements;
  if (body) {
    request.headers["Content-Type"] = body.value;
    request.body = example(body) === undefined ? file.files[0] : json.value;
  }
  if (accept?.value) request.headers.Accept = accept.value;
  return request;
}

// The JSON that a media type begins with; undefined where it is a file's.
const example = (body) => body.selectedOptions[0].dataset.example;

function address({ path, query }) {
  const whole = new URL(path, API);
  whole.search = query;
  return whole;
}

// The request for a shell, as lambdas/site/curl.py writes it before anything is changed.
function line(request, credentials) {
  const words = request.method === "GET" ? ["curl"] : ["curl", "--request", request.method];
  if (credentials) words.push(credentials);
  for (const [name, value] of Object.entries(request.headers)) words.push("--header", quoted(`${name}: ${value}`));
  if (typeof request.body === "string") words.push("--data-raw", quoted(request.body));
  else if (request.headers["Content-Type"]) words.push("--data-binary", quoted(`@${request.body?.name ?? "radiograph.jpeg"}`));
  const type = essence(request.headers.Accept);
  if (type === DICOM || type === MULTIPART) words.push("--output", `result.${ending(type)}`);
  return [...words, inQuotes(String(address(request)))].join(" ");
}

/** @throws {Problem} something is missing, or nothing came back */
async function sent(request, isOpen) {
  const field = byId("secret");
  const secret = field?.value.trim();
  if (!isOpen && !field) throw new Problem({ detail: "Requests are signed with AWS credentials, which belong in no page: copy the line." });
  if (!isOpen && (!secret || !field.checkValidity())) {
    field.focus();
    const asked = AUTHENTICATION === "api_key" ? "the API key" : "an access token";
    throw new Problem({ detail: `This path needs ${asked}: paste it at the top of this page, whole and without spaces.` });
  }
  if ("Content-Type" in request.headers && !request.body) throw new Problem({ detail: "This path needs a body: choose a file, or write one." });
  if (LARGEST_BODY && request.body?.size > LARGEST_BODY) {
    const sizes = `The file has ${fileSize(request.body.size)}, and a request to this deployment carries at most ${fileSize(LARGEST_BODY)}`;
    throw new Problem({ detail: `${sizes}: upload it by POST /v1/uploads, and name the upload here in JSON.` });
  }
  const options = { method: request.method, body: request.body, signal: limited(request.body?.size), cache: "no-store", credentials: "omit" };
  let response;
  try {
    response = await reached(fetch(address(request), { ...options, headers: { ...(isOpen ? {} : identity(secret)), ...request.headers } }));
  } catch (error) {
    // A file that was written anew since it was chosen looks like a lost connection.
    if (request.body instanceof File && !(await isReadable(request.body))) throw unreadable(request.body.name);
    throw error;
  }
  return { response, content: await reached(response.blob()) };
}

// What a problem says (RFC 9457), or that something answered that knows no problems, as a proxy does.
function sentence(response, document) {
  if (response.ok) return `Answered ${response.status}.`;
  const { title, detail } = document ?? {};
  const said = title || detail ? [title, detail].filter(Boolean).join(": ") : "The answer does not say why.";
  const wait = seconds(response.headers.get("Retry-After"));
  return `${response.status}. ${said}${wait === undefined ? "" : ` Try again in ${Math.ceil(wait)} s.`}`;
}

async function shown({ response, content }, name) {
  const type = essence(response.headers.get("Content-Type"));
  const document = isJson(type) ? parsed(await content.text()) : undefined;
  const headers = element("dl");
  for (const header of HEADERS.filter((one) => response.headers.has(one))) {
    headers.append(element("dt", { textContent: header }), element("dd", { textContent: response.headers.get(header) }));
  }
  const parts = [headers];
  if (document !== undefined) parts.push(readable(JSON.stringify(document, shortened, 1)), ...(await pictures(document)));
  else if (type.startsWith("text/")) parts.push(readable(await content.text()));
  parts.push(download(content, `${name}.${ending(type)}`));
  if (document?.fields && document.url) parts.push(...posting(document));
  return { said: sentence(response, document), parts };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const shortened = (_, value) => (typeof value === "string" && value.length > LONG && !value.includes(" ") ? `${value.slice(0, 40)}… (${value.length} characters)` : value);

function readable(text) {
  const cut = text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
  return element("pre", { textContent: cut, tabIndex: 0, role: "group", ariaLabel: "Body of the answer" });
}

// Drawn, and not shown as images: the page's policy allows none.
async function pictures(document) {
  const found = Object.entries(document ?? {}).filter(([, one]) => one?.media_type?.startsWith?.("image/") && one.data);
  return Promise.all(
    found.map(async ([name, { media_type: type, data }]) => {
      let picture;
      try {
        picture = await createImageBitmap(new Blob([fromBase64(data)], { type }));
      } catch {
        return element("p", { textContent: `The picture ${name} could not be shown: this browser cannot decode it. It is in the answer.` });
      }
      const canvas = element("canvas", { width: picture.width, height: picture.height, role: "img", ariaLabel: name });
      canvas.getContext("2d").drawImage(picture, 0, 0);
      return element("figure", {}, canvas, element("figcaption", { textContent: `${name}, ${picture.width} x ${picture.height} pixels` }));
    }),
  );
}

function download(content, name) {
  const made = element("a", { href: URL.createObjectURL(content), download: name, textContent: `Download the answer (${fileSize(content.size)})` });
  return element("p", {}, made);
}

// The form that an upload is posted with, for a shell: the bucket is another origin.
function posting({ url, fields }) {
  const words = Object.entries(fields).flatMap(([name, value]) => ["--form-string", quoted(`${name}=${value}`)]);
  const command = ["curl", ...words, "--form", "file=@radiograph.dcm", inQuotes(url)].join(" ");
  return [element("p", { textContent: "Then, within five minutes, in a shell:" }), element("pre", { textContent: command })];
}

// One operation: its line follows its form, and its answer comes below.
function start(details) {
  const form = details.querySelector("form");
  const [status, answer] = [form.querySelector("[role=status]"), details.querySelector(".answer")];
  const { body, file, json } = form.elements;
  const command = details.previousElementSibling.querySelector("pre");
  let pending = false;

  const say = (text, failed = false) => {
    status.textContent = text;
    status.toggleAttribute("data-failed", failed);
  };
  const rewrite = () => (command.textContent = line(filled(form), command.dataset.credentials));
  const fail = (error) => {
    const { title, detail } = described(error);
    say([title, detail].filter(Boolean).join(": "), true);
  };

  const choose = () => {
    const text = example(body);
    json.value = text ?? "";
    json.parentElement.hidden = text === undefined;
    if (file) file.parentElement.hidden = text !== undefined;
  };
  const recognise = async () => {
    const [chosen] = file.files;
    if (!chosen) return;
    say("");
    try {
      body.value = await mediaType(chosen, chosen.name);
    } catch (error) {
      fail(error);
    }
    rewrite();
  };
  const draw = async () => {
    try {
      const [{ name, data }] = await (await reached(fetch(new URL("examples.json", API), { signal: limited() }))).json();
      const transfer = new DataTransfer();
      transfer.items.add(new File([fromBase64(data)], name));
      file.files = transfer.files;
      await recognise();
    } catch (error) {
      fail(error);
    }
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (pending) return;
    pending = true;
    say("Asking…");
    for (const old of answer.querySelectorAll("a[download]")) URL.revokeObjectURL(old.href);
    answer.replaceChildren();
    try {
      const given = await sent(filled(form), "open" in form.dataset);
      const { said, parts } = await shown(given, details.closest("section").id);
      answer.replaceChildren(...parts);
      say(said, !given.response.ok);
    } catch (error) {
      fail(error);
    }
    pending = false;
  });
  form.addEventListener("input", rewrite);
  body?.addEventListener("change", () => {
    choose();
    rewrite();
  });
  file?.addEventListener("change", recognise);
  form.querySelector(".drawn")?.addEventListener("click", draw);
  if (body) choose();
  rewrite();
  details.hidden = false;
}

// Copy a line, or mark it where the browser gives no page its clipboard: over HTTP, but for this machine.
function copies(box) {
  const [command, button, status] = [box.querySelector("pre"), box.querySelector("button"), box.querySelector("[role=status]")];
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command.textContent);
      status.textContent = "Copied.";
    } catch {
      getSelection().selectAllChildren(command);
      status.textContent = "Marked: copy it with Ctrl+C.";
    }
  });
}

// The token goes into the field, as a pasted one does; the window that signs in comes back to the page, which tells this one.
function offerSignIn() {
  const [button, status] = byId("sign-in").children;
  const use = (token, said) => {
    byId("secret").value = token;
    status.textContent = said;
  };
  button.addEventListener("click", async () => {
    try {
      await signIn(() => use("", "Your token has ended: sign in again."), (token) => use(token, "Signed in."));
    } catch (error) {
      status.textContent = described(error).detail;
    }
  });
  byId("sign-in").hidden = false;
}

if (byId("access")) byId("access").hidden = false;
if (SIGN_IN) offerSignIn();
byId("address").hidden = true;
document.querySelectorAll(".line").forEach(copies);
document.querySelectorAll(".try").forEach(start);
