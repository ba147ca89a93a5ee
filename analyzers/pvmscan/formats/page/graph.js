// The dataflow graph: pan, zoom, tooltips, backward slices, and a filter by effect.

const ZOOM = { least: 0.08, most: 3, step: 1.25, readable: 0.55 };
const DRAG = 4; // pixels that a press may move and still be a click
let graphs = 0;

class Graph {
  static all = [];

  constructor(drawing) {
    this.drawing = drawing;
    this.number = ++graphs;
    this.view = { x: 0, y: 0, k: 1 };
    this.chosen = null;
    this.active = new Set();
    this.inputs = drawing.boxes.map(() => []);
    for (const edge of drawing.edges) this.inputs[edge[1]].push(edge);
    this.tip = h("div", { class: "tip", role: "tooltip", hidden: true });
    this.said = h("p", { class: "said", "aria-live": "polite" });
    this.canvas = this.drawCanvas();
    this.boxes[this.leftmost()]?.setAttribute("tabindex", "0");
    this.frame = h("div", { class: "frame" }, this.canvas, this.tip, this.buttons());
    this.element = h("figure", { class: "graph" }, this.filters(), this.frame, this.foot());
    new ResizeObserver(() => this.resized()).observe(this.frame);
    Graph.all.push(this);
  }

  // Drawing --------------------------------------------------------------------------------------------------

  drawCanvas() {
    const { drawing } = this;
    const arrow = `arrow-${this.number}`;
    this.curves = drawing.curves.map((curve) =>
      s("path", {
        class: "flow",
        d: curve.d,
        "marker-end": `url(#${arrow})`,
        "marker-start": curve.both ? `url(#${arrow})` : null,
      }, s("title", null, curve.roles)));
    this.boxes = drawing.boxes.map((box, index) => this.drawBox(box, index));
    this.world = s("g", null, this.curves, this.boxes);
    const marker = s("marker", {
      id: arrow, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse", orient: "auto-start-reverse",
    }, s("path", { class: "head", d: "M0 .5L8 4L0 7.5Z" }));
    const canvas = s("svg", {
      class: "canvas", tabindex: 0, role: "group", "data-graph": this.number,
      "aria-label": `Dataflow graph of ${count(drawing.boxes.length, "node")}. Arrow keys move, plus and minus zoom, ` +
        "Tab reaches the nodes, Enter shows what a node is made from.",
      onpointerdown: (event) => this.pressed(event),
      onwheel: (event) => this.wheeled(event),
      onkeydown: (event) => this.keyed(event),
      ondblclick: () => this.fit(),
    }, s("defs", null, marker), this.world);
    return canvas;
  }

  drawBox(box, index) {
    const lines = box.lines.map(([style, text], line) =>
      s("text", { class: style, x: box.inset, y: 18 + 15 * line }, text));
    const label = box.tip.map(([word, text]) => (word ? `${word}: ${text}` : text)).join("\n");
    return s("g", {
      class: `node effect-${box.effect || "none"}${box.verdict ? ` bad is-${box.verdict}` : ""}`,
      transform: `translate(${box.x} ${box.y})`,
      role: "button", tabindex: -1, "aria-label": label.slice(0, 300), "aria-pressed": "false",
      "data-node": box.id,
      onpointerenter: () => this.showTip(index),
      onpointerleave: () => this.hideTip(),
      onfocus: () => this.focused(index),
      onblur: () => this.hideTip(),
      onclick: () => this.clicked(index),
    }, s("path", { d: box.d }), lines);
  }

  leftmost() {
    const { boxes } = this.drawing;
    return boxes.reduce((best, box, index) => (best < 0 || box.x < boxes[best].x ? index : best), -1);
  }

  buttons() {
    const button = (sign, label, act) => h("button", { type: "button", "aria-label": label, title: label, onclick: act }, sign);
    return h("div", { class: "zoom" },
      button("+", "Zoom in", () => this.zoom(ZOOM.step)),
      button("\u2212", "Zoom out", () => this.zoom(1 / ZOOM.step)),
      button("\u2922", "Show everything", () => this.fit(true)));
  }

  filters() {
    const effects = this.drawing.effects.filter(([effect]) => effect);
    if (!effects.length) return null;
    this.chips = effects.map(([effect, words]) => {
      const number = this.drawing.boxes.filter((box) => box.effect === effect).length;
      return h("button", {
        type: "button", class: `chip effect-${effect}`, "aria-pressed": "false", "data-effect": effect,
        onclick: (event) => this.filter(effect, event.currentTarget),
      }, words, h("span", { class: "number" }, String(number)));
    });
    return h("div", { class: "chips", role: "group", "aria-label": "Show only these effects" }, this.chips);
  }

