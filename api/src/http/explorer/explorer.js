// The explorer: asks the API that it is served by, and nobody else. Text reaches the page as text, never as markup.

const ENDPOINT = "/graphql";
const KEPT = "portico.explorer";
const MOST_PAST = 30;
const MOST_COLOURED = 400_000;
const WELCOME = `# Control or Command and Enter runs the operation.
# Docs has the types; / goes to their search.

query Portal {
  portal {
    name
  }
  products(first: 5) {
    nodes {
      slug
      name
      summary
    }
  }
}
`;

const $ = (id) => document.getElementById(id);
const editor = $("document");
const variables = $("variables");
const headers = $("headers");

function node(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// What is kept in the browser: the document, the variables and the last operations. Headers may hold secrets and are not.
const kept = (() => {
  try {
    const found = JSON.parse(localStorage.getItem(KEPT)) ?? {};
    return { document: found.document, variables: found.variables, past: Array.isArray(found.past) ? found.past : [] };
  } catch {
    return { past: [] };
  }
})();

function keep() {
  kept.document = editor.value;
  kept.variables = variables.value;
  try {
    localStorage.setItem(KEPT, JSON.stringify(kept));
  } catch {
    kept.past.length = Math.min(kept.past.length, 5);
  }
}

// The document

/** The operations of a document: type and name of each, however it is written. */
function operationsOf(text) {
  const bare = text.replace(/"""[\s\S]*?"""|"(?:\\.|[^"\\\n])*"|#[^\n]*/g, " ");
  const found = [];
  let depth = 0;
  let head = "";
  for (const c of bare) {
    if (c === "{" && depth++ === 0) {
      const [, type = head.trim() ? null : "query", name = ""] = head.match(/\b(query|mutation|subscription)\b\s*([_A-Za-z]\w*)?/) ?? [];
      if (type && !/\bfragment\b/.test(head)) found.push({ type, name });
    } else if (c === "}" && --depth <= 0) {
      [depth, head] = [0, ""];
    } else if (depth === 0) head += c;
  }
  return found;
}

function refresh() {
  $("numbers").textContent = Array.from(editor.value.split("\n"), (_, i) => i + 1).join("\n");
  follow();
  const named = operationsOf(editor.value).filter((operation) => operation.name);
  const select = $("operation");
  const before = select.value;
  select.replaceChildren(...named.map(({ name }) => node("option", { value: name, selected: name === before }, name)));
  $("operations").hidden = named.length < 2;
}

const follow = () => { $("numbers").scrollTop = editor.scrollTop; };

function typed(event) {
  if (event.key !== "Enter" || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const { selectionStart: start, selectionEnd: end, value } = editor;
  const line = value.slice(value.lastIndexOf("\n", start - 1) + 1, start);
  const indent = line.match(/^\s*/)[0];
  const opens = /[{([]\s*$/.test(line);
  const closes = opens && /^\s*[})\]]/.test(value.slice(end).split("\n")[0]);
  event.preventDefault();
  editor.setRangeText(`\n${indent}${opens ? "  " : ""}${closes ? `\n${indent}` : ""}`, start, end, "end");
  if (closes) editor.selectionStart = editor.selectionEnd -= indent.length + 1;
  refresh();
}

/** An object, or a problem that is shown beside the tabs. */
function objectIn(field, what) {
  if (!field.value.trim()) return {};
  try {
    const value = JSON.parse(field.value);
    if (value && typeof value === "object" && !Array.isArray(value)) return value;
    throw new Error("it has to be an object");
  } catch (error) {
    showTab(field.id);
    field.focus();
    throw new Error(`${what}: ${error.message}`);
  }
}

// Asking

let running = null;

function show(state, wrong = false) {
  $("state").textContent = state;
  $("state").classList.toggle("wrong", wrong);
}

function tell(value) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  $("answer").replaceChildren(...(text.length > MOST_COLOURED ? [text] : coloured(text)));
  $("copy").hidden = false;
}

/** JSON in pieces that tell names, texts, numbers and words apart. */
function* coloured(text) {
  const pieces = /("(?:\\.|[^"\\])*")(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\b(?:true|false|null)\b/g;
  let at = 0;
  for (const piece of text.matchAll(pieces)) {
    if (piece.index > at) yield text.slice(at, piece.index);
    const [whole, string, colon] = piece;
    const kind = string ? (colon ? "name" : "string") : /^[-\d]/.test(whole) ? "number" : "word";
    yield node("span", { className: kind }, string ?? whole);
    if (colon) yield colon;
    at = piece.index + whole.length;
  }
  if (at < text.length) yield text.slice(at);
}

