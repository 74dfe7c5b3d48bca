// What helps whoever is here for the first time: a sample that is made, or fills the form, at one
// click, and ways from an empty list to where something begins.
(() => {
  const filled = (tab) => document.querySelector(`#wan-${tab}-prompt textarea`)?.value;
  const PATIENCE = 10_000; // ms, after which a sample that does not come is left alone

  // Fills a form with its first sample, and then goes on.
  function take(tab, then) {
    const form = document.getElementById(`wan-${tab}-prompt`).closest(".wan-brief");
    const [before, until] = [filled(tab), performance.now() + PATIENCE];
    form.querySelector(".wan-sample").click();
    const look = setInterval(() => {
      const isThere = filled(tab) && filled(tab) !== before;
      if (isThere || performance.now() > until) clearInterval(look);
      if (isThere) setTimeout(then, 150); // Gradio fills the other fields in the same turn
    }, 50);
  }

  function start({ sample: how, tab }, button) {
    button.disabled = true;
    setTimeout(() => (button.disabled = false), PATIENCE); // it can be tried again
    take(tab, () => {
      button.disabled = false;
      if (how === "run") document.getElementById(`wan-${tab}-generate`).click();
      else window.wanStudio.toGenerate(tab);
    });
  }

  document.addEventListener("click", ({ target }) => {
    const button = target.closest?.("[data-sample], [data-turn]");
    if (!button) return;
    if ("sample" in button.dataset) start(button.dataset, button);
    else window.wanStudio.turn(button.dataset.turn);
  });
  document.addEventListener("keydown", ({ key, target }) => {
    if (key === "Escape" && target.matches?.(".wan-why")) target.blur();
  });
})();
