"""What the live page costs a reader: megabytes loaded, seconds until the first picture, seconds for each after it and for a sweep.

In Debian's Chromium without a window, on one processor core, from a plain web server on this machine.

    python benchmarks/live.py [--export build/live] [--pictures 10]
"""

import argparse
import os
import re
import shutil
import statistics
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

from locolib import UserError
from locolib.drawing.provenance import processor
from locolib.study.live import export, placing

BOOK = Path(__file__).resolve().parents[1] / "book"


class Quiet(SimpleHTTPRequestHandler):
    """A plain web server that counts what it sends."""

    sent = 0

    def log_message(self, *said: object) -> None:
        pass

    def copyfile(self, source, outputfile) -> None:
        Quiet.sent += os.fstat(source.fileno()).st_size
        super().copyfile(source, outputfile)


def site(folder: Path, exported: Path) -> None:
    """The live page on a page of its own."""
    if not placing.place(exported, folder):
        raise UserError(f"There is no export in {exported}; run `make live` first.")
    text = (BOOK / "live.md").read_text(encoding="utf-8")
    block = re.search(r"<link[^>]*live\.css.*?</script>", text, flags=re.S)[0]
    (folder / "live.html").write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Live</title><body>{block}'
    )


# In the page itself: waiting from outside looks twice a second only.
TIMED = """async ([click, done, text]) => {
  const start = performance.now(), said = new RegExp(text);
  if (click) document.querySelector(click).click();
  while (![...document.querySelectorAll(done)].some((one) => said.test(one.textContent))) await new Promise(requestAnimationFrame);
  return (performance.now() - start) / 1000;
}"""


def measure(page, pictures: int) -> dict[str, float]:
    """Seconds of what a reader does, in order."""
    found = {
        "first picture shown, after two of its ten steps": page.evaluate(
            TIMED, [".live .primary", ".clean.drawn", ""]
        ),
        "from there to two finished pictures (clean, all layers altered) and their scores": page.evaluate(
            TIMED, ["", ".live[aria-busy=false]", ""]
        ),
    }
    each = [
        page.evaluate(
            TIMED, [f'.switch[aria-label^="Layer {i},"]', ".altered figcaption", "altered: score"]
        )
        for i in range(pictures)
    ]
    found["each picture after it, median"] = statistics.median(each)
    found["each picture after it, longest"] = max(each)
    found["whole sweep: 17 pictures"] = page.evaluate(
        TIMED, [".sweeping .primary", ".sweeping .said", "The best window"]
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--export", type=Path, default=Path("build/live"))
    parser.add_argument("--pictures", type=int, default=10)
    asked = parser.parse_args()
    if not (chromium := shutil.which("chromium")):
        raise UserError("There is no chromium.")
    from playwright.sync_api import sync_playwright

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # what is started from here on, too
    manifest = export.made(asked.export)
    with TemporaryDirectory() as folder:
        site(Path(folder), asked.export)
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
        Thread(target=server.serve_forever, daemon=True).start()
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/live.html")
            page.locator(".loco-live[data-ready=true]").wait_for(state="attached")
            print(f"{browser.version} on one core of {processor()}")
            print(f"before touching: {Quiet.sent / 1e6:.2f} MB")
            for what, seconds in measure(page, asked.pictures).items():
                print(f"{what}: {seconds:.2f} s")
            print(
                f"loaded in all: {Quiet.sent / 1e6:.1f} MB, of which the runtime {manifest['runtime']['bytes'] / 1e6:.1f} MB"
            )
            browser.close()
    print(f"export of all models: {manifest['bytes'] / 1e6:.1f} MB")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
