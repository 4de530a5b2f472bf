/* The live view: a demo signal is sent to the server as a monitor sends it, and
   what the server says of it is shown. */

import { request, socketAddress } from "./api.js";
import { Sweep } from "./sweep.js";
import { count, doubtOf, duration, element, rhythm, sign, unreadable } from "./words.js";

const $ = (id) => document.getElementById(id);
/* Samples per second, and the length of the demo signal in seconds. */
const FS = 250, LENGTH = 600;
/* Milliseconds of signal in a message. */
const PIECE = 40;
/* Seconds that may be sent at once after the browser has slept; more is passed over. */
const CATCH_UP = 2;
/* Bytes that may wait to be sent: a minute of signal. */
const WAITING = 4 * FS * 60;
/* Intervals of which the heart rate is the mean, and events that are listed. */
const INTERVALS = 8, EVENTS = 12;
/* The classes of EC57; others follow. */
const ORDER = ["N", "S", "V", "F", "Q"];
/* Milliseconds that the last events may take after the end. */
const PATIENCE = 8000;

export class Live {
  constructor() {
    this.sweep = new Sweep($("sweep"), $("speed"));
    this.socket = null;
    $("start").addEventListener("click", () => (this.running ? this.finish() : this.begin()));
    $("electrode").addEventListener("click", () => {
      this.off = !this.off;
      $("electrode").setAttribute("aria-pressed", this.off);
    });
    $("rate-rule").textContent = "mean of " + INTERVALS + " intervals";
    this.clear();
    this.shown(false);
  }

  clear() {
    this.off = false;
    this.counts = new Map();
    this.doubts = 0;
    this.intervals = [];
    this.going = new Map();
    this.lost = null;
    this.blind = null;
    this.over = false;
    $("electrode").setAttribute("aria-pressed", false);
    $("rate").textContent = "–";
    $("rhythm").textContent = "Nothing yet.";
    $("delay").textContent = "";
    $("events").replaceChildren();
    $("live-error").hidden = true;
    this.showCounts();
  }

  /* Whether the view is seen: what is not is not drawn. */
  shown(is) {
    this.sweep.visible = is;
    if (is) this.sweep.draw();
  }

  say(text) {
    if ($("state").textContent !== text) $("state").textContent = text;
  }

  complain(text) {
    $("live-error").textContent = text;
    $("live-error").hidden = false;
  }

  buttons(running, text) {
    this.running = running;
    $("start").textContent = text ?? (running ? "Stop" : "Start the demo signal");
    $("electrode").disabled = !running;
  }

  async begin() {
    this.clear();
    this.buttons(true);
    this.say("The demo signal is on its way.");
    const mine = this.attempt = {};
    try {
      const answer = await request("v1/demo?seconds=" + LENGTH + "&fs=" + FS);
      this.signal = samplesOf(await answer.arrayBuffer());
    } catch (error) {
      this.buttons(false);
      this.say("");
      return this.complain(error.message);
    }
    if (this.attempt !== mine) return;
    this.sweep.reset(FS);
    this.connect();
  }

  connect() {
    const socket = this.socket = new WebSocket(socketAddress("v1/stream", { fs: FS }));
    socket.binaryType = "arraybuffer";
    socket.addEventListener("open", () => {
      if (socket !== this.socket) return;
      this.say("The signal is sent.");
      this.sent = 0;
      this.began = performance.now();
      this.timer = setInterval(() => this.send(), PIECE);
    });
    socket.addEventListener("message", (event) => {
      if (socket === this.socket) this.hear(event.data);
    });
    socket.addEventListener("close", (event) => {
      if (socket === this.socket) this.closed(event);
    });
  }

  /* Sends the pieces that are due. */
  send() {
    const piece = FS * PIECE / 1000;
    let due = Math.floor((performance.now() - this.began) / PIECE) - this.sent / piece;
    if (due * PIECE > CATCH_UP * 1000) {
      this.began += due * PIECE - CATCH_UP * 1000;
      due = CATCH_UP * 1000 / PIECE;
    }
    for (; due >= 1 && this.running; due--) {
      if (this.socket.bufferedAmount > WAITING) {
        this.complain("The server does not keep up with the signal.");
        return this.finish();
      }
      const from = this.sent, samples = this.signal.slice(from, from + piece);
      if (samples.length < piece) return this.finish();
      if (this.off) samples.fill(NaN);
      this.socket.send(bytesOf(samples));
      this.sent += piece;
      this.sweep.push(samples);
    }
    const text = duration(this.sent / FS);
    if ($("sent").textContent !== text) $("sent").textContent = text;
  }

  /* Ends the signal: the server says the rest, and closes. */
  finish() {
    clearInterval(this.timer);
    this.attempt = null;
    this.buttons(false);
    const socket = this.socket;
    if (!socket || socket.readyState > WebSocket.OPEN) return this.say("Stopped.");
    if (socket.readyState === WebSocket.CONNECTING) {
      this.socket = null;
      socket.close();
      return this.say("Stopped.");
    }
    $("start").disabled = true;
    this.say("Waiting for the last beats.");
    socket.send("end");
    this.patience = setTimeout(() => socket.close(), PATIENCE);
  }

