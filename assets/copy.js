// Buttons that copy what stands in the field, or in the <code>, beside them.
(() => {
  // Browsers have a clipboard in a secure context only, and plain http at an address of the network
  // is none. There the older way stands in, for the copy buttons of Gradio too.
  async function copyByHand(text) {
    const focused = document.activeElement;
    const box = Object.assign(document.createElement("textarea"), {
      value: text,
      readOnly: true,
      className: "wan-sr",
    });
    // Outside an open dialog nothing can be selected
    (document.querySelector("dialog[open]") ?? document.body).append(box);
    box.focus({ preventScroll: true });
    box.select();
    const done = document.execCommand("copy");
    box.remove();
    focused?.focus({ preventScroll: true });
    if (!done) throw new DOMException("Nothing was copied", "NotAllowedError");
  }
  if (!navigator.clipboard)
    Object.defineProperty(navigator, "clipboard", { value: { writeText: copyByHand } });

  // What cannot be copied is selected, so that somebody can do it themselves.
  function select(part) {
    part.focus();
    if (part.select) part.select();
    else getSelection().selectAllChildren(part);
  }

  const given = new Set(); // the links of videos that were copied here: they stay in sight

  function showGiven() {
    for (const link of document.querySelectorAll("[data-link]")) {
      const box = link.closest(".wan-linked");
      if (box.hidden === given.has(link.dataset.link)) box.hidden = !box.hidden;
    }
  }
  document.addEventListener("wan-change", showGiven);

  function linkOf(button) {
    const link = button.closest(".wan-acts").nextElementSibling.querySelector("[data-link]");
    given.add(link.dataset.link);
    showGiven();
    return link;
  }

  let told = 0;
  async function copy(button) {
    const beside = () => button.closest("form, .wr-link, .wan-task").querySelector("input, code");
    const part = button.dataset.copy === "link" ? linkOf(button) : beside();
    window.wanReview.complete(); // a link that was put in just now
    const text = part.value ?? part.dataset.text; // what it shows, an extension may have rewritten
    const done = await navigator.clipboard
      .writeText(text)
      .catch(() => copyByHand(text))
      .then(() => true)
      .catch(() => select(part));
    const said = button.nextElementSibling;
    const show = (name) =>
      [...said.children].forEach((one) => (one.hidden = !(name in one.dataset)));
    show(done ? "copied" : "selected");
    clearTimeout(told);
    told = setTimeout(show, done ? 2500 : 6000, "");
  }

  document.addEventListener("click", ({ target }) => {
    const button = target.closest?.("[data-copy]");
    if (button) copy(button);
  });
})();
