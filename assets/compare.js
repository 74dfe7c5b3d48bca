// Takes side by side that play as one: every [data-compare] of the document, whenever it appears. A
// board is known by its element, its parts are looked up when they are needed, and all listeners
// stand on the document: so it does not matter who puts boards in, changes them or takes them out.
(() => {
  const { write } = window.wan;
  const FAR = 0.3; // s; a take further off is sought, a nearer one runs a little faster or slower
  const NUDGE = 0.15; // at most, of the speed
  const PATIENCE = 250; // ms without going on, after which the board says that it is loading
  const boards = new WeakMap();
  const wanted = new WeakMap(); // video -> the time to seek when the present seek is over

  const boardOf = (part) => part?.closest?.("[data-compare]");
  const videos = (root) => [...root.querySelectorAll("video")].filter((video) => !video.error);
  // Of its pictures: the file may end later, with its sound.
  const length = (video) =>
    Number.isFinite(video.duration)
      ? Math.min(video.duration, Number(video.dataset.seconds) || Infinity)
      : 0;
  const frame = (video) => 1 / (Number(video.dataset.fps) || 30);
  const end = (root) => Math.max(0, ...videos(root).map(length));
  // The slowest take's frame: each step changes every picture.
  const step = (root) => Math.max(1 / 120, ...videos(root).map(frame));
  const last = (root) => Math.max(0, Math.round(end(root) / step(root)) - 1);
  const index = (root, time) =>
    Math.min(Math.max(0, Math.floor(time / step(root) + 1e-4)), last(root));
  const speed = (root) => Number(root.querySelector("[data-speed]").value);
  const sounding = (root) =>
    root.querySelector("[data-sound]:checked")?.closest("figure")?.querySelector("video");

  function stateOf(root) {
    const name = root.dataset.compare;
    if (boards.get(root)?.name !== name)
      boards.set(root, { name, playing: false, loop: false, time: 0, moved: 0, sound: null });
    return boards.get(root);
  }

  function place(video, time) {
    // Half a frame before its end a shorter take still shows its last picture, and has not ended.
    const at = Math.max(0, Math.min(time, length(video) - frame(video) / 2));
    if (video.seeking) return void wanted.set(video, at);
    // A seek is over a moment before its event comes, which would take an older wish for the last
    wanted.delete(video);
    if (Math.abs(video.currentTime - at) > 1e-4) video.currentTime = at;
  }

  // Seeks all to the middle of a frame: at its very beginning, rounding may show the one before.
  function seek(root, number) {
    const state = stateOf(root);
    state.time = (Math.min(Math.max(0, number), last(root)) + 0.5) * step(root);
    for (const video of videos(root)) place(video, state.time);
    paint(root);
  }

  const seekTime = (root, time) => seek(root, index(root, time));

  function play(root) {
    const state = stateOf(root);
    if (index(root, state.time) >= last(root)) seek(root, 0);
    state.playing = true;
    state.moved = performance.now();
    // At once, because some browsers load only what a click has started; `run` holds them until all
    // are there.
    for (const video of videos(root)) start(root, video);
    run(root);
  }

  function pause(root) {
    const state = stateOf(root);
    state.playing = false;
    for (const video of videos(root)) video.pause();
    seekTime(root, state.time);
  }

  const toggle = (root) => (stateOf(root).playing ? pause : play)(root);

  function start(root, video) {
    if (!video.paused || video.ended) return;
    video
      .play()
      .catch((error) => error.name === "NotAllowedError" && stateOf(root).playing && pause(root));
  }

  function run(root) {
    const state = stateOf(root);
    if (!root.isConnected || !state.playing) return;
    const running = videos(root).filter((video) => !video.ended);
    if (!running.length) finish(root);
    else {
      const leads = leader(root, running);
      if (leads.currentTime !== state.time) state.moved = performance.now();
      state.time = leads.currentTime;
      // One that is not ready holds all others.
      if (running.some((video) => video.seeking || video.readyState < 3))
        running.forEach((video) => video.pause());
      else for (const video of running) follow(root, video, state.time);
    }
    paint(root);
    requestAnimationFrame(() => run(root));
  }

  // Whose time counts: the take that is heard, so that its sound is never bent; else the longest.
  function leader(root, running) {
    const heard = sounding(root);
    const far = running.filter((video) => length(video) - frame(video) > stateOf(root).time);
    if (far.includes(heard)) return heard;
    return (far.length ? far : running).reduce((one, other) =>
      length(other) > length(one) ? other : one,
    );
  }

  function follow(root, video, time) {
    const off = time < length(video) - frame(video) ? video.currentTime - time : 0;
    if (Math.abs(off) > FAR) return place(video, time);
    const nudge = Math.abs(off) > frame(video) / 2 ? Math.max(-NUDGE, Math.min(NUDGE, off * 2)) : 0;
    const rate = speed(root) * (1 - nudge);
    if (Math.abs(video.playbackRate - rate) > 0.005) video.playbackRate = rate;
    start(root, video);
  }

  function finish(root) {
    const state = stateOf(root);
    if (state.loop) return seek(root, 0);
    state.playing = false;
    seek(root, last(root));
  }

  function clock(seconds) {
    const rest = Math.floor((seconds % 60) * 100) / 100;
    return `${Math.floor(seconds / 60)}:${rest.toFixed(2).padStart(5, "0")}`;
  }

  function paint(root) {
    const state = stateOf(root);
    const number = index(root, state.time);
    const time = clock(number * step(root) + 1e-6);
    const range = root.querySelector("input[type=range]");
    range.max = last(root);
    range.value = number;
    put(range, "aria-valuetext", time);
    write(root.querySelector("[data-time]"), time);
    write(root.querySelector("[data-frame]"), String(number + 1));
    write(root.querySelector("[data-frames]"), String(last(root) + 1));
    root.toggleAttribute("data-playing", state.playing);
    root.toggleAttribute(
      "data-waiting",
      state.playing && performance.now() - state.moved > PATIENCE,
    );
    put(root.querySelector("[data-do=loop]"), "aria-pressed", String(state.loop));
    range.style.setProperty("--at", String(last(root) ? number / last(root) : 0));
    const heard = sounding(root);
    for (const video of root.querySelectorAll("video")) {
      if (video.muted !== (video !== heard)) video.muted = video !== heard;
      video.closest("figure").toggleAttribute("data-lost", Boolean(video.error));
    }
  }

  const put = (part, name, value) =>
    part.getAttribute(name) !== value && part.setAttribute(name, value);

  function hear(root, number) {
    const radio = root.querySelector(`[data-sound="${number}"]`);
    if (radio && !radio.disabled) radio.checked = true;
    paint(root);
  }

  // By its place: on a review's second board the first take is the fifth.
  const hearNth = (root, place) =>
    hear(root, root.querySelectorAll("figure [data-sound]")[place - 1]?.dataset.sound);

  function mute(root) {
    const state = stateOf(root);
    const heard = root.querySelector("[data-sound]:checked")?.dataset.sound;
    const first = root.querySelector('[data-sound]:not([data-sound=""], :disabled)')?.dataset.sound;
    if (heard) state.sound = heard;
    hear(root, heard ? "" : (state.sound ?? first ?? ""));
  }

  function stepBy(root, frames) {
    if (stateOf(root).playing) pause(root);
    seek(root, index(root, stateOf(root).time) + frames);
  }

  const skip = (root, seconds) => seekTime(root, stateOf(root).time + seconds);
  const DOES = {
    play: toggle,
    back: (root) => stepBy(root, -1),
    forward: (root) => stepBy(root, 1),
    loop: (root) => {
      stateOf(root).loop = !stateOf(root).loop;
      paint(root);
    },
  };
  const KEYS = {
    " ": toggle,
    k: toggle,
    j: (root) => skip(root, -1),
    l: (root) => skip(root, 1),
    m: mute,
    Home: (root) => seek(root, 0),
    End: (root) => seek(root, last(root)),
    ArrowLeft: (root, shift) => (shift ? skip(root, -1) : stepBy(root, -1)),
    ArrowRight: (root, shift) => (shift ? skip(root, 1) : stepBy(root, 1)),
  };

  // What a key means to the part that has the focus comes first.
  const itsOwn = (part, key) =>
    part.matches("textarea, select, input:not([type=range], [type=radio])") ||
    (key === " " && part.matches("button, summary, a, input[type=radio]")) ||
    (key.startsWith("Arrow") && part.matches("input[type=radio]"));

  document.addEventListener("click", ({ target }) => {
    const root = boardOf(target);
    if (!root) return;
    const button = target.closest("[data-do]");
    if (button) DOES[button.dataset.do](root);
    else if (target.closest(".wan-compare-screen")) toggle(root);
  });
  document.addEventListener(
    "input",
    ({ target }) =>
      target.matches?.("[data-compare] input[type=range]") &&
      seek(boardOf(target), Number(target.value)),
  );
  document.addEventListener("change", ({ target }) => boardOf(target) && paint(boardOf(target)));
  document.addEventListener("keydown", (event) => {
    const { target, key, shiftKey, ctrlKey, altKey, metaKey } = event;
    const root = boardOf(target);
    if (!root || ctrlKey || altKey || metaKey || itsOwn(target, key)) return;
    const does =
      KEYS[key] ?? KEYS[key.toLowerCase()] ?? (/^[1-4]$/.test(key) && (() => hearNth(root, key)));
    if (!does) return;
    event.preventDefault();
    does(root, shiftKey);
  });
  // Events of media do not bubble, but they can be caught on their way down.
  for (const name of ["loadedmetadata", "durationchange", "error"]) {
    document.addEventListener(
      name,
      ({ target }) => boardOf(target) && paint(boardOf(target)),
      true,
    );
  }
  document.addEventListener(
    "seeked",
    ({ target }) => {
      const time = wanted.get(target);
      wanted.delete(target);
      if (time !== undefined && boardOf(target)) place(target, time);
    },
    true,
  );
  // What came before the script
  const wake = () => document.querySelectorAll("[data-compare]").forEach(paint);
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", wake);
  else wake();
})();
