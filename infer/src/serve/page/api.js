/* Requests to the server, with the bearer token where it asks for one. */

const KEY = "ectopy-token";
const $ = (id) => document.getElementById(id);

/* What the server, or the way to it, says was wrong. */
export class ApiError extends Error {
  constructor(message, status = 0, retryAfter = null) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

export const token = () => sessionStorage.getItem(KEY) ?? "";

export const authorization = () => (token() ? { Authorization: "Bearer " + token() } : {});

/* The address of a WebSocket, which cannot carry the header. */
export function socketAddress(path, parameters) {
  const url = new URL(path, document.baseURI);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  if (token()) url.searchParams.set("token", token());
  return url.href;
}

/* Asks the reader for the token; several requests that need one ask once. */
let asking = null;
export function askToken() {
  asking ??= new Promise((resolve, reject) => {
    const dialog = $("ask");
    $("ask-why").textContent = token() ? "The last one was refused." : "Whoever runs it has one.";
    $("token").value = "";
    dialog.returnValue = "cancel";
    dialog.addEventListener("close", () => {
      asking = null;
      const given = $("token").value.trim();
      $("token").value = "";
      if (dialog.returnValue === "use" && given) {
        sessionStorage.setItem(KEY, given);
        resolve();
      } else reject(new ApiError("The server asks for a token, and none was given.", 401));
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}

/* What an answer that is no success says; `retry` is its Retry-After header. */
export function failure(status, text, retry) {
  let said = null;
  try {
    said = JSON.parse(text).error;
  } catch { /* It is no JSON, so the status has to do. */ }
  const usual = {
    401: "The token was refused.",
    404: "The server does not hold this recording any more.",
    413: "The recording is larger than the server takes.",
    415: "The server does not read this format.",
    429: "The server is busy.",
    503: "The server is busy.",
  };
  const message = said || usual[status] || "The server answered with status " + status + ".";
  const seconds = Number.parseInt(retry ?? "", 10);
  return new ApiError(message, status, Number.isFinite(seconds) ? seconds : null);
}

/* A request whose answer is a success; asks for the token where one is needed. */
export async function request(path, options = {}) {
  for (;;) {
    let answer;
    try {
      answer = await fetch(path, { ...options, headers: { ...options.headers, ...authorization() } });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError("The server cannot be reached.");
    }
    if (answer.ok) return answer;
    if (answer.status === 401) {
      await askToken();
      continue;
    }
    throw failure(answer.status, await answer.text(), answer.headers.get("Retry-After"));
  }
}

/* Waits; rejects when `signal` says that nobody waits any more. */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(new DOMException("cancelled", "AbortError"));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}

/* Hands a file to the reader. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