async function ask(query, given = {}, operationName, fields = {}, signal) {
  const answer = await fetch(ENDPOINT, {
    method: "POST",
    credentials: "same-origin",
    headers: { Accept: "application/json", "Content-Type": "application/json", ...fields },
    body: JSON.stringify({ query, variables: given, ...(operationName && { operationName }) }),
    signal,
  });
  const text = await answer.text();
  let value = text;
  try {
    value = JSON.parse(text);
  } catch {
    // Something in between has answered: its text is shown.
  }
  return { status: answer.status, size: text.length, value };
}

async function run() {
  if (running) return running.stop();
  $("extras-problem").textContent = "";
  let given, fields;
  try {
    [given, fields] = [objectIn(variables, "Variables"), objectIn(headers, "Headers")];
  } catch (error) {
    $("extras-problem").textContent = error.message;
    return;
  }
  remember();
  const operations = operationsOf(editor.value);
  const name = $("operations").hidden ? operations[0]?.name : $("operation").value;
  const type = operations.find((operation) => operation.name === name)?.type ?? operations[0]?.type;
  const work = type === "subscription" ? listen(name, given, fields) : once(name, given, fields);
  running = work;
  $("run").textContent = "Stop";
  try {
    await work.done;
  } finally {
    running = null;
    $("run").textContent = "Run";
  }
}

function once(name, given, fields) {
  const abort = new AbortController();
  const began = performance.now();
  show("asking …");
  const done = ask(editor.value, given, name, fields, abort.signal).then(
    ({ status, size, value }) => {
      tell(value);
      const errors = value?.errors?.length ?? 0;
      const parts = [status, `${Math.round(performance.now() - began)} ms`, sized(size)];
      if (errors) parts.push(errors === 1 ? "1 error" : `${errors} errors`);
      show(parts.join(" · "), status >= 400 || errors > 0);
    },
    (error) => show(abort.signal.aborted ? "stopped" : `no answer: ${error.message}`, !abort.signal.aborted),
  );
  return { done, stop: () => abort.abort() };
}

function sized(bytes) {
  return bytes < 1024 ? `${bytes} B` : bytes < 1 << 20 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / (1 << 20)).toFixed(1)} MiB`;
}

/** A subscription, by graphql-transport-ws, until it ends or is stopped. */
function listen(name, given, fields) {
  const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}${ENDPOINT}/ws`, "graphql-transport-ws");
  const heard = [];
  const say = (message) => socket.send(JSON.stringify(message));
  const authorization = Object.entries(fields).find(([field]) => field.toLowerCase() === "authorization")?.[1];
  let stopped = false;
  tell([]);
  show("connecting …");
  const done = new Promise((resolve) => {
    socket.onopen = () => say({ type: "connection_init", ...(authorization && { payload: { authorization } }) });
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      switch (message.type) {
        case "connection_ack":
          say({ type: "subscribe", id: "1", payload: { query: editor.value, variables: given, ...(name && { operationName: name }) } });
          show("listening …");
          break;
        case "ping":
          say({ type: "pong" });
          break;
        case "next":
          heard.unshift({ at: new Date().toISOString(), ...message.payload });
          heard.length = Math.min(heard.length, 100);
          tell(heard);
          show(`listening … ${heard.length} heard`);
          break;
        case "error":
          tell({ errors: message.payload });
          show("refused", true);
          stopped = true;
          socket.close(1000);
          break;
        case "complete":
          socket.close(1000);
          break;
      }
    };
    socket.onclose = ({ code, reason }) => {
      if (!stopped) show(code === 1000 ? "ended" : `closed: ${reason || code}`, code !== 1000);
      resolve();
    };
  });
  return { done, stop: () => { stopped = true; show("stopped"); socket.close(1000); } };
}

// The history

function remember() {
  const entry = { document: editor.value, variables: variables.value, at: Date.now() };
  kept.past = [entry, ...kept.past.filter((old) => old.document !== entry.document || old.variables !== entry.variables)];
  kept.past.length = Math.min(kept.past.length, MOST_PAST);
  keep();
  recall();
}