  closed(event) {
    clearInterval(this.timer);
    clearTimeout(this.patience);
    this.socket = null;
    $("start").disabled = false;
    this.buttons(false);
    if (this.over) return this.say("Stopped.");
    this.say("");
    this.complain("The stream ended before the server had said everything" + (event.reason ? ": " + event.reason : " (code " + event.code + ").") +
      " Its limits on streams may be reached, or the connection is lost.");
  }

  hear(text) {
    let event;
    try {
      event = JSON.parse(text);
    } catch {
      return this.complain("The server said what cannot be read.");
    }
    if (event.error) return this.complain(String(event.error));
    switch (event.event) {
      case "beat": return this.beat(event);
      case "rhythm": return this.rhythm(event);
      case "gap": return this.gone(event, "lost", "No signal comes from the electrodes", "The signal is back");
      case "unreadable": return this.gone(event, "blind", unreadable(event.why), "The signal can be read again");
      case "summary": return this.summary(event);
      default:
    }
  }

  beat(event) {
    for (const name of Object.keys(event.probabilities ?? {})) if (!this.counts.has(name)) this.counts.set(name, 0);
    const doubt = doubtOf(event.reject, event.rejected);
    const places = [...this.counts.keys()];
    this.sweep.mark(event.sample, event.class, places.indexOf(event.class), doubt);
    /* Where the signal cannot be read it may be no beat, so it counts for none. */
    if (doubt < 2) this.counts.set(event.class, (this.counts.get(event.class) ?? 0) + 1);
    if (doubt) this.doubts++;
    if (event.rr === null || doubt === 2) this.intervals = [];
    else this.intervals = [...this.intervals, event.rr].slice(-INTERVALS);
    this.showRate();
    this.showCounts();
    $("delay").textContent = "The last beat was decided " + event.delay.toFixed(2) + " s after its R peak.";
  }

  showRate() {
    const sum = this.intervals.reduce((a, b) => a + b, 0);
    const known = this.intervals.length === INTERVALS && !this.lost && !this.blind;
    $("rate").textContent = known ? Math.round(60 * INTERVALS / sum) : "–";
  }

  showCounts() {
    const box = $("counts");
    /* In the order of the report; the colour goes by the place in the model's. */
    const names = [...this.counts.keys()], order = (name) => (ORDER.indexOf(name) + ORDER.length + 1) % (ORDER.length + 1);
    const sorted = [...names].sort((a, b) => order(a) - order(b));
    if (box.dataset.of !== names.join()) {
      box.dataset.of = names.join();
      box.replaceChildren(...sorted.map((name) => {
        const pair = element("div");
        const term = element("dt");
        term.append(sign(name, names.indexOf(name)));
        pair.append(term, element("dd"));
        return pair;
      }));
      const doubt = element("div", "", "doubts");
      doubt.append(element("dt", "left to a human"), element("dd"));
      box.append(doubt);
    }
    const numbers = [...sorted.map((name) => this.counts.get(name)), this.doubts];
    [...box.querySelectorAll("dd")].forEach((place, i) => (place.textContent = count(numbers[i])));
  }

  rhythm(event) {
    const text = rhythm(event, FS), key = event.kind + (event.class ?? "");
    if (event.phase === "begin") this.going.set(key, text.replace(/ begins/, ""));
    else this.going.delete(key);
    const going = [...this.going.values()];
    $("rhythm").textContent = going.length ? "Now: " + going.join("; ") : text;
    this.list(event.phase === "end" ? event.end / FS : event.time, text);
  }

  /* The signal is lost or cannot be read, or is back. */
  gone(event, what, gone, back) {
    const open = event.length === undefined || event.length === null;
    this[what] = open ? gone : null;
    this.sweep.stretch(event.start, open ? undefined : event.length);
    if (open) this.intervals = [];
    this.showRate();
    this.say(this.lost ?? this.blind ?? "The signal is read.");
    $("state").classList.toggle("alarm", Boolean(this.lost ?? this.blind));
    const time = open ? event.time : event.time + event.length / FS;
    this.list(time, open ? gone : back + ", after " + (event.length / FS).toFixed(1) + " s");
  }

  summary(event) {
    this.over = true;
    this.list(event.seconds, "The end: " + count(event.beats) + " beats, " + count(event.rejected) + " left to a human, " + count(event.episodes) + " rhythm episodes");
  }

  list(time, text) {
    const row = element("li");
    row.append(element("b", duration(time)), " " + text);
    $("events").prepend(row);
    while ($("events").children.length > EVENTS) $("events").lastElementChild.remove();
  }
}

/* Samples out of little-endian bytes, and into them, whatever the machine's order. */
function samplesOf(buffer) {
  const view = new DataView(buffer), samples = new Float32Array(Math.floor(buffer.byteLength / 4));
  for (let i = 0; i < samples.length; i++) samples[i] = view.getFloat32(4 * i, true);
  return samples;
}

function bytesOf(samples) {
  const view = new DataView(new ArrayBuffer(4 * samples.length));
  samples.forEach((value, i) => view.setFloat32(4 * i, value, true));
  return view.buffer;
}