  foot() {
    return h("figcaption", null, this.said,
      this.drawing.note && h("p", { class: "note" }, this.drawing.note),
      h("p", { class: "hint" },
        "Click a call to see what it is made from. Drag to move; zoom with the buttons, or with the wheel after a click."));
  }

  // The view -------------------------------------------------------------------------------------------------

  resized() {
    const width = this.frame.clientWidth;
    if (!width || width === this.width) return;
    this.width = width;
    const k = Math.max(Math.min(1, (width - 48) / this.drawing.width), ZOOM.readable);
    const height = Math.max(150, Math.min(this.drawing.height * k + 48, innerHeight * 0.72));
    this.frame.style.height = `${Math.round(height)}px`;
    this.fit();
  }

  show() {
    const { x, y, k } = this.view;
    this.world.setAttribute("transform", `translate(${x.toFixed(2)} ${y.toFixed(2)}) scale(${k.toFixed(4)})`);
    this.hideTip();
  }

  // Everything, if that can be read; else what matters most, at a size that can.
  fit(whole = false) {
    const { clientWidth: width, clientHeight: height } = this.frame;
    const { drawing } = this;
    const k = Math.min((width - 48) / drawing.width, (height - 48) / drawing.height, 1.15);
    this.view.k = whole ? Math.max(k, ZOOM.least) : Math.max(k, ZOOM.readable);
    this.view.x = (width - drawing.width * this.view.k) / 2;
    this.view.y = (height - drawing.height * this.view.k) / 2;
    if (this.view.k > k) this.centre(drawing.boxes[drawing.focus]);
    this.show();
  }

  // On paper the whole graph, as wide as the page.
  print(begins) {
    if (begins) {
      const { width, height } = this.drawing;
      this.canvas.setAttribute("viewBox", `-12 -12 ${width + 24} ${height + 24}`);
      this.world.removeAttribute("transform");
    } else {
      this.canvas.removeAttribute("viewBox");
      this.show();
    }
  }

  centre(box) {
    const { clientWidth: width, clientHeight: height } = this.frame;
    const { drawing, view } = this;
    const within = (at, room, size) => (size * view.k < room - 48 ? (room - size * view.k) / 2
      : Math.max(room - 24 - size * view.k, Math.min(24, room / 2 - at * view.k)));
    view.x = within(box.x + box.w / 2, width, drawing.width);
    view.y = within(box.y + box.h / 2, height, drawing.height);
  }

  zoom(factor, x = this.frame.clientWidth / 2, y = this.frame.clientHeight / 2) {
    const { view } = this;
    const k = Math.max(ZOOM.least, Math.min(ZOOM.most, view.k * factor));
    view.x = x - ((x - view.x) * k) / view.k;
    view.y = y - ((y - view.y) * k) / view.k;
    view.k = k;
    this.show();
  }

  wheeled(event) {
    if (!event.ctrlKey && !event.metaKey && !this.canvas.contains(document.activeElement)) return;
    event.preventDefault();
    const frame = this.frame.getBoundingClientRect();
    this.zoom(Math.exp(-event.deltaY * 0.0016), event.clientX - frame.left, event.clientY - frame.top);
  }

  pressed(event) {
    if (event.button) return;
    const from = { x: event.clientX - this.view.x, y: event.clientY - this.view.y };
    const start = { x: event.clientX, y: event.clientY };
    this.dragged = false;
    const move = (now) => {
      if (Math.hypot(now.clientX - start.x, now.clientY - start.y) > DRAG) this.dragged = true;
      if (!this.dragged) return;
      this.canvas.classList.add("moving");
      this.view.x = now.clientX - from.x;
      this.view.y = now.clientY - from.y;
      this.show();
    };
    const end = () => {
      removeEventListener("pointermove", move);
      this.canvas.classList.remove("moving");
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end, { once: true });
    addEventListener("pointercancel", end, { once: true });
    if (!event.target.closest(".node")) this.canvas.focus({ preventScroll: true });
  }

  keyed(event) {
    const index = this.boxes.indexOf(event.target);
    const steps = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const step = steps[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "+" || event.key === "=") this.zoom(ZOOM.step);
    else if (event.key === "-") this.zoom(1 / ZOOM.step);
    else if (event.key === "0") this.fit(true);
    else if (event.key === "Escape") this.choose(null);
    else if (index >= 0 && (event.key === "Enter" || event.key === " ")) this.choose(this.chosen === index ? null : index);
    else if (step && index >= 0) this.neighbour(index, -step[0], -step[1]);
    else if (step) {
      this.view.x += 60 * step[0];
      this.view.y += 60 * step[1];
      this.show();
    } else return;
    event.preventDefault();
  }

