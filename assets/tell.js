// Tells whoever wants it that what was on its way has ended, while they look at something else: by
// a notification of the browser, by a short sound, and by the icon of the browser's tab.
window.wanTell = (() => {
  const { kept, keep, write } = window.wan;
  const WANTED = "wan-tell-v1";
  const DOTS = { live: "#f0b35a", good: "#2fbf7f", bad: "#ff6b61" };
  const NOTES = [659, 880]; // Hz, one after the other
  const NOTE = 0.16; // s
  const wanted = new Set((kept("localStorage", WANTED) ?? "").split(" ").filter(Boolean));
  let why = ""; // what kept a notification from being shown, once somebody has asked for one
  let cannot = false; // phones have notifications, but not of a page
  let sounds; // made by a click, else browsers keep it silent

  // What keeps this page from showing notifications; "" where it can.
  function obstacle() {
    if (self !== top) return "frame";
    if (!isSecureContext) return "insecure";
    if (cannot || !("Notification" in window)) return "none";
    return Notification.permission === "denied" ? "denied" : "";
  }

  async function want(kind) {
    if (kind === "notice") why = "";
    if (wanted.delete(kind)) return;
    if (kind === "sound") {
      wanted.add(kind);
      play();
      return;
    }
    why = obstacle();
    if (why) return;
    if ((await Notification.requestPermission()) === "granted") wanted.add(kind);
    else why = obstacle();
  }

  // Puts what is wanted on the buttons of a stage, which the server sends as if nothing were.
  function show(stage) {
    const line = stage.querySelector(".wan-tell");
    if (!line) return;
    for (const button of line.querySelectorAll("[data-tell]")) {
      const is = String(wanted.has(button.dataset.tell));
      if (button.ariaPressed !== is) button.ariaPressed = is;
    }
    const said = line.querySelector("[role=status]");
    write(said, why ? said.dataset[why] : "");
  }

  function play() {
    sounds ??= new AudioContext();
    sounds.resume();
    NOTES.forEach((pitch, number) => {
      const [tone, loud] = [sounds.createOscillator(), sounds.createGain()];
      const from = sounds.currentTime + number * NOTE;
      tone.frequency.value = pitch;
      loud.gain.setValueAtTime(0.12, from);
      loud.gain.exponentialRampToValueAtTime(0.001, from + 2 * NOTE);
      tone.connect(loud).connect(sounds.destination);
      tone.start(from);
      tone.stop(from + 2 * NOTE);
    });
  }

  // What was on its way on a stage has ended, or asks something.
  function ended(stage) {
    if (wanted.has("sound")) play();
    if (!wanted.has("notice") || obstacle() || (!document.hidden && document.hasFocus())) return;
    const [title, body] = [".wan-title", ".wan-say"].map((part) =>
      stage.querySelector(part)?.textContent.trim(),
    );
    try {
      const notice = new Notification(`${title} · Wan Studio`, { body, icon: link?.href });
      notice.onclick = () => {
        focus();
        notice.close();
      };
    } catch {
      cannot = true;
      why = "none";
      show(stage);
    }
  }

  let link; // to the icon that is shown in place of the page's own
  let marked = "";

  // Puts a dot on the icon of the browser's tab. state: "live", "good", "bad", or "" for none.
  function mark(state) {
    const plain = document.getElementById("wan-icon")?.innerHTML;
    if (marked === state || !plain) return;
    marked = state;
    const dot = `<circle cx="24" cy="24" r="8" fill="${DOTS[state]}"/>`;
    const drawn = plain.replace("</svg>", `${state && dot}</svg>`);
    link ??= document.head.appendChild(
      Object.assign(document.createElement("link"), { rel: "icon" }),
    );
    link.href = `data:image/svg+xml,${encodeURIComponent(drawn)}`;
  }

  document.addEventListener("click", async ({ target }) => {
    const button = target.closest?.("[data-tell]");
    if (!button) return;
    await want(button.dataset.tell);
    keep("localStorage", WANTED, [...wanted].join(" "));
    document.querySelectorAll(".wan-view").forEach(show);
  });
  return { show, ended, mark };
})();
