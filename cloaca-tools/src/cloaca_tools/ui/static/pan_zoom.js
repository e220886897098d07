// <pan-zoom>: moves and scales the drawing in it, by drag, pinch, ctrl and wheel, keys and buttons.
// A script that has drawn an <svg> with a <g class="view"> gives it to `show`.
(() => {
  const SMALLEST = 0.05, LARGEST = 3, READABLE = 0.6, STEP = 1.25, SLACK = 4, EDGE = 12, LEAST = 48;
  const between = (low, value, high) => Math.min(high, Math.max(low, value));

  class PanZoom extends HTMLElement {
    #svg = null;
    #size = { width: 0, height: 0 };
    #at = { x: 0, y: 0, k: 1 };
    #mark = null;        // what is to be seen until the reader moves the drawing
    #moved = false;      // by the reader: then nothing but the reader moves it
    #pointers = new Map();
    #travelled = 0;
    #listening = null;
    #watch = null;

    connectedCallback() {
      this.#listening = new AbortController();
      const on = (name, heard, more = {}) =>
        this.addEventListener(name, heard.bind(this), { signal: this.#listening.signal, ...more });
      on("pointerdown", this.#down);
      on("pointermove", this.#move);
      for (const name of ["pointerup", "pointercancel"]) on(name, this.#up);
      on("click", this.#click, { capture: true });
      on("dragstart", (event) => event.preventDefault());
      on("wheel", this.#wheel, { passive: false });
      on("keydown", this.#key);
      this.#watch = new ResizeObserver(() => { if (this.#svg) this.#settle(); });
      this.#watch.observe(this);
    }

    disconnectedCallback() {
      this.#listening.abort();
      this.#watch.disconnect();
    }

    // Takes a drawing of this size. One that was there before keeps its place; `mark` is a box
    // that is to be seen at first.
    show(svg, size, mark = null) {
      const first = this.#svg !== svg;
      this.#svg = svg;
      this.#size = size;
      if (first) this.#restore();
      if (first) this.#mark = mark;
      this.#settle();
    }

    // Keeps a point of the drawing where it is seen, though it was drawn elsewhere.
    anchor(before, after) {
      this.#moved = true;
      this.#at.x += (before.x - after.x) * this.#at.k;
      this.#at.y += (before.y - after.y) * this.#at.k;
      this.#apply();
    }

    // Brings a box of the drawing into view, if it is not.
    reveal(box) {
      const { x, y, k } = this.#at, { width, height } = this.#frame();
      const inside = (low, length, all) => between(EDGE, low, Math.max(EDGE, all - length - EDGE)) - low;
      const right = inside(box.x * k + x, box.width * k, width);
      const down = inside(box.y * k + y, box.height * k, height);
      if (!right && !down) return;
      this.#at.x += right;
      this.#at.y += down;
      this.#apply();
    }

    fit() {
      const { width, height } = this.#frame();
      const k = Math.min(1, (width - 2 * EDGE) / this.#size.width, (height - 2 * EDGE) / this.#size.height);
      this.#centre(Math.max(SMALLEST, k), EDGE);
      this.#keep();
    }

    zoom(by, point = null) {
      const { width, height } = this.#frame(), { x, y, k } = this.#at;
      const to = between(SMALLEST, k * by, LARGEST), at = point || { x: width / 2, y: height / 2 };
      this.#at = { k: to, x: at.x - (at.x - x) * to / k, y: at.y - (at.y - y) * to / k };
      this.#touched();
    }

    pan(right, down) {
      this.#at.x += right;
      this.#at.y += down;
      this.#touched();
    }

    // ---- where it is ----
    #frame() {
      return { width: this.#svg.clientWidth || 1, height: this.#svg.clientHeight || 1 };
    }

    #settle() {
      const width = this.#svg.clientWidth || 1, fits = (width - 2 * EDGE) / this.#size.width;
      const onPaper = matchMedia("print").matches, k = onPaper ? Math.min(fits, 1) : between(READABLE, fits, 1);
      const most = onPaper ? Infinity : Math.max(320, Math.round(innerHeight * 0.72));
      this.#svg.setAttribute("height", between(120, Math.ceil(this.#size.height * k) + 2 * EDGE, most));
      if (!this.#moved || onPaper) this.#centre(k, EDGE);
      if (this.#mark && !this.#moved && !onPaper) this.#reach(this.#mark);
      this.#apply();
    }

    // Brings a box into the middle, if it is out of sight.
    #reach(box) {
      const { y, k } = this.#at, { height } = this.#frame(), top = box.y * k + y;
      if (top + box.height * k > height - EDGE) this.#at.y = height / 2 - (box.y + box.height / 2) * k;
      this.reveal(box);
    }

    #centre(k, top) {
      this.#at = { k, x: (this.#frame().width - this.#size.width * k) / 2, y: top };
      this.#apply();
    }

    #apply() {
      const { width, height } = this.#frame(), { k } = this.#at;
      this.#at.x = between(LEAST - this.#size.width * k, this.#at.x, width - LEAST);
      this.#at.y = between(LEAST - this.#size.height * k, this.#at.y, height - LEAST);
      const { x, y } = this.#at;
      this.#svg.querySelector(".view").setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)}) scale(${k.toFixed(4)})`);
    }

    #touched() {
      this.#moved = true;
      this.#apply();
      this.#keep();
    }

    // The place outlives a new page: another task of the same drawing is a new address.
    #keep() {
      try { sessionStorage.setItem(`cloaca-view ${this.dataset.keep}`, JSON.stringify(this.#at)); } catch { /* a private window keeps nothing */ }
    }

    #restore() {
      try {
        const kept = JSON.parse(sessionStorage.getItem(`cloaca-view ${this.dataset.keep}`));
        if (kept) { this.#at = kept; this.#moved = true; }
      } catch { /* nothing was kept */ }
    }

    // ---- what moves it ----
    #point(event) {
      const box = this.#svg.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    }

    #down(event) {
      if (!this.#svg || event.button !== 0 || !this.#svg.contains(event.target)) return;
      if (!this.#pointers.size) this.#travelled = 0;
      this.#pointers.set(event.pointerId, this.#point(event));
    }

    #move(event) {
      const from = this.#pointers.get(event.pointerId);
      if (!from) return;
      const to = this.#point(event), others = [...this.#pointers].filter(([id]) => id !== event.pointerId);
      this.#pointers.set(event.pointerId, to);
      this.#travelled += Math.hypot(to.x - from.x, to.y - from.y);
      if (this.#travelled < SLACK) return;
      this.setPointerCapture(event.pointerId);
      this.classList.add("dragged");
      if (!others.length) return this.pan(to.x - from.x, to.y - from.y);
      const [, other] = others[0], apart = (point) => Math.hypot(point.x - other.x, point.y - other.y);
      this.zoom(apart(to) / (apart(from) || 1), { x: (to.x + other.x) / 2, y: (to.y + other.y) / 2 });
    }

    #up(event) {
      this.#pointers.delete(event.pointerId);
      if (!this.#pointers.size) this.classList.remove("dragged");
    }

    #click(event) {
      if (this.#travelled >= SLACK && this.#svg && event.detail) { event.preventDefault(); event.stopPropagation(); }
      this.#travelled = 0;
    }

    #wheel(event) {
      if (!this.#svg) return;
      if (event.ctrlKey || event.metaKey) this.zoom(Math.exp(-between(-60, event.deltaY, 60) / 150), this.#point(event));
      else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.pan(-event.deltaX, 0);
      else return;
      event.preventDefault();
    }

    #key(event) {
      if (!this.#svg || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("button")) return;
      const arrows = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
      if (event.key === "+" || event.key === "=") this.zoom(STEP);
      else if (event.key === "-") this.zoom(1 / STEP);
      else if (event.key === "0") this.fit();
      else if (arrows[event.key] && event.target === this.#svg) this.pan(...arrows[event.key]);
      else return;
      event.preventDefault();
    }
  }

  customElements.define("pan-zoom", PanZoom);
})();
