"use strict";
(async () => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);

  /* Packed columns: base64 of a raw DEFLATE stream. */
  async function unpacked(text) {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  /* Beats: sample, class, probability, and whether one is uncertain (1) or
     unreadable (2), or begins a stretch. */
  async function readBeats() {
    const bytes = await unpacked(data.beats);
    const beats = [];
    for (let at = 0, sample = 0; at < bytes.length; ) {
      let delta = 0, factor = 1, byte;
      do {
        byte = bytes[at++];
        delta += (byte & 127) * factor;
        factor *= 128;
      } while (byte & 128);
      sample += delta;
      const flags = bytes[at++];
      beats.push({ sample, class: flags & 31, doubt: (flags >> 5) & 3, begins: flags >> 7 === 1, probability: bytes[at++] / 255 });
    }
    return beats;
  }

  async function readEnvelope() {
    const bytes = await unpacked(data.envelope);
    const half = bytes.length / 2;
    const side = (from) => {
      const values = new Int8Array(half);
      for (let i = 0, value = 0; i < half; i++) values[i] = value = (value + bytes[from + i]) << 24 >> 24;
      return values;
    };
    return { low: side(0), high: side(half) };
  }

  const beats = await readBeats();
  const envelope = await readEnvelope();
  const GONE = -1;
  /* Corrections: the beat's place to its class, or GONE. Kept by the browser, so
     that a page which is closed loses none. */
  const key = "ectopy-report-" + data.sha256 + "-" + beats.length;
  let edits = new Map();
  try {
    edits = new Map(JSON.parse(localStorage.getItem(key) || "[]"));
  } catch { /* Without storage nothing is kept. */ }

  /* The beats as they are corrected. */
  function corrected() {
    const out = [];
    let begins = false;
    beats.forEach((beat, i) => {
      begins = begins || beat.begins;
      if (!edits.has(i)) out.push({ ...beat, begins });
      else if (edits.get(i) !== GONE) out.push({ ...beat, begins, class: edits.get(i), doubt: 0, probability: 1 });
      else return;
      begins = false;
    });
    return out;
  }

  const aami = (beat) => data.classes[beat.class].aami;

  /* Beats within fibrillation are none: from `[` to `]`. */
  const fibrillation = (() => {
    const spans = [];
    for (const [sample, code] of data.notes) {
      if (code === 32) spans.push([sample, Infinity]);
      else if (code === 33 && spans.length) spans[spans.length - 1][1] = Math.min(sample, spans[spans.length - 1][1]);
    }
    return spans;
  })();
  const isNone = (beat) => fibrillation.some(([from, to]) => beat.sample >= from && beat.sample < to);

  /* The numbers that follow corrections, by the rules of the Holter numbers. */
  function numbers(all) {
    const n = { pauses: 0, rejected: 0, unreadable: 0 };
    for (const c of data.classes) n["class." + c.name] = 0;
    let analysed = 0, before = null, sum = 0, count = 0, min = null, max = null;
    let recent = [];
    const ectopic = { V: { rows: [], row: 0 }, S: { rows: [], row: 0 } };
    const close = (e) => { if (e.row) e.rows.push(e.row); e.row = 0; };
    for (const beat of all) {
      if (isNone(beat)) {
        before = null;
        continue;
      }
      if (beat.begins) before = null;
      if (beat.doubt === 2) {
        n.unreadable++;
        before = null;
        continue;
      }
      analysed++;
      if (beat.doubt === 1) n.rejected++;
      n["class." + data.classes[beat.class].name]++;
      const rr = before && before.sample < beat.sample ? (beat.sample - before.sample) / data.fs : null;
      if (rr !== null && rr >= data.pause) n.pauses++;
      const joined = rr !== null && rr < data.silence;
      if (joined) {
        sum += rr;
        count++;
        recent = [...recent, rr].slice(-data.intervals);
        if (recent.length === data.intervals) {
          const rate = 60 * data.intervals / recent.reduce((a, b) => a + b, 0);
          min = min === null ? rate : Math.min(min, rate);
          max = max === null ? rate : Math.max(max, rate);
        }
      } else recent = [];
      for (const name of ["V", "S"]) {
        const e = ectopic[name];
        const is = aami(beat) === name;
        if (!joined || !is) close(e);
        if (is) e.row++;
      }
      before = beat;
    }
    for (const name of ["V", "S"]) {
      const e = ectopic[name];
      close(e);
      const small = name.toLowerCase();
      const total = e.rows.reduce((a, b) => a + b, 0);
      const runs = e.rows.filter((r) => r >= data.run);
      const rows = (length) => e.rows.filter((r) => r === length).length;
      n[small + ".beats"] = total;
      n[small + ".burden"] = (100 * total / Math.max(1, analysed)).toFixed(2);
      n[small + ".singles"] = rows(1);
      n[small + ".couplets"] = rows(2);
      n[small + ".triplets"] = rows(3);
      n[small + ".runs"] = runs.length;
      n[small + ".longest"] = runs.reduce((a, b) => Math.max(a, b), 0);
    }
    for (const c of data.classes) n["percent." + c.name] = (100 * n["class." + c.name] / Math.max(1, analysed)).toFixed(2);
    const shown = (v) => (v === null ? "–" : v.toFixed(0));
    n["rate.mean"] = shown(count ? 60 * count / sum : null);
    n["rate.min"] = shown(min);
    n["rate.max"] = shown(max);
    return n;
  }

  const original = numbers(beats);

  function clock(sample) {
    const seconds = sample / data.fs + (data.start ?? 0);
    const two = (v) => String(Math.floor(v)).padStart(2, "0");
    const days = Math.floor(seconds / 86400);
    const text = two((seconds % 86400) / 3600) + ":" + two((seconds / 60) % 60) + ":" + (seconds % 60).toFixed(2).padStart(5, "0");
    return days ? text + " +" + days + " d" : text;
  }

  const nameOf = (i) => {
    const edit = edits.get(i);
    return edit === GONE ? "no beat" : data.classes[edit ?? beats[i].class].name;
  };

  /* Shows what follows from the corrections. */
  function refresh() {
    const now = numbers(corrected());
    for (const out of document.querySelectorAll("output[data-n]")) {
      const value = now[out.dataset.n];
      if (edits.size && value !== undefined) out.textContent = value;
      else if (value !== undefined && out.dataset.was !== undefined) out.textContent = out.dataset.was;
      if (out.dataset.was === undefined) out.dataset.was = out.textContent;
      out.classList.toggle("changed", String(now[out.dataset.n]) !== String(original[out.dataset.n]));
    }
    for (const mark of document.querySelectorAll(".beat[data-beat]")) {
      const i = Number(mark.dataset.beat);
      const text = mark.querySelector("text");
      if (text.dataset.was === undefined) text.dataset.was = text.textContent;
      mark.classList.toggle("edited", edits.has(i));
      mark.classList.toggle("gone", edits.get(i) === GONE);
      text.textContent = edits.has(i) && edits.get(i) !== GONE ? nameOf(i) : text.dataset.was;
    }
    for (const button of document.querySelectorAll("[data-goto]")) {
      button.querySelector("b").textContent = nameOf(Number(button.dataset.goto));
    }
    for (const shown of document.querySelectorAll("details[open][data-hour]")) drawHour(shown);
    $("corrections").hidden = edits.size === 0;
    for (const note of document.querySelectorAll(".edited[hidden], p.edited")) note.hidden = edits.size === 0;
    $("corrected").textContent = edits.size === 1 ? "1 beat corrected." : edits.size + " beats corrected.";
    try {
      localStorage.setItem(key, JSON.stringify([...edits]));
    } catch { /* As above. */ }
  }

  function edit(i, value) {
    if (value === null || value === beats[i].class && beats[i].doubt === 0) edits.delete(i);
    else edits.set(i, value);
    refresh();
  }

  function openEditor(i) {
    $("editor-title").textContent = "Beat at " + clock(beats[i].sample) + ": " + nameOf(i) +
      (edits.has(i) ? " (corrected)" : " (" + beats[i].probability.toFixed(2) + ")");
    const box = $("editor-classes");
    box.replaceChildren();
    const button = (text, value) => {
      const b = document.createElement("button");
      b.textContent = text;
      b.value = "choose";
      b.addEventListener("click", () => edit(i, value));
      box.append(b);
    };
    data.classes.forEach((c, place) => button(c.name, place));
    button("No beat here", GONE);
    if (edits.has(i)) button("As it was", null);
    $("editor").showModal();
  }

  document.addEventListener("click", (event) => {
    const mark = event.target.closest?.(".beat[data-beat]");
    if (mark) openEditor(Number(mark.dataset.beat));
    const goto = event.target.closest?.("[data-goto]");
    if (goto) show(Number(goto.dataset.goto));
  });
  document.addEventListener("keydown", (event) => {
    const mark = event.target.closest?.(".beat[data-beat]");
    if (mark && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      openEditor(Number(mark.dataset.beat));
    }
  });

  /* Full disclosure: a canvas for each hour, a line for each minute. */
  const LINE = 40, MARGIN = 62, MINUTE = 60;
  let marked = null;
  function drawHour(details) {
    const hour = Number(details.dataset.hour);
    const box = details.querySelector(".lines");
    const end = data.samples / data.fs;
    const lines = Math.min(60, Math.ceil((end - hour * 3600) / MINUTE));
    if (lines <= 0) return;
    let canvas = box.querySelector("canvas");
    if (!canvas) {
      canvas = document.createElement("canvas");
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", "the hour from " + clock(hour * 3600 * data.fs) + " on, a line per minute");
      canvas.addEventListener("click", (event) => pick(canvas, hour, event));
      box.append(canvas);
    }
    const width = Math.max(320, box.clientWidth), scale = window.devicePixelRatio || 1;
    canvas.width = width * scale;
    canvas.height = lines * LINE * scale;
    canvas.style.height = lines * LINE + "px";
    const g = canvas.getContext("2d");
    g.scale(scale, scale);
    const style = getComputedStyle(document.body);
    const ink = style.color, soft = style.getPropertyValue("--soft");
    const per = data.perSecond, room = width - MARGIN;
    g.font = "11px system-ui, sans-serif";
    for (let line = 0; line < lines; line++) {
      const from = hour * 3600 + line * MINUTE, y = line * LINE + LINE / 2 + 4;
      g.fillStyle = soft;
      g.fillText(clock(from * data.fs).slice(0, 8), 0, y + 4);
      for (const [begin, end] of fibrillation) {
        const left = Math.max(begin / data.fs, from), right = Math.min(end / data.fs, from + MINUTE);
        if (right <= left) continue;
        g.fillStyle = "#c1121f44";
        g.fillRect(MARGIN + (left - from) / MINUTE * room, y - LINE / 2 - 2, (right - left) / MINUTE * room, LINE - 4);
      }
      g.fillStyle = ink;
      const first = Math.round(from * per), last = Math.min(envelope.low.length, Math.round((from + MINUTE) * per));
      for (let i = first; i < last; i++) {
        if (envelope.low[i] === -128) continue;
        /* 10 px per mV, and a line may reach into its neighbours' room. */
        const top = y - envelope.high[i] * data.step * 10, bottom = y - envelope.low[i] * data.step * 10;
        g.fillRect(MARGIN + (i - first) / per / MINUTE * room, top, 1, Math.max(1, bottom - top));
      }
      for (let i = lowest(from * data.fs); i < beats.length && beats[i].sample < (from + MINUTE) * data.fs; i++) {
        const place = edits.get(i) ?? beats[i].class;
        const x = MARGIN + (beats[i].sample / data.fs - from) / MINUTE * room;
        if (i === marked) {
          g.strokeStyle = "#c1121f";
          g.strokeRect(x - 6, y - LINE / 2 - 3, 12, LINE - 2);
        }
        const plain = place !== GONE && data.classes[place].aami === "N" && !edits.has(i) && beats[i].doubt === 0;
        if (plain) continue;
        g.fillStyle = place === GONE ? soft : data.classes[place].colour;
        g.fillText(place === GONE ? "×" : data.classes[place].name.slice(0, 2), x - 3, y - LINE / 2 + 8);
      }
    }
  }

  /* The first beat from a sample on. */
  function lowest(sample) {
    let low = 0, high = beats.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (beats[middle].sample < sample) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  function pick(canvas, hour, event) {
    const box = canvas.getBoundingClientRect();
    const line = Math.floor((event.clientY - box.top) / LINE);
    const second = hour * 3600 + line * MINUTE + (event.clientX - box.left - MARGIN) / (box.width - MARGIN) * MINUTE;
    const sample = second * data.fs, after = lowest(sample);
    const near = [after - 1, after].filter((i) => beats[i]).sort((a, b) => Math.abs(beats[a].sample - sample) - Math.abs(beats[b].sample - sample))[0];
    if (near !== undefined && Math.abs(beats[near].sample - sample) < data.fs) openEditor(near);
  }

  function show(i) {
    marked = i;
    const second = beats[i].sample / data.fs, hour = Math.floor(second / 3600);
    const details = $("hour-" + hour);
    details.open = true;
    drawHour(details);
    const top = details.querySelector("canvas").getBoundingClientRect().top + window.scrollY;
    window.scrollTo(0, top + Math.floor(second % 3600 / MINUTE) * LINE - window.innerHeight / 2);
    openEditor(i);
  }

  for (const details of document.querySelectorAll("details[data-hour]")) {
    details.addEventListener("toggle", () => { if (details.open) drawHour(details); });
  }
  const openLinked = () => {
    const target = location.hash && document.querySelector(location.hash);
    if (target && target.dataset.hour !== undefined) target.open = true;
  };
  window.addEventListener("hashchange", openLinked);
  openLinked();

  /* A WFDB annotation file (MIT format): 16-bit little-endian words, the code in
     the upper 6 bits and the samples since the one before in the lower 10. */
  const SKIP = 59, SUB = 61, AUX = 63;
  function annotationFile() {
    const bytes = [...Uint8Array.from(atob(data.preamble), (c) => c.charCodeAt(0))];
    const word = (code, value) => bytes.push(value & 255, (code << 2) | (value >> 8 & 3));
    const all = corrected().map((beat) => {
      const c = data.classes[beat.class];
      return [beat.sample, c.code, beat.doubt, c.text];
    });
    for (const note of data.notes) all.push(note);
    all.sort((a, b) => a[0] - b[0]);
    let before = 0;
    for (const [sample, code, subtype, text] of all) {
      let delta = sample - before;
      before = sample;
      if (delta > 1023) {
        word(SKIP, 0);
        const high = Math.floor(delta / 65536), low = delta % 65536;
        bytes.push(high & 255, high >> 8, low & 255, low >> 8);
        delta = 0;
      }
      word(code, delta);
      if (subtype) word(SUB, subtype & 1023);
      if (text) {
        word(AUX, text.length);
        for (const letter of text) bytes.push(letter.charCodeAt(0) & 255);
        if (text.length % 2) bytes.push(0);
      }
    }
    bytes.push(0, 0);
    return new Uint8Array(bytes);
  }

  function save(content, name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content]));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }
  const stem = data.record.split("/").pop().replace(/\.[^.]*$/, "");
  $("save").addEventListener("click", () => save(annotationFile(), stem + ".cor"));
  $("undo").addEventListener("click", () => { edits = new Map(); refresh(); });

  refresh();
  /* For tests. */
  window.ectopy = { data, beats, numbers, original, corrected, annotationFile, edit };
})();
