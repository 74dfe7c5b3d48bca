// Files on their way to the server, and pictures that only their content tells.
(() => {
  // How far an upload is, where Gradio shows its name, and a way to stop it.
  function followed(way) {
    const line = document.querySelector("#wan-upload > div").cloneNode(true);
    const [{ lastChild: bar }, words, stop] = line.children;
    stop.addEventListener("click", () => way.abort());
    return ({ loaded, total }) => {
      const boxes = [...document.querySelectorAll(".uploading")].map((one) => one.parentElement);
      if (!line.isConnected) boxes.find((box) => !box.querySelector(".wan-upload"))?.append(line);
      bar.value = loaded / total;
      words.textContent = `${(loaded / 1e6).toFixed(1)} / ${(total / 1e6).toFixed(1)} MB`;
    };
  }

  // Gradio shows a refusal as it came: of the JSON that is its sentence, and the list of files is
  // left as it is.
  function sentence(text) {
    try {
      return JSON.parse(text).detail || text;
    } catch {
      return text; // a proxy's
    }
  }

  // What Gradio sends by fetch cannot be stopped, and its server tells it nothing before the whole
  // is there: files go by the older way.
  function upload(address, { body, headers = {} }) {
    const way = new XMLHttpRequest();
    return new Promise((answer, fail) => {
      way.upload.addEventListener("progress", followed(way));
      way.addEventListener("load", () =>
        answer(new Response(sentence(way.responseText), { status: way.status })),
      );
      // No files; anything else Gradio would show as an error
      way.addEventListener("abort", () => answer(new Response("[]")));
      way.addEventListener("error", () => fail(new TypeError("Failed to fetch")));
      way.open("POST", address);
      way.setRequestHeader("Accept-Language", document.documentElement.lang);
      Object.entries(headers).forEach(([name, value]) => way.setRequestHeader(name, value));
      way.send(body);
    });
  }

  const fetched = window.fetch;
  window.fetch = (address, options) =>
    /\/gradio_api\/upload(\?|$)/.test(address) && options?.body instanceof FormData
      ? upload(address, options)
      : fetched(address, options);

  // Gradio takes for a picture what the system calls one by its name. What a file is, its content
  // says, and the app looks into it.
  const PICTURE = "#wan-image-reference_image";
  const isOdd = ({ type }) => !type.startsWith("image/");
  const asPictures = (files) => {
    const all = new DataTransfer();
    for (const file of files)
      all.items.add(isOdd(file) ? new File([file], file.name, { type: "image/unknown" }) : file);
    return all;
  };
  // A browser shows no HEIC: what the server made of it stands in.
  function standIn() {
    const given = document.querySelector(`${PICTURE} img`);
    const whole = document.querySelector("#wan-image-view .preview img")?.dataset.whole;
    if (!given?.complete || !whole || (given.naturalWidth && given.src !== given.standIn)) return;
    if (given.src !== whole) given.src = given.standIn = whole;
  }
  addEventListener(
    "change",
    ({ target }) => {
      if (target.matches?.(`${PICTURE} input[type=file]`) && [...target.files].some(isOdd))
        target.files = asPictures(target.files).files;
    },
    true,
  );
  addEventListener(
    "drop",
    (event) => {
      const files = [...(event.dataTransfer?.files ?? [])];
      if (!event.target.closest?.(PICTURE) || !files.some(isOdd) || dropped(event)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      event.target.dispatchEvent(
        new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: asPictures(files) }),
      );
    },
    true,
  );

  setInterval(standIn, 250);

  // A video that is dropped on a form is asked for its settings; on the references' own field it
  // stays a reference.
  const dropped = (event) => {
    const form = event.target.closest?.(".wan-brief");
    const recall = form?.querySelector(".wan-recall")?.parentElement;
    const upload = recall?.querySelector(":scope > input[type=file]");
    const [file] = event.dataTransfer?.items ?? [];
    const video = file?.kind === "file" && /^video\/(mp4|quicktime)$/.test(file.type);
    const isReference = event.target.closest("#wan-reference-reference_video");
    return video && upload && !isReference ? upload : null;
  };
  addEventListener("dragover", (event) => dropped(event) && event.preventDefault(), true);
  addEventListener(
    "drop",
    (event) => {
      const upload = dropped(event);
      if (!upload) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      const files = new DataTransfer();
      files.items.add(event.dataTransfer.files[0]);
      upload.files = files.files;
      upload.dispatchEvent(new Event("change", { bubbles: true }));
    },
    true,
  );
})();
