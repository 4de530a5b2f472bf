/* Uses the page as a reader does, and writes what came of it into the page. */
(async () => {
  const wait = () => new Promise((resolve) => setTimeout(resolve, 20));
  while (!window.ectopy) await wait();
  const { original, beats, annotationFile } = window.ectopy;
  const shown = {};
  for (const out of document.querySelectorAll("output[data-n]")) shown[out.dataset.n] = out.dataset.was;
  const computed = Object.fromEntries(Object.keys(shown).map((key) => [key, String(original[key])]));
  const file = () => btoa(annotationFile().reduce((text, byte) => text + String.fromCharCode(byte), ""));
  const untouched = file();

  /* The first beat of a strip becomes V, by keyboard; the second one goes, by mouse. */
  const marks = [...document.querySelectorAll("figure .beat[data-beat]")];
  const choose = (mark, text) => {
    const opened = document.getElementById("editor").open;
    [...document.querySelectorAll("#editor-classes button")].find((b) => b.textContent === text).click();
    return opened;
  };
  marks[0].dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
  const opened = [choose(marks[0], "V")];
  marks[1].dispatchEvent(new MouseEvent("click", { bubbles: true }));
  opened.push(choose(marks[1], "No beat here"));
  const changed = {};
  for (const out of document.querySelectorAll("output.changed")) changed[out.dataset.n] = out.textContent;
  const offered = !document.getElementById("corrections").hidden;
  const corrected = file();

  /* The hour of a doubtful beat opens, where there is one, or else the first. */
  const goto = document.querySelector("[data-goto]");
  if (goto) goto.click();
  else document.querySelector("details[data-hour]").open = true;
  await wait();
  await wait();
  const canvas = document.querySelector("canvas");
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let inked = 0;
  for (let i = 3; i < pixels.length; i += 4) inked += pixels[i] > 0;

  document.getElementById("undo").click();
  const out = document.createElement("pre");
  out.id = "probe";
  out.textContent = JSON.stringify({
    beats: beats.length, shown, computed, opened, changed, offered, untouched, corrected,
    edited: marks.slice(0, 2).map((mark) => beats[Number(mark.dataset.beat)].sample),
    inked, undone: file() === untouched, wide: document.documentElement.scrollWidth - window.innerWidth,
  });
  document.body.append(out);
})();
