"""The dashboard in a real browser, beside a real server: what people see, press and are refused."""

import datetime
import http.server
import importlib.util
import json
import os
import pathlib
import threading
import time
import urllib.parse

import pytest

from browser import CHROMIUM, Browser
from conftest import Server, Upstream
from story import CONFIG, Night

if CHROMIUM is None and os.environ.get("CI") != "true":
    pytest.skip("SKIPPED: Chromium is not installed; the dashboard was NOT tested",
                allow_module_level=True)

HERE = pathlib.Path(__file__).parent
PICTURES = HERE.parents[1] / ".build" / "dashboard"
SIZES = {"1440": 1440, "390": 390}


def axe():
    """The engine that axe-playwright-python carries; of the package only this file is used."""
    package = importlib.util.find_spec("axe_playwright_python")
    assert package or os.environ.get("CI") != "true", "axe-playwright-python is not installed"
    if package is None:
        pytest.skip("SKIPPED: axe-core is not installed; accessibility was NOT tested")
    return (pathlib.Path(package.origin).parent / "axe.min.js").read_text()


@pytest.fixture(scope="module")
def browser():
    assert CHROMIUM, "Chromium is not installed"
    browser = Browser()
    yield browser
    browser.stop()


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("night"), CONFIG.format(url=Upstream().url))
    yield Night(server).tell()
    server.stop()


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """A server with nothing on it, for who wants to change things alone."""
    server = Server(tmp_path_factory.mktemp("quiet"), "{}")
    yield server
    server.stop()


@pytest.fixture
def pages(browser):
    """Makes signed-in pages; at the end none of them may have complained or looked elsewhere."""
    made = []

    def make(server, path="/", token=None, **options):
        page = browser.page(url=server.url, **options)
        made.append(page)
        sign_in(page, path, token or server.token)
        return page

    yield make
    for page in made:
        page.run("1")
        wrong = [error for error in page.errors
                 if not any(word in error for word in page.expected)]
        strangers = [url for url in page.requests if not url.startswith((page.url, "blob:"))]
        page.close()
        assert wrong == []
        assert strangers == []


def sign_in(page, path, token):
    # The page asks who it is before anybody has signed in.
    page.expected.append("401 (Unauthorized)")
    page.go(path)
    page.fill("Token", token)
    page.click("Sign in", "button")
    page.sees("Sign out" if page.run("innerWidth > 640") else "live")
    page.until("document.querySelector('#main h1')?.innerText !== 'Rollout'")


def token(server, scope, **more):
    name = f"t{time.time_ns()}"
    made = server.call("POST", "/v1/tokens", {"name": name, "scopes": [scope], **more}).json()
    return made["token"], made["id"], name


def state(server, feature):
    return server.call("GET", f"/v1/plans/{feature}").json()


def feature_of(server, name, stage=None, **more):
    night = Night(server)
    night.plan(name, stage, **more)
    return night


# MARK: Signing in

def test_signing_in_keeps_nothing_a_script_could_read(browser, quiet):
    page = browser.page(url=quiet.url)
    page.go("/")
    page.fill("Token", "ro_wrong")
    page.click("Sign in", "button")
    page.sees("no valid token")
    page.fill("Token", quiet.token)
    page.click("Sign in", "button")
    page.sees("No rollouts yet")
    assert page.run("document.cookie") == ""
    assert page.run("Object.keys(localStorage).length + Object.keys(sessionStorage).length") == 0
    assert page.sees("rollout plan apply -f")
    page.click("Sign out", "button")
    page.sees("You are signed out.")
    assert page.run("fetch('/v1/plans').then((answer) => answer.status)") == 401
    page.close()


def test_who_may_only_look_is_told_so_and_can_press_nothing(pages, night):
    page = pages(night.server, "/plans/reply-suggestions", token=token(night.server, "view")[0])
    page.sees("You may look.")
    for name in ["Advance", "Roll back", "Pause", "Kill", "Acknowledge"]:
        found = page.run(f"({page.FIND % (json.dumps(name), json.dumps('button'))})"
                         "?.getAttribute('aria-disabled')")
        assert found == "true", name
    page.click("Roll back", "button")
    page.sees("Changes need one with scope operate")
    assert page.run("document.querySelector('dialog')") is None
    assert page.run("[...document.querySelectorAll('nav a')].map((a) => a.innerText)") == [
        "Rollouts", "Activity", "Providers", "Money"]