  // The nearest node in a direction gets the focus.
  neighbour(index, dx, dy) {
    const own = this.drawing.boxes[index];
    let best = null;
    let least = Infinity;
    this.drawing.boxes.forEach((box, other) => {
      const x = box.x + box.w / 2 - own.x - own.w / 2;
      const y = box.y + box.h / 2 - own.y - own.h / 2;
      const ahead = x * dx + y * dy;
      const far = ahead + 2 * Math.abs(x * dy + y * dx);
      if (other !== index && ahead > 1 && far < least) [best, least] = [other, far];
    });
    if (best !== null) this.boxes[best].focus({ preventScroll: true });
  }

  focused(index) {
    for (const box of this.boxes) box.setAttribute("tabindex", "-1");
    this.boxes[index].setAttribute("tabindex", "0");
    const { x, y, w, h: height } = this.drawing.boxes[index];
    const { view, frame } = this;
    const [left, top] = [x * view.k + view.x, y * view.k + view.y];
    if (left < 0 || top < 0 || left + w * view.k > frame.clientWidth || top + height * view.k > frame.clientHeight) {
      this.centre(this.drawing.boxes[index]);
      this.show();
    }
    this.showTip(index);
  }

  // Tooltips -------------------------------------------------------------------------------------------------

  showTip(index) {
    const box = this.drawing.boxes[index];
    this.tip.replaceChildren(...box.tip.map(([word, text]) =>
      h("div", null, word && h("span", { class: "word" }, word), h("span", { class: "text" }, text))));
    this.tip.hidden = false;
    const { view, frame } = this;
    const left = box.x * view.k + view.x;
    const below = (box.y + box.h) * view.k + view.y + 8;
    const above = box.y * view.k + view.y - 8 - this.tip.offsetHeight;
    this.tip.style.left = `${Math.max(8, Math.min(left, frame.clientWidth - this.tip.offsetWidth - 8))}px`;
    this.tip.style.top = `${below + this.tip.offsetHeight > frame.clientHeight && above > 0 ? above : below}px`;
  }

  hideTip() {
    this.tip.hidden = true;
  }

  // Slices and effects ---------------------------------------------------------------------------------------

  clicked(index) {
    if (!this.dragged) this.choose(this.chosen === index ? null : index);
  }

  choose(index) {
    this.chosen = index;
    this.mark();
  }

  // Show a node from elsewhere on the page.
  reveal(index) {
    this.choose(index);
    this.frame.scrollIntoView({ block: "center", behavior: "auto" });
    this.centre(this.drawing.boxes[index]);
    this.show();
    this.boxes[index].focus({ preventScroll: true });
  }

  // What a node is made from, as pvm.graph.backward_slice has it: its inputs, theirs, and earlier writes to them.
  slice(target) {
    const { order = null, offset } = this.drawing.boxes[target];
    const last = order === null ? Infinity : order;
    const until = order === null ? Infinity : offset;
    const kept = new Set([target]);
    const made = new Set();
    const pending = [target];
    for (let next = 0; next < pending.length; next += 1) {
      const user = pending[next];
      for (const [source, , role, at, later] of this.inputs[user]) {
        if (role === "receiver" && user !== target) continue;
        const when = this.drawing.boxes[source].order;
        if ((role === "state" || role === "result") && (when ?? -1) >= last) continue;
        if (at > until && later) continue;
        if (role === "cause" && made.has(user)) continue;
        if (role === "result") made.add(source);
        if (!kept.has(source)) {
          kept.add(source);
          pending.push(source);
        }
      }
    }
    return kept;
  }

  filter(effect, chip) {
    if (!this.active.delete(effect)) this.active.add(effect);
    chip.setAttribute("aria-pressed", String(this.active.has(effect)));
    this.mark();
  }

  mark() {
    const { drawing, chosen, active } = this;
    const lit = chosen === null ? null : this.slice(chosen);
    const shown = (index) => (!lit || lit.has(index)) && (!active.size || active.has(drawing.boxes[index].effect));
    this.boxes.forEach((box, index) => {
      box.classList.toggle("dim", !shown(index));
      box.classList.toggle("lit", Boolean(lit && lit.has(index)));
      box.classList.toggle("chosen", index === chosen);
      box.setAttribute("aria-pressed", String(index === chosen));
    });
    this.curves.forEach((curve, index) => {
      const { s: source, t: target } = drawing.curves[index];
      const inside = Boolean(lit && lit.has(source) && lit.has(target));
      curve.classList.toggle("lit", inside);
      curve.classList.toggle("dim", (Boolean(lit) && !inside) || (active.size > 0 && !(shown(source) && shown(target))));
    });
    this.said.textContent = lit
      ? `${drawing.boxes[chosen].lines[0][1]} is made from ${count(lit.size - 1, "node")}. Escape shows everything again.`
      : "";
  }
}
