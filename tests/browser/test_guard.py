"""What the guard allows a page to do, as a real browser sees it. That all the page itself does is
allowed, its console shows in test_page.py.
"""

from playwright.sync_api import Browser, expect

from tests.attacks.visitor import upload
from tests.browser.serving import SAMPLES, App, Visits, opened, served, switch

REPORTS = (
    "() => { window.refused = []; document.addEventListener('securitypolicyviolation', "
    "(event) => refused.push(event.effectiveDirective)); }"
)
INJECTED = """([element, attributes]) => {
    const innerHTML = `<${element} ${attributes}></${element}>`;
    const made = Object.assign(document.createElement("div"), { innerHTML });
    document.body.append(made);
}"""
# element, attributes, the directive that refuses it
ELEMENTS = [
    ("img", "src=x onerror=\"document.title='owned'\"", "script-src-attr"),
    ("iframe", "src='https://evil.example/'", "frame-src"),
    ("img", "src='https://evil.example/a.png'", "img-src"),
    ("video", "src='https://evil.example/a.mp4'", "media-src"),
    ("object", "data='https://evil.example/a'", "object-src"),
    ("iframe", "srcdoc='<script>parent.document.title=1</script>'", ""),
    ("a", "href='javascript:document.title=2' class='javascript'", ""),
]


def test_injected_elements_can_do_nothing(visit: Visits, app: App):
    page = visit(app.url)
    page.evaluate(REPORTS)
    for element, attributes, directive in ELEMENTS:
        page.evaluate(INJECTED, [element, attributes])
        if directive:
            page.wait_for_function("directive => refused.includes(directive)", arg=directive)
    assert (
        page.evaluate("fetch('https://evil.example/').then(() => 'fetched', () => 'refused')")
        == "refused"
    )
    assert "connect-src" in page.evaluate("refused")
    page.evaluate("document.querySelector('a.javascript').click()")
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), { textContent: "
        "'document.title = 3' }))"
    )
    page.wait_for_timeout(500)
    assert page.title() == "Wan Studio"


def test_the_footer_leads_to_the_api_and_to_nothing_of_gradios_own(visit: Visits, app: App):
    page = visit(app.url)
    assert page.locator("footer button:visible").all_inner_texts() == ["Use via API"]
    page.locator("footer button:visible").click()
    page.get_by_text("/image_to_video", exact=True).first.wait_for()


def test_another_site_cannot_embed_the_page(visit: Visits, app: App):
    page = visit.blank(app.url)
    page.goto("data:text/html,<p>another site</p>")
    page.evaluate(
        "url => { document.body.append(Object.assign(document.createElement('iframe'), { src: "
        "url })); }",
        app.url,
    )
    page.wait_for_timeout(1500)
    assert [frame.url for frame in page.frames[1:]] == ["chrome-error://chromewebdata/"]


def test_a_refused_upload_says_why_in_the_language_of_the_page(browser: Browser, tmp_path):
    large = tmp_path / "large.png"
    large.write_bytes((SAMPLES / "chelsea.png").read_bytes() + bytes(80_000_000))
    with served(tmp_path) as app:
        visitor = browser.new_context(reduced_motion="reduce", locale="en-US")
        page = visitor.new_page()
        opened(page, app.url)
        switch(page, "zh")
        many = [
            (f"{number}.png", b"x") for number in range(20)
        ]  # each counts for a megabyte, and 1 MB/s is allowed anew
        while upload(app.url, many).status == 200:
            pass
        page.locator("#wan-image-reference_image input[type=file]").set_input_files(large)
        expect(page.locator(".toast-body")).to_contain_text("HTTP 429: 操作过于频繁")
        visitor.close()