def test_a_revoked_token_signs_its_browser_out(pages, quiet):
    text, number, name = token(quiet, "view")
    page = pages(quiet, token=text)
    page.expected += ["401", "ERR_INCOMPLETE_CHUNKED_ENCODING"]
    assert quiet.call("DELETE", f"/v1/tokens/{number}?confirm={name}").status_code == 204
    page.sees("You are signed out: the token was revoked")


# MARK: What people see

def test_the_title_is_the_answer_and_the_most_urgent_comes_first(pages, night):
    page = pages(night.server)
    page.sees("One rollout needs you")
    page.until("document.title.startsWith('One rollout needs you')")
    page.sees("reply-suggestions went from 50 % back to 25 %")
    page.sees("It stays at 25 % until somebody has looked.")
    rows = page.run("[...document.querySelectorAll('.list .name')].map((a) => a.innerText)")
    assert rows[0] == "reply-suggestions"
    assert rows[-2:] == ["code-hints", "translate-inline"]
    text = page.text()
    for words in ["held after a step back", "completed", "killed", "by admin: “wrong model”"]:
        assert words in text, words
    assert page.run("document.querySelectorAll('main').length") == 1
    assert page.run("document.querySelectorAll('h1').length") == 1


def test_a_plan_says_what_happened_to_how_many_and_what_may_be_done(pages, night):
    page = pages(night.server, "/plans/reply-suggestions?range=1h")
    page.sees("Stepped back from 50 % to 25 %")
    page.sees("so it was the feature")
    for words in ["Nobody has acknowledged yet", "Cooldown", "What failed, in 1 h", "timeout",
                  "with request ids", "step back", "The plan file"]:
        assert words in page.text(), words
    assert page.run("document.querySelector('.track [aria-current=step]').innerText.trim()") \
        .replace("\u00a0", " ") == "25 %"
    assert page.run("document.querySelectorAll('.track .was').length") == 1
    page.fill("User id", "anna")
    page.click("Check", "button")
    page.until("/^(Yes|No): bucket/.test(document.querySelector('.ask [role=status]').innerText)")


def test_every_address_opens_the_same_picture(pages, night):
    page = pages(night.server, "/plans/reply-suggestions?range=24h&tz=utc")
    page.sees("Times in UTC.")
    page.until("document.querySelector('.seg [aria-pressed=true]')?.innerText === '24 h'")
    page.click("1 h", "button")
    page.until("location.search.includes('range=1h')")
    page.run("history.back()")
    page.until("location.search.includes('range=24h')")
    page.press("6")
    page.until("location.search.includes('range=6h')")


def test_figures_speak_and_are_tables_too(pages, night):
    page = pages(night.server, "/plans/reply-suggestions?range=6h")
    page.until("document.querySelector('.figure-box')")
    page.run("document.querySelector('.figure-box').focus()")
    for _ in range(3):
        page.press("ArrowLeft")
    said = page.until("document.getElementById('spoken').innerText")
    assert "request" in said
    rows = page.run("document.querySelectorAll('figure .same tbody tr').length")
    assert rows > 20
    label = page.run("document.querySelector('figure svg.chart').getAttribute('aria-label')")
    assert "failed" in label


def test_dragging_zooms_and_the_address_knows(pages, night):
    page = pages(night.server, "/plans/reply-suggestions?range=6h")
    page.until("document.querySelector('.figure-box .l-feat')?.getAttribute('d').length > 100")
    x, y, width = page.run("(() => { const b = document.querySelector('.figure-box svg')"
                           ".getBoundingClientRect(); return [b.x, b.y, b.width]; })()")
    page.mouse("mousePressed", x + width * 0.5, y + 60)
    for part in [0.55, 0.6, 0.7]:
        page.mouse("mouseMoved", x + width * part, y + 60)
    page.mouse("mouseReleased", x + width * 0.7, y + 60)
    page.until("location.search.includes('from=') && location.search.includes('to=')")
    page.click("Zoom out", "button")
    page.until("!location.search.includes('from=')")


