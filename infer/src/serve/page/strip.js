/* A beat and its surroundings as on paper, with what made the model choose its
   class as colour along the trace. */

import { MM, MM_PER_MILLIVOLT, MM_PER_SECOND, drawPaper, median, sized } from "./paper.js";
import { AGAINST, DOUBT, FOR, colour, doubtOf } from "./words.js";

const ABOVE = 9 * MM, BELOW = 5 * MM;
/* What is shown at least to each side of the median, and at most, in mV. */
const LEAST = 1, MOST = 3.5;
/* The part of the greatest credit below which none is drawn. */
const FAINT = 0.08;
/* The length of a bar of credits, in seconds. */
const BAR = 0.016;
/* The width of a credit's colour, in pixels. */
const WIDE = 11;

/* A sample of a strip, or NaN where there is no signal. */
const valueOf = (sample) => (sample === null || sample === undefined ? NaN : Number(sample));

/* What the window's credits come to for times of the recording, as a part (-1 to 1)
   of the greatest: summed over short bars as in the report, since those of single
   samples alternate. */
export function credits(window) {
  const each = window?.credits ?? [], per = Math.max(1, Math.round(BAR * (window?.fs ?? 0)));
  const bars = [];
  each.forEach((value, i) => (bars[Math.floor(i / per)] = (bars[Math.floor(i / per)] ?? 0) + value));
  const most = bars.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  if (!(most > 0)) return () => 0;
  return (time) => (bars[Math.floor((time - window.start) * window.fs / per)] ?? 0) / most;
}

/* Draws the strip of an explained beat. `others` are the beats in it, each with
   time, name, place, doubt and rr. Gives how many pieces of the trace are coloured. */
export function drawStrip(canvas, beat, others) {
  const { fs, start } = beat.strip;
  const values = beat.strip.samples.map(valueOf);
  const middle = median(values);
  const finite = values.filter(Number.isFinite);
  const reach = (side) => 0.2 + Math.min(MOST, finite.reduce((m, v) => Math.max(m, side * (v - middle)), LEAST));
  const up = reach(1), down = reach(-1);
  const width = Math.max(40 * MM, values.length / fs * MM_PER_SECOND * MM);
  const top = ABOVE, bottom = ABOVE + (up + down) * MM_PER_MILLIVOLT * MM;
  const zero = top + up * MM_PER_MILLIVOLT * MM;
  const g = sized(canvas, width, bottom + BELOW);
  const x = (time) => (time - start) * MM_PER_SECOND * MM;
  const y = (value) => Math.min(bottom, Math.max(top, zero - (value - middle) * MM_PER_MILLIVOLT * MM));
  g.fillStyle = "#fff";
  g.fillRect(0, 0, width, bottom + BELOW);
  drawPaper(g, width, top, bottom, zero);
  const points = values.map((value, i) => [x(start + i / fs), y(value), start + i / fs]);
  const coloured = drawCredits(g, points, credits(beat.window));
  g.beginPath();
  let pen = false;
  for (const [px, py] of points) {
    if (!Number.isFinite(py)) pen = false;
    else if (pen) g.lineTo(px, py);
    else {
      g.moveTo(px, py);
      pen = true;
    }
  }
  g.strokeStyle = "#111";
  g.lineWidth = 1.2;
  g.lineJoin = "round";
  g.stroke();
  drawLabels(g, beat, others, x, top, bottom);
  g.fillStyle = "#333";
  g.font = "11px system-ui, sans-serif";
  g.textAlign = "left";
  g.fillText("25 mm/s, 10 mm/mV", 2, bottom + BELOW - 5);
  return coloured;
}

/* Pieces that overlap must not darken each other, and the paper shines through: so
   all are drawn apart, and laid over the paper as ink is. */
function drawCredits(paper, points, creditAt) {
  const apart = document.createElement("canvas");
  const g = sized(apart, parseFloat(paper.canvas.style.width), parseFloat(paper.canvas.style.height));
  g.lineWidth = WIDE;
  g.lineCap = "butt";
  let coloured = 0;
  for (let i = 0; i + 1 < points.length; i++) {
    const [x0, y0, t0] = points[i], [x1, y1, t1] = points[i + 1];
    const part = creditAt((t0 + t1) / 2);
    if (Math.abs(part) < FAINT || !Number.isFinite(y0) || !Number.isFinite(y1)) continue;
    const strength = 0.25 + 0.75 * Math.abs(part);
    const mixed = (part > 0 ? FOR : AGAINST).map((value) => Math.round(255 - strength * (255 - value)));
    g.strokeStyle = "rgb(" + mixed.join(",") + ")";
    /* A little along the line on both sides, so that pieces leave no seams. */
    const length = Math.hypot(x1 - x0, y1 - y0) || 1;
    const [dx, dy] = [(x1 - x0) / length * 0.3, (y1 - y0) / length * 0.3];
    g.beginPath();
    g.moveTo(x0 - dx, y0 - dy);
    g.lineTo(x1 + dx, y1 + dy);
    g.stroke();
    coloured++;
  }
  paper.save();
  paper.setTransform(1, 0, 0, 1, 0, 0);
  paper.globalCompositeOperation = "multiply";
  paper.drawImage(apart, 0, 0);
  paper.restore();
  return coloured;
}

/* The class of each beat above it, and the interval between two of them. */
function drawLabels(g, beat, others, x, top, bottom) {
  const own = { time: beat.time, name: beat.class, place: beat.place, doubt: doubtOf(beat.reject), rr: beat.rr };
  const all = [...others.filter((other) => other.time !== beat.time), own];
  g.textAlign = "center";
  for (const { time, name, place, doubt, rr } of all) {
    const at = x(time), about = time === beat.time;
    g.strokeStyle = about ? "#c1121f" : "#999";
    g.lineWidth = about ? 2 : 1;
    g.beginPath();
    g.moveTo(at, top - 5);
    g.lineTo(at, about ? bottom : top + 4);
    if (about) g.setLineDash([2, 5]);
    g.stroke();
    g.setLineDash([]);
    g.fillStyle = colour(name, place);
    g.font = "700 15px system-ui, sans-serif";
    g.fillText(name + DOUBT[doubt], at, top - 9);
    const between = at - x(time - rr);
    if (Number.isFinite(between) && at - between / 2 > 12 && between > 36) {
      g.fillStyle = "#666";
      g.font = "11px system-ui, sans-serif";
      g.fillText(String(Math.round(1000 * rr)), x(time - rr / 2), top - 9);
    }
  }
}
