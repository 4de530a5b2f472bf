"""Uses the page of a server as a reader does, in headless Chromium, and fails with a
message where anything is wrong.

    page.py BASE_URL FILE [FILE ...] [--token T] [--seconds 60] [--screenshots DIR]

The files are those of one recording. Needs the package `websockets`, and Chromium
under its name or that of ECTOPY_BROWSER.
"""

import argparse
import asyncio
import base64
import json
import os
import shutil
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from websockets.asyncio.client import connect

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
# Bytes by which the live view may grow between its first third and its end.
GROWTH = 3_000_000
# Rows of the list that are drawn at most, however long it is.
DRAWN = 100

ORANGE_AND_BLUE = """(() => {
  const c = document.querySelector('#beat canvas');
  const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
  let orange = 0, blue = 0, dark = 0;
  for (let i = 0; i < d.length; i += 4) {
    if (d[i] > 225 && d[i + 1] > 130 && d[i + 1] < 215 && d[i + 2] < 150) orange++;
    if (d[i] < 190 && d[i + 2] > 215 && d[i + 2] - d[i] > 45) blue++;
    if (d[i] < 60 && d[i + 1] < 60 && d[i + 2] < 60) dark++;
  }
  return { orange, blue, dark };
})()"""
TRACE = """(() => {
  const c = document.getElementById('sweep');
  const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
  let dark = 0;
  for (let i = 0; i < d.length; i += 4) dark += d[i] < 60 && d[i + 1] < 60 && d[i + 2] < 60;
  return dark;
})()"""
WATCH = """(() => {
  window.seen = [];
  const note = () => {
    if (document.getElementById('progress').hidden) return;
    const said = document.getElementById('phase').textContent;
    const bar = document.getElementById('bar');
    window.seen.push([said, bar.hasAttribute('value') ? bar.value : null]);
  };
  new MutationObserver(note).observe(document.getElementById('progress'),
    { subtree: true, attributes: true, childList: true, characterData: true });
})()"""


class Failed(Exception):
    """Something is not as it has to be."""


def check(right, message):
    if not right:
        raise Failed(message)


