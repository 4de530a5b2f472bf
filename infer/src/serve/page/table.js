/* The beats of a recording as columns: a fortnight's fit into some tens of MB. */

import { request } from "./api.js";
import { doubtOf } from "./words.js";

export class BeatTable {
  constructor() {
    this.length = 0;
    this.classes = [];
    this.room = 4096;
    this.sample = new Float64Array(this.room);
    this.row = new Float64Array(this.room);
    this.time = new Float64Array(this.room);
    this.rr = new Float32Array(this.room);
    this.kind = new Uint8Array(this.room);
    this.doubt = new Uint8Array(this.room);
    this.probability = new Float32Array(this.room);
  }

  grow() {
    this.room *= 2;
    for (const name of ["sample", "row", "time", "rr", "kind", "doubt", "probability"]) {
      const larger = new this[name].constructor(this.room);
      larger.set(this[name]);
      this[name] = larger;
    }
  }

  place(name) {
    const at = this.classes.indexOf(name);
    return at < 0 ? this.classes.push(name) - 1 : at;
  }

  push(beat) {
    if (this.length === this.room) this.grow();
    const i = this.length++;
    this.sample[i] = beat.sample ?? NaN;
    this.row[i] = beat.row ?? i;
    this.time[i] = beat.time ?? NaN;
    this.rr[i] = beat.rr ?? NaN;
    this.kind[i] = this.place(String(beat.class));
    this.doubt[i] = doubtOf(beat.reject, beat.rejected);
    this.probability[i] = beat.probabilities?.[beat.class] ?? NaN;
  }

  /* The places of the beats that `wanted` says, in the order of time or of doubt. */
  places(wanted, byDoubt) {
    const found = new Uint32Array(this.length);
    let count = 0;
    for (let i = 0; i < this.length; i++) if (wanted(i)) found[count++] = i;
    const places = found.subarray(0, count);
    if (byDoubt) {
      const value = (i) => (Number.isNaN(this.probability[i]) ? 2 : this.probability[i]);
      places.sort((a, b) => value(a) - value(b) || a - b);
    }
    return places;
  }

  /* The first beat at this time or after it. */
  lowest(time) {
    let low = 0, high = this.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.time[middle] < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/* The beats of a recording, line by line as they come, so that no text of all of
   them is ever held. `classes` are those of the model, in its order. */
export async function readBeats(id, classes, signal, tell) {
  const table = new BeatTable();
  for (const name of classes) table.place(name);
  const path = "v1/recordings/" + encodeURIComponent(id) + "/results";
  const answer = await request(path, { signal, headers: { Accept: "application/x-ndjson" } });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let told = 0; ; ) {
    const { done, value } = await reader.read();
    const lines = (rest + (value ?? "")).split("\n");
    rest = done ? "" : lines.pop();
    for (const line of lines) if (line.trim()) table.push(JSON.parse(line));
    if (done) return table;
    if (table.length - told > 20000) tell((told = table.length));
  }
}