def test_dragging_the_limit_says_what_it_would_have_done(pages, night):
    page = pages(night.server, "/plans/reply-suggestions?range=1h")
    page.until("document.querySelector('.grip')")
    x, y = page.run("(() => { const b = document.querySelector('.grip').getBoundingClientRect();"
                    " return [b.x + b.width / 2, b.y + b.height / 2]; })()")
    page.mouse("mousePressed", x, y)
    for step in range(1, 8):
        page.mouse("mouseMoved", x, y - step * 4)
    page.mouse("mouseReleased", x, y - 28)
    page.until("/At .* would (not )?have stepped back/.test("
               "document.querySelector('.trialsay')?.innerText)", 40)
    page.sees("In force: 5 %.")
    page.run("document.querySelector('.dragged').focus()")
    page.press("ArrowDown")
    page.until("/At .* would (not )?have stepped back/.test("
               "document.querySelector('.trialsay')?.innerText)", 40)
    page.click("End the trial", "button")
    page.until("!document.querySelector('.trialsay')")


def test_a_change_is_seen_by_who_looks_without_asking(pages, quiet):
    night = feature_of(quiet, "live-one", "25")
    page = pages(quiet, "/plans/live-one")
    page.sees("25 %")
    night.command("pause", "live-one", "lunch")
    page.sees("Paused at 25 %", 5)
    page.sees("“lunch”")
    night.command("resume", "live-one")
    night.present("live-one", 40)
    page.until("/40 requests|of 40/.test(document.body.innerText)", 10)


# MARK: What people do

def test_advance_is_refused_with_the_servers_own_words(pages, night):
    page = pages(night.server, "/plans/reply-suggestions")
    page.expected.append("409 (Conflict)")
    page.sees("Stepped back")
    page.click("Advance", "button")
    page.until("document.querySelector('dialog[open] .gates')")
    page.fill("Reason", "we want it")
    page.click("Confirm", "button")
    page.until("/held/.test(document.querySelector('dialog .wrong').innerText)")
    assert state(night.server, "reply-suggestions")["stage"] == "25"
    page.press("Escape")
    page.until("!document.querySelector('dialog')")


def test_acknowledging_rolling_back_and_killing(pages, quiet):
    night = feature_of(quiet, "acted", "50")
    night.present("acted", 60)
    night.step_back("acted")
    page = pages(quiet, "/plans/acted")
    page.sees("Stepped back from 50 % to 25 %")
    page.click("Acknowledge", "button")
    page.fill("Reason", "openai had an incident")
    page.click("Confirm", "button")
    page.sees("Acknowledged acted.")
    page.sees("admin has looked at it")
    assert state(quiet, "acted")["hold"]["acknowledged_by"] == "token:admin"
    page.click("Roll back", "button")
    page.until("/lose it/.test(document.querySelector('dialog').innerText)")
    page.fill("Reason", "support is swamped")
    page.click("Confirm", "button")
    page.sees("Rolled back acted.")
    assert state(quiet, "acted")["stage"] == "beta"
    # At three in the morning: a key, a reason, Enter.
    page.until("!document.querySelector('dialog')")
    page.run("document.activeElement.blur()")
    page.press("k")
    page.until("document.activeElement?.id === 'act-reason'")
    page.send("Input.insertText", text="wrong model")
    page.press("Enter")
    page.sees("Nobody has acted")
    assert state(quiet, "acted")["status"] == "killed"
    events = quiet.call("GET", "/v1/plans/acted/events").json()["events"]
    assert events[0]["reason"] == "wrong model"
    page.click("Resume", "button")
    page.fill("Reason", "the model is right again")
    page.click("Confirm", "button")
    page.sees("Resumed acted.")
    assert state(quiet, "acted")["status"] == "active"


