/* The page: a recording is dropped, analysed and read; or a live signal is. */

import { ApiError, request, save } from "./api.js";
import { Beats } from "./beats.js";
import { Live } from "./live.js";
import { analysed, remove, send } from "./upload.js";
import { element } from "./words.js";

const $ = (id) => document.getElementById(id);
const DOWNLOADS = [
  ["CSV", "text/csv", ".csv"],
  ["JSON Lines", "application/x-ndjson", ".jsonl"],
  ["Parquet", "application/vnd.apache.parquet", ".parquet"],
  ["WFDB", "application/x-wfdb-annotation", ".ecg"],
  ["Numbers as JSON", "application/json", ".json"],
];
/* Milliseconds between two texts beside the bar, which would flicker otherwise. */
const CALM = 250;

const beats = new Beats();
const live = new Live();
let current = null;
let working = null;
let page = null;

/* Two views, of which one is seen. */
function view(name, focus) {
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const on = tab.id === "tab-" + name;
    tab.setAttribute("aria-selected", on);
    tab.tabIndex = on ? 0 : -1;
    $(tab.getAttribute("aria-controls")).hidden = !on;
    if (on && focus) tab.focus();
  }
  live.shown(name === "live");
}

for (const tab of document.querySelectorAll("[role=tab]")) {
  const name = tab.getAttribute("aria-controls");
  tab.addEventListener("click", () => view(name, false));
  tab.addEventListener("keydown", (event) => {
    if (["ArrowLeft", "ArrowRight"].includes(event.key)) view(name === "live" ? "recording" : "live", true);
  });
}

function complain(text) {
  $("error").textContent = text;
  $("error").hidden = !text;
}

let calm = 0, phase = "";
function tell(what, part, text) {
  $("progress").hidden = false;
  if (what === phase && performance.now() - calm < CALM) return;
  calm = performance.now();
  phase = what;
  if ($("phase").textContent !== what) $("phase").textContent = what;
  $("left").textContent = text;
  if (part === null) $("bar").removeAttribute("value");
  else $("bar").value = part;
}

/* What is shown of a recording goes; its id stays until it is off the server. */
function clearResults() {
  complain("");
  $("results").hidden = true;
  $("report").removeAttribute("src");
  $("open").removeAttribute("href");
  beats.clear();
  if (page) URL.revokeObjectURL(page);
  page = null;
}

const place = (id) => history.replaceState(null, "", id ? "#recording=" + encodeURIComponent(id) : location.pathname + location.search);

/* Takes the recording off the server, and off the page. */
async function discard() {
  const gone = current;
  current = null;
  place(null);
  if (!gone) return;
  try {
    await remove(gone.id);
  } catch (error) {
    complain("The recording is still on the server: " + error.message);
  }
}

/* Analyses what `begin` brings to the server, and shows it. */
async function work(begin) {
  working?.abort();
  const mine = working = new AbortController();
  clearResults();
  phase = "";
  try {
    const { id, name } = await begin(mine.signal);
    current = { id, name };
    place(id);
    await analysed(id, mine.signal, (...said) => working === mine && tell(...said));
    tell("Fetching the report", null, "");
    await show(mine.signal);
  } catch (error) {
    if (working !== mine) return;
    if (error.status === 404) {
      current = null;
      place(null);
    }
    if (error.name === "AbortError") complain("Cancelled.");
    else complain(error.message);
    if (!(error instanceof ApiError) && error.name !== "AbortError") throw error;
  } finally {
    if (working === mine) {
      working = null;
      $("progress").hidden = true;
    }
  }
}

const results = (accept, signal) =>
  request("v1/recordings/" + encodeURIComponent(current.id) + "/results", { signal, headers: { Accept: accept } });

async function show(signal) {
  const numbers = await (await results("application/json", signal)).json();
  const html = await (await results("text/html", signal)).text();
  current.name = current.name ?? numbers.subject?.record ?? "Recording";
  $("name").textContent = current.name;
  page = URL.createObjectURL(new Blob([html], { type: "text/html;charset=utf-8" }));
  $("report").src = page;
  $("open").href = page;
  $("results").hidden = false;
  $("name").focus({ preventScroll: true });
  $("name").scrollIntoView({ block: "nearest" });
  const start = numbers.subject?.start ?? null;
  await beats.show(current.id, numbers.classes ?? [], start === null ? null : Number(start.seconds ?? start));
}

/* A folder that is dropped comes as a file that cannot be read. */
function dropped(transfer) {
  for (const item of transfer.items) {
    if (item.webkitGetAsEntry?.()?.isDirectory) return complain("That is a folder: drop the recording's files themselves.");
  }
  take([...transfer.files]);
}

function take(files) {
  if (!files.length) return;
  if (files.some((file) => file.size === 0)) return complain("A file is empty: " + files.find((file) => file.size === 0).name);
  const options = { lead: $("lead").value.trim(), samples: $("samples").value.trim() };
  const name = files.length === 1 ? files[0].name : files[0].name.replace(/\.[^.]*$/, "");
  work(async (signal) => {
    tell("Sending", 0, "");
    await discard();
    return { id: await send(files, options, signal, tell), name };
  });
}

for (const [text, accept, ending] of DOWNLOADS) {
  const button = element("button", text);
  button.type = "button";
  button.addEventListener("click", async () => {
    button.disabled = true;
    complain("");
    try {
      const answer = await results(accept);
      const named = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") ?? "");
      save(await answer.blob(), named ? named[1] : current.name.replace(/\.[^.]*$/, "") + ending);
    } catch (error) {
      complain("The download failed: " + error.message);
    }
    button.disabled = false;
  });
  $("downloads").append(button);
}

$("choose").addEventListener("click", () => $("files").click());
$("files").addEventListener("change", () => {
  take([...$("files").files]);
  $("files").value = "";
});
$("send").addEventListener("submit", (event) => event.preventDefault());
$("cancel").addEventListener("click", async () => {
  working?.abort();
  await discard();
  $("choose").focus();
});
$("remove").addEventListener("click", async () => {
  clearResults();
  await discard();
  $("choose").focus();
});

/* A file that misses the zone must not replace the page. */
for (const name of ["dragover", "drop", "dragleave"]) {
  document.addEventListener(name, (event) => {
    if (name !== "dragleave") event.preventDefault();
    const over = name === "dragover" && event.dataTransfer?.types.includes("Files");
    $("zone").classList.toggle("over", Boolean(over));
    if (name === "drop" && event.dataTransfer) {
      view("recording", false);
      dropped(event.dataTransfer);
    }
  });
}

const kept = /^#recording=(.+)$/.exec(location.hash);
if (kept) work(async () => ({ id: decodeURIComponent(kept[1]), name: null }));