function recall() {
  const title = ({ document }) => {
    const [first] = operationsOf(document);
    return first?.name ? `${first.type} ${first.name}` : document.replace(/#[^\n]*/g, "").replace(/\s+/g, " ").trim().slice(0, 80) || "(empty)";
  };
  const use = (entry) => () => {
    [editor.value, variables.value] = [entry.document, entry.variables ?? ""];
    refresh();
    editor.focus();
  };
  const line = (entry) => node("li", {}, node("button", { type: "button", onclick: use(entry), title: entry.document.slice(0, 1000) },
    node("span", { className: "mono" }, title(entry)), node("br"), node("small", {}, new Date(entry.at).toLocaleString())));
  $("past").replaceChildren(...(kept.past.length ? kept.past.map(line) : [node("li", {}, "Nothing yet.")]));
}

// The types

const INTROSPECTION = `query Types { __schema {
  queryType { name } mutationType { name } subscriptionType { name }
  types { kind name description isOneOf
    fields(includeDeprecated: true) { name description args { ...Input } type { ...Type } isDeprecated deprecationReason }
    inputFields { ...Input } interfaces { ...Type } possibleTypes { ...Type }
    enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } } } }
fragment Input on __InputValue { name description type { ...Type } defaultValue }
fragment Type on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }`;

const KINDS = { OBJECT: "type", INTERFACE: "interface", UNION: "union", ENUM: "enum", INPUT_OBJECT: "input", SCALAR: "scalar" };
const types = new Map();
let roots = [];
const way = [];

async function learn() {
  const { status, value } = await ask(INTROSPECTION);
  const schema = value?.data?.__schema;
  if (!schema) {
    const why = value?.errors?.[0]?.message ?? `the answer was ${status}`;
    return $("doc").replaceChildren(node("p", {}, `The types cannot be shown: ${why}.`));
  }
  for (const type of schema.types) if (!type.name.startsWith("__")) types.set(type.name, type);
  roots = [schema.queryType, schema.mutationType, schema.subscriptionType].filter(Boolean).map(({ name }) => name);
  open();
}

function reference(type) {
  if (type.kind === "NON_NULL") return [...reference(type.ofType), "!"];
  if (type.kind === "LIST") return ["[", ...reference(type.ofType), "]"];
  return [to(type.name)];
}

const to = (name, label = name) => node("button", { type: "button", className: "type", onclick: () => go(name) }, label);

function go(name) {
  way.push(name);
  open();
  $("doc").scrollTop = 0;
  $("doc").focus();
}

function open() {
  const name = way.at(-1);
  $("back").hidden = !name;
  $("doc").replaceChildren(...(name ? typePage(types.get(name)) : overview()));
}

function list(title, entries) {
  return entries?.length ? [node("h4", {}, title), node("ul", {}, ...entries.map((entry) => node("li", {}, ...entry)))] : [];
}

function overview() {
  const rest = [...types.values()].filter(({ name }) => !roots.includes(name)).sort((a, b) => a.name.localeCompare(b.name));
  const group = (kind) => list(`${KINDS[kind]}s`, rest.filter((type) => type.kind === kind).map(({ name }) => [to(name)]));
  return [...list("Begin here", roots.map((name) => [to(name)])), ...["OBJECT", "INTERFACE", "UNION", "INPUT_OBJECT", "ENUM", "SCALAR"].flatMap(group)];
}

const described = (thing) => [
  thing.isDeprecated ? node("p", { className: "wrong" }, `Deprecated. ${thing.deprecationReason ?? ""}`) : null,
  thing.description ? node("p", {}, thing.description) : null,
];

function input({ name, type, defaultValue, description }) {
  return [node("span", { className: "mono doc" }, node("span", { className: "name" }, name), ": ", ...reference(type), defaultValue ? ` = ${defaultValue}` : null),
    description ? node("p", {}, description) : null];
}

function fieldLine(field) {
  const given = field.args?.length ? ["(", ...field.args.flatMap((arg, i) => [i ? ", " : null, arg.name, ": ", ...reference(arg.type)]), ")"] : [];
  const told = field.args?.filter((arg) => arg.description).map((arg) => node("p", {}, `${arg.name}: ${arg.description}`)) ?? [];
  return [node("span", { className: "mono doc" }, node("span", { className: field.isDeprecated ? "name old" : "name" }, field.name), ...given, ": ", ...reference(field.type)),
    ...described(field), ...told];
}

function typePage(type) {
  const links = (all) => all?.map((other) => reference(other));
  const values = type.enumValues?.map((value) => [node("span", { className: value.isDeprecated ? "mono old" : "mono" }, value.name), ...described(value)]);
  return [
    node("h3", {}, type.name),
    node("p", {}, KINDS[type.kind] + (type.isOneOf ? ", of which exactly one field is given" : "")),
    ...described(type).filter(Boolean),
    ...list("Is a", links(type.interfaces)),
    ...list("Fields", type.fields?.map(fieldLine)),
    ...list("Fields to give", type.inputFields?.map(input)),
    ...list("Values", values),
    ...list("Can be", links(type.possibleTypes)),
  ];
}

function search() {
  const wanted = $("search").value.trim().toLowerCase();
  if (!wanted) return open();
  const MOST = 60;
  const found = [];
  for (const type of types.values()) {
    if (type.name.toLowerCase().includes(wanted)) found.push([to(type.name)]);
    for (const field of [...(type.fields ?? []), ...(type.inputFields ?? []), ...(type.enumValues ?? [])]) {
      if (field.name.toLowerCase().includes(wanted)) found.push([to(type.name, `${type.name}.${field.name}`)]);
    }
  }
  const exact = (entry) => (entry[0].textContent.toLowerCase() === wanted ? 0 : 1);
  found.sort((a, b) => exact(a) - exact(b));
  const rest = found.length > MOST ? [node("p", {}, `${found.length - MOST} more: type on.`)] : [];
  $("doc").replaceChildren(...(found.length ? list("Found", found.slice(0, MOST)) : [node("p", {}, "Nothing has this name.")]), ...rest);
}

// Who is signed in

async function greet() {
  const { value } = await ask("{ portal { name } viewer { user { email } } }");
  if (value?.data?.portal?.name) {
    $("portal").textContent = `${value.data.portal.name} API`;
    document.title = `${value.data.portal.name} · API explorer`;
  }
  const email = value?.data?.viewer?.user?.email;
  const way = `/auth/sign-in?redirectTo=${encodeURIComponent(location.origin + ENDPOINT)}`;
  $("who").replaceChildren(email ? `Signed in as ${email}` : node("a", { href: way }, "Sign in"));
}

// Keys, tabs and the rest

function showTab(name) {
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const chosen = tab.id === `tab-${name}`;
    tab.setAttribute("aria-selected", chosen);
    tab.tabIndex = chosen ? 0 : -1;
    $(tab.getAttribute("aria-controls")).hidden = !chosen;
  }
}

