"""A headless Chromium, driven over the DevTools protocol."""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import websocket

CHROMIUM = shutil.which("chromium")


class Browser:
    """One process; pages are contexts of their own, with cookies of their own."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="chromium-")
        self.process = subprocess.Popen(
            [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--disable-dev-shm-usage", "--disable-background-networking", "--disable-extensions",
             "--disable-component-update", "--disable-sync", "--mute-audio", "--hide-scrollbars",
             "--force-color-profile=srgb", "--remote-debugging-port=0",
             "--remote-allow-origins=*", f"--user-data-dir={self.folder}", "about:blank"],
            stderr=subprocess.DEVNULL, env={**os.environ, "TZ": "UTC", "LANG": "C.UTF-8"})
        found = pathlib.Path(self.folder) / "DevToolsActivePort"
        for _ in range(400):
            if found.exists() and len(found.read_text().split("\n")) > 1:
                break
            assert self.process.poll() is None, "Chromium ended"
            time.sleep(0.05)
        port, path = found.read_text().split("\n")[:2]
        self.socket = websocket.create_connection(f"ws://127.0.0.1:{port}{path}", timeout=30)
        self.number = 0
        self.pages = {}

    def send(self, method, session=None, **params):
        self.number += 1
        number = self.number
        message = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        self.socket.send(json.dumps(message))
        while True:
            answer = self.receive()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def receive(self):
        message = json.loads(self.socket.recv())
        page = self.pages.get(message.get("sessionId"))
        if page and "method" in message:
            page.noticed(message["method"], message["params"])
        return message

    def page(self, **options):
        return Page(self, **options)

    def stop(self):
        self.socket.close()
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)


class Page:
    """A page at a size and in a scheme, which remembers what it complained of and asked for."""

    def __init__(self, browser, url="", width=1440, height=900, dark=False):
        self.browser, self.url = browser, url
        self.errors, self.requests, self.loading = [], [], {}
        # What a test means to be refused; the browser writes it to the console all the same.
        self.expected = []
        self.context = browser.send("Target.createBrowserContext")["browserContextId"]
        self.target = browser.send("Target.createTarget", url="about:blank",
                                   browserContextId=self.context)["targetId"]
        self.session = browser.send("Target.attachToTarget", targetId=self.target,
                                    flatten=True)["sessionId"]
        browser.pages[self.session] = self
        for domain in ["Page", "Runtime", "Log", "Network"]:
            self.send(f"{domain}.enable")
        self.size(width, height)
        self.media(dark=dark)

    def send(self, method, **params):
        return self.browser.send(method, self.session, **params)

    def size(self, width, height):
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 640)

    def media(self, dark=False, **features):
        features = {"prefers-color-scheme": "dark" if dark else "light",
                    **{name.replace("_", "-"): value for name, value in features.items()}}
        self.send("Emulation.setEmulatedMedia", features=[
            {"name": name, "value": value} for name, value in features.items()])

    def noticed(self, method, params):
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.errors.append(str([one.get("value") for one in params["args"]]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            entry = params["entry"]
            self.errors.append(f"{entry['text']} {entry.get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    # What a person does

    def go(self, path):
        self.send("Page.navigate", url=self.url + path)
        self.until("document.readyState === 'complete'")

    def run(self, script, **more):
        """The value of an expression, which may be a promise."""
        answer = self.send("Runtime.evaluate", expression=script, awaitPromise=True,
                           returnByValue=True, userGesture=True, **more)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, script, seconds=20):
        deadline = time.time() + seconds
        while time.time() < deadline:
            try:
                value = self.run(script)
            except AssertionError:
                value = None
            if value:
                return value
            time.sleep(0.05)
        raise AssertionError(f"never came true: {script}\n{self.text()[:3000]}")

    def text(self):
        return self.run("document.body.innerText").replace("\u00a0", " ")

    def sees(self, words, seconds=20):
        script = f"document.body.innerText.replaceAll('\\u00a0', ' ').includes({json.dumps(words)})"
        return self.until(script, seconds)

    FIND = """(() => {
      const wanted = %s, role = %s;
      const seen = (element) => element.checkVisibility() && !element.closest('[hidden]');
      const name = (element) => (element.getAttribute('aria-label') ?? element.innerText ?? '')
        .trim().replace(/…$/, '');
      const scope = document.querySelector('dialog[open]') ?? document;
      return [...scope.querySelectorAll(role)].filter(seen)
        .find((element) => name(element) === wanted);
    })()"""

    def click(self, name, role="button, a"):
        """A button or link by its name, as a pointer would."""
        found = self.FIND % (json.dumps(name), json.dumps(role))
        self.until(f"!!{found}")
        box = self.run(
            f"(() => {{ const e = {found}; e.scrollIntoView({{block: 'center'}});"
            " const b = e.getBoundingClientRect();"
            " return [b.x + b.width / 2, b.y + b.height / 2]; })()")
        self.mouse("mousePressed", *box)
        self.mouse("mouseReleased", *box)

    def mouse(self, kind, x, y, button="left"):
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button,
                  clickCount=1, buttons=0 if kind == "mouseReleased" else 1)

    def fill(self, label, text):
        """A field by its label."""
        script = """(() => {
          const scope = document.querySelector('dialog[open]') ?? document;
          const label = [...scope.querySelectorAll('label')]
            .find((one) => one.innerText.trim() === %s);
          const field = label ? document.getElementById(label.htmlFor)
            : scope.querySelector('[aria-label=' + JSON.stringify(%s) + ']');
          field?.focus();
          if (field?.select) field.select();
          return field === document.activeElement;
        })()""" % (json.dumps(label), json.dumps(label))
        self.until(script)
        self.send("Input.insertText", text=text)

    def press(self, key, code=None):
        text = key if len(key) == 1 else None
        more = {"text": text} if text else {}
        number = {"Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39,
                  "ArrowDown": 40, "Tab": 9}.get(key)
        if number:
            more["windowsVirtualKeyCode"] = number
        if key == "Enter":
            more["text"] = "\r"
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, code=code or key, **more)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key, code=code or key)

    def shoot(self, name, folder, whole=True):
        """A picture of the page, as it would be on paper as long as it is."""
        folder.mkdir(parents=True, exist_ok=True)
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 6000),
                "scale": 1}
        options = {"clip": clip, "captureBeyondViewport": True} if whole else {}
        data = self.send("Page.captureScreenshot", format="png", **options)["data"]
        (folder / f"{name}.png").write_bytes(base64.b64decode(data))

    def close(self):
        self.browser.send("Target.disposeBrowserContext", browserContextId=self.context)
        self.browser.pages.pop(self.session, None)
