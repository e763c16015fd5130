"""Takes the pictures of docs/pictures: the dashboard's page of a plan that steps back, as it is.

`script/picture` runs it. It takes nine minutes, because the step back and what surrounds it really
happen: a server, requests that are well, requests that fail, the monitor.
"""

import base64
import datetime
import pathlib
import tempfile
import time

from browser import Browser
from conftest import Server, Upstream
from story import CONFIG, Night

FOLDER = pathlib.Path(__file__).parents[2] / "docs" / "pictures"
WIDTH = 1240
# What a screen of twice the density shows well, at half the bytes of a whole twice.
SCALE = 1.5
GOOD_BEFORE, GOOD_AFTER = 300, 150


def live(night, seconds, errors, ends=lambda: False):
    """Requests of both arms, some every second, until the time is over or `ends` says so."""
    deadline = time.time() + seconds
    while time.time() < deadline and not ends():
        began = time.time()
        night.send([night.outcome("reply-suggestions", arm, None, rate) for _ in range(5)
                    for arm, rate in [("treatment", errors), ("control", 0.008)]])
        time.sleep(max(0, 1 - (time.time() - began)))


def tell(night):
    night.plan("reply-suggestions", "50", description="Suggested replies in the support inbox",
               rollback={"to": "previous", "cooldown": "30m"})
    night.past("reply-suggestions", 6, 6)
    live(night, GOOD_BEFORE, 0.008)
    live(night, 120, 0.3, lambda: night.show("reply-suggestions")["stage"] != "50")
    assert night.show("reply-suggestions")["stage"] == "25"
    live(night, GOOD_AFTER, 0.008)


def shoot(server, dark, begun, ended):
    browser = Browser()
    try:
        page = browser.page(url=server.url, width=WIDTH, height=900, dark=dark)
        page.go("/")
        page.fill("Token", server.token)
        page.click("Sign in", "button")
        page.sees("live")
        page.go(f"/plans/reply-suggestions?from={begun:%Y-%m-%dT%H:%M:%SZ}&to={ended:%Y-%m-%dT%H:%M:%SZ}")
        page.sees("What failed")
        page.until("document.querySelectorAll('figure svg path').length > 3")
        time.sleep(1)
        # From the name of the plan to the end of the first figure.
        top, bottom = page.run("""(() => {
          const figure = [...document.querySelectorAll('h2, h3')]
            .find((one) => one.innerText === 'Error rate').closest('section, article, div');
          return [document.querySelector('h1').getBoundingClientRect().top + scrollY - 40,
                  figure.parentElement.getBoundingClientRect().bottom + scrollY];
        })()""")
        clip = {"x": 0, "y": top, "width": WIDTH, "height": bottom - top + 14, "scale": SCALE}
        data = page.send("Page.captureScreenshot", format="webp", quality=85, clip=clip,
                         captureBeyondViewport=True)["data"]
        name = f"step-back-{'dark' if dark else 'light'}.webp"
        (FOLDER / name).write_bytes(base64.b64decode(data))
    finally:
        browser.stop()


def main():
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        # Its budgets are meant for a night's few requests.
        config = CONFIG.partition("budgets:")[0]
        server = Server(pathlib.Path(folder), config.format(url=Upstream().url))
        try:
            begun = datetime.datetime.now(datetime.UTC)
            tell(Night(server))
            ended = datetime.datetime.now(datetime.UTC)
            for dark in [False, True]:
                shoot(server, dark, begun, ended)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
