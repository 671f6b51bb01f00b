"""Opens a report.html in headless Chromium and tests its controls. Not part of the test run.

    pip install playwright; apt install chromium
    python tests/report_page.py DIR/report.html [DIR_FOR_SCREENSHOTS]
"""

import pathlib
import shutil
import sys

from playwright.sync_api import sync_playwright


def check(page, width):
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"too wide at {width}"
    rows = page.locator("#results tbody tr:not(.pub):not(.pub-head)")
    names = rows.locator("td:first-child").all_inner_texts()
    page.locator("#results thead button").nth(1).click()
    assert sorted(rows.locator("td:first-child").all_inner_texts()) == sorted(names)
    assert page.locator("#results th[aria-sort=descending]").count() == 1
    published = page.get_by_label("Published rows")
    if published.count():
        published.uncheck()
        assert page.locator("tr.pub").count() == 0
        page.get_by_label("Published rows").check()
    if page.locator("details.record").count():
        page.locator("details.record summary").first.click()
        page.locator("details.record[open] .body").first.wait_for()
        page.locator("input[type=search]").fill("no such words anywhere")
        assert "No record matches" in page.locator("#records").inner_text()
        page.get_by_text("Clear the filters").click()
        assert page.locator("details.record").count() > 0


def main():
    file = pathlib.Path(sys.argv[1]).resolve()
    shots = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for width, scheme in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]:
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            problems = []
            page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("dialog", lambda d: (problems.append("the page opened a dialog"), d.dismiss()))
            page.on("request", lambda r: problems.append(r.url)
                    if not r.url.startswith(("file:", "data:")) else None)
            page.goto(file.as_uri())
            page.wait_for_timeout(500)
            for tab in range(max(1, page.locator("[role=tab]").count())):
                if page.locator("[role=tab]").count():
                    page.locator("[role=tab]").nth(tab).click()
                check(page, width)
            if shots:
                page.screenshot(path=shots / f"report_{width}_{scheme}.png", full_page=True)
            assert not problems, problems
        browser.close()
    print("no problems found")


main()
