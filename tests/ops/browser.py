"""Chromium (Debian's, or Google's Chrome) without a window, driven over its DevTools protocol.

The protocol is spoken over a pair of pipes, as Puppeteer and Playwright can do it: there is no port that another process could
take or find, nothing to install beside the browser, and no driver whose version would have to fit (chromedriver, selenium).
"""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time

DEADLINE_S = 60
NAMES = ("chromium", "google-chrome")

FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--hide-scrollbars", "--force-device-scale-factor=1", "--font-render-hinting=none", "--force-color-profile=srgb",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions", "--disable-sync",
    "--no-proxy-server", "--remote-debugging-pipe",
]


class Browser:
    """A browser with a profile of its own in `folder`. `resolver` is what its --host-resolver-rules are."""

    def __init__(self, folder, resolver):
        program = next(filter(None, map(shutil.which, NAMES)), None) or sys.exit(f"browser: there is none of {NAMES}")
        self.log = open(folder / "chromium.log", "w+")
        to_browser, self.out = os.pipe()
        self.into, from_browser = os.pipe()
        # Chromium reads from 3 and writes to 4; ours must be neither while bash puts them there.
        theirs = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (to_browser, from_browser)]
        command = [program, *FLAGS, f"--user-data-dir={folder}/profile", f"--host-resolver-rules={resolver}", "about:blank"]
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{theirs[0]} 4>&{theirs[1]}', "browser", *command],
            pass_fds=theirs, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True,
            env=os.environ | {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder)},
        )
        for end in (to_browser, from_browser, *theirs):
            os.close(end)
        self.buffer, self.sent = b"", 0
        # What has come, by session, and nobody has asked for yet.
        self.answers, self.events = {}, {}

    def version(self):
        return self.call("Browser.getVersion")["product"]

    def end(self):
        """Ends it, and whatever it has started: all of it is one process group, which is ours."""
        for signal in (15, 9):
            try:
                os.killpg(self.process.pid, signal)
                self.process.wait(timeout=10)
                break
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        os.close(self.into)
        os.close(self.out)
        self.log.close()

    def call(self, method, session=None, **parameters):
        """Calls a method; its result."""
        self.sent += 1
        message = {"id": self.sent, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.out, data):]
        answer = self.wait(lambda: self.answers.pop(message["id"], None), f"an answer to {method}")
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def wait(self, found, what):
        """Reads what comes until `found` finds it."""
        deadline = time.monotonic() + DEADLINE_S
        while (it := found()) is None:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.into], [], [], left)[0]:
                self.give_up(f"{what} did not come within {DEADLINE_S} s")
            data = os.read(self.into, 1 << 20)
            if not data:
                self.give_up("the browser has ended")
            *messages, self.buffer = (self.buffer + data).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    self.answers[message["id"]] = message
                else:
                    self.events.setdefault(message.get("sessionId"), []).append((message["method"], message["params"]))
        return it

    def give_up(self, why):
        self.log.flush()
        self.log.seek(0)
        sys.exit(f"browser: {why}\n{self.log.read()[-4000:]}")

    def page(self, width=1000, height=720, dark=False, languages="en"):
        """A page in a window of this size, with nothing remembered from any other."""
        return Page(self, width, height, dark, languages)


class Page:
    def __init__(self, browser, width, height, dark, languages):
        self.browser = browser
        self.context = browser.call("Target.createBrowserContext")["browserContextId"]
        target = browser.call("Target.createTarget", url="about:blank", browserContextId=self.context)["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False,
        )
        features = {"prefers-color-scheme": "dark" if dark else "light", "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.call("Network.setExtraHTTPHeaders", headers={"Accept-Language": languages})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.browser.call("Target.disposeBrowserContext", browserContextId=self.context)

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def events(self, name):
        """All events of this name since the last address was opened."""
        return [event for method, event in self.browser.events.get(self.session, []) if method == name]

    def open(self, url):
        """Opens an address, and waits until all that belongs to the page is there; its status."""
        self.url = url
        self.browser.events[self.session] = []
        done = self.call("Page.navigate", url=url)
        if "errorText" in done:
            raise RuntimeError(f"{url}: {done['errorText']}")
        # Of this document: the empty one before it may have only just been loaded.
        end = {"name": "load", "loaderId": done["loaderId"]}
        is_loaded = lambda: any(end.items() <= event.items() for event in self.events("Page.lifecycleEvent"))
        self.browser.wait(lambda: is_loaded() or None, f"the end of loading {url}")
        self.eval("document.fonts.ready.then(() => true)")
        # Two frames later all that is known is drawn.
        self.eval("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
        answers = self.events("Network.responseReceived")
        return next(event["response"]["status"] for event in answers if event["requestId"] == done["loaderId"])

    def eval(self, expression):
        """The value of an expression of JavaScript; of a promise, what it comes to. No policy of the page's forbids it."""
        done = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in done:
            thrown = done["exceptionDetails"]
            raise RuntimeError(f"{expression[:200]}: {thrown.get('exception', {}).get('description', thrown['text'])}")
        return done["result"].get("value")

    def requests(self):
        """The addresses that were asked for. What stands in the page itself is none."""
        urls = [event["request"]["url"] for event in self.events("Network.requestWillBeSent")]
        return [url for url in urls if not url.startswith("data:")]

    def complaints(self):
        """What the browser had to say of the page: errors, broken policies, scripts that fail. That the page itself is an error is none."""
        said = [event["entry"] for event in self.events("Log.entryAdded")]
        said = [
            f"{entry['source']}: {entry['text']} {entry.get('url', '')}" for entry in said
            if entry["level"] in ("error", "warning") and not (entry["source"] == "network" and entry.get("url") == self.url)
        ]
        said += [f"console: {event['args']}" for event in self.events("Runtime.consoleAPICalled")]
        said += [f"exception: {event['exceptionDetails']}" for event in self.events("Runtime.exceptionThrown")]
        said += [f"failed: {event}" for event in self.events("Network.loadingFailed")]
        issues = [event["issue"] for event in self.events("Audits.issueAdded")]
        return said + [f"issue: {issue['code']} {issue['details']}" for issue in issues]

    def screenshot(self):
        """What the window shows, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def axe(self, source):
        """What axe-core, whose text `source` is, finds wrong: (impact, rule, what it is about, elements)."""
        self.eval(source + "\n;true")
        # It need not fetch style sheets anew, which the pages' policies forbid.
        found = self.eval("axe.run(document, {preload: false, resultTypes: ['violations']})")
        return [
            (rule["impact"], rule["id"], rule["help"], [node["html"] for node in rule["nodes"]])
            for rule in found["violations"]
        ]
