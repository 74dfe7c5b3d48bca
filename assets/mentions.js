// Offers the names of the references while somebody begins to type one: `ch…` or `@…`.
window.wanMentions = (() => {
  const { type, layBelow } = window.wanPrompt;
  const { write } = window.wan;
  const BEGUN = /(?<![a-z\d@])(@[a-z]*\d*|ch[a-z]*\d*)$/i;
  const PROMPT = "#wan-reference-prompt textarea";
  let shown = null; // what was begun: where it starts, and which names are offered
  let refused = -1; // where a word starts for which nobody wants any

  const popup = () => document.getElementById("wan-mentions");
  const tiles = () => [...document.querySelectorAll("#wan-reference-cast [data-insert]")];

  // The names that go on as somebody has begun; "@2" begins a name too.
  function matching(begun) {
    const words = begun.replace(/^@/, "").toLowerCase();
    const fits = ({ dataset: { insert } }) =>
      insert.startsWith(words) || (begun[0] === "@" && insert === `character${words}`);
    const found = tiles().filter(fits);
    return found.some(({ dataset }) => dataset.insert === begun.toLowerCase()) ? [] : found;
  }

  function close() {
    if (!shown) return;
    shown = null;
    popup().hidden = true;
    popup().replaceChildren();
    say("");
    const box = document.querySelector(PROMPT);
    ["aria-activedescendant", "aria-controls"].forEach((name) => box?.removeAttribute(name));
  }

  function makeOption(tile, number) {
    const option = document.createElement("div");
    option.id = `wan-mention-${number}`;
    option.role = "option";
    option.dataset.name = tile.dataset.insert;
    const picture = tile.querySelector("img, .wan-link").cloneNode(true);
    const [name, file] = ["b", "span"].map((kind) => document.createElement(kind));
    name.textContent = tile.dataset.insert;
    file.textContent = tile.querySelector(".wan-tile-name").textContent;
    option.append(picture, name, file);
    return option;
  }

  function choose(box, number) {
    const options = [...popup().children];
    const place = (number + options.length) % options.length;
    options.forEach((one, at) => (one.ariaSelected = String(at === place)));
    shown.place = place;
    box.setAttribute("aria-activedescendant", options[place].id);
    options[place].scrollIntoView({ block: "nearest" });
  }

  function offer(box) {
    const { value, selectionStart: at, selectionEnd: end } = box;
    const ends = at === end && !/^[a-z\d]/i.test(value.slice(at));
    const begun = ends && BEGUN.exec(value.slice(0, at));
    const found = begun ? matching(begun[0]) : [];
    if (!begun || begun.index !== refused) refused = -1;
    if (!found.length || begun.index === refused) return close();
    const isNew = !shown;
    shown = { from: begun.index, to: at };
    popup().replaceChildren(...found.map(makeOption));
    popup().hidden = false;
    box.setAttribute("aria-autocomplete", "list");
    box.setAttribute("aria-controls", popup().id);
    if (isNew) layBelow(popup(), box);
    choose(box, 0);
    say(found.map(({ dataset }) => dataset.insert).join(", "));
  }

  // The focus stays in the prompt, so that a screen reader would not hear of the list.
  const say = (names) => write(popup().nextElementSibling, names);

  function take(box, option) {
    const { from, to } = shown;
    close();
    const space = /^\s/.test(box.value.slice(to)) ? "" : " ";
    type(box, from, to, option.dataset.name + space);
  }

  document.addEventListener("input", ({ target, isComposing }) => {
    if (!target.matches?.(PROMPT)) return;
    if (isComposing || !target.matches(":focus")) close();
    else offer(target);
  });
  document.addEventListener("compositionstart", close);

  const STEPS = { ArrowDown: 1, ArrowUp: -1 };
  document.addEventListener(
    "keydown",
    (event) => {
      const { key, target, isComposing, keyCode, ctrlKey, metaKey, altKey, shiftKey } = event;
      if (!shown || !target.matches?.(PROMPT) || isComposing || keyCode === 229) return;
      if (ctrlKey || metaKey || altKey || shiftKey) return;
      if (STEPS[key]) choose(target, shown.place + STEPS[key]);
      else if (key === "Enter" || key === "Tab") take(target, popup().children[shown.place]);
      else if (key === "Escape") {
        refused = shown.from;
        close();
      } else return;
      event.preventDefault();
      event.stopPropagation(); // it has done its work
    },
    true,
  );
  // Before the focus leaves the prompt for it.
  document.addEventListener("pointerdown", (event) => {
    const option = event.target.closest?.(".wan-mentions [role=option]");
    if (!option) return;
    event.preventDefault();
  });
  document.addEventListener("mousedown", (event) => {
    if (event.target.closest?.(".wan-mentions")) event.preventDefault();
  });
  document.addEventListener("click", ({ target }) => {
    const option = target.closest?.(".wan-mentions [role=option]");
    if (option) take(document.querySelector(PROMPT), option);
  });
  // The caret goes elsewhere
  document.addEventListener("selectionchange", () => {
    const box = document.querySelector(PROMPT);
    if (shown && (document.activeElement !== box || box.selectionStart !== shown.to)) close();
  });
  document.addEventListener("focusout", ({ target }) => target.matches?.(PROMPT) && close());
})();
