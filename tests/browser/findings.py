"""What axe-core finds on a page, and the few things about a page that axe does not look at."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_GRAVE = ("serious", "critical")
_OPTIONS = {"resultTypes": ["violations"]}
_AT_REST = "!document.getAnimations().some(one => one.playState === 'running' && isFinite(one.effect.getComputedTiming().endTime))"


def findings(page: Page) -> list[str]:
    """The serious and critical findings of axe-core on a page that has come to rest, a line for each element; none is what we want.

    A colour halfway between two themes is nobody's choice, so changes of style under way are waited for.
    """
    page.wait_for_function(_AT_REST)
    found = Axe().run(page, options=_OPTIONS).response["violations"]
    return [
        f"{rule['impact']} {rule['id']}: {node['html'][:200]} at {node['target']}"
        for rule in found
        if rule["impact"] in _GRAVE
        for node in rule["nodes"]
    ]


def too_wide(page: Page) -> str:
    """What stands out of the window on the right, or "" where nobody has to scroll sideways."""
    return page.evaluate("""() => {
        const wide = document.scrollingElement.scrollWidth;
        if (wide <= innerWidth) return '';
        const out = [...document.querySelectorAll('body *')].filter(part => part.getBoundingClientRect().right > innerWidth + 0.5);
        return `${wide} > ${innerWidth}: ` + out.slice(0, 5).map(part => part.outerHTML.slice(0, 120)).join(' | ');
    }""")