def test_who_was_faster_is_named(pages, quiet):
    night = feature_of(quiet, "raced", "25")
    page = pages(quiet, "/plans/raced")
    page.expected.append("409 (Conflict)")
    page.click("Roll back", "button")
    night.command("pause", "raced", "support is swamped")
    page.fill("Reason", "me too")
    page.click("Confirm", "button")
    page.sees("Somebody was faster")
    page.sees("“support is swamped”. Nothing of yours was done.")
    page.click("Look again", "button")
    page.sees("Paused at 25 %")
    assert state(quiet, "raced")["stage"] == "25"


def test_archiving_asks_for_the_name(pages, quiet):
    feature_of(quiet, "typed")
    Night(quiet).command("kill", "typed", "enough")
    page = pages(quiet, "/plans/typed")
    page.click("Archive", "button")
    page.fill("Type typed to archive it", "typo")
    page.press("Enter")
    assert page.run("document.querySelector('dialog [type=submit]').getAttribute('aria-disabled')") \
        == "true"
    page.fill("Type typed to archive it", "typed")
    page.click("Confirm", "button")
    page.sees("Archived typed.")
    assert state(quiet, "typed")["status"] == "archived"


def test_advancing_to_everyone_says_so(pages, quiet):
    feature_of(quiet, "wide", "50")
    page = pages(quiet, "/plans/wide")
    page.click("Advance", "button")
    page.sees("Everyone gets it.")
    page.fill("Reason", "all is well")
    page.click("Confirm", "button")
    page.sees("Advanced wide.")
    assert state(quiet, "wide")["stage"] == "100"


def test_tokens_are_made_once_and_revoked_by_name(pages, quiet):
    page = pages(quiet, "/tokens")
    page.click("New token", "button")
    page.fill("Name", "jonas")
    page.click("Confirm", "button")
    page.sees("jonas is made")
    made = page.run("document.querySelector('.notice pre').innerText")
    assert quiet.call("GET", "/v1/plans", token=made).status_code == 200
    page.click("Revoke jonas", "button")
    page.fill("Type jonas to revoke it", "jonas")
    page.click("Confirm", "button")
    page.until("!document.querySelector('dialog')")
    assert quiet.call("GET", "/v1/plans", token=made).status_code == 401


# MARK: When things are not as usual

def test_it_comes_back_after_a_restart(pages, tmp_path):
    server = Server(tmp_path, "{}")
    night = feature_of(server, "kept", "25")
    page = pages(server, "/plans/kept")
    page.expected += ["ERR_", "401"]
    page.sees("25 %")
    port = server.url.rpartition(":")[2]
    server.stop()
    page.sees("Not connected since", 10)
    page.sees("Buttons wait until it answers.")
    found = page.run(f"({page.FIND % (json.dumps('Kill'), json.dumps('button'))})"
                     ".getAttribute('aria-disabled')")
    assert found == "true"
    server.start(port)
    page.sees("The server was restarted", 40)
    page.until("!document.body.innerText.includes('Not connected')")
    night.command("pause", "kept", "after the restart")
    page.sees("Paused at 25 %", 5)
    server.stop()


def test_a_thousand_rollouts_are_filtered_by_the_server(pages, tmp_path):
    server = Server(tmp_path, "{}")
    for number in range(1000):
        name = f"rollout-{number:04}"
        assert server.call("PUT", f"/v1/plans/{name}", {"feature": name}).status_code == 201
    page = pages(server)
    page.sees("Show more of 1,000")
    assert page.run("document.querySelectorAll('.list tbody tr').length") == 50
    page.click("Show more of 1,000", "button")
    page.until("document.querySelectorAll('.list tbody tr').length === 100")
    page.press("/")
    page.send("Input.insertText", text="0777")
    page.until("document.querySelectorAll('.list tbody tr').length === 1")
    assert "filter=0777" in page.run("location.search")
    page.sees("1 rollout with “0777”")
    page.press("Escape")
    page.press("j")
    page.press("Enter")
    page.until("location.pathname === '/plans/rollout-0777'")
    page.sees("Not started")
    server.stop()


def test_what_is_not_there_says_so(pages, quiet):
    page = pages(quiet, "/plans/nobody-knows")
    page.expected.append("404 (Not Found)")
    page.sees("There is no feature")
    page.go("/providers")
    page.sees("No providers")
    page.go("/jobs")
    page.sees("There are none.")


