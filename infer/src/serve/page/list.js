/* A list that draws only the rows in view, so that hundreds of thousands of beats
   scroll as ten do. */

import { DOUBT, DOUBT_SAID, clock, element, meaning, sign } from "./words.js";

export const ROW = 30;
/* The tallest element that every browser draws; a longer list scrolls faster. */
const TALLEST = 4e6;
/* Rows drawn beyond the edges. */
const MORE = 4;

export class BeatList {
  /* `chosen` is told the place of the beat in the table. */
  constructor(box, rows, chosen) {
    this.box = box;
    this.rows = rows;
    this.chosen = chosen;
    this.table = null;
    this.places = new Uint32Array(0);
    this.at = -1;
    this.start = null;
    this.drawn = new Map();
    box.addEventListener("scroll", () => this.draw());
    box.addEventListener("keydown", (event) => this.key(event));
    box.addEventListener("click", (event) => {
      const row = event.target.closest?.("[data-at]");
      if (row) this.choose(Number(row.dataset.at));
    });
    new ResizeObserver(() => this.draw()).observe(box);
  }

  /* Shows these places of a table; keeps the chosen beat where it is among them. */
  show(table, places, start) {
    const kept = this.table === table && this.at >= 0 ? this.places[this.at] : -1;
    this.table = table;
    this.places = places;
    this.start = start;
    this.at = kept < 0 ? -1 : places.indexOf(kept);
    this.clear();
    this.rows.style.height = Math.min(TALLEST, places.length * ROW) + "px";
    if (this.at >= 0) this.bringIntoView();
    else this.box.scrollTop = 0;
    this.draw();
  }

  clear() {
    this.rows.replaceChildren();
    this.drawn.clear();
    this.box.removeAttribute("aria-activedescendant");
  }

  /* Pixels of the whole list that are above the view, for each pixel scrolled. */
  get scale() {
    const all = this.places.length * ROW, view = this.box.clientHeight;
    return all > TALLEST ? (all - view) / (TALLEST - view) : 1;
  }

  draw() {
    const view = this.box.clientHeight;
    if (!this.table || view === 0) return;
    const scrolled = this.box.scrollTop, above = scrolled * this.scale;
    const first = Math.max(0, Math.floor(above / ROW) - MORE);
    const last = Math.min(this.places.length, Math.ceil((above + view) / ROW) + MORE);
    for (const [at, row] of this.drawn) {
      if (at < first || at >= last) {
        row.remove();
        this.drawn.delete(at);
      }
    }
    for (let at = first; at < last; at++) {
      let row = this.drawn.get(at);
      if (!row) {
        row = this.row(at);
        this.drawn.set(at, row);
        this.rows.append(row);
      }
      row.style.transform = "translateY(" + (scrolled + at * ROW - above) + "px)";
      row.setAttribute("aria-selected", at === this.at);
    }
    if (this.drawn.has(this.at)) this.box.setAttribute("aria-activedescendant", "beat-" + this.at);
    else this.box.removeAttribute("aria-activedescendant");
  }

  row(at) {
    const table = this.table, i = this.places[at];
    const name = table.classes[table.kind[i]], doubt = table.doubt[i];
    const row = element("div", "", "row");
    row.id = "beat-" + at;
    row.dataset.at = at;
    row.setAttribute("role", "option");
    row.setAttribute("aria-posinset", at + 1);
    row.setAttribute("aria-setsize", this.places.length);
    const probability = table.probability[i], rr = table.rr[i];
    const cells = [
      element("span", clock(table.time[i], this.start)),
      element("span"),
      element("span", Number.isNaN(probability) ? "–" : probability.toFixed(2)),
      element("span", Number.isNaN(rr) ? "–" : String(Math.round(1000 * rr))),
      element("span", DOUBT[doubt]),
    ];
    cells[1].append(sign(name, table.kind[i]));
    cells[4].title = DOUBT_SAID[doubt];
    const said = [clock(table.time[i], this.start), name + (meaning(name) ? ", " + meaning(name) : ""), DOUBT_SAID[doubt]];
    row.setAttribute("aria-label", said.filter(Boolean).join("; "));
    row.append(...cells);
    return row;
  }

  choose(at) {
    if (!this.places.length) return;
    this.at = Math.min(this.places.length - 1, Math.max(0, at));
    this.bringIntoView();
    this.draw();
    this.chosen(this.places[this.at]);
  }

  bringIntoView() {
    const view = this.box.clientHeight, above = this.box.scrollTop * this.scale;
    const top = this.at * ROW;
    let wanted = above;
    if (top < above) wanted = top;
    else if (top + ROW > above + view) wanted = top + ROW - view;
    if (wanted !== above) this.box.scrollTop = wanted / this.scale;
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(this.box.clientHeight / ROW) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page };
    let to = null;
    if (event.key in steps) to = this.at < 0 ? 0 : this.at + steps[event.key];
    else if (event.key === "Home") to = 0;
    else if (event.key === "End") to = this.places.length - 1;
    else if (event.key === "Enter" || event.key === " ") to = Math.max(0, this.at);
    if (to === null) return;
    event.preventDefault();
    this.choose(to);
  }
}