function toggle(button, part, shown = part.hidden) {
  part.hidden = !shown;
  button.setAttribute("aria-expanded", shown);
}

for (const tab of document.querySelectorAll("[role=tab]")) {
  const name = tab.id.replace("tab-", "");
  tab.addEventListener("click", () => showTab(name));
  tab.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const other = name === "variables" ? "headers" : "variables";
    showTab(other);
    $(`tab-${other}`).focus();
  });
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    run();
  } else if (event.key === "/" && !/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName)) {
    event.preventDefault();
    toggle($("toggle-docs"), $("docs"), true);
    $("search").focus();
  } else if (event.key === "Escape" && document.activeElement === $("search")) {
    $("search").value = "";
    search();
  }
});
editor.addEventListener("keydown", typed);
editor.addEventListener("input", refresh);
editor.addEventListener("scroll", follow);
for (const field of [editor, variables]) field.addEventListener("change", keep);
$("run").addEventListener("click", run);
$("back").addEventListener("click", () => { way.pop(); open(); });
$("search").addEventListener("input", search);
$("toggle-docs").addEventListener("click", () => toggle($("toggle-docs"), $("docs")));
$("toggle-history").addEventListener("click", () => toggle($("toggle-history"), $("history")));
$("forget").addEventListener("click", () => { kept.past = []; keep(); recall(); });
$("copy").addEventListener("click", async () => {
  await navigator.clipboard?.writeText($("answer").textContent);
  show("copied");
});

const asked = new URLSearchParams(location.search);
editor.value = asked.get("query") ?? kept.document ?? WELCOME;
variables.value = asked.get("variables") ?? kept.variables ?? "";
refresh();
recall();
$("run").disabled = false;
editor.focus();
learn().catch((error) => $("doc").replaceChildren(node("p", {}, `The types cannot be shown: ${error.message}.`)));
greet().catch(() => $("who").replaceChildren());
