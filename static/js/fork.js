// Forking at an entry: the state as a form or as JSON; the JSON is what is sent.
import { all, one } from "./dom.js";

const dialog = one("#fork-dialog");
let state = null;

/** Open the dialog for the entry whose address is `url`. */
export async function openFork(url) {
  const answer = await fetch(url);
  if (!answer.ok) return;
  dialog.innerHTML = await answer.text();
  const text = one("#fork-state", dialog);
  state = text ? JSON.parse(text.value) : null;
  dialog.showModal();
}

function tell(problem) {
  const place = one("[data-problem]", dialog);
  place.textContent = problem;
  place.hidden = !problem;
}

/** What the field of a form says, as the kind of value that it stands for. */
function valueOf(field) {
  if (field.dataset.kind === "boolean") return field.value === "true";
  if (field.dataset.kind !== "number") return field.value;
  const number = Number(field.value);
  if (field.value.trim() === "" || Number.isNaN(number)) throw new Error(`${one("label", field.parentElement).textContent} must be a number, not "${field.value}".`);
  return number;
}

function readForm() {
  for (const field of all("[data-path]", dialog)) {
    const [part, name] = JSON.parse(field.dataset.path);
    state[part][name] = valueOf(field);
  }
  one("#fork-state", dialog).value = JSON.stringify(state, null, 2);
}

function readJson() {
  try {
    state = JSON.parse(one("#fork-state", dialog).value);
  } catch (error) {
    throw new Error(`The state is no JSON: ${error.message}.`);
  }
  if (state === null || typeof state !== "object" || Array.isArray(state)) throw new Error("The state must be a JSON object, such as {\"settings\": {}}.");
  for (const field of all("[data-path]", dialog)) {
    const [part, name] = JSON.parse(field.dataset.path);
    const value = state[part]?.[name];
    const isThere = value !== undefined && value !== null && typeof value !== "object";
    if (isThere) field.value = String(value);
    field.disabled = !isThere;
  }
}

const asForm = () => one("[data-edit-as=form]", dialog)?.ariaPressed === "true";

function read() {
  if (state === null) return;
  if (asForm()) {
    for (const field of all("[data-path]:disabled", dialog)) field.removeAttribute("data-path");
    readForm();
  } else readJson();
}

function editAs(kind) {
  try {
    if ((kind === "form") === asForm()) return;
    read();
    tell("");
  } catch (error) {
    return tell(error.message);
  }
  for (const button of all("[data-edit-as]", dialog)) button.ariaPressed = String(button.dataset.editAs === kind);
  one("[data-as-form]", dialog).hidden = kind !== "form";
  one("[data-as-json]", dialog).hidden = kind !== "json";
}

async function send(form, isRun) {
  try {
    read();
  } catch (error) {
    return tell(error.message);
  }
  const body = { entry: Number(form.dataset.entry), branch: Number(form.dataset.branch) };
  if (state !== null) body.starting_state = state;
  if (!isRun) body.is_interactive = form.elements.asks.checked;
  const buttons = all("[type=submit]", form);
  buttons.forEach((button) => { button.disabled = true; });
  let problem = "The server does not answer, so nothing was forked. Try again.";
  let made = null;
  try {
    const answer = await fetch(isRun ? form.dataset.runUrl : form.dataset.forkUrl, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": document.body.dataset.csrf },
      body: JSON.stringify(body),
    });
    made = await answer.json().catch(() => ({}));
    problem = answer.ok ? "" : (made.detail ?? `The server answered ${answer.status}. Try again.`);
  } catch { /* told below */ }
  buttons.forEach((button) => { button.disabled = false; });
  tell(problem);
  if (!problem) location.href = isRun ? `/run/${made.id}/` : `${form.dataset.page}?b=${made.number}`;
}

dialog.addEventListener("click", (event) => {
  const button = event.target.closest("[data-edit-as]");
  if (button) editAs(button.dataset.editAs);
});
dialog.addEventListener("submit", (event) => {
  event.preventDefault();
  send(event.target, event.submitter?.value === "run");
});
