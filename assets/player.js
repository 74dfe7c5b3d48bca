// Videos with data-plays play by themselves while they are in sight, in a loop, and without sound
// until somebody clicks on one. Not for whoever wants nothing to move.
(() => {
  const CONTROLS = 72; // px at the lower edge, where the browser has its own buttons
  const resting = new WeakSet(); // videos that go on as soon as they are seen
  const silent = new WeakSet(); // those that were muted here

  const all = () => document.querySelectorAll("video[data-plays]");
  const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  // Whether a video says how to hear it. Gradio may have written the words anew.
  function mark(video) {
    const words = video.parentElement?.querySelector("[data-hear]");
    const hides = !(silent.has(video) && video.muted);
    if (words && words.hidden !== hides) words.hidden = hides;
  }

  const sight = new IntersectionObserver(
    (seen) => {
      for (const { target, isIntersecting } of seen) {
        if (isIntersecting && resting.delete(target)) target.play().catch(() => {}); // it has gone
        if (isIntersecting || target.paused) continue;
        target.pause();
        resting.add(target);
      }
    },
    { threshold: 0.25 },
  );

  function begin(video) {
    if (calm()) return;
    video.muted = true;
    silent.add(video);
    resting.add(video);
    sight.unobserve(video); // what it was told of an earlier video
    sight.observe(video);
    mark(video);
  }

  // One is heard at a time.
  function hear(video) {
    for (const other of all()) if (other !== video && silent.has(other)) other.muted = true;
    mark(video);
  }

  const on = (event, act) =>
    document.addEventListener(
      event,
      ({ target }) => target.matches?.("video[data-plays]") && act(target),
      true,
    );
  on("loadedmetadata", begin);
  on("volumechange", (video) => (video.muted ? mark(video) : hear(video)));

  document.addEventListener(
    "click",
    (event) => {
      const video = event.target.closest?.("video[data-plays]");
      if (!video?.muted || !silent.has(video)) return;
      if (event.clientY > video.getBoundingClientRect().bottom - CONTROLS) return;
      event.preventDefault(); // a click stops a video
      video.muted = false;
      video.play().catch(() => {}); // it cannot be played
    },
    true,
  );
  // A player that was sent on to the bucket keeps the address, and a browser tries one that has
  // ended for half a minute. So it gets a fresh one, from its own, before it asks for more.
  const AGAIN = 5000; // ms between two tries
  const life = () => 1000 * (document.querySelector("meta[name=wan-media]")?.content ?? Infinity);
  const begun = new WeakMap(); // when a video was sent for, ms
  const age = (video) => performance.now() - (begun.get(video) ?? -Infinity);

  function has({ buffered, currentTime: at }) {
    for (let part = 0; part < buffered.length; part++)
      if (buffered.start(part) <= at && at < buffered.end(part)) return true;
    return false;
  }

  function renew(video) {
    const { currentTime, paused } = video;
    video.addEventListener(
      "loadedmetadata",
      () => {
        video.currentTime = currentTime;
        if (!paused) video.play().catch(() => {}); // it has gone
      },
      { once: true },
    );
    video.load();
  }

  const onVideo = (event, act) =>
    document.addEventListener(
      event,
      ({ target }) => target instanceof HTMLVideoElement && act(target),
      true,
    );
  onVideo("loadstart", (video) => begun.set(video, performance.now()));
  for (const event of ["seeking", "waiting"])
    onVideo(event, (video) => age(video) > life() && !has(video) && renew(video));
  onVideo("error", (video) => {
    if (video.error?.code === MediaError.MEDIA_ERR_NETWORK && age(video) > AGAIN) renew(video);
  });
  document.addEventListener("wan-change", () => all().forEach(mark));
})();
