/* The beats of a recording: filtered, listed, and each explained when it is chosen. */

import { pause, request } from "./api.js";
import { BeatList } from "./list.js";
import { drawStrip } from "./strip.js";
import { readBeats } from "./table.js";
import { DOUBT_SAID, clock, count, element, meaning, sign } from "./words.js";

const $ = (id) => document.getElementById(id);
/* A key that is held down passes beats faster than they can be explained. */
const SETTLE = 120;
/* How often a busy server is asked for a beat. */
const ATTEMPTS = 5;

/* What a beat's address says; a busy server is asked again. */
async function fetched(path, signal) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await (await request(path, { signal })).json();
    } catch (error) {
      if (error.status !== 503 || attempt === ATTEMPTS) throw error;
      await pause(1000 * Math.max(1, error.retryAfter ?? 1), signal);
    }
  }
}

export class Beats {
  constructor() {
    this.list = new BeatList($("list"), $("rows"), (i) => this.explain(i));
    $("order").addEventListener("change", () => this.refresh());
    $("filter").addEventListener("change", () => this.refresh());
    this.hint = $("beat").firstElementChild;
    /* Another zoom has other pixels. */
    window.addEventListener("resize", () => this.redraw?.());
    this.clear();
  }

  clear() {
    this.stop?.abort();
    this.id = null;
    this.table = null;
    this.redraw = null;
    this.list.table = null;
    this.list.at = -1;
    this.list.clear();
    $("rows").style.height = "0";
    $("filter").replaceChildren(element("legend", "Show"));
    $("counted").textContent = "";
    $("beat").replaceChildren(this.hint);
  }

  /* Shows the beats of a recording; `start` is the second of the day at which it
     began, or null, and `classes` are those of the model. */
  async show(id, classes, start) {
    this.clear();
    const loading = this.stop = new AbortController();
    this.id = id;
    this.start = start;
    $("counted").textContent = "Beats are on their way.";
    const tell = (so) => ($("counted").textContent = count(so) + " beats so far.");
    const table = await readBeats(id, classes, loading.signal, tell);
    this.table = table;
    this.offer();
    this.refresh();
  }

  /* What can be chosen to be shown, each with how many beats it is. */
  offer() {
    const table = this.table;
    const counts = new Array(table.classes.length).fill(0), doubts = [0, 0, 0];
    for (let i = 0; i < table.length; i++) {
      counts[table.kind[i]]++;
      doubts[table.doubt[i]]++;
    }
    const choices = [["all", "All", table.length]];
    table.classes.forEach((name, place) => choices.push(["class:" + place, name, counts[place]]));
    choices.push(["doubt", "Left to a human", doubts[1] + doubts[2]]);
    const made = choices.map(([value, text, number], n) => {
      const label = element("label");
      const input = element("input");
      Object.assign(input, { type: "radio", name: "filter", value, checked: n === 0 });
      const place = value.startsWith("class:") ? Number(value.slice(6)) : -1;
      label.append(input, place < 0 ? element("span", text) : sign(text, place), " " + count(number));
      return label;
    });
    $("filter").replaceChildren(element("legend", "Show"), ...made);
  }

  refresh() {
    const table = this.table;
    if (!table) return;
    const chosen = $("filter").querySelector("input:checked")?.value ?? "all";
    const place = Number(chosen.slice(6));
    const wanted = chosen === "all" ? () => true
      : chosen === "doubt" ? (i) => table.doubt[i] > 0
      : (i) => table.kind[i] === place;
    const places = table.places(wanted, $("order").value === "doubt");
    this.list.show(table, places, this.start);
    $("counted").textContent = places.length === 1 ? "1 beat" : count(places.length) + " beats";
  }

  /* Fetches what made the model choose a beat's class, and shows it. */
  async explain(i) {
    this.stop?.abort();
    const { signal } = this.stop = new AbortController();
    const { table, id } = this;
    try {
      await pause(SETTLE, signal);
      const beat = await fetched("v1/recordings/" + encodeURIComponent(id) + "/beats/" + table.row[i], signal);
      if (!signal.aborted) this.draw(i, beat);
    } catch (error) {
      if (error.name === "AbortError") return;
      $("beat").replaceChildren(element("p", "This beat cannot be shown: " + error.message, "error"));
    }
  }

  draw(i, beat) {
    const table = this.table, place = table.place(beat.class), rr = table.rr[i];
    const title = element("h4");
    title.append(clock(beat.time, this.start) + " ", sign(beat.class, place), " " + meaning(beat.class));
    const facts = [
      Number.isFinite(beat.probability) ? "Probability " + beat.probability.toFixed(2) : "",
      Number.isFinite(rr) ? "RR " + Math.round(1000 * rr) + " ms" : "",
    ].filter(Boolean);
    const parts = [title, element("p", facts.join(", "), "rule")];
    const doubt = DOUBT_SAID[table.doubt[i]];
    if (doubt) parts.push(element("p", doubt.charAt(0).toUpperCase() + doubt.slice(1) + ".", "remark"));
    const canvas = element("canvas", "", "strip");
    const wide = element("div", "", "wide");
    wide.tabIndex = 0;
    wide.setAttribute("role", "group");
    wide.setAttribute("aria-label", "Strip, scrolls sideways");
    wide.append(canvas);
    const reasons = element("ul", "", "reasons");
    for (const reason of beat.reasons ?? []) reasons.append(element("li", reason));
    parts.push(wide, this.key(), reasons.children.length ? reasons : element("p", "No reason can be told for this beat.", "rule"));
    $("beat").replaceChildren(...parts);
    const strip = beat.strip, end = strip.start + strip.samples.length / strip.fs;
    const others = [];
    for (let j = table.lowest(strip.start); j < table.length && table.time[j] < end && others.length < 200; j++) {
      if (j !== i) others.push({ time: table.time[j], name: table.classes[table.kind[j]], place: table.kind[j], doubt: table.doubt[j], rr: table.rr[j] });
    }
    this.redraw = () => drawStrip(canvas, { ...beat, place, rr }, others);
    const coloured = this.redraw();
    canvas.dataset.row = beat.row;
    canvas.dataset.coloured = coloured;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", "ECG strip of " + (end - strip.start).toFixed(1) + " s around the beat at " + clock(beat.time, this.start) +
      ", with what made the model choose its class in colour: " + ((beat.reasons ?? []).join("; ") || "no reason told"));
    wide.scrollLeft = (beat.time - strip.start) / (end - strip.start) * canvas.clientWidth - wide.clientWidth / 2;
  }

  key() {
    const made = element("p", "", "rule");
    made.append(element("span", "Orange", "key for"), " marks what made the model choose the class, ",
      element("span", "blue", "key against"), " what made it doubt; it tells what the model went by, not what is true.");
    return made;
  }
}
