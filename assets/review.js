// What a review does in a browser: verdicts go up, tallies come down, a moment is taken and found
// again. It runs on the page behind the link, in its copy on disk (where there is nobody to ask),
// and in the owner's tab; everywhere it looks for `data-` marks and needs nothing else of the page.
(() => {
  const { write } = window.wan;
  const EVERY = 3000; // ms between two looks at a tally
  // Ms in which a review that its owner has just ended is not asked for its tally: the page is
  // about to show it as ended, on a busy machine after some seconds
  const RESTS = 60_000;
  const NAME = "wan-reviewer-name";
  const TOKEN = "wan-reviewer";
  const etags = new WeakMap(); // element with a tally -> the version that it shows
  const seen = new WeakMap(); // the same -> the look that it shows; only what changed since is sent
  const resting = new WeakMap(); // the same -> when it is looked at again, in ms since 1970

  const kept = (key) => window.wan.kept("localStorage", key);
  const keep = (key, value) => window.wan.keep("localStorage", key, value);

  // Tells this browser apart from others, so that a change of mind replaces the old verdict.
  function reviewer() {
    const bytes = crypto.getRandomValues(new Uint8Array(24));
    const fresh = btoa(String.fromCharCode(...bytes))
      .replaceAll("+", "-")
      .replaceAll("/", "_");
    if (!kept(TOKEN)) keep(TOKEN, fresh);
    return kept(TOKEN);
  }

  const page = () => document.querySelector("main[data-send]");
  const verdictsKey = () => `wan-review:${location.pathname}`;
  const own = () => JSON.parse(kept(verdictsKey()) ?? "{}");
  function asMoment(seconds) {
    const tenths = Math.floor(seconds * 10);
    const rest = String(Math.floor(tenths / 10) % 60).padStart(2, "0");
    return `${Math.floor(tenths / 600)}:${rest}.${tenths % 10}`;
  }

  const words = (name) =>
    document.querySelector(`template[data-words="${name}"]`)?.content.cloneNode(true) ?? "";

  // What only this browser knows of a part: dates as they are written here, and which comments are
  // one's own.
  function dress(part) {
    window.wan.date(part.querySelectorAll("time"));
    window.wanDiscussion.dress(part);
  }

  // A button of a comment, by what finds it again in the same comment.
  function whose(button) {
    const { comment } = button.closest("[data-comment]")?.dataset ?? {};
    const name = "seek" in button.dataset ? "[data-seek]" : `[data-talk="${button.dataset.talk}"]`;
    return comment ? `[data-comment="${CSS.escape(comment)}"] ${name}` : "";
  }

  function fill(root, parts) {
    for (const [name, html] of Object.entries(parts)) {
      const part = root.querySelector(`[data-part="${name}"]`);
      const fresh = Object.assign(document.createElement("template"), { innerHTML: html });
      dress(fresh.content);
      if (!part || part.innerHTML === fresh.innerHTML) continue;
      const focused = part.contains(document.activeElement) ? whose(document.activeElement) : "";
      part.replaceChildren(fresh.content);
      if (focused) (part.querySelector(focused) ?? part).focus({ preventScroll: true });
    }
  }

  function close(root) {
    delete root.dataset.live;
    if (root !== page()) return;
    root.replaceChildren(words("closed"));
    delete root.dataset.send;
  }

  const since = (root, address) =>
    seen.has(root) ? `${address}&since=${seen.get(root)}` : address;

  function update(root, { parts, at }) {
    fill(root, parts);
    if (at) seen.set(root, at);
    // A take that came since has no place on this page
    const isNew = (name) =>
      name.startsWith("tally-") && !root.querySelector(`[data-part="${name}"]`);
    const note = root.querySelector("[data-fresh]:empty");
    const first = Object.keys(parts).find(isNew);
    if (!note || !first) return;
    note.replaceChildren(words("fresh"));
    note.querySelector("[data-reload]").dataset.reload = first.replace("tally", "take");
  }

  // The page anew, at a take: where somebody was, the browser would lead back to.
  function reload(take) {
    history.scrollRestoration = "manual";
    history.replaceState(null, "", `#${take}`);
    location.reload();
  }
  async function look(root) {
    const headers = etags.has(root) ? { "If-None-Match": etags.get(root) } : {};
    const answer = await fetch(since(root, root.dataset.live), { headers, cache: "no-store" });
    if (answer.status === 404) return close(root);
    if (answer.status !== 200) return;
    const told = await answer.json();
    etags.set(root, answer.headers.get("ETag"));
    update(root, told);
  }

  function show(form, text, bad) {
    const state = form.querySelector(".rv-state");
    state.classList.toggle("bad", bad);
    state.replaceChildren(text);
  }

  const takeOf = (part) => part.closest("[data-take]");

  // One after the other: of two quick changes the later one must arrive last.
  const last = new WeakMap(); // form -> what is being sent for it
  function give(form, comment) {
    const sent = (last.get(form) ?? Promise.resolve())
      .then(() => tell(form, comment))
      .catch(() => false);
    last.set(form, sent);
    return sent;
  }

  // What somebody says of a take, as it is sent.
  function said(form, comment) {
    const moment = form.querySelector("[data-moment]");
    const timed = comment && moment.getAttribute("aria-pressed") === "true";
    return {
      take: Number(takeOf(form).dataset.take),
      verdict: form.querySelector("[name=verdict]:checked")?.value ?? "",
      comment,
      at_seconds: timed ? Number(moment.dataset.moment) : null,
      name: document.getElementById("name").value,
    };
  }

  // Sends something to an address of the review, by its end. Gives the answer, or nothing where it
  // did not arrive: then the form, if there is one, says why.
  async function post(name, given, form) {
    const answer = await fetch(since(page(), page().dataset.send.replace("*", name)), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ...given, reviewer: reviewer() }),
      keepalive: true,
    }).catch(() => null);
    if (answer?.status === 404) return void close(page());
    const told = (await answer?.json().catch(() => null)) ?? {};
    if (!answer?.ok) return void (form && show(form, told.detail ?? words("offline"), true));
    if (!told.parts) return told;
    etags.delete(page());
    update(page(), told);
    return told;
  }

  // Whether it arrived.
  async function tell(form, comment) {
    const sent = said(form, comment);
    if (!(await post("verdict", sent, form))) return;
    keep(verdictsKey(), JSON.stringify({ ...own(), [sent.take]: sent.verdict }));
    show(form, words("saved"), false);
    if (comment) window.wanDiscussion.learn();
    return true;
  }

  async function send(form) {
    const text = form.elements.comment;
    const button = form.querySelector(".rv-send");
    if (button.disabled) return;
    const chosen = form.querySelector("[name=verdict]:checked")?.value;
    if (!text.value.trim() && (!chosen || own()[takeOf(form).dataset.take] === chosen))
      return show(form, words("nothing"), true);
    button.disabled = true;
    if (await give(form, text.value)) {
      text.value = "";
      press(form.querySelector("[data-moment]"), false);
    }
    button.disabled = false;
  }

  // The time in the middle of a picture: at its very beginning, rounding may show the one before.
  function middle(video, seconds) {
    const fps = Number(video.dataset.fps);
    return Math.max(
      0,
      Math.min((Math.floor(seconds * fps + 1e-3) + 0.5) / fps, video.duration || Infinity),
    );
  }

  // When the picture begins that is seen; `currentTime` of a video that plays, or was stopped just
  // now, may be that of the next one.
  const pictures = new WeakMap(); // video -> when the picture that it shows begins, in seconds
  function watch(video) {
    video.requestVideoFrameCallback?.((_, { mediaTime }) => {
      pictures.set(video, mediaTime);
      watch(video);
    });
  }
  for (const name of ["loadedmetadata", "seeking"]) {
    document.addEventListener(
      name,
      ({ target }) => {
        pictures.delete(target);
        if (name === "loadedmetadata" && takeOf(target)) watch(target);
      },
      true,
    );
  }

  function picture(video) {
    const [begins, now] = [pictures.get(video), video.currentTime];
    // Of a video out of sight the browser says nothing
    return Math.abs(now - begins) < 0.2 ? begins : now;
  }

  // The moment follows the video until it is taken.
  function press(button, pressed) {
    const video = takeOf(button).querySelector("video");
    const seconds = middle(video, picture(video));
    button.setAttribute("aria-pressed", String(pressed));
    button.dataset.moment = seconds.toFixed(4);
    write(button.querySelector("b"), asMoment(seconds));
  }

  function seek(button) {
    const video = takeOf(button)?.querySelector("video");
    if (!video) return;
    const go = () => {
      video.pause();
      video.currentTime = middle(video, Number(button.dataset.seek));
    };
    if (video.readyState) go();
    else {
      video.addEventListener("loadedmetadata", go, { once: true });
      video.preload = "auto";
      video.load();
    }
    video.scrollIntoView({ block: "nearest" });
  }

  const dressAll = (within) => within.querySelectorAll("main, .wr-item").forEach(dress);

  function opened() {
    if (!page()) return;
    const name = document.getElementById("name");
    name.value = kept(NAME) ?? "";
    name.addEventListener("input", () => keep(NAME, name.value));
    // What was said before has it too
    name.addEventListener("change", () => kept(TOKEN) && post("name", { name: name.value }));
    if (kept(TOKEN)) window.wanDiscussion.learn();
    const take = location.hash.match(/^#take-(\d+)$/)?.[1];
    if (take) page().querySelector(`[data-take="${take}"]`)?.scrollIntoView();
    for (const [number, verdict] of Object.entries(own())) {
      const choice = page().querySelector(
        `[data-take="${Number(number)}"] [value="${CSS.escape(verdict)}"]`,
      );
      if (choice) choice.checked = true;
    }
  }

  // The board is put in when somebody asks for it, and goes with its videos when they have seen
  // enough.
  function compare(button) {
    const open = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", String(open));
    const box = button.parentElement;
    if (!open) return box.querySelector("[data-compare]").remove();
    box.append(box.querySelector("template").content.cloneNode(true));
    box.querySelector("[data-compare]").focus({ preventScroll: true });
    window.wan.scrollTo(box);
  }

  // Walking over the choices of a take by the arrow keys sends the last one only; whoever leaves
  // before it is sent still sends it.
  const walks = new Map(); // form -> what sends its choice
  function settle(form, send) {
    clearTimeout(walks.get(form));
    if (walks.delete(form)) send(form, "");
  }
  document.addEventListener("change", ({ target }) => {
    if (!target.matches?.(".rv-form [name=verdict]")) return;
    clearTimeout(walks.get(target.form));
    walks.set(
      target.form,
      setTimeout(() => settle(target.form, give), 200),
    );
  });
  // Nobody is there to wait
  addEventListener("pagehide", () => [...walks.keys()].forEach((form) => settle(form, tell)));
  document.addEventListener("submit", (event) => {
    if (!event.target.matches?.(".rv-form")) return;
    event.preventDefault();
    send(event.target);
  });
  document.addEventListener("keydown", (event) => {
    if (
      event.key === "Enter" &&
      (event.ctrlKey || event.metaKey) &&
      event.target.matches?.(".rv-form textarea")
    )
      send(event.target.form);
  });
  document.addEventListener(
    "timeupdate",
    ({ target }) => {
      const button = takeOf(target)?.querySelector('[data-moment][aria-pressed="false"]');
      if (button) press(button, false);
    },
    true,
  );
  document.addEventListener("click", ({ target }) => {
    const button = target.closest?.("[data-seek], [data-moment], .rv-open, [data-reload]");
    if (!button) return;
    if ("reload" in button.dataset) reload(button.dataset.reload);
    else if ("seek" in button.dataset) seek(button);
    else if ("open" in button.dataset) compare(button);
    else press(button, button.getAttribute("aria-pressed") !== "true");
  });
  // One at a time: an answer that takes long holds up the next question and no other.
  setInterval(() => {
    if (document.hidden) return;
    document.querySelectorAll("[data-tally][data-live], main[data-live]").forEach((root) => {
      if (root.asking || Date.now() < (resting.get(root) ?? 0)) return;
      root.asking = true;
      look(root)
        .catch(() => {}) // the next look finds it
        .finally(() => (root.asking = false));
    });
  }, EVERY);

  function fold(question) {
    question.open = false;
    question.querySelector("summary").focus();
  }
  // While its owner ends a review, it is not asked for its tally; a question is taken back by its
  // own button.
  document.addEventListener("click", ({ target }) => {
    const button = target.closest?.("[data-review-keep], [data-event=revoke], [data-event=delete]");
    if (!button) return;
    const root = button.closest("[data-live]");
    if ("reviewKeep" in button.dataset) fold(button.closest("details"));
    else if (root) resting.set(root, Date.now() + RESTS);
  });

  // A question whose answer leaves the page as it is closes by itself.
  document.addEventListener("click", ({ target }) => {
    const question = target.closest?.(".wr-ask:has([data-event=withdraw], [data-press=withdraw])");
    if (question && target.closest("[data-event], [data-press]")) fold(question);
  });

  // A question that nobody answers goes by Escape, or by a click elsewhere.
  const questions = () => [...document.querySelectorAll("details.wr-ask[open]")];
  document.addEventListener("click", ({ target }) =>
    questions().forEach((one) => one.contains(target) || (one.open = false)),
  );
  document.addEventListener(
    "keydown",
    (event) => {
      if (event.key !== "Escape" || !questions().length) return;
      questions().forEach(fold);
      event.preventDefault(); // this Escape has done its work, before another script hears of it
    },
    { capture: true },
  );

  // The server knows the end of a link only; where the app is reached, the browser knows.
  function complete() {
    const home = window.wan.home();
    document.querySelectorAll("input:is([data-review-link], [data-link])").forEach((link) => {
      const whole = new URL(link.dataset.reviewLink ?? link.dataset.link, home).href;
      if (link.value !== whole) link.value = whole;
    });
    let near = window.wan.reach(home);
    if (near === "computer" && document.querySelector("[data-served]")) near = "served";
    document.querySelectorAll("[data-near]").forEach((note) => {
      if (note.hidden !== (note.dataset.near !== near)) note.hidden = !note.hidden;
    });
    // What is chosen is known to the library only
    document.querySelectorAll(".wr-item [data-event=more]").forEach((button) => {
      const none = !window.wanSelection.chosen();
      if (button.disabled !== none) button.disabled = none;
    });
  }

  // What an export shows when it is over: what was made is downloaded; of one that was stopped no
  // progress stays.
  function exported(html) {
    document.querySelector("#wan-review-export a[download]")?.click();
    return html?.includes("<progress") ? "" : html;
  }

  window.wanReview = { complete, exported, page, post, show, takeOf };

  if ("review" in document.documentElement.dataset) {
    document.addEventListener("DOMContentLoaded", opened);
    document.addEventListener("DOMContentLoaded", () => dressAll(document));
  } else {
    document.addEventListener("wan-change", ({ target }) => dressAll(target));
    setInterval(complete, 250);
  }
})();
