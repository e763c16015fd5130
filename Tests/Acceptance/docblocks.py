"""Blocks of the docs as things to run: what a page says to type, and what it says comes of it."""

import html
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

from conftest import BIN, Server, free_port

ROOT = pathlib.Path(__file__).parents[2]

# Why a block may not be run. Whoever needs another reason says here what it is.
REASONS = {
    "builds from source": "it takes minutes, and the tests could not run without it",
    "needs systemd": "a test does not manage services",
    "changes this machine": "it installs packages, or writes to /etc",
    "needs another repository": "it works on what is not here",
    "needs a terminal": "it draws on one, or asks a person",
    "takes minutes": "it waits for real time",
}
# Seconds that a block may take.
PATIENCE = 60


class Block:
    """A fenced block, with the comment that stands before it."""

    def __init__(self, kind, text, mark, line):
        self.kind, self.text, self.mark, self.line = kind, text, mark, line

    @property
    def reason(self):
        """Why it is not run; None for one that is."""
        found = re.fullmatch(r"not run: (.+)", self.mark)
        return found and found.group(1)

    @property
    def stays(self):
        return self.mark == "runs until it is stopped"

    def commands(self):
        """(command, expected output) of a console block, in order."""
        command, expected = None, []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                if command is not None:
                    yield command, expected
                command, expected = line[2:], []
            elif command is not None and not expected and is_open(command):
                command += "\n" + line
            else:
                assert command is not None, f"line {self.line}: output without a command"
                expected.append(line.rstrip())
        if command is not None:
            yield command, expected


def is_open(command):
    """Whether a shell would ask for another line."""
    try:
        shlex.split(command)
    except ValueError:
        return True
    return command.endswith("\\")


def blocks(text):
    """Blocks of a page, and `<!-- setup` comments as blocks of the kind `setup`."""
    found, lines, number, mark = [], text.splitlines(), 0, ""
    while number < len(lines):
        line = lines[number]
        fence = re.fullmatch(r"```(\w*)", line)
        if fence or line == "<!-- setup":
            end = "```" if fence else "-->"
            last = next(n for n in range(number + 1, len(lines)) if lines[n] == end)
            body = "\n".join(lines[number + 1:last]) + "\n"
            found.append(Block(fence.group(1) if fence else "setup", body, mark, number + 1))
            number, mark = last, ""
        elif line.startswith("<!--") and line.endswith("-->"):
            mark = line[4:-3].strip()
        elif line.strip():
            mark = ""
        number += 1
    return found


def pages():
    """Every page that people read, the README first."""
    others = sorted((ROOT / "docs").rglob("*.md")) + [ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
    return [ROOT / "README.md"] + [path for path in others if path.exists()]


def name_of(page):
    return str(page.relative_to(ROOT))


def anchors(text):
    """What links can point at in a page, as GitHub names its headings."""
    names = {}
    for block in blocks(text):
        text = text.replace(f"```{block.kind}\n{block.text}```", "")
    for title in re.findall(r"^#+ +(.+?) *$", text, re.M):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
        title = html.unescape(re.sub(r"[`*]", "", title))
        name = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        names[name] = names.get(name, -1) + 1
    return {f"{name}-{number}" if number else name
            for name, count in names.items() for number in range(count + 1)}


def same_every_day(line):
    """Times, ids, secrets and speeds differ between runs; everything else must not."""
    for pattern, word in [
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?Z?( UTC)?", "<time>"),
        (r"\d{4}-\d\d-\d\d", "<day>"),
        (r"\b(req|job|chatcmpl|msg)_[0-9a-f]{8,}", "<id>"),
        (r"\bro_[\w-]{20,}", "<token>"),
        (r"\bToken [\w-]{10}\b", "Token <id>"),
        (r"\d+ m( \d+ s)? left", "<minutes> left"),
        (r"\d\d:\d\d(:\d\d)?( [A-Z]+)?", "<clock>"),
        (r"\b\d+(\.\d+)? (ms|[kMGT]B)\b", "<amount>"),
        (r"\b\d+ (TB|GB) are free", "<amount> are free"),
    ]:
        line = re.sub(pattern, word, line)
    return line.rstrip()


def matches(printed, expected):
    """Whether lines are as expected; `…` alone stands for any number of lines."""
    if not expected:
        return not printed
    if expected[0] == "…":
        return any(matches(printed[n:], expected[1:]) for n in range(len(printed) + 1))
    return bool(printed) and printed[0] == expected[0] and matches(printed[1:], expected[1:])


class Desk:
    """A folder with the examples, a server of its own and a shell, where a page is followed."""

    def __init__(self, folder, page):
        self.folder, self.exports = folder, folder.parent / f"{folder.name}.exports"
        for name in ["examples", "deploy"]:
            shutil.copytree(ROOT / name, folder / name)
        self.guests, self.addresses = [], {}
        for port in sorted(set(re.findall(r"127\.0\.0\.1:(80\d\d)", page))):
            self.addresses[f"127.0.0.1:{port}"] = f"127.0.0.1:{free_port()}"
        self.server = None
        if not any(block.stays and "127.0.0.1:8080" in block.text for block in blocks(page)):
            self.server = Server(folder, (ROOT / "examples/rollout.yaml").read_text())
            # The page names its own files; this one was the server's alone.
            self.server.config.unlink()
            self.addresses["127.0.0.1:8080"] = self.server.url.removeprefix("http://")
        home = folder.parent / f"{folder.name}.home"
        home.mkdir()
        self.addresses["/home/mira"] = str(home)
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("ROLLOUT_")}
        self.env |= {"HOME": str(home), "TZ": "UTC", "LANG": "C.UTF-8",
                     "PATH": f"{pathlib.Path(sys.executable).parent}:{BIN}:{os.environ['PATH']}"}
        if self.server:
            self.env |= {"ROLLOUT_URL": self.server.url, "ROLLOUT_TOKEN_FILE": "data/admin.token",
                         "TOKEN": self.server.token}

    def here(self, text):
        for there, here in self.addresses.items():
            text = text.replace(there, here)
        return text

    def there(self, text):
        for there, here in self.addresses.items():
            text = text.replace(here, there)
        return text

    def known(self):
        """What blocks before have exported, for a shell."""
        return f"[ -f {self.exports} ] && . {self.exports}\n"

    def run(self, script, strict):
        """Exit code and output; what it exports is there for the next."""
        keep = f"\nstatus=$?; export -p >{self.exports}; exit $status"
        flags = "set -euo pipefail\n" if strict else ""
        done = subprocess.run(
            ["bash", "-c", self.known() + flags + self.here(script).rstrip("\n") + keep], env=self.env,
            cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=PATIENCE)
        return done.returncode, self.there(done.stdout)

    def host(self, script):
        """Starts a server that runs until the page is read."""
        log = open(self.folder.parent / f"{self.folder.name}.{len(self.guests)}.log", "w+")
        guest = subprocess.Popen(["bash", "-c", self.known() + "exec " + self.here(script)], env=self.env,
                                 cwd=self.folder, stderr=log, start_new_session=True)
        self.guests.append(guest)
        for _ in range(400):
            log.seek(0)
            if '"message":"listening"' in log.read():
                return
            assert guest.poll() is None, (log.seek(0), log.read())
            try:
                guest.wait(0.05)
            except subprocess.TimeoutExpired:
                pass
        raise AssertionError(f"it does not listen: {script}")

    def leave(self):
        for guest in self.guests:
            guest.terminate()
            assert guest.wait(20) == 0
        if self.server:
            self.server.stop()
