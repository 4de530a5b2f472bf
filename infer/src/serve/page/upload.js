/* A recording on its way: sent, analysed, or given up. */

import { ApiError, askToken, authorization, failure, pause, request } from "./api.js";
import { left, size } from "./words.js";

/* How often a busy server is asked again, and what is waited where it does not say. */
const ATTEMPTS = 20;
const WAIT = 3;
/* Milliseconds between two questions of how far it is, and after half a minute. */
const POLL = 300, SLOW_POLL = 1000, SLOW_AFTER = 30000;
/* Failures in a row that a poll outlives, as when a laptop wakes up. */
const LOST = 5;

/* Seconds left of something of which a part (0 to 1) is done: by the speed of the
   last seconds, so that a slow beginning does not count for ever. */
class Left {
  constructor() {
    this.points = [];
  }

  after(part) {
    const now = performance.now();
    this.points.push([now, part]);
    while (this.points.length > 2 && now - this.points[0][0] > 15000) this.points.shift();
    const [then, before] = this.points[0];
    if (now - then < 700 || part <= before) return NaN;
    return (1 - part) * (now - then) / (part - before) / 1000;
  }
}

/* Sends the body once; gives the answer's JSON. */
function post(address, body, signal, tell) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    const time = new Left();
    const stop = () => xhr.abort();
    xhr.open("POST", address);
    xhr.setRequestHeader("Prefer", "respond-async");
    for (const [name, value] of Object.entries(authorization())) xhr.setRequestHeader(name, value);
    if (!(body instanceof FormData)) xhr.setRequestHeader("Content-Type", "application/octet-stream");
    xhr.upload.addEventListener("progress", (event) => {
      if (!event.lengthComputable) return;
      const part = event.loaded / Math.max(1, event.total);
      const said = size(event.loaded) + " of " + size(event.total) + " sent";
      tell("Sending", part, [said, left(time.after(part))].filter(Boolean).join(", "));
    });
    xhr.upload.addEventListener("load", () => tell("Sent", 1, "waiting for the server"));
    xhr.addEventListener("loadend", () => signal.removeEventListener("abort", stop));
    xhr.addEventListener("load", () => {
      if (xhr.status === 200 || xhr.status === 202) {
        try {
          resolve(JSON.parse(xhr.responseText));
        } catch {
          reject(new ApiError("The server's answer cannot be read."));
        }
      } else reject(failure(xhr.status, xhr.responseText, xhr.getResponseHeader("Retry-After")));
    });
    xhr.addEventListener("error", () => reject(new ApiError("The connection ended before the recording was sent: the server is gone, or takes no recording of " + size(total(body)) + ".")));
    xhr.addEventListener("abort", () => reject(new DOMException("cancelled", "AbortError")));
    signal.addEventListener("abort", stop, { once: true });
    xhr.send(body);
  });
}

function total(body) {
  if (!(body instanceof FormData)) return body.size;
  return body.getAll("file").reduce((sum, file) => sum + file.size, 0);
}

/* Sends the files of one recording; gives its id. `tell` is told the phase, how
   much of it is done (null where nobody knows) and what else there is to say. */
export async function send(files, options, signal, tell) {
  const parameters = new URLSearchParams();
  if (files.length === 1) parameters.set("name", files[0].name);
  for (const key of ["lead", "samples"]) if (options[key]) parameters.set(key, options[key]);
  let body = files[0];
  if (files.length > 1) {
    body = new FormData();
    for (const file of files) body.append("file", file, file.name);
  }
  tell("Sending", 0, "");
  /* A small question first: a server that refuses the token in the middle of a
     large body can only cut the connection. */
  await request("v2", { signal });
  for (let attempt = 1; ; attempt++) {
    try {
      return (await post("v1/recordings?" + parameters, body, signal, tell)).id;
    } catch (error) {
      if (error.status === 401) await askToken();
      else if ((error.status !== 503 && error.status !== 429) || attempt === ATTEMPTS) throw error;
      else {
        for (let seconds = Math.max(1, error.retryAfter ?? WAIT); seconds > 0; seconds--) {
          tell("The server is busy", null, "trying again in " + seconds + " s");
          await pause(1000, signal);
        }
      }
    }
  }
}

/* Waits until a recording is analysed; gives its last state. */
export async function analysed(id, signal, tell) {
  const time = new Left();
  const began = performance.now();
  for (let lost = 0; ; ) {
    let state = null;
    try {
      state = await (await request("v1/recordings/" + encodeURIComponent(id), { signal })).json();
      lost = 0;
    } catch (error) {
      /* A network that comes back, or a busy server, is no failure. */
      const passing = error instanceof ApiError && [0, 429, 503].includes(error.status);
      if (!passing || ++lost > LOST) throw error;
    }
    if (state?.state === "done") return state;
    if (state?.state === "failed") throw new ApiError(state.error || "The recording could not be analysed.");
    if (state) {
      const part = Math.min(1, Math.max(0, Number(state.progress) || 0));
      tell("Analysing", part, [Math.floor(100 * part) + " %", left(time.after(part))].filter(Boolean).join(", "));
    }
    const slow = performance.now() - began > SLOW_AFTER || lost > 0;
    await pause(slow ? SLOW_POLL : POLL, signal);
  }
}

/* Takes a recording off the server; that it is gone already is no failure. */
export async function remove(id) {
  try {
    await request("v1/recordings/" + encodeURIComponent(id), { method: "DELETE", keepalive: true });
  } catch (error) {
    if (error.status !== 404) throw error;
  }
}