STATES = {
    "draft": ("Not started", lambda night: None),
    "dry": ("dry run", lambda night: night.command("start", "state-dry")),
    "gathering": ("Too little to say", lambda night: (
        night.command("start", "state-gathering"), night.present("state-gathering", 8))),
    "manual": ("Rolled back by hand", lambda night: (
        night.command("start", "state-manual"),
        night.command("advance", "state-manual", "x", force=True),
        night.command("rollback", "state-manual", "support is swamped"))),
    "off": ("Nobody has it", lambda night: (
        night.command("start", "state-off"), night.command("rollback", "state-off", "no", to="off"),
        )),
    "paused": ("Paused at", lambda night: (
        night.command("start", "state-paused"), night.command("pause", "state-paused", "lunch"))),
    "killed": ("Nobody has state-killed", lambda night: (
        night.command("start", "state-killed"), night.command("kill", "state-killed", "wrong"))),
    "alert": ("after an alert", lambda night: (
        night.command("start", "state-alert"), night.command("advance", "state-alert", "x", force=True),
        night.server.call("POST", "/v1/alerts", {"id": "7", "feature": "state-alert",
                                                 "action": "rollback", "reason": "burns"}))),
    "investigate": ("Held to be looked at", lambda night: (
        night.command("start", "state-investigate"), night.steady("state-investigate", 4, 0))),
    "outage": ("Held, not stepped back", lambda night: (
        night.command("start", "state-outage"), night.command("advance", "state-outage", "x", force=True),
        night.steady("state-outage", 30, 30))),
    "completed": ("Completed: everyone has it", lambda night: (
        night.command("start", "state-completed"),
        [night.command("advance", "state-completed", "x", force=True) for _ in range(4)],
        night.command("complete", "state-completed", "done"))),
    "archived": ("It answers as when it was completed", lambda night: (
        night.command("start", "state-archived"),
        [night.command("advance", "state-archived", "x", force=True) for _ in range(4)],
        night.command("complete", "state-archived", "done"),
        night.command("archive", "state-archived", "tidy", confirm="state-archived"))),
}


@pytest.mark.parametrize("name", STATES)
def test_every_state_has_a_word_and_a_shape(pages, quiet, name):
    words, make = STATES[name]
    feature = f"state-{name}"
    body = {"feature": feature, "stages": STAGES_OF_STATES, **({"dry_run": True} if name == "dry" else {})}
    assert quiet.call("PUT", f"/v1/plans/{feature}", body).status_code == 201
    make(Night(quiet))
    page = pages(quiet, f"/plans/{feature}")
    page.sees(words)
    assert page.run("document.querySelector('h1 .tag .glyph path, h1 .tag .glyph circle') !== null")
    assert page.run("document.querySelector('h1 .tag').innerText.trim().length") > 2
    page.shoot(f"state-{name}", PICTURES)


STAGES_OF_STATES = [{"name": "internal", "cohort": "internal"}, {"name": "beta", "percent": 5},
                    {"name": "25", "percent": 25}, {"name": "50", "percent": 50},
                    {"name": "100", "percent": 100}]


# MARK: Beside the plans, and from a message

def test_activity_shows_who_changed_what_beside_the_plans(pages, quiet):
    made = quiet.call("POST", "/v1/tokens", {"name": "audited", "scopes": ["view"], "reason": "the shop asks"})
    assert made.status_code == 201
    feature_of(quiet, "beside", None)
    page = pages(quiet, "/activity")
    page.sees("Made the token audited: view, until")
    page.sees("the shop asks")
    page.sees("Signed in from")
    times = page.run("[...document.querySelectorAll('tbody time')].map((t) => t.dateTime)")
    assert len(times) > 3
    # Each list is in the order of its ids; what the monitor does is dated at its look, a moment before.
    moments = [datetime.datetime.fromisoformat(time.replace("Z", "+00:00")) for time in times]
    assert all((after - before).total_seconds() < 2 for before, after in zip(moments, moments[1:])), times
    page.run("document.getElementById('f-type').value = 'token_created';"
             "document.getElementById('f-type').dispatchEvent(new Event('change'))")
    page.until("location.search.includes('type=token_created')")
    page.until("[...document.querySelectorAll('tbody tr')].every((r) => r.innerText.includes('token'))")
    page.run("document.getElementById('f-type').value = 'applied';"
             "document.getElementById('f-type').dispatchEvent(new Event('change'))")
    page.until("location.search.includes('type=applied')")
    page.until("document.querySelector('tbody').innerText.includes('beside')"
               " && !document.querySelector('tbody').innerText.includes('token')")
    assert "audited" not in page.run("document.querySelector('tbody').innerText")
    # Who is limited to features is not asked to look at what is everybody's.
    limited = pages(quiet, "/activity", token=token(quiet, "view", features=["beside"])[0])
    limited.sees("Changed the file")
    assert "Made the token" not in limited.text()


