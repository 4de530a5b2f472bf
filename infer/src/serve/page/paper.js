/* ECG paper: 25 mm/s and 10 mm/mV, a fine line each mm and a coarse one each 5. */

/* CSS pixels of a mm. */
export const MM = 96 / 25.4;
export const MM_PER_MILLIVOLT = 10;
export const MM_PER_SECOND = 25;
const FINE = "#f6c9c4", COARSE = "#e58e86";

/* Makes a canvas so many CSS pixels large; gives its context in those. */
export function sized(canvas, width, height) {
  const scale = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = width + "px";
    canvas.style.height = height + "px";
  }
  const g = canvas.getContext("2d");
  g.setTransform(scale, 0, 0, scale, 0, 0);
  return g;
}

/* Paper from `top` to `bottom`, with a coarse line at `zero`. */
export function drawPaper(g, width, top, bottom, zero) {
  g.fillStyle = "#fff";
  g.fillRect(0, top, width, bottom - top);
  for (const [every, colour, weight] of [[1, FINE, 0.6], [5, COARSE, 0.9]]) {
    const step = every * MM;
    g.beginPath();
    for (let x = 0; x <= width; x += step) {
      g.moveTo(x, top);
      g.lineTo(x, bottom);
    }
    for (let y = zero - Math.floor((zero - top) / step) * step; y <= bottom; y += step) {
      g.moveTo(0, y);
      g.lineTo(width, y);
    }
    g.strokeStyle = colour;
    g.lineWidth = weight;
    g.stroke();
  }
}

/* The median of what is a number; 0 of nothing. */
export function median(values) {
  const finite = Float64Array.from(values).filter(Number.isFinite).sort();
  return finite.length ? finite[finite.length >> 1] : 0;
}
