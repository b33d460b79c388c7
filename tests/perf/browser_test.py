#!/usr/bin/env python3
"""browser_test.py TEST_PERF FOLDER [--screenshots]: the pages of commands in a real browser.

TEST_PERF (the program test_perf) writes pages of every kind into FOLDER; headless Chromium opens them, at full width,
in the dark and 390 pixels wide, and answers: no errors on the console, no text of a picture over another or outside
it, every picture with a name, the page no wider than the screen, and text that stands out from its paper. Without
Chromium nothing is tested and the exit code is 77, which ctest shows as skipped. --screenshots leaves pictures of what
was seen in FOLDER, for people to look at."""
import base64
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
MODES = [  # name, width, colours
    ("wide", 1200, "light"),
    ("dark", 1200, "dark"),
    ("phone", 390, "light"),
]

MEASURE = r"""
(() => {
  const problems = [];
  const wide = document.documentElement.scrollWidth, screen = document.documentElement.clientWidth;
  if (wide > screen) problems.push(`the page is ${wide} wide, the screen ${screen}`);
  const channel = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = colour => {
    const [r, g, b] = colour.match(/[\d.]+/g).map(Number);
    return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  };
  const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
  const paper = getComputedStyle(document.body).backgroundColor;
  for (const svg of document.querySelectorAll('svg')) {
    const name = svg.querySelector('title').textContent, frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll('text')].map(t => ({what: t.textContent, box: t.getBoundingClientRect(),
                                                               colour: getComputedStyle(t).fill}));
    for (const [i, a] of texts.entries()) {
      if (a.box.left < frame.left - 1 || a.box.right > frame.right + 1 || a.box.top < frame.top - 1 ||
          a.box.bottom > frame.bottom + 1) problems.push(`${name}: "${a.what}" leaves the picture`);
      if (contrast(a.colour, paper) < 4.4) problems.push(`${name}: "${a.what}" is faint (${a.colour} on ${paper})`);
      for (const b of texts.slice(0, i))
        if (a.box.left < b.box.right - 1 && b.box.left < a.box.right - 1 && a.box.top + 2 < b.box.bottom &&
            b.box.top + 2 < a.box.bottom) problems.push(`${name}: "${a.what}" over "${b.what}"`);
    }
  }
  for (const table of document.querySelectorAll('table')) {
    const columns = table.querySelectorAll('thead th').length;
    for (const row of table.querySelectorAll('tbody tr'))
      if (row.children.length !== columns) problems.push(`a row of ${row.children.length} in ${columns} columns`);
  }
  return JSON.stringify(problems);
})()
"""


class Browser:
    """A headless Chromium, spoken to through its debugging pipe."""

    def __init__(self, program, profile):
        to_browser, self.out = os.pipe()
        self.inp, from_browser = os.pipe()

        def give():  # the browser reads 3 and writes 4
            a, b = os.dup(to_browser), os.dup(from_browser)
            os.dup2(a, 3)
            os.dup2(b, 4)
            for number in (3, 4):
                os.set_inheritable(number, True)

        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--hide-scrollbars", f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"],
            preexec_fn=give, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.buffer, self.last, self.session, self.events = b"", 0, None, []

    def read(self):
        while b"\0" not in self.buffer:
            more = os.read(self.inp, 1 << 16)
            if not more:
                sys.exit("the browser ended")
            self.buffer += more
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.last += 1
        message = {"id": self.last, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == self.last:
                if "error" in answer:
                    sys.exit(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait(self, event):
        while not any(e.get("method") == event for e in self.events):
            self.events.append(self.read())

    def close(self):
        self.session = None
        try:
            self.call("Browser.close")
        except (SystemExit, OSError):
            pass
        self.process.wait(timeout=30)


def complaints(events):
    for event in events:
        parameters = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            yield str(parameters["exceptionDetails"].get("text"))
        if event.get("method") == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning"):
            yield f"console: {parameters['args']}"
        if event.get("method") == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            yield f"console: {parameters['entry']['text']}"


def unnamed(browser):
    """Pictures and tables that a screen reader has no name for."""
    for node in browser.call("Accessibility.getFullAXTree")["nodes"]:
        role = node.get("role", {}).get("value")
        if role in ("image", "img", "region", "link") and not node.get("name", {}).get("value", "").strip():
            yield f"a {role} without a name"


def look_at(browser, path, mode, width, colours, screenshots):
    browser.events.clear()
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": colours}])
    browser.call("Page.navigate", url="file://" + os.path.abspath(path))
    browser.wait("Page.loadEventFired")
    result = browser.call("Runtime.evaluate", expression=MEASURE, returnByValue=True)["result"]
    problems = json.loads(result["value"]) if "value" in result else [f"not measured: {result}"]
    problems += list(complaints(browser.events)) + list(unnamed(browser))
    if screenshots:
        size = browser.call("Page.getLayoutMetrics")["cssContentSize"]
        shot = browser.call("Page.captureScreenshot", captureBeyondViewport=True,
                            clip={"x": 0, "y": 0, "width": width, "height": min(size["height"], 12000), "scale": 1})
        with open(f"{path[:-5]}-{mode}.png", "wb") as file:
            file.write(base64.b64decode(shot["data"]))
    return [f"{os.path.basename(path)}, {mode}: {problem}" for problem in problems]


def main():
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        print("skipped: no Chromium here (apt-get install chromium)")
        return SKIPPED
    writer, folder = sys.argv[1:3]
    os.makedirs(folder, exist_ok=True)
    if writer != "-":
        subprocess.run([writer, "--gtest_brief=1", "--gtest_filter=Pages.*"], check=True,
                       env=dict(os.environ, PLUMB_PAGES=folder))
    pages = sorted(glob.glob(os.path.join(folder, "*.html")))
    if not pages:
        sys.exit(f"{folder}: no pages were written")
    problems = []
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(program, profile)
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        browser.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Accessibility"):
            browser.call(domain + ".enable")
        for path in pages:
            for mode, width, colours in MODES:
                problems += look_at(browser, path, mode, width, colours, "--screenshots" in sys.argv)
        browser.close()
    for problem in problems:
        print(problem)
    print(f"{len(pages)} pages, {len(problems)} problems")
    return 1 if problems else 0


sys.exit(main())