class Inbox:
    """Takes webhooks, and keeps what they say."""

    def __init__(self):
        self.messages = messages = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_POST(self):
                messages.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(204)
                self.send_header("content-length", "0")
                self.end_headers()

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def link(self, kind, seconds=20):
        """The path of the link in the newest message of a kind."""
        end = time.time() + seconds
        while time.time() < end:
            for message in reversed(self.messages):
                if message["type"] == f"rollout.{kind}" and "links" in message:
                    return urllib.parse.urlparse(message["links"][0]["url"]).path
            time.sleep(0.2)
        raise AssertionError([message["type"] for message in self.messages])


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    inbox = Inbox()
    server = Server(tmp_path_factory.mktemp("told"), f"""
public_url: https://rollout.example.org
notify: [{{kind: webhook, url: "{inbox.url}", allow_private: true}}]
""")
    yield server, inbox
    server.stop()
    inbox.server.shutdown()


def test_a_link_of_a_message_does_nothing_until_who_signs_in_presses_its_button(browser, pages, told):
    server, inbox = told
    server.plan("ai-links", stages=[{"name": "few", "percent": 5},
                                    {"name": "many", "percent": 50, "approvals": 1}])
    path = inbox.link("approval")
    before = state(server, "ai-links")["version"]
    page = browser.page(url=server.url)
    page.expected.append("401 (Unauthorized)")
    page.go(path)
    page.sees("Sign in")
    assert "ai-links" not in page.text()
    page.fill("Token", token(server, "operate")[0])
    page.click("Sign in", "button")
    page.sees("Approve ai-links?")
    page.sees("goes on to the stage many")
    assert state(server, "ai-links")["version"] == before, "looking at it does nothing"
    engine = axe()
    for size, width in SIZES.items():
        page.size(width, 900)
        page.shoot(f"link-{size}", PICTURES)
        assert page.run("document.documentElement.scrollWidth - innerWidth") <= 0
        page.run(engine)
        assert page.run("axe.run(document).then((r) => r.violations.map((v) => v.id))") == []
    page.size(1440, 900)
    page.click("Approve", "button")
    page.fill("Reason", "looks well")
    page.click("Confirm", "button")
    page.sees("A link is good for one use")
    event = server.call("GET", "/v1/plans/ai-links/events").json()["events"][0]
    assert event["type"] == "approved" and event["reason"] == "looks well"
    assert event["actor"].startswith("token:t")
    assert page.run("[...document.querySelectorAll('button')].some((b) => b.innerText === 'Approve…')") is False
    page.close()
    # Who may only look sees what is wanted, and is told that the token is not enough.
    server.call("POST", "/v1/alerts", {"id": "1", "feature": "ai-links", "action": "pause"})
    viewer = pages(server, path, token=token(server, "view")[0])
    viewer.sees("The plan has changed since")
    forged = pages(server, path[:-3] + "xyz")
    forged.expected.append("404")
    forged.sees("none of this server's")


# MARK: What it looks like

