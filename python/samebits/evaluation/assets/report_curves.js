"use strict";
// The curves: SVG drawn from the JSON in #curves-data, again whenever the width or the choice changes.
(() => {
  const { curves, published } = JSON.parse(document.getElementById("curves-data").textContent);
  const figures = document.querySelectorAll("figure[data-metric]");
  const MAX_RATE = 1.75; // bits per pixel; above, all codecs look alike
  const DASHES = ["none", "7 3", "8 3 2 3", "2 3", "12 3", "1 4"];

  curves.forEach((curve, index) => {
    const turn = index - curves.findIndex((other) => !other.measured);
    const color = `--anchor-${turn % 6}`;
    const dashes = DASHES[(turn + Math.floor(turn / 6)) % 6]; // no two alike among 36
    curve.style = curve.measured
      ? `stroke: var(--codec-${curve.name}); stroke-width: ${curve.name === "samebits" ? 2.6 : 1.6}`
      : `stroke: var(${color}); stroke-width: 1.3; stroke-dasharray: ${dashes}`;
    curve.fill = `fill: var(${curve.measured ? `--codec-${curve.name}` : color})`;
  });

  function element(name, attributes, text) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function levelAt(points, rate) {
    if (rate >= points[points.length - 1][0]) return points[points.length - 1][1];
    const next = points.findIndex(([bpp]) => bpp > rate);
    if (next < 1) return points[0][1];
    const [[x0, y0], [x1, y1]] = [points[next - 1], points[next]];
    return y0 + ((rate - x0) / (x1 - x0)) * (y1 - y0);
  }

  // From zero rate to what the measured codecs reach; all chosen curves visible.
  function rangeOf(lines) {
    const measured = lines.filter(({ curve }) => curve.measured);
    const main = measured.length ? measured : lines;
    const ends = main.map(({ points }) => Math.min(points[points.length - 1][0], MAX_RATE));
    const right = Math.max(0.5, ...ends);
    const bottom = Math.min(...main.map(({ points }) => points[0][1]));
    const top = Math.max(...lines.map(({ points }) => levelAt(points, right)));
    const margin = 0.03 * (top - bottom) || 1;
    return { right, bottom: bottom - margin, top: top + margin };
  }

  function ticks(low, high, most) {
    const rough = (high - low) / most;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
    const found = [];
    for (let k = Math.ceil(low / step); k * step <= high * (1 + 1e-9); k++) found.push(k * step);
    return { found, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
  }

  function drawAxes(svg, { width, height, box, x, y, range }) {
    const across = ticks(0, range.right, width < 420 ? 5 : 8);
    for (const rate of across.found) {
      svg.append(element("line", { class: "grid", x1: x(rate), x2: x(rate), y1: box.top, y2: box.bottom }));
      svg.append(element("text", { x: x(rate), y: box.bottom + 16, "text-anchor": "middle" }, rate.toFixed(across.digits)));
    }
    const up = ticks(range.bottom, range.top, 7);
    for (const level of up.found) {
      svg.append(element("line", { class: "grid", x1: box.left, x2: box.right, y1: y(level), y2: y(level) }));
      svg.append(element("text", { x: box.left - 6, y: y(level) + 4, "text-anchor": "end" }, level.toFixed(up.digits)));
    }
    svg.append(element("text", { x: box.right, y: height - 4, "text-anchor": "end" }, "bits per pixel (complete files)"));
  }

  function draw(figure) {
    const svg = figure.querySelector("svg");
    const width = svg.clientWidth;
    const height = Math.max(280, Math.min(430, Math.round(width * 0.78)));
    svg.replaceChildren();
    figure.spots = [];
    const lines = curves
      .filter((curve) => curve.shown && curve[figure.dataset.metric].length)
      .map((curve) => ({ curve, points: curve[figure.dataset.metric] }));
    if (!width || !lines.length) return;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.style.height = `${height}px`;
    const box = { left: 34, right: width - 10, top: 10, bottom: height - 40 };
    const range = rangeOf(lines);
    const x = (rate) => box.left + (rate / range.right) * (box.right - box.left);
    const y = (level) => box.bottom - ((level - range.bottom) / (range.top - range.bottom)) * (box.bottom - box.top);
    drawAxes(svg, { width, height, box, x, y, range });
    const clip = element("clipPath", { id: `clip-${figure.dataset.metric}` });
    clip.append(element("rect", { x: box.left, y: box.top - 4, width: box.right - box.left + 4, height: box.bottom - box.top + 4 }));
    const inside = element("g", { "clip-path": `url(#${clip.id})` });
    svg.append(clip, inside);
    // Ours last, so that it lies on top.
    for (const { curve, points } of lines.reverse()) {
      inside.append(element("polyline", { style: curve.style, points: points.map(([bpp, level]) => `${x(bpp)},${y(level)}`).join(" ") }));
      for (const [bpp, level, quality] of points) {
        if (bpp > range.right || level < range.bottom) continue;
        figure.spots.push({ curve, bpp, level, quality, x: x(bpp), y: y(level) });
        if (curve.measured) inside.append(element("circle", { cx: x(bpp), cy: y(level), r: curve.name === "samebits" ? 3.6 : 2.6, style: curve.fill }));
      }
    }
  }

  function tell(figure, event) {
    const frame = figure.querySelector("svg").getBoundingClientRect();
    const distance = (spot) => Math.hypot(spot.x - event.clientX + frame.left, spot.y - event.clientY + frame.top);
    const spot = figure.spots.reduce((best, other) => (!best || distance(other) < distance(best) ? other : best), null);
    figure.querySelector("output").textContent =
      spot && distance(spot) < 40
        ? `${spot.curve.label}${spot.quality === null ? "" : `, quality ${spot.quality}`}: ${spot.bpp.toFixed(3)} bpp, ${spot.level.toFixed(2)} ${figure.dataset.unit}`
        : "\u00a0";
  }

  function legendGroup(title, group) {
    const fieldset = document.createElement("fieldset");
    fieldset.append(Object.assign(document.createElement("legend"), { textContent: title }));
    for (const curve of group) {
      const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: curve.shown });
      box.addEventListener("change", () => {
        curve.shown = box.checked;
        figures.forEach(draw);
      });
      const swatch = element("svg", { width: 26, height: 10, "aria-hidden": "true" });
      swatch.append(element("line", { x1: 0, x2: 26, y1: 5, y2: 5, style: curve.style }));
      if (curve.measured) swatch.append(element("circle", { cx: 13, cy: 5, r: 3, style: curve.fill }));
      const label = document.createElement("label");
      label.append(box, swatch, curve.label);
      fieldset.append(label);
    }
    return fieldset;
  }

  const legend = document.getElementById("legend");
  legend.append(legendGroup("Measured in this run", curves.filter((curve) => curve.measured)));
  const anchors = curves.filter((curve) => !curve.measured);
  if (anchors.length) legend.append(legendGroup(`Published for ${published}`, anchors));
  for (const figure of figures) {
    figure.addEventListener("pointermove", (event) => tell(figure, event));
    figure.addEventListener("pointerdown", (event) => tell(figure, event));
    new ResizeObserver(() => draw(figure)).observe(figure);
  }
})();
