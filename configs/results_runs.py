"""What the scripts that fill tables of docs/results.md share: they run lait's programs, can be
stopped and started again, and keep one JSON a run."""
import datetime
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import textwrap
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "results.md"
FOLDER = ROOT / "docs" / "results"


def fail(message):
    sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {message}")


def data_file(folder, name):
    for file in (folder / name, folder / (name + ".gz")):
        if file.exists():
            return file
    fail(f"--data: expected {folder / name} or {name}.gz, got neither")


class Child:
    """Runs programs. They have a session of their own, so that a Ctrl-C reaches this script only,
    which passes it on once; then lait-train saves."""

    def __init__(self):
        self.process = None
        self.signal = None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.stop)

    def stop(self, number, _frame):
        self.signal = number
        if self.process is None:
            sys.exit(128 + number)
        if self.process.poll() is None:
            self.process.send_signal(number)

    def run(self, *command):
        words = [str(word) for word in command]
        print("$", " ".join(words), file=sys.stderr)
        self.process = subprocess.Popen(words, start_new_session=True, stdin=subprocess.DEVNULL)
        code = self.process.wait()
        if self.signal:
            print("stopped; the same command goes on", file=sys.stderr)
            sys.exit(128 + self.signal)
        if code != 0:
            fail(f"exit code {code}: {' '.join(words)}")
        self.process = None


def read_json(file):
    return json.loads(file.read_text(encoding="utf-8"))


def write(file, text):
    """Writes a file whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(file.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, file)


def write_json(file, value):
    write(file, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def write_between(page, name, text):
    """Writes PAGE as `page`, with `text` between the markers of that name."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    before = PAGE.read_text(encoding="utf-8")
    if begin not in before or end not in before:
        fail(f"{PAGE}: expected the markers {begin.strip()} and {end.strip()}")
    write(page, before.split(begin)[0] + begin + text + end + before.split(end)[1])


def markdown(rows):
    """The table's lines; its first row is the header."""
    rows = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def origin(results, first):
    """Below a table: on what its runs were made, and how long they took."""
    parts = [first]
    for key in ("machine", "precision", "version", "date"):
        parts.append(f"{key}: {', '.join(sorted({run[key] for run in results}))}")
    minutes = [run["seconds"] / 60 for run in results]
    parts.append(f"minutes a run: {min(minutes):.0f} to {max(minutes):.0f}")
    return textwrap.fill("; ".join(parts) + ".", 150) + "\n"


def options(settings):
    return [word for key, setting in settings.items() for word in ("--set", f"{key}={setting}")]


def machine(device):
    if device == "cuda":
        query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        return subprocess.check_output(query, text=True).splitlines()[0].strip()
    names = re.findall(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return f"{names[0]}, {os.cpu_count()} threads"


def without_paths(config):
    """The lines of a run's config.yaml that mean the same elsewhere."""
    paths = re.compile(r" +(path|train|validation|test|dir): ")
    return [line for line in config.splitlines() if not paths.match(line)]


class Programs:
    """lait's programs of a build."""

    def __init__(self, build, names):
        self.folder = build / "bin"
        for name in names:
            if not (self.folder / name).exists():
                fail(f"expected {self.folder / name}, got nothing there; run make, or --build")
        self.child = Child()

    def run(self, name, *arguments):
        self.child.run(self.folder / name, *arguments)

    def train(self, config, settings, folder):
        """Trains in `folder`, or goes on there. Returns its report and the seconds, those of its
        stopped parts, too."""
        so_far = folder.with_name(folder.name + ".seconds")
        begun = (folder / "config.yaml").exists()
        before = float(so_far.read_text()) if begun and so_far.exists() else 0.0
        if not (folder / "report.json").exists():
            start = time.monotonic()
            resume = ["--resume"] if begun else []
            try:
                self.run("lait-train", "--config", config, *options(settings), "--output", folder,
                         *resume)
            finally:
                write(so_far, f"{before + time.monotonic() - start:.1f}\n")
        return read_json(folder / "report.json"), round(float(so_far.read_text()))

    def evaluate(self, folder, report, data, device, *more):
        """The row that lait-eval reports of a run's best model. `more`: options."""
        output = folder.with_name(folder.name + ".eval")
        options = ["--device", device, "--precision", report["precision"], "--quiet"]
        self.run("lait-eval", "--checkpoint", folder, "--report", output, *options, *more,
                 "--data", data)
        return read_json(output / "report.json")[0]

    def made_by(self, device):
        """What a run's JSON says of where it was made."""
        command = [self.folder / "lait-train", "--version"]
        return {
            "machine": machine(device),
            "version": subprocess.check_output(command, text=True).strip(),
            "date": datetime.date.today().isoformat(),
        }
