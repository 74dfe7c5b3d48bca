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

  let format; // of dates; to make one takes longer than to use it a hundred times

  // Writes times as the reader's own clock has them.
  function date(times) {
    const language = document.documentElement.lang || "en";
    format ??= new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
    for (const time of times) write(time, format.format(new Date(time.dateTime)));
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

  const COMPUTER = /^(localhost|.+\.localhost|127\.[\d.]+|0\.0\.0\.0|\[::1?\])$/;
  const NETWORK = [
    /^(10|192\.168|172\.(1[6-9]|2\d|3[01])|169\.254)\.[\d.]+$/,
    /^100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.[\d.]+$/,
    /^\[f[c-e]/,
    /^[^.[]+$/,
    /\.(local|lan|internal|home\.arpa)$/,
  ];

  // From where a link works: "computer", "network", or "" for everywhere.
  function reach(link) {
    const { hostname } = new URL(link);
    if (COMPUTER.test(hostname)) return "computer";
    return NETWORK.some((shape) => shape.test(hostname)) ? "network" : "";
  }

  // Opens the page anew, but only where it is answered: from a browser's own page of an error nothing
  // leads back.
  async function openAnew() {
    const asked = { method: "HEAD", cache: "no-store" };
    const answer = await fetch(location.href, asked).catch(() => null);
    if (answer?.ok) location.reload();
  }

  return { kept, keep, write, date, fire, scrollTo, home, reach, openAnew };
})();
