// A card of the library on which the pointer rests, or that has the focus of the keyboard, plays its
// video without sound; not for whoever wants nothing to move, or to save data.
(() => {
  const REST = 250; // ms on a card before it plays
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  let shown = null;
  let waits = 0;

  function look(card) {
    const video = card?.querySelector("[data-preview]") ?? null;
    if (video === shown) return;
    clearTimeout(waits);
    shown?.pause();
    shown = video;
    if (video && !calm.matches && !navigator.connection?.saveData) waits = setTimeout(play, REST);
  }

  function play() {
    shown.muted = true;
    shown.currentTime = 0;
    shown.play().catch(() => {}); // it was left meanwhile, or is gone
  }

  // How high the library's foot is, which is sticky: nothing gets the focus behind it.
  const height = new ResizeObserver(([{ target }]) =>
    document.documentElement.style.setProperty("--w-foot", `${target.offsetHeight}px`),
  );
  document.addEventListener("wan-change", ({ target }) => {
    if (target.closest("#wan-library-foot")) height.observe(target.closest("#wan-library-foot"));
  });

  const cardOf = (part) => part.closest?.(".wan-item");
  document.addEventListener("pointerover", ({ target, pointerType }) => {
    if (pointerType === "mouse") look(cardOf(target));
  });
  document.addEventListener("focusin", ({ target }) => {
    look(target.matches(":focus-visible") ? cardOf(target) : null);
  });
  document.addEventListener("click", () => look(null));
  document.documentElement.addEventListener("pointerleave", () => look(null));
})();
