// The frame on the picture of a form: what of it fills the video. It is moved by pointer or keys and
// moves the sliders below the picture, which are the form's own controls.
(() => {
  const NAMES = ["crop_x", "crop_y", "zoom"];
  const [STEP, LEAP, CLOSER] = [0.02, 0.1, 1.1];
  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const CLOSENESS = { "+": CLOSER, "=": CLOSER, "-": 1 / CLOSER };

  const part = (name) => document.getElementById(`wan-image-${name}`);
  const slider = (name) => part(name)?.querySelector("input[type=range]");
  const chosen = (name) => part(name)?.querySelector("input:checked")?.value;
  const frame = () => document.querySelector(".wan-frame");
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  // The picture as it is and as it is shown, with the largest frame that fits; undefined where
  // there is nothing to crop.
  function measure() {
    const picture = part("reference_image")?.querySelector("img");
    const room = frame()?.parentElement;
    const ratios = room && JSON.parse(room.dataset.ratios)[chosen("shape")];
    const shown = ratios && chosen("fit") === "crop" && picture?.complete && picture.naturalWidth;
    if (!shown || !slider("zoom")) return undefined;
    const { naturalWidth: width, naturalHeight: height } = picture;
    const [across, down] = ratios[chosen("quality") === "1080P" ? 1 : 0];
    const ratio = across / down;
    const base = {
      width: Math.min(width, height * ratio),
      height: Math.min(height, width / ratio),
    };
    return { room, picture, width, height, base };
  }

  const read = () => NAMES.map((name) => Number(slider(name).value));

  function write(values) {
    values.forEach((value, place) => {
      const { step } = slider(NAMES[place]);
      const input = slider(NAMES[place]);
      const rounded = String(Number((Math.round(value / step) * step).toFixed(3)));
      if (Number(input.value) === Number(rounded)) return;
      input.value = rounded;
      input.dispatchEvent(new Event("input", { bubbles: true }));
    });
  }

  const size = ({ base }, zoom) => [base.width / zoom, base.height / zoom];
  const edges = (sight, [x, y, zoom]) => {
    const [width, height] = size(sight, zoom);
    return { left: (sight.width - width) * x, top: (sight.height - height) * y, width, height };
  };

  const hasWay = (way) => way > 0.5;

  // Where the frame stands on its way, for an edge in pixels; as before where there is no way.
  const place = (edge, way, before) => (hasWay(way) ? clamp(edge / way, 0, 1) : before);

  function moved(sight, [x, y, zoom], right, below) {
    const { left, top, width, height } = edges(sight, [x, y, zoom]);
    return [
      place(left + right, sight.width - width, x),
      place(top + below, sight.height - height, y),
      zoom,
    ];
  }

  // The same middle, as far as the picture reaches.
  function zoomed(sight, [x, y, before], wanted) {
    const { min, max } = slider("zoom");
    const zoom = clamp(wanted, Number(min), Number(max));
    const old = edges(sight, [x, y, before]);
    const [width, height] = size(sight, zoom);
    return [
      place(old.left + (old.width - width) / 2, sight.width - width, x),
      place(old.top + (old.height - height) / 2, sight.height - height, y),
      zoom,
    ];
  }

  let drag; // {sight, start, from, values, grows} while the frame is held

  function draw() {
    const room = frame()?.parentElement;
    if (!room) return;
    const sight = measure();
    if (room.hidden !== !sight) room.hidden = !sight;
    if (!sight || !room.offsetParent) return; // or it is on a tab that is turned away
    const { picture, width, height } = sight;
    const box = picture.getBoundingClientRect();
    const scale = Math.min(box.width / width, box.height / height);
    const around = room.offsetParent.getBoundingClientRect();
    const [wide, high] = [width * scale, height * scale];
    Object.assign(room.style, {
      left: `${box.left - around.left + (box.width - wide) / 2}px`,
      top: `${box.top - around.top + (box.height - high) / 2}px`,
      width: `${wide}px`,
      height: `${high}px`,
    });
    const now = edges(sight, drag?.values ?? read());
    part("crop_x").inert = !hasWay(width - now.width);
    part("crop_y").inert = !hasWay(height - now.height);
    Object.assign(frame().style, {
      left: `${(100 * now.left) / width}%`,
      top: `${(100 * now.top) / height}%`,
      width: `${(100 * now.width) / width}%`,
      height: `${(100 * now.height) / height}%`,
    });
  }

  function pull({ clientX, clientY }) {
    const { sight, start, from, grows } = drag;
    const scale = sight.room.clientWidth / sight.width;
    if (!grows) {
      const [right, below] = [(clientX - start.x) / scale, (clientY - start.y) / scale];
      drag.values = moved(sight, from, right, below);
    } else {
      const far = (x, y) => Math.hypot(x - grows.x, y - grows.y);
      const factor = far(start.x, start.y) / Math.max(far(clientX, clientY), 1);
      drag.values = zoomed(sight, from, from[2] * factor);
    }
    draw();
  }

  document.addEventListener("pointerdown", (event) => {
    const held = event.target.closest?.(".wan-frame");
    const sight = held && event.button === 0 && measure();
    if (!sight) return;
    const { left, top, width, height } = held.getBoundingClientRect();
    const grows = event.target !== held && { x: left + width / 2, y: top + height / 2 };
    const from = read();
    drag = { sight, grows, from, values: from, start: { x: event.clientX, y: event.clientY } };
    held.setPointerCapture(event.pointerId);
    event.preventDefault();
    held.focus({ preventScroll: true });
  });
  document.addEventListener("pointermove", (event) => drag && pull(event));
  for (const end of ["pointerup", "pointercancel"])
    document.addEventListener(end, () => {
      if (drag) write(drag.values);
      drag = undefined;
    });

  document.addEventListener("keydown", (event) => {
    const sight = event.target.matches?.(".wan-frame") && measure();
    const [way, factor] = [MOVES[event.key], CLOSENESS[event.key]];
    if (!sight || event.ctrlKey || event.metaKey || event.altKey || !(way || factor)) return;
    event.preventDefault();
    const [x, y, zoom] = read();
    const step = event.shiftKey ? LEAP : STEP;
    if (way) write([clamp(x + way[0] * step, 0, 1), clamp(y + way[1] * step, 0, 1), zoom]);
    else write(zoomed(sight, [x, y, zoom], zoom * factor));
    draw();
  });

  // Two fingers on a touchpad arrive as a wheel with Ctrl.
  document.addEventListener(
    "wheel",
    (event) => {
      const sight = event.ctrlKey && event.target.closest?.(".wan-frame") && measure();
      if (!sight) return;
      event.preventDefault();
      const values = read();
      write(zoomed(sight, values, values[2] * (event.deltaY < 0 ? CLOSER : 1 / CLOSER)));
      draw();
    },
    { passive: false },
  );

  // A colour that is chosen by eye stands as text in the form; what is typed shows as a colour.
  const swatches = () => document.querySelectorAll("[data-fills]");
  const textOf = (swatch) =>
    document.querySelector(`#${swatch.dataset.fills} :is(input, textarea)`);
  document.addEventListener("change", ({ target }) => {
    const text = target.dataset?.fills && textOf(target);
    if (!text) return;
    text.value = target.value;
    text.dispatchEvent(new Event("input", { bubbles: true }));
    text.dispatchEvent(new FocusEvent("blur"));
  });

  function showColors() {
    for (const swatch of swatches()) {
      const typed = textOf(swatch)?.value.trim().toLowerCase();
      const isOpen = document.activeElement === swatch;
      if (!isOpen && /^#[0-9a-f]{6}$/.test(typed) && swatch.value !== typed) swatch.value = typed;
    }
  }

  for (const event of ["input", "change"]) document.addEventListener(event, () => setTimeout(draw));
  document.addEventListener("load", draw, true);
  addEventListener("resize", draw);
  setInterval(() => {
    draw();
    showColors();
  }, 250);
})();
