"""What axe-core finds on a page, and the few things about a page that axe does not look at."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

THEMES = ("light", "dark")
_GRAVE = ("serious", "critical")
_OPTIONS = {"resultTypes": ["violations"]}
_ONLY_COLORS = _OPTIONS | {
    "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
}  # those of a usual run
_AT_REST = (
    "!document.getAnimations().some(one => one.playState === 'running' && "
    "isFinite(one.effect.getComputedTiming().endTime))"
)

_FOLLOWS = (
    "dark => !document.querySelector('gradio-app') || "
    "document.body.classList.contains('dark') === dark"
)


def findings(page: Page, *themes: str) -> list[str]:
    """The serious and critical findings of axe-core on a page that has come to rest, a line for
    each element; none is what we want.

    themes: which it is looked at in, if not the one that it has; the same elements are there in
    each, so what is not their colour is looked for in the first. A colour halfway between two
    themes is nobody's choice, so changes of style under way are waited for.
    """
    return [
        one
        for number, theme in enumerate(themes or [""])
        for one in _findings(page, theme, _ONLY_COLORS if number else _OPTIONS)
    ]


def _findings(page: Page, theme: str, options: dict[str, object]) -> list[str]:
    if theme:
        page.emulate_media(color_scheme=theme)
        page.wait_for_function(_FOLLOWS, arg=theme == "dark")
    page.wait_for_function(_AT_REST)
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{theme} {rule['impact']} {rule['id']}: {node['html'][:200]} at {node['target']}".lstrip()
        for rule in found
        if rule["impact"] in _GRAVE
        for node in rule["nodes"]
    ]


def too_wide(page: Page) -> str:
    """What stands out of the window on the right, or "" where nobody has to scroll sideways."""
    return page.evaluate("""() => {
        const wide = document.scrollingElement.scrollWidth;
        if (wide <= innerWidth) return '';
        const right = part => part.getBoundingClientRect().right;
        const parts = [...document.querySelectorAll('body *')];
        const out = parts.filter(part => right(part) > innerWidth + 0.5);
        const told = out.slice(0, 5).map(part => part.outerHTML.slice(0, 120)).join(' | ');
        return `${wide} > ${innerWidth}: ${told}`;
    }""")
