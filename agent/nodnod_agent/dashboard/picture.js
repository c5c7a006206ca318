// A chart as a picture: the same paths, texts and colors, on a canvas.

const SCALE = 2;
const WIDTH = 800;
const PLOT = 260;
const PAD = 20;
const SIDE = 84; // of the scale, left of the plot
const ROW = 19;
const COLUMN = 92; // of the legend
const FONT = 13;

/** The picture of a chart, as a promise of a PNG; `title` and `range` stand above it. */
export function pictureOf(chart, title, range) {
  const rows = [...chart.element.querySelectorAll(".chart-legend tr")].filter((row) => !row.hidden);
  const top = PAD + 2 * ROW + rows.length * ROW + ROW / 2;
  const height = top + PLOT + ROW + PAD;
  const canvas = new OffscreenCanvas(WIDTH * SCALE, height * SCALE);
  const context = canvas.getContext("2d");
  const styles = getComputedStyle(chart.element);
  const [ground, ink] = [styles.backgroundColor, styles.color];
  const muted = getComputedStyle(chart.times).color;
  const plot = { x: PAD + SIDE, y: top, width: WIDTH - 2 * PAD - SIDE, height: PLOT };

  function text(value, x, y, { align = "left", color = ink, weight = 400, room = Infinity } = {}) {
    context.font = `${weight} ${FONT}px ${styles.fontFamily}`;
    context.textAlign = align;
    context.fillStyle = color;
    context.fillText(shortened(value, room), x, y);
  }

  function shortened(value, room) {
    const fits = (one) => context.measureText(one).width <= room;
    let cut = value.length;
    let short = value;
    while (cut > 2 && !fits(short)) {
      cut -= 1;
      short = `${value.slice(0, Math.floor(cut / 3))}…${value.slice(value.length - Math.ceil((2 * cut) / 3))}`;
    }
    return short;
  }

  context.scale(SCALE, SCALE);
  context.textBaseline = "middle";
  context.fillStyle = ground;
  context.fillRect(0, 0, WIDTH, height);
  text(title, PAD, PAD + ROW / 2, { weight: 650, room: WIDTH - 2 * PAD });
  text(range, PAD, PAD + 1.5 * ROW, { color: muted });
  rows.forEach((row, i) => {
    const y = PAD + (2.5 + i) * ROW;
    const [name, ...cells] = row.cells;
    const sample = name.querySelector("path");
    if (sample !== null) {
      const box = { x: PAD, y: y - 4, width: 22, height: 8 };
      drawPath(context, sample, box, sample.ownerSVGElement.viewBox.baseVal);
      text(name.title, PAD + 30, y, { room: WIDTH - 2 * PAD - 30 - cells.length * COLUMN });
    }
    cells.forEach((cell, column) => {
      const x = WIDTH - PAD - (cells.length - 1 - column) * COLUMN;
      const color = i === 0 ? muted : ink;
      text(cell.textContent, x, y, { align: "right", color, weight: column === 0 ? 650 : 400 });
    });
  });
  context.save();
  context.beginPath();
  context.rect(plot.x, plot.y - 1, plot.width, plot.height + 1);
  context.clip();
  const drawing = chart.plot.querySelector("svg");
  for (const path of drawing.querySelectorAll("path")) {
    drawPath(context, path, plot, drawing.viewBox.baseVal);
  }
  context.restore();
  chart.scale.forEach((label, i) => {
    const box = drawing.viewBox.baseVal;
    const share = (i * chart.height * 0.5 - box.y) / box.height;
    text(label.textContent, plot.x - 8, plot.y + share * plot.height, { align: "right", color: muted });
  });
  for (const { label, share } of chart.shownTimes()) {
    const x = plot.x + share * plot.width;
    text(label, x, plot.y + plot.height + ROW / 2 + 2, { align: "center", color: muted });
  }
  return canvas.convertToBlob({ type: "image/png" });
}

/** Draw a path of an image, which has this `view`, into a `box` of the canvas. */
function drawPath(context, path, box, view) {
  const data = path.getAttribute("d");
  if (!data) {
    return;
  }
  const style = getComputedStyle(path);
  const [x, y] = [box.width / view.width, box.height / view.height];
  const shape = new Path2D();
  shape.addPath(new Path2D(data), new DOMMatrix([x, 0, 0, y, box.x - view.x * x, box.y - view.y * y]));
  context.save();
  context.globalAlpha = Number(style.opacity);
  if (style.fill !== "none") {
    context.fillStyle = style.fill;
    context.fill(shape);
  }
  if (style.stroke !== "none") {
    context.strokeStyle = style.stroke;
    context.lineWidth = Number.parseFloat(style.strokeWidth);
    context.lineJoin = style.strokeLinejoin;
    context.lineCap = style.strokeLinecap;
    const dashes = style.strokeDasharray;
    context.setLineDash(dashes === "none" ? [] : dashes.split(/[, ]+/).map(Number.parseFloat));
    context.stroke(shape);
  }
  context.restore();
}
