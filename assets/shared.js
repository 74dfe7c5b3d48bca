// What the other scripts share; it comes before them, in the app and on a review's page.
window.wan = (() => {
  const memory = new Map(); // for a browser that keeps nothing

  // What this browser keeps, or undefined. store: "localStorage", or "sessionStorage", which
  // outlives a reload of a tab
  function kept(store, key) {
    try {
      return window[store].getItem(key) ?? memory.get(key);
    } catch {
      return memory.get(key);
    }
  }

  function keep(store, key, value) {
    try {
      window[store].setItem(key, value);
    } catch {
      memory.set(key, value);
    }
  }

  // What was written stands in an attribute, and with that it is compared. With the text a fight
  // would have no end where somebody else writes that too: a translator, or whatever puts digits
  // into another script. Gradio takes the attribute away where it writes the text anew.
  function write(part, words) {
    if (part.dataset.written === words) return; // an observer would see it
    part.dataset.written = words;
    part.textContent = words;
  }

  // Writes times as the reader's own clock has them.
  function date(times) {
    const language = document.documentElement.lang || "en";
    const words = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
    for (const time of times) write(time, words.format(new Date(time.dateTime)));
  }

  // Triggers an event of the component that a part belongs to (`wan/ui/components/component.js`).
  const fire = (part, event, values) =>
    part?.dispatchEvent(new CustomEvent("wan", { bubbles: true, detail: { event, ...values } }));

  // Scrolls to a part: in one step for whoever wants nothing to move.
  function scrollTo(part) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    part.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
  }

  // What a link to this app begins with: its operator has said it, or it is where the page is.
  const home = () =>
    document.querySelector("[data-home]")?.dataset.home || new URL("./", document.baseURI).href;

  return { kept, keep, write, date, fire, scrollTo, home };
})();
