"use strict";
// The comparison: two versions of a picture on one canvas, left and right of a line that moves.
(() => {
  const at = (id) => document.getElementById(id);
  const canvas = at("canvas");
  if (!canvas) return; // a report without pictures
  const context = canvas.getContext("2d");
  const MAX_ZOOM = 8;
  const HANDLE = 22; // pixels left and right of the line that take hold of it
  const view = { split: 0.5, zoom: 1, x: 0.5, y: 0.5 };
  let picture = null; // parsed JSON of the picture chosen
  let images = new Map(); // data URI to image, for this picture
  let errorMaps = new Map();
  let sides = null; // what is on the canvas: left and right {version, source}
  let turns = 0; // of show

  // Choosing

  const ORIGINAL = "original";
  const version = (side) => {
    const codec = at(`${side}-codec`).value;
    const target = Number(at(`${at("linked").checked ? "left" : side}-size`).value);
    if (codec === ORIGINAL) return { label: "Original", image: picture.original };
    const distance = (other) => Math.abs(Math.log(other.bpp / target));
    return picture.versions
      .filter((other) => other.codec === codec)
      .reduce((best, other) => (distance(other) < distance(best) ? other : best));
  };

  function option(value, text) {
    return Object.assign(document.createElement("option"), { value, textContent: text });
  }

  function choosePicture() {
    picture = JSON.parse(at(`picture-${at("picture").value}`).textContent);
    images = new Map();
    errorMaps = new Map();
    Object.assign(view, { x: 0.5, y: 0.5 });
  }

  function fillChoices() {
    const codecs = new Map(picture.versions.map((other) => [other.codec, other.label]));
    for (const side of ["left", "right"]) {
      at(`${side}-codec`).append(option(ORIGINAL, "Original"));
      for (const [name, label] of codecs) at(`${side}-codec`).append(option(name, label));
      for (const target of picture.targets_bpp) at(`${side}-size`).append(option(target, `about ${target} bpp`));
      at(`${side}-size`).selectedIndex = Math.floor((picture.targets_bpp.length - 1) / 2);
    }
    const [first, second] = [...codecs.keys()];
    at("left-codec").value = second ? first : ORIGINAL;
    at("right-codec").value = second ?? first;
  }

  // Pixels

  async function load(uri) {
    if (!images.has(uri)) {
      const image = new Image();
      image.src = uri;
      images.set(uri, image.decode().then(() => image));
    }
    return images.get(uri);
  }

  function pixels(image) {
    const sheet = document.createElement("canvas");
    Object.assign(sheet, { width: image.naturalWidth, height: image.naturalHeight });
    const drawing = sheet.getContext("2d", { willReadFrequently: true });
    drawing.drawImage(image, 0, 0);
    return { sheet, drawing, data: drawing.getImageData(0, 0, sheet.width, sheet.height) };
  }

  async function errorMap(uri) {
    const factor = Number(at("factor").value);
    const key = `${factor} ${uri}`;
    if (!errorMaps.has(key)) {
      const original = pixels(await load(picture.original)).data.data;
      const { sheet, drawing, data } = pixels(await load(uri));
      for (let i = 0; i < data.data.length; i++) {
        if (i % 4 !== 3) data.data[i] = factor * Math.abs(data.data[i] - original[i]); // clamps at 255
      }
      drawing.putImageData(data, 0, 0);
      errorMaps.set(key, sheet);
    }
    return errorMaps.get(key);
  }

  // Showing

  async function show() {
    const linked = at("linked").checked;
    if (linked) at("right-size").value = at("left-size").value;
    at("right-size").disabled = linked;
    const [left, right] = ["left", "right"].map(version);
    const source = at("error").checked ? errorMap : load;
    const turn = ++turns;
    const [leftSource, rightSource] = await Promise.all([source(left.image), source(right.image)]);
    if (turn !== turns) return; // another choice was made while the images were loading
    sides = { left: { version: left, source: leftSource }, right: { version: right, source: rightSource } };
    caption("left", left);
    caption("right", right);
    relate(left, right);
    resize();
  }

  function caption(side, { label, quality, bpp, psnr_db, ssimulacra2 }) {
    const paragraph = at(`${side}-caption`);
    const name = document.createElement("b");
    name.textContent = label;
    const coded = bpp === undefined ? "" : `quality ${quality}, ${bpp.toFixed(3)} bpp, `;
    const level = psnr_db === null ? "lossless" : `${psnr_db?.toFixed(2)} dB`;
    const score = typeof ssimulacra2 === "number" ? `, SSIMULACRA 2: ${ssimulacra2.toFixed(1)}` : "";
    paragraph.replaceChildren(name, bpp === undefined ? "not coded" : coded + level + score);
  }

  function relate(left, right) {
    const shown = `${picture.name}, ${picture.width} × ${picture.height}`;
    const part = picture.part ? `, ${picture.part} shown` : "";
    let words = "";
    if (left.bpp && right.bpp) {
      const percent = Math.round(100 * (right.bpp / left.bpp - 1));
      words = percent ? ` The right file is ${Math.abs(percent)} % ${percent > 0 ? "larger" : "smaller"}.` : " Both files have about the same size.";
    }
    at("relation").textContent = `${shown}${part}.${words}`;
  }

  function resize() {
    if (!sides) return;
    const { width, height } = picture.shown;
    const room = canvas.parentElement.clientWidth;
    // Not beyond its own size, and not higher than the window.
    const shownWidth = Math.floor(Math.min(room, Math.max(width, 360), (0.8 * Math.max(innerHeight, 500) * width) / height));
    const shownHeight = Math.round((shownWidth * height) / width);
    canvas.style.width = `${shownWidth}px`;
    canvas.style.height = `${shownHeight}px`;
    canvas.previousElementSibling.style.maxWidth = `${shownWidth}px`;
    canvas.width = Math.round(shownWidth * devicePixelRatio);
    canvas.height = Math.round(shownHeight * devicePixelRatio);
    paint();
  }

  function paint() {
    if (!sides) return;
    const half = 0.5 / view.zoom;
    view.x = Math.min(Math.max(view.x, half), 1 - half);
    view.y = Math.min(Math.max(view.y, half), 1 - half);
    const { width, height } = canvas;
    const line = Math.round(view.split * width);
    context.imageSmoothingEnabled = view.zoom === 1;
    for (const [side, start, end] of [["left", 0, line], ["right", line, width]]) {
      context.save();
      context.beginPath();
      context.rect(start, 0, end - start, height);
      context.clip();
      const [w, h] = [width * view.zoom, height * view.zoom];
      context.drawImage(sides[side].source, width / 2 - view.x * w, height / 2 - view.y * h, w, h);
      context.restore();
    }
    paintHandle(line);
    at("split").value = view.split;
    at("zoom").value = view.zoom;
    at("zoom-value").textContent = `${Math.round(10 * view.zoom) / 10}×`;
    canvas.style.touchAction = view.zoom > 1 ? "none" : "pan-y";
    canvas.style.cursor = view.zoom > 1 ? "grab" : "ew-resize";
  }

  function paintHandle(line) {
    const unit = devicePixelRatio;
    context.fillStyle = "#000a";
    context.fillRect(line - 2 * unit, 0, 4 * unit, canvas.height);
    context.fillStyle = "#fff";
    context.fillRect(line - unit, 0, 2 * unit, canvas.height);
    const [radius, middle] = [15 * unit, canvas.height / 2];
    context.beginPath();
    context.arc(line, middle, radius, 0, 2 * Math.PI);
    context.fill();
    context.fillStyle = "#333";
    for (const way of [-1, 1]) {
      context.beginPath();
      context.moveTo(line + way * 10 * unit, middle);
      context.lineTo(line + way * 4 * unit, middle - 5 * unit);
      context.lineTo(line + way * 4 * unit, middle + 5 * unit);
      context.fill();
    }
  }

  // Moving

  // The point of the picture at (x, y), shares of the canvas, stays where it is.
  function zoomTo(zoom, x = 0.5, y = 0.5) {
    const next = Math.min(Math.max(zoom, 1), MAX_ZOOM);
    view.x += (x - 0.5) * (1 / view.zoom - 1 / next);
    view.y += (y - 0.5) * (1 / view.zoom - 1 / next);
    view.zoom = next;
    paint();
  }

  function splitTo(share) {
    view.split = Math.min(Math.max(share, 0), 1);
    paint();
  }

  function pan(x, y) {
    view.x += x / view.zoom;
    view.y += y / view.zoom;
    paint();
  }

  const pointers = new Map();
  let dragging = null; // "split" or "pan"
  const place = (event) => {
    const frame = canvas.getBoundingClientRect();
    return { x: (event.clientX - frame.left) / frame.width, y: (event.clientY - frame.top) / frame.height };
  };

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    const { x, y } = place(event);
    pointers.set(event.pointerId, { x, y });
    const near = Math.abs(x - view.split) * canvas.clientWidth <= HANDLE;
    dragging = view.zoom === 1 || near ? "split" : "pan";
    if (dragging === "split" && pointers.size === 1) splitTo(x);
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = place(event);
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    pointers.set(event.pointerId, now);
    if (other) {
      const apart = (a) => Math.hypot(a.x - other.x, a.y - other.y);
      zoomTo((view.zoom * apart(now)) / Math.max(apart(before), 0.01), (now.x + other.x) / 2, (now.y + other.y) / 2);
    } else if (dragging === "split") {
      splitTo(now.x);
    } else {
      pan(before.x - now.x, before.y - now.y);
    }
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => pointers.delete(event.pointerId));
  }
  canvas.addEventListener("dblclick", (event) => {
    const { x, y } = place(event);
    zoomTo(view.zoom > 1 ? 1 : 4, x, y);
  });
  canvas.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // plain turns of the wheel scroll the page
      event.preventDefault();
      const { x, y } = place(event);
      zoomTo(view.zoom * Math.exp(-event.deltaY / 200), x, y);
    },
    { passive: false },
  );
  canvas.addEventListener("keydown", (event) => {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const way = ways[event.key];
    if (way && view.zoom > 1) pan(way[0] / 10, way[1] / 10);
    else if (way && way[0]) splitTo(view.split + way[0] / 50);
    else if (event.key === "+" || event.key === "=") zoomTo(Math.floor(view.zoom) + 1);
    else if (event.key === "-") zoomTo(Math.ceil(view.zoom) - 1);
    else return;
    event.preventDefault();
  });

  at("split").addEventListener("input", () => splitTo(Number(at("split").value)));
  at("zoom").addEventListener("input", () => zoomTo(Number(at("zoom").value)));
  at("picture").addEventListener("change", () => {
    choosePicture();
    show();
  });
  for (const id of ["left-codec", "right-codec", "left-size", "right-size", "linked", "error", "factor"]) {
    at(id).addEventListener("change", show);
  }
  new ResizeObserver(resize).observe(canvas.parentElement);
  choosePicture();
  fillChoices();
  show();
})();
