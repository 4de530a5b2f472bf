/* The last seconds of a live signal, written over from left to right as a monitor
   does. What it keeps does not grow. */

import { MM, MM_PER_MILLIVOLT, drawPaper, median, sized } from "./paper.js";
import { DOUBT, colour } from "./words.js";

/* What is kept, and what is shown at most, in seconds. */
const KEPT = 12, SHOWN = 8;
/* Half the paper's height in mV, and room for the classes above, in pixels. */
const REACH = 3, ABOVE = 24;
/* Seconds ahead of the pen that are blank. */
const BLANK = 0.25;
/* Most beats and stretches that are kept. */
const MARKS = 64;
/* Milliseconds between two drawings. */
const FRAME = 33;

export class Sweep {
  constructor(canvas, caption) {
    this.canvas = canvas;
    this.caption = caption;
    this.paper = document.createElement("canvas");
    this.paperOf = "";
    this.last = 0;
    this.visible = true;
    this.waiting = false;
    this.reset(250);
    new ResizeObserver(() => this.draw()).observe(canvas.parentElement);
  }

  reset(fs) {
    this.fs = fs;
    this.ring = new Float32Array(Math.ceil(KEPT * fs)).fill(NaN);
    this.end = 0;
    this.marks = [];
    this.stretches = [];
    this.middle = null;
    this.draw();
  }

  push(samples) {
    for (const value of samples) this.ring[this.end++ % this.ring.length] = value;
    const now = performance.now();
    if (!this.visible || this.waiting || now - this.last < FRAME) return;
    this.last = now;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  mark(sample, name, place, doubt) {
    this.marks.push({ sample, name, place, doubt });
    if (this.marks.length > MARKS) this.marks.shift();
  }

  /* A stretch without a readable signal; without `length` it goes on. */
  stretch(start, length) {
    const open = this.stretches.find((s) => s.start === start);
    if (open) open.end = length === undefined ? Infinity : start + length;
    else this.stretches.push({ start, end: length === undefined ? Infinity : start + length });
    if (this.stretches.length > MARKS) this.stretches.shift();
  }

  /* The slow middle of the signal, so that its wander stays on the paper. */
  settle() {
    const from = Math.max(0, this.end - this.ring.length), step = Math.max(1, Math.round(this.fs / 50));
    const some = [];
    for (let i = from; i < this.end; i += step) some.push(this.ring[i % this.ring.length]);
    const middle = median(some);
    this.middle = this.middle === null ? middle : this.middle + 0.05 * (middle - this.middle);
  }

  draw() {
    const width = Math.floor(this.canvas.parentElement.clientWidth);
    if (!width || !this.visible) return;
    /* A narrow screen takes the slower of the usual paper speeds. */
    const speed = width < SHOWN * 25 * MM * 0.7 ? 12.5 : 25;
    const perSecond = speed * MM, seconds = Math.min(SHOWN, width / perSecond);
    const wide = Math.min(width, seconds * perSecond);
    const top = ABOVE, height = 2 * REACH * MM_PER_MILLIVOLT * MM, bottom = top + height, zero = top + height / 2;
    const g = sized(this.canvas, wide, bottom);
    this.backdrop(wide, bottom, top, zero);
    g.drawImage(this.paper, 0, 0, wide, bottom);
    const said = speed + " mm/s, 10 mm/mV; " + seconds.toFixed(1) + " s are seen. A class stands above its beat once the beat is decided.";
    if (this.caption.textContent !== said) this.caption.textContent = said;
    const now = this.end / this.fs, from = Math.max(0, now - seconds + BLANK);
    const x = (time) => (time % seconds) * perSecond;
    this.settle();
    this.drawStretches(g, { from, now, x, top, bottom, wide });
    this.drawTrace(g, { from, x, top, bottom, zero });
    this.drawMarks(g, { from, x, top });
    if (this.end) {
      g.fillStyle = "#0b5394";
      g.fillRect(x(now), top, 2, height);
    }
  }

  backdrop(width, bottom, top, zero) {
    const key = [width, bottom, window.devicePixelRatio].join();
    if (key === this.paperOf) return;
    this.paperOf = key;
    const g = sized(this.paper, width, bottom);
    g.fillStyle = "#fff";
    g.fillRect(0, 0, width, bottom);
    drawPaper(g, width, top, bottom, zero);
  }

  drawStretches(g, { from, now, x, top, bottom, wide }) {
    g.fillStyle = "rgba(90,103,117,.28)";
    for (const { start, end } of this.stretches) {
      const first = Math.max(from, start / this.fs), last = Math.min(now, end / this.fs);
      if (last <= first) continue;
      const [left, right] = [x(first), x(last)];
      if (left <= right) g.fillRect(left, top, right - left, bottom - top);
      else {
        g.fillRect(left, top, wide - left, bottom - top);
        g.fillRect(0, top, right, bottom - top);
      }
    }
  }

  drawTrace(g, { from, x, top, bottom, zero }) {
    g.beginPath();
    let before = Infinity;
    for (let i = Math.max(Math.ceil(from * this.fs), this.end - this.ring.length); i < this.end; i++) {
      const value = this.ring[i % this.ring.length];
      if (!Number.isFinite(value)) {
        before = Infinity;
        continue;
      }
      const at = x(i / this.fs);
      const y = Math.min(bottom, Math.max(top, zero - (value - this.middle) * MM_PER_MILLIVOLT * MM));
      if (at < before) g.moveTo(at, y);
      else g.lineTo(at, y);
      before = at;
    }
    g.strokeStyle = "#111";
    g.lineWidth = 1.3;
    g.lineJoin = "round";
    g.stroke();
  }

  drawMarks(g, { from, x, top }) {
    g.textAlign = "center";
    g.font = "700 15px system-ui, sans-serif";
    for (const { sample, name, place, doubt } of this.marks) {
      const time = sample / this.fs;
      if (time < from) continue;
      const at = x(time);
      g.fillStyle = colour(name, place);
      g.fillText(name + DOUBT[doubt], at, top - 7);
      g.fillRect(at - 0.75, top - 4, 1.5, 12);
    }
  }
}
