// A card of the library on which the pointer rests, or that has the focus of the keyboard, plays its
// video without sound; not for whoever wants nothing to move, or to save data.
(() => {
  const REST = 250; // ms on a card before it plays
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  // One for all cards: with one in each, a page of them is there 6 ms later (Chromium, two cores).
  const video = document.createElement("video");
  Object.assign(video, { muted: true, loop: true, playsInline: true, tabIndex: -1 });
  Object.assign(video, { disablePictureInPicture: true, ariaHidden: "true" });
  let shown = null; // the picture over which it plays, or is about to
  let waits = 0;

  function look(card) {
    const picture = card?.querySelector("[data-preview]") ?? null;
    if (picture === shown) return;
    clearTimeout(waits);
    video.remove();
    shown = picture;
    if (picture && !calm.matches && !navigator.connection?.saveData) waits = setTimeout(play, REST);
  }

  function play() {
    video.src = shown.dataset.preview;
    goOn();
  }

  function goOn() {
    shown.firstElementChild.after(video); // below the length
    video.play().catch(() => {}); // it was left meanwhile, or is gone
  }

  // How high the library's foot is, which is sticky: nothing gets the focus behind it.
  const height = new ResizeObserver(([{ target }]) =>
    document.documentElement.style.setProperty("--w-foot", `${target.offsetHeight}px`),
  );
  document.addEventListener("wan-change", ({ target }) => {
    // The cards were rendered anew, and it is no part of them.
    const isPlayed = shown?.isConnected && shown.dataset.preview === video.getAttribute("src");
    if (isPlayed && !video.isConnected) goOn();
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