SCREENS = {
    "overview": "/", "plan": "/plans/reply-suggestions?range=1h", "plan-6h": "/plans/reply-suggestions",
    "waits": "/plans/call-notes?range=24h", "gathering": "/plans/smart-search?range=1h",
    "killed": "/plans/code-hints?range=24h", "activity": "/activity", "providers": "/providers",
    "money": "/money", "tokens": "/tokens", "jobs": "/jobs",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_pictures_without_complaint(pages, night, size, scheme):
    """Nothing sticks out at either size, and axe has nothing to say of any screen."""
    engine = axe()
    page = pages(night.server, width=SIZES[size], height=900, dark=scheme == "dark")
    for name, path in SCREENS.items():
        page.go(path)
        page.until("document.querySelector('#main h1') && "
                   "document.querySelector('#main h1').innerText !== 'Rollout' && "
                   "!document.querySelector('[aria-busy]')")
        if path == "/":
            page.until("document.querySelector('.two .feed') && document.querySelector('.pic svg')")
        time.sleep(0.3)
        page.shoot(f"{name}-{size}-{scheme}", PICTURES)
        over = page.run("document.documentElement.scrollWidth - innerWidth")
        assert over <= 0, f"{name} is {over} px too wide"
        page.run(engine)
        found = page.run("axe.run(document, {resultTypes: ['violations']}).then((r) => "
                         "r.violations.map((v) => [v.id, v.nodes.map((n) => n.html).slice(0, 3)]))")
        assert found == [], f"{name}: {json.dumps(found, indent=1)}"
        if size == "390":
            small = page.run(
                "[...document.querySelectorAll('.dock button, .acts .btn, dialog button')]"
                ".filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 44)"
                ".map((e) => e.innerText)")
            assert small == []


def test_dialogs_without_complaint(pages, night):
    engine = axe()
    for scheme in ["light", "dark"]:
        page = pages(night.server, "/plans/reply-suggestions", dark=scheme == "dark")
        for name in ["Advance", "Roll back", "Kill", "Keys"]:
            page.click(name, "button")
            page.until("document.querySelector('dialog[open]')")
            page.shoot(f"dialog-{name.lower().replace(' ', '-')}-{scheme}", PICTURES, whole=False)
            page.run(engine)
            found = page.run("axe.run(document.querySelector('dialog')).then((r) => "
                             "r.violations.map((v) => [v.id, v.nodes.map((n) => n.html)]))")
            assert found == [], f"{name}: {found}"
            page.press("Escape")
            page.until("!document.querySelector('dialog')")


def test_forced_colours_print_and_little_motion(pages, night):
    page = pages(night.server, "/plans/reply-suggestions?range=1h")
    page.sees("Stepped back")
    page.media(forced_colors="active")
    page.shoot("plan-forced-colors", PICTURES)
    page.media(prefers_reduced_motion="reduce")
    assert page.run("getComputedStyle(document.querySelector('.live i')).animationName") == "none"
    page.send("Emulation.setEmulatedMedia", media="print", features=[])
    assert page.run("[...document.querySelectorAll('nav, .acts2')]"
                    ".every((e) => !e.checkVisibility())")
    page.shoot("plan-print", PICTURES)


def test_paths_are_drawn_as_they_were(pages, quiet):
    """Golden paths: whoever changes how figures are drawn looks at this and at the pictures."""
    page = pages(quiet)
    golden = json.loads((HERE / "golden-figures.json").read_text())
    for name, case in golden.items():
        script = ("import('/assets/figures.js').then((f) => { const x = f.scale([0, 100], [0, 1000]), "
                  "y = f.scale([0, 1], [100, 0]), line = (p) => p; return " + case["call"] + "; })")
        assert page.run(script) == case["gives"], name


def test_it_paints_at_once_and_rests_when_nothing_happens(pages, quiet):
    page = pages(quiet)
    page.go("/")
    page.sees("live")
    paint = page.until("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    assert paint < 1000, f"first paint after {paint} ms"
    page.send("Performance.enable")

    def busy():
        values = page.send("Performance.getMetrics")["metrics"]
        return next(one["value"] for one in values if one["name"] == "TaskDuration")

    time.sleep(2)
    before = busy()
    time.sleep(5)
    print(f"first paint {paint:.0f} ms, busy {(busy() - before) / 5:.2%}")
    assert (busy() - before) / 5 < 0.05
