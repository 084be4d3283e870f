// The form for a new run: the equal command while one types; files and answers go to REST.
import { all, copy, one } from "./dom.js";

const form = one("#new-run");
const field = (name) => form.elements[name];
const text = (name) => field(name).value.trim();
const LIMITS = ["tokens", "actions", "total_seconds", "cost"];
const JSON_FIELDS = ["agent_settings_override", "metadata"];

/** A part of the command line as a shell reads it back. */
const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`);
const stem = (file) => file?.name.replace(/\.(tar\.gz|tgz|tar)$/, "");

function sources() {
  const [taskKind, ...task] = text("task-from").split(" ");
  const [agentKind, ...agent] = text("agent-from").split(" ");
  return { taskKind, task, agentKind, agent };
}

function command() {
  const { taskKind, task, agentKind, agent } = sources();
  const id = text("task_id") || "family/task";
  // What is left empty means the most here, and a smaller default there: so limits are always said.
  const ref = taskKind === "git" ? task[1] : taskKind === "repo" ? text("task_ref") : "";
  const words = [["viv", "run", ref ? `${id}@${ref}` : id]];
  const flag = (name, value) => value && words.push([`--${name}`, value]);
  if (taskKind === "git") flag("task-repo", task[0]);
  else if (taskKind === "repo") flag("task-repo", text("task_repo"));
  else flag("task-family-path", stem(field("task_source").files[0]) ?? id.split("/")[0]);
  if (agentKind === "git") { flag("repo", agent[0]); flag("branch", agent[1]); flag("commit", agent[2]); }
  else if (agentKind === "repo") { flag("repo", text("agent_repo")); flag("branch", text("agent_branch")); }
  else if (agentKind === "upload") flag("agent-path", field("agent-from").selectedOptions[0].textContent.split(",")[0]);
  else flag("agent-path", stem(field("agent_source").files[0]) ?? "AGENT");
  flag("agent-settings-pack", text("agent_settings_pack"));
  flag("agent-settings-override", text("agent_settings_override"));
  for (const name of LIMITS) flag(`max-${name.replace("_", "-")}`, number(text(`usage_limits.${name}`) || field(`usage_limits.${name}`).placeholder));
  for (const name of LIMITS) flag(`checkpoint-${name.replace("_", "-")}`, number(text(`checkpoint.${name}`)));
  flag("batch-name", text("batch_name"));
  flag("batch-concurrency-limit", text("batch_concurrency_limit"));
  flag("name", text("name"));
  flag("metadata", text("metadata"));
  if (field("priority").checked) words.push(["--priority", "high"]);
  if (field("is_interactive").checked) words.push(["--intervention"]);
  if (field("keep_task_environment_running").checked) words.push(["--keep-task-environment-running"]);
  return words.map((part) => part.map(quoted).join(" ")).join(" \\\n  ");
}

/** "2,000,000" as people write it. */
const number = (written) => written.replace(/[, _](?=\d{3}\b)/g, "");

function draw() {
  for (const part of all("[data-when]")) {
    const [name, value] = part.dataset.when.split(" ");
    part.hidden = text(name) !== value;
  }
  one("#command").textContent = command();
}

/** A task that was used before brings its id along. */
function follow(event) {
  const id = event.target.id === "task-from" && event.target.selectedOptions[0].dataset.task;
  if (id) field("task_id").value = id;
}

function clearProblems() {
  for (const told of all(".problem", form)) told.remove();
  for (const wrong of all("[aria-invalid]", form)) { wrong.removeAttribute("aria-invalid"); wrong.removeAttribute("aria-describedby"); }
  one("#new-run-problem").hidden = true;
}

function tell(name, words) {
  const wrong = name && (document.getElementById(name) ?? document.getElementById(name.split(".")[0]));
  if (!wrong || wrong.closest("[hidden]")) return false;
  const told = document.createElement("p");
  told.className = "problem";
  told.id = `${wrong.id}-problem`;
  told.textContent = words;
  wrong.setAttribute("aria-invalid", "true");
  wrong.setAttribute("aria-describedby", told.id);
  wrong.closest(".field").append(told);
  return true;
}

function refuse(problem, errors = {}) {
  let first = null;
  for (const [name, words] of Object.entries(errors)) {
    if (tell(name, [words].flat().join(" "))) first ??= document.getElementById(name) ?? document.getElementById(name.split(".")[0]);
  }
  const note = one("#new-run-problem");
  one("span", note).textContent = problem;
  note.hidden = false;
  (first ?? note).focus();
}

class Refused extends Error {
  constructor(told, fallback, asField) {
    super(told.detail ?? told.title ?? fallback);
    this.errors = asField ? { [asField]: this.message } : (told.errors ?? {});
  }
}

async function post(url, body, asField) {
  const headers = { Accept: "application/json", "X-CSRFToken": document.body.dataset.csrf };
  const isFile = body instanceof FormData;
  if (!isFile) headers["Content-Type"] = "application/json";
  const answer = await fetch(url, { method: "POST", headers, body: isFile ? body : JSON.stringify(body) });
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(told, `The server answered ${answer.status}.`, asField);
  return told;
}

async function upload(name) {
  const file = field(name).files[0];
  if (!file) throw new Refused({ detail: `No file is chosen. Pack the folder (tar -czf NAME.tar.gz -C FOLDER .) and choose it.` }, "", name);
  const body = new FormData();
  body.append("file", file);
  return (await post(form.dataset.uploads, body, name)).handle;
}

function json(name) {
  if (!text(name)) return undefined;
  let value = null;
  try { value = JSON.parse(text(name)); } catch (error) {
    throw new Refused({ detail: `${name} is no JSON: ${error.message}. Give an object, such as {"a": 1}.` }, "", name);
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw new Refused({ detail: `${name} is ${text(name).slice(0, 40)}; give a JSON object, such as {"a": 1}.` }, "", name);
  return value;
}

/** What is typed, as numbers where it reads as one; else as it is, for the server to name. */
function limits(group) {
  const given = LIMITS.map((name) => [name, number(text(`${group}.${name}`))]).filter(([, value]) => value);
  return given.length ? Object.fromEntries(given.map(([name, value]) => [name, Number.isFinite(+value) ? +value : value])) : undefined;
}

function answers() {
  const body = { task_id: text("task_id"), usage_limits: limits("usage_limits"), checkpoint: limits("checkpoint") };
  for (const name of ["name", "batch_name", "batch_concurrency_limit", "agent_settings_pack"]) if (text(name)) body[name] = text(name);
  for (const name of JSON_FIELDS) body[name] = json(name);
  body.priority = field("priority").checked ? "high" : "low";
  for (const name of ["is_interactive", "keep_task_environment_running"]) body[name] = field(name).checked;
  return body;
}

async function placed(body) {
  const { taskKind, task, agentKind, agent } = sources();
  if (taskKind === "upload") body.task_source = task[0];
  else if (taskKind === "git") Object.assign(body, { task_repo: task[0], task_ref: task[1] });
  else if (taskKind === "repo") Object.assign(body, { task_repo: text("task_repo"), task_ref: text("task_ref") || undefined });
  else body.task_source = await upload("task_source");
  if (agentKind === "upload") body.agent_source = agent[0];
  else if (agentKind === "git") Object.assign(body, { agent_repo: agent[0], agent_branch: agent[1], agent_commit: agent[2] });
  else if (agentKind === "repo") Object.assign(body, { agent_repo: text("agent_repo"), agent_branch: text("agent_branch") || undefined });
  else body.agent_source = await upload("agent_source");
  return body;
}

async function start(event) {
  event.preventDefault();
  const button = one("[type=submit]", form);
  if (button.disabled) return;
  clearProblems();
  button.disabled = true;
  try {
    const run = await post(form.dataset.runs, await placed(answers()));
    location.href = `/run/${run.id}/`;
    return;
  } catch (error) {
    if (error instanceof Refused) refuse(error.message, error.errors);
    else refuse("The server does not answer, so no run was started. What you typed is kept; try again.");
  }
  button.disabled = false;
}

form.addEventListener("input", draw);
form.addEventListener("change", (event) => { follow(event); draw(); });
form.addEventListener("submit", start);
form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) start(event);
});
one("#copy-command").addEventListener("click", () => copy(command()));
if (!text("task_id")) follow({ target: field("task-from") });
draw();