class Browser:
    """A Chromium with one page, driven by the DevTools protocol."""

    def __init__(self, folder):
        self.folder = folder
        self.number = 0
        self.answers = {}
        self.errors = []
        self.session = None
        self.frames = {}

    async def __aenter__(self):
        named = os.environ.get("ECTOPY_BROWSER")
        program = named or next((p for p in map(shutil.which, NAMES) if p), None)
        check(program, "no Chromium on the path; name one in ECTOPY_BROWSER")
        profile = self.folder / "profile"
        self.process = await asyncio.create_subprocess_exec(
            program, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
            f"--user-data-dir={profile}", "--window-size=1200,900", "about:blank",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        port = profile / "DevToolsActivePort"
        for _ in range(300):
            if port.exists() and len(port.read_text().split()) == 2:
                break
            await asyncio.sleep(0.1)
        check(port.exists(), f"{program} did not start")
        number, path = port.read_text().split()
        self.socket = await connect(f"ws://127.0.0.1:{number}{path}", max_size=None)
        self.reader = asyncio.create_task(self.read())
        targets = (await self.call("Target.getTargets", on=None))["targetInfos"]
        page = next(t["targetId"] for t in targets if t["type"] == "page")
        attached = await self.call("Target.attachToTarget", on=None, targetId=page, flatten=True)
        self.session = attached["sessionId"]
        await self.watch(self.session)
        await self.call("Page.enable")
        behaviour = {"behavior": "allow", "downloadPath": str(self.folder / "downloads")}
        await self.call("Browser.setDownloadBehavior", on=None, **behaviour)
        return self

    async def __aexit__(self, *_):
        self.reader.cancel()
        if self.process.returncode is None:
            self.process.terminate()
        await self.process.wait()

    async def watch(self, session):
        """Collects what goes wrong in a page or a frame of it."""
        for domain in ("Runtime", "Log"):
            await self.call(domain + ".enable", on=session)
        follow = {"autoAttach": True, "waitForDebuggerOnStart": False, "flatten": True}
        await self.call("Target.setAutoAttach", on=session, **follow)

    async def read(self):
        async for message in self.socket:
            told = json.loads(message)
            if "id" in told:
                waiting = self.answers.pop(told["id"], None)
                if waiting and not waiting.done():
                    waiting.set_result(told)
                continue
            method, what = told["method"], told["params"]
            if method == "Target.attachedToTarget" and what["targetInfo"]["type"] == "iframe":
                self.frames[what["sessionId"]] = what["targetInfo"]["url"]
                asyncio.ensure_future(self.watch(what["sessionId"]))
            elif method == "Target.detachedFromTarget":
                self.frames.pop(what["sessionId"], None)
            elif method == "Runtime.exceptionThrown":
                self.errors.append(json.dumps(what["exceptionDetails"])[:600])
            elif method == "Runtime.consoleAPICalled" and what["type"] in ("error", "warning", "assert"):
                self.errors.append(json.dumps(what["args"])[:600])
            elif method == "Log.entryAdded" and what["entry"]["level"] in ("error", "warning"):
                self.errors.append(what["entry"]["text"] + " " + what["entry"].get("url", ""))

    async def call(self, method, on="page", **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        session = self.session if on == "page" else on
        if session:
            message["sessionId"] = session
        waiting = self.answers[self.number] = asyncio.get_running_loop().create_future()
        await self.socket.send(json.dumps(message))
        told = await asyncio.wait_for(waiting, 60)
        check("error" not in told, f"{method}: {told.get('error')}")
        return told["result"]

    async def run(self, script, on="page"):
        result = await self.call("Runtime.evaluate", on=on, expression=script, returnByValue=True, awaitPromise=True)
        check("exceptionDetails" not in result, f"{script}: {result.get('exceptionDetails')}")
        return result["result"].get("value")

    async def until(self, script, what, seconds=30, on="page"):
        """Waits until a script gives something true; gives that."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := await self.run(script, on):
                return value
            await asyncio.sleep(0.1)
        shown = await self.run("document.querySelector('.error:not([hidden])')?.textContent ?? ''")
        raise Failed(f"waited {seconds} s in vain: {what}" + (f" (the page says: {shown})" if shown else ""))

    async def key(self, name, code=0):
        text = {"text": "\r"} if name == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            more = text if kind == "keyDown" else {}
            await self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code, **more)

    async def click(self, selector):
        place = await self.run(f"""(() => {{
          const e = document.querySelector({json.dumps(selector)});
          e.scrollIntoView({{ block: 'center' }});
          const r = e.getBoundingClientRect();
          return [r.x + r.width / 2, r.y + r.height / 2];
        }})()""")
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    async def look(self, width, height, scheme, phone=False):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
        await self.call("Emulation.setDeviceMetricsOverride", **metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.call("Emulation.setEmulatedMedia", features=features)
        await asyncio.sleep(0.3)

    async def shoot(self, path):
        shot = await self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))


class Probe:
    """The ways of a reader through the page."""

    def __init__(self, browser, arguments):
        self.browser = browser
        self.arguments = arguments
        self.base = arguments.base.rstrip("/") + "/"
        self.folder = browser.folder

    async def everything(self):
        browser = self.browser
        await browser.call("Page.navigate", url=self.base)
        await browser.until("document.querySelector('#downloads button') !== null", "the page's script runs")
        notice = await browser.run("document.querySelector('.notice').innerText")
        check("not a medical device" in notice, f"the notice says {notice!r}")
        await self.recording()
        await self.report()
        await self.beats()
        await self.downloads()
        await self.screens("recording", "#name")
        await self.live()
        await self.gone()
        await self.docs()
        allowed = ["401"] if self.arguments.token else []
        errors = [e for e in browser.errors if not any(a in e for a in allowed)]
        check(not errors, "the console has errors: " + "\n".join(errors))

    async def drop(self):
        place = await self.browser.run("""(() => {
          const r = document.getElementById('zone').getBoundingClientRect();
          return [r.x + r.width / 2, r.y + r.height / 2];
        })()""")
        files = [str(Path(name).resolve()) for name in self.arguments.files]
        data = {"items": [], "files": files, "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            await self.browser.call("Input.dispatchDragEvent", type=kind, x=place[0], y=place[1], data=data)
            if kind == "dragOver":
                over = await self.browser.until("document.querySelector('#zone.over') !== null", "the zone shows a file above it")
                check(over, "the zone does not show that a file is above it")

    async def give_token(self):
        browser, token = self.browser, self.arguments.token
        await browser.until("document.getElementById('ask').open", "the page asks for the token")
        await browser.call("Input.insertText", text=token)
        await browser.key("Enter", 13)
        await browser.until("!document.getElementById('ask').open", "the token is taken")

    async def recording(self):
        """A recording is dropped, and its progress seen."""
        browser = self.browser
        await browser.run(WATCH)
        await self.drop()
        if self.arguments.token:
            await self.give_token()
        await browser.until("!document.getElementById('results').hidden", "results are shown", 300)
        await browser.until("document.querySelectorAll('#rows .row').length > 0", "beats are listed", 120)
        await browser.until("document.getElementById('progress').hidden", "the progress goes", 120)
        seen = await browser.run("window.seen")
        phases = {phase for phase, _ in seen}
        check("Sending" in phases, f"no upload was seen: {phases}")
        check("Analysing" in phases or len(phases) > 1, f"no analysis was seen: {phases}")
        parts = [part for phase, part in seen if phase == "Analysing" and part is not None]
        check(parts == sorted(parts), f"the progress went back: {parts}")
        self.id = await browser.run("location.hash.replace('#recording=', '')")

    async def report(self):
        """The report's own script runs in its frame."""
        browser = self.browser
        done = "document.querySelector('output[data-n]')?.dataset.was !== undefined && document.querySelector('h1').textContent"
        for _ in range(100):
            if browser.frames:
                break
            await asyncio.sleep(0.1)
        if browser.frames:
            title = await browser.until(done, "the report's script runs in its frame (see the policy)", 30, next(iter(browser.frames)))
        else:
            tree = await browser.call("Page.getFrameTree")
            children = tree["frameTree"].get("childFrames", [])
            check(children, "the report has no frame")
            frame = children[0]["frame"]["id"]
            world = await browser.call("Page.createIsolatedWorld", frameId=frame)
            for _ in range(100):
                got = await browser.call("Runtime.evaluate", expression=done, contextId=world["executionContextId"])
                if title := got["result"].get("value"):
                    break
                await asyncio.sleep(0.1)
            check(title, "the report's script does not run in its frame (see the policy)")
        check(title, "the report has no title")
        await self.tab(done)

    async def tab(self, done):
        """The report's script runs in a tab of its own, too."""
        browser = self.browser
        pages = {t["targetId"] for t in (await browser.call("Target.getTargets", on=None))["targetInfos"]}
        await browser.click("#open")
        for _ in range(100):
            targets = (await browser.call("Target.getTargets", on=None))["targetInfos"]
            new = [t["targetId"] for t in targets if t["type"] == "page" and t["targetId"] not in pages]
            if new:
                break
            await asyncio.sleep(0.1)
        check(new, "the report opens no tab")
        attached = await browser.call("Target.attachToTarget", on=None, targetId=new[0], flatten=True)
        await browser.watch(attached["sessionId"])
        await browser.until(done, "the report's script runs in a tab of its own", 30, attached["sessionId"])
        await browser.call("Target.closeTarget", on=None, targetId=new[0])

    async def beats(self):
        """A beat is chosen by the keyboard and explained; the filters hold."""
        browser = self.browser
        await browser.run("document.getElementById('list').focus()")
        for _ in range(4):
            await browser.key("ArrowDown", 40)
        first = await browser.until("document.querySelector('#beat canvas')?.dataset.row", "a beat is explained")
        check(await browser.run("Number(document.querySelector('#beat canvas').dataset.coloured)") > 0, "no piece of the trace is coloured")
        inked = await browser.run(ORANGE_AND_BLUE)
        check(inked["orange"] + inked["blue"] > 50, f"the strip shows no saliency: {inked}")
        check(inked["dark"] > 100, f"the strip shows no trace: {inked}")
        check(await browser.run("document.querySelectorAll('#beat .reasons li, #beat p').length") > 1, "nothing is said of the beat")
        active = await browser.run("document.getElementById(document.getElementById('list').getAttribute('aria-activedescendant'))?.getAttribute('aria-selected')")
        check(active == "true", "the list does not say which beat is chosen")
        await browser.key("End", 35)
        last = await browser.until(f"document.querySelector('#beat canvas')?.dataset.row !== '{first}' && document.querySelector('#beat canvas')?.dataset.row", "the last beat is explained")
        total = await browser.run("Number(document.getElementById('counted').textContent.replace(/\\D/g, ''))")
        check(int(last) > 0 and total > int(last) // 2, f"{total} beats, but the last is row {last}")
        drawn = await browser.run("document.querySelectorAll('#rows .row').length")
        check(0 < drawn <= DRAWN, f"{drawn} rows are drawn of {total}")
        if self.arguments.screenshots:
            await self.screens("beats", "#beats-title")
        options = await browser.run("[...document.querySelectorAll('#filter label')].map(l => Number(l.textContent.replace(/\\D/g, '')))")
        check(options[0] == total and sum(options[1:-1]) == total, f"the filters do not add up: {options}")
        for place, expected in enumerate(options):
            await browser.run(f"document.querySelectorAll('#filter input')[{place}].click()")
            shown = await browser.run("Number(document.getElementById('counted').textContent.replace(/\\D/g, ''))")
            check(shown == expected, f"filter {place} shows {shown}, not {expected}")
        await browser.run("document.querySelectorAll('#filter input')[0].click()")
        before = time.monotonic()
        await browser.run("(async () => { const l = document.getElementById('list'); for (let i = 0; i < 60; i++) { l.scrollTop = l.scrollHeight * i / 60; await new Promise(requestAnimationFrame); } })()")
        took = time.monotonic() - before
        check(took < 6, f"60 frames of scrolling took {took:.1f} s")

    async def downloads(self):
        browser, folder = self.browser, self.folder / "downloads"
        count = await browser.run("document.querySelectorAll('#downloads button').length")
        check(count >= 4, f"{count} downloads are offered")
        for place in range(count):
            await browser.run(f"document.querySelectorAll('#downloads button')[{place}].click()")
            await browser.until(f"!document.querySelectorAll('#downloads button')[{place}].disabled", "the download ends", 120)
            for _ in range(100):
                files = [f for f in folder.glob("*") if f.suffix != ".crdownload"] if folder.exists() else []
                if len(files) > place:
                    break
                await asyncio.sleep(0.1)
            check(len(files) > place, f"download {place} brings no file: {[f.name for f in files]}")
        check(all(f.stat().st_size > 0 for f in files), "a download is empty")

    async def heap(self):
        await self.browser.call("HeapProfiler.collectGarbage")
        usage = await self.browser.call("Runtime.getHeapUsage")
        nodes = await self.browser.run("document.querySelectorAll('*').length")
        return usage["usedSize"], nodes

    async def live(self):
        """The live view runs, says what the server says, and does not grow."""
        browser, seconds = self.browser, self.arguments.seconds
        await browser.run("document.getElementById('tab-recording').focus()")
        await browser.key("ArrowRight", 39)
        await browser.until("!document.getElementById('live').hidden", "the live view opens by the keyboard")
        await browser.click("#start")
        beats = "[...document.querySelectorAll('#counts div:not(.doubts) dd')].reduce((n, d) => n + Number(d.textContent.replace(/\\D/g, '')), 0)"
        began = time.monotonic()
        await browser.until(f"{beats} > 0", "the first beat is decided", 20)
        await asyncio.sleep(max(0, seconds / 3 - (time.monotonic() - began)))
        early, heap = await browser.run(beats), await self.heap()
        check(await browser.run(TRACE) > 100, "the canvas shows no trace")
        await self.screens("live", "#start")
        await browser.click("#electrode")
        await browser.until("/No signal|cannot be read/.test(document.getElementById('state').textContent)", "lost signal is said", 15)
        check(await browser.run("document.getElementById('rate').textContent") == "–", "a heart rate without a signal")
        await self.screens("lost", "#start")
        await browser.click("#electrode")
        await browser.until("!/No signal/.test(document.getElementById('state').textContent)", "the signal is back", 15)
        await asyncio.sleep(max(0, seconds - (time.monotonic() - began)))
        late = await browser.run(beats)
        check(late > early, f"no beat came between {seconds / 3:.0f} s and {seconds:.0f} s")
        now = await self.heap()
        check(now[0] - heap[0] < GROWTH, f"the heap grew from {heap[0]} to {now[0]} bytes")
        check(now[1] - heap[1] < 60, f"the page grew from {heap[1]} to {now[1]} elements")
        sent = await browser.run("document.getElementById('sent').textContent")
        print(f"live: {late} beats in {sent}, heap {heap[0]} to {now[0]} bytes, {now[1]} elements")
        said = await browser.run("document.getElementById('live').innerText")
        shown = await browser.run("document.querySelector('#live-error:not([hidden])')?.textContent ?? ''")
        check(not shown, f"the live view complains: {shown}")
        check("undefined" not in said and "NaN" not in said, f"the live view says {said}")
        await browser.click("#start")
        await browser.until("document.getElementById('state').textContent === 'Stopped.'", "the stream ends")
        check("The end" in await browser.run("document.getElementById('events').innerText"), "no summary came")

    async def screens(self, name, at):
        """Nothing is wider than the screen; pictures where they are wanted."""
        browser = self.browser
        for width, height, phone in ((1200, 900, False), (390, 844, True)):
            for scheme in ("light", "dark"):
                await browser.look(width, height, scheme, phone)
                await browser.run(f"(() => {{ const e = document.querySelector('{at}'); window.scrollTo(0, e.getBoundingClientRect().top + scrollY - 60); }})()")
                wide = await browser.run("document.documentElement.scrollWidth - window.innerWidth")
                check(wide <= 0, f"{name} is {wide} px wider than a screen of {width}")
                notice = await browser.run("document.querySelector('.notice').getBoundingClientRect().top")
                check(0 <= notice < 5, f"the notice is not in view on {name} at {width}: {notice}")
                if self.arguments.screenshots:
                    await asyncio.sleep(0.4)
                    await browser.shoot(Path(self.arguments.screenshots) / f"{name}-{width}-{scheme}.png")
        await browser.look(1200, 900, "light")

    def status(self, path):
        request = urllib.request.Request(self.base + path)
        if self.arguments.token:
            request.add_header("Authorization", "Bearer " + self.arguments.token)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    async def gone(self):
        """The recording goes from the server when it is removed."""
        browser = self.browser
        await browser.run("document.getElementById('tab-recording').click()")
        path = "v1/recordings/" + self.id
        check(await asyncio.to_thread(self.status, path) == 200, f"{path} is not there")
        await browser.click("#remove")
        await browser.until("document.getElementById('results').hidden && !location.hash", "the results go")
        await asyncio.sleep(0.5)
        check(await asyncio.to_thread(self.status, path) == 404, f"{path} is still there")

    async def docs(self):
        browser = self.browser
        await browser.call("Page.navigate", url=self.base + "docs")
        await browser.until("document.querySelectorAll('.operation').length > 0", "the interface is shown")
        await browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
        broken = await browser.run("[...document.querySelectorAll('main a[href^=\"#\"]')].filter(a => !document.getElementById(a.hash.slice(1))).map(a => a.hash)")
        check(not broken, f"links of the interface lead nowhere: {broken}")
        said = await browser.run("document.querySelector('main').innerText")
        check("undefined" not in said and "[object" not in said, "the interface says undefined things")
        await self.screens("docs", "#title")


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--token")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--screenshots")
    arguments = parser.parse_args()
    if arguments.screenshots:
        Path(arguments.screenshots).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        async with Browser(Path(folder)) as browser:
            try:
                await Probe(browser, arguments).everything()
            except Failed as error:
                if arguments.screenshots:
                    await browser.shoot(Path(arguments.screenshots) / "failed.png")
                more = "\nconsole: " + "\n".join(browser.errors) if browser.errors else ""
                sys.exit(f"probe.py: {error}{more}")
    print("the page works")


if __name__ == "__main__":
    asyncio.run(main())
