/* How things are said and coloured: the same words and colours as in the report. */

const COLOURS = { N: "#1f4e79", S: "#c2570c", V: "#c1121f", F: "#7b2cbf", Q: "#5b6470" };
const OTHERS = ["#1d4e89", "#b45309", "#047857", "#a21caf", "#be123c", "#52525b"];
const MEANINGS = {
  N: "normal, bundle branch block, escape",
  S: "supraventricular ectopic",
  V: "ventricular ectopic",
  F: "fusion",
  Q: "paced or unclassifiable",
};

/* The colour of a class, by its name or else by its place among the classes. */
export const colour = (name, place) => COLOURS[name] ?? OTHERS[Math.max(0, place) % OTHERS.length];

export const meaning = (name) => MEANINGS[name] ?? "";

/* What speaks for a class, and against it. */
export const FOR = [245, 159, 58];
export const AGAINST = [90, 160, 230];

const two = (value) => String(Math.floor(value)).padStart(2, "0");

/* A length of time, as H:MM:SS. */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const days = Math.floor(whole / 86400);
  const text = Math.floor((whole % 86400) / 3600) + ":" + two((whole / 60) % 60) + ":" + two(whole % 60);
  return days ? days + " d " + text : text;
}

/* A time of the recording to the hundredth of a second: by the recorder's clock,
   where `start` tells the second of the day at which it began. */
export function clock(seconds, start) {
  const hundredths = Math.floor((seconds + (start ?? 0)) * 100 + 1e-6);
  const second = Math.floor(hundredths / 100), days = Math.floor(second / 86400);
  const hours = Math.floor((second % 86400) / 3600);
  const text = (start === null ? hours : two(hours)) + ":" + two((second / 60) % 60) + ":" + two(second % 60) + "." + two(hundredths % 100);
  if (!days) return text;
  return start === null ? days + " d " + text : text + " +" + days + " d";
}

export const count = (number) => number.toLocaleString("en");

/* Bytes in units of a thousand. */
export function size(bytes) {
  if (bytes < 1e6) return Math.ceil(bytes / 1e3) + " kB";
  return bytes < 1e9 ? (bytes / 1e6).toFixed(1) + " MB" : (bytes / 1e9).toFixed(2) + " GB";
}

/* How long something still takes. */
export function left(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 1.5) return "about 1 s left";
  if (seconds < 90) return "about " + Math.round(seconds) + " s left";
  return seconds < 5400 ? "about " + Math.round(seconds / 60) + " min left" : "about " + (seconds / 3600).toFixed(1) + " h left";
}

/* The signs beside a class: as in the report. */
export const DOUBT = ["", "?", "~"];
export const DOUBT_SAID = ["", "left to a human: the model is not certain", "left to a human: the signal cannot be read here"];
export const doubtOf = (reject, rejected) => (reject === "quality" ? 2 : reject || rejected ? 1 : 0);

const RHYTHMS = {
  "pause": "pause",
  "no-beats": "no beat found",
  "asystole": "asystole",
  "ventricular-fibrillation": "ventricular fibrillation or flutter",
  "ventricular-tachycardia": "ventricular tachycardia, by the waveform",
  "couplet": "couplet",
  "run": "run",
  "idioventricular": "idioventricular rhythm",
  "bigeminy": "bigeminy",
  "trigeminy": "trigeminy",
  "bradycardia": "bradycardia",
  "tachycardia": "tachycardia",
};

/* What a rhythm event tells; `fs` is the rate of its samples. */
export function rhythm(event, fs) {
  let what = RHYTHMS[event.kind] ?? String(event.kind).replaceAll("-", " ");
  if (event.class && (event.kind === "couplet" || event.kind === "run")) what = event.class + " " + what;
  const facts = [];
  if (event.phase !== "begin" && event.end > event.start) facts.push(((event.end - event.start) / fs).toFixed(1) + " s");
  if (event.beats && event.phase !== "begin") facts.push(event.beats + " beats");
  if (event.rate) facts.push(Math.round(event.rate) + "/min");
  const phase = { begin: " begins", end: " ended" }[event.phase] ?? "";
  return what.charAt(0).toUpperCase() + what.slice(1) + phase + (facts.length ? ": " + facts.join(", ") : "");
}

const CONDITIONS = {
  "saturated": "the amplifier is at its limit",
  "flat": "the line is flat",
  "out-of-range": "the values are beyond any ECG",
  "noise": "there is only noise",
};

/* Why a signal cannot be read. */
export function unreadable(why) {
  const because = CONDITIONS[why];
  return "The signal cannot be read" + (because ? ": " + because : "");
}

/* An element with its text, of a class. */
export function element(name, text = "", kind = "") {
  const made = document.createElement(name);
  if (text !== "") made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

/* A class as a sign in its colour. */
export function sign(name, place) {
  const made = element("b", name, "sign");
  made.style.backgroundColor = colour(name, place);
  const said = meaning(name);
  if (said) made.title = said;
  return made;
}
