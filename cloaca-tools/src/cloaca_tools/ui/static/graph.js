// Draws each <pan-zoom data-graph> from the list of tasks in it, and again when the list has changed.
// Where tasks stand changes with the tasks only: states, times and the selection are painted in place.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const HIGH = 40, CHIP = 24, CHIP_GAP = 4, CHIPS_WIDE = 12, HEAD = 30, PAD = 8, LONGEST = 220, LONGEST_CHIP = 150, LEAST = 72, LEAST_OF_RUN = 104, KEPT = 60;
  const WORST = ["failed", "running", "waiting", "paused", "cancelling", "pending", "cancelled", "completed", "skipped"];
  const KINDS = { sleep: "i-clock", event: "i-inbox", approval: "i-user", child: "i-runs", loop: "i-retry" };
  const PLANS = { keep: "is kept", skip: "is skipped again", again: "runs again", drop: "is dropped" };

  const make = (name, attributes = {}, ...children) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  const put = (element, name, value) => {
    if (value === null) element.removeAttribute(name);
    else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  };
  const say = (element, text) => { if (element.textContent !== text) element.textContent = text; };

  // ---- text ----
  const pen = document.createElement("canvas").getContext("2d");
  const width = (text, size, weight) => {
    pen.font = `${weight} ${size}px ${getComputedStyle(document.body).fontFamily}`;
    return Math.ceil(pen.measureText(text).width);
  };
  const label = (text) => width(text, 12, 540), second = (text) => width(text, 11, 400);
  // Names that are alike differ at their ends, so the middle goes.
  const cut = (text, most, measure) => {
    if (measure(text) <= most) return text;
    const signs = [...text];
    let keep = signs.length;
    const short = () => `${signs.slice(0, Math.ceil(keep * 0.6)).join("")}…${signs.slice(signs.length - Math.floor(keep * 0.4)).join("")}`;
    while (keep > 3 && measure(short()) > most) keep -= 1;
    return short();
  };
  const frame = ({ width, height }) => `M10 0h${width - 20}q10 0 10 10v${height - 20}q0 10-10 10h${20 - width}q-10 0-10-10v${20 - height}q0-10 10-10z`;
  const counted = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

  // ---- the list ----
  const read = (item) => {
    const link = item.querySelector("[data-task], [data-group]"), { status, kind, layer, after, plan, says, within, counts, open } = item.dataset;
    return {
      // A group that the server has made has the counts of its states.
      link, within: within === undefined ? null : Number(within), open: open !== undefined,
      counts: counts ? new Map(counts.trim().split(" ").map((each) => each.split(":")).map(([name, number]) => [name, Number(number)])) : null,
      name: link.dataset.task ?? link.dataset.group, href: link.getAttribute("href"), current: link.hasAttribute("aria-current"),
      status: status || "", kind, layer: Number(layer), plan: plan || "", says: says || "",
      note: item.querySelector(".n2")?.textContent || "",
      after: after ? after.split(" ").map(Number) : [],
    };
  };

  class Drawing {
    constructor(home) {
      this.home = home;
      this.canvas = home.querySelector(".graph-drawing");
      this.list = home.querySelector(".graph-tasks");
      this.small = home.hasAttribute("data-small");
      this.open = new Set();
      this.shape = "";
      this.svg = make("svg", { role: "group", ...(this.small ? { class: "plan" } : { tabindex: "-1" }) }, make("g", { class: "view" }));
      this.canvas.replaceChildren(this.svg);
      if (!this.small) {
        this.canvas.append(this.tools());
        this.svg.addEventListener("keydown", (event) => this.key(event));
        this.svg.addEventListener("click", (event) => this.click(event));
      }
      new MutationObserver(() => this.soon()).observe(this.list, { subtree: true, childList: true, attributes: true, characterData: true });
      this.refresh();
    }

    soon() {
      cancelAnimationFrame(this.frame);
      this.frame = requestAnimationFrame(() => this.refresh());
    }

    refresh() {
      this.tasks = [...this.list.children].map(read);
      if (this.now() !== this.shape) { this.draw(); this.shape = this.now(); }
      this.paint();
    }

    // All that a place depends on.
    now() {
      return JSON.stringify([this.tasks.map(({ name, kind, layer, after, within, counts, open }) => [name, kind, layer, after, within, counts && [...counts], open]), [...this.open]]);
    }

    // ---- where all stands ----
    draw() {
      const { units, given, pipesOf } = graphLayout;
      this.units = "grouped" in this.home.dataset ? given(this.tasks) : units(this.tasks, this.small ? Infinity : undefined);
      // At first the group of the selected task is open.
      if (!this.pipes) for (const unit of this.units) if (unit.tasks.length > 1 && unit.tasks.some((each) => this.tasks[each].current)) this.open.add(unit.key);
      this.pipes = pipesOf(this.tasks, this.units);
      const sizes = this.units.map((unit) => this.size(unit));
      const { places, paths, width: wide, height } = this.placed(sizes);
      this.edges = paths.map((path) => make("path", { class: "edge", d: path }));
      this.unitNodes = this.units.map((unit, each) => this.node(unit, sizes[each], places[each]));
      this.nodes = this.unitNodes.flatMap(({ node, chips }) => [node, ...chips]);
      this.svg.firstChild.replaceChildren(make("g", {}, ...this.edges), ...this.unitNodes.map(({ group }) => group));
      this.bounds = { width: Math.max(wide, 1), height: Math.max(height, 1) };
      this.svg.setAttribute("aria-label", `Graph of ${counted(Number(this.home.dataset.total) || this.tasks.length, "task")}`);
      if (this.small) this.svg.setAttribute("viewBox", `0 0 ${this.bounds.width} ${this.bounds.height}`);
      else this.home.show(this.svg, this.bounds, this.nodes.find((node) => this.tasks[node.task]?.current)?.box);
    }

    // Places are kept while this window is open: a large graph that was laid out once is there at once.
    placed(sizes) {
      const { keep } = this.home.dataset, { place } = graphLayout;
      if (this.small || sizes.length < KEPT) return place(sizes, this.pipes);
      const shape = JSON.stringify([sizes, this.now()]), key = `cloaca-graph ${keep}`;
      try {
        const kept = JSON.parse(sessionStorage.getItem(key));
        if (kept?.shape === shape) return kept.found;
      } catch { /* nothing is kept, or not of this shape */ }
      const found = place(sizes, this.pipes);
      try { sessionStorage.setItem(key, JSON.stringify({ shape, found })); } catch { /* there is no room */ }
      return found;
    }

    isGroup(unit) { return unit.head !== undefined || unit.tasks.length > 1; }

    isOpen(unit) { return unit.head === undefined ? this.open.has(unit.key) : unit.tasks.length > 0; }

    size(unit) {
      const [task] = unit.tasks.map((each) => this.tasks[each]);
      if (!this.isGroup(unit)) {
        const least = task.status ? LEAST_OF_RUN : LEAST, words = Math.min(LONGEST, Math.max(label(task.name), second(task.status ? task.note.split(" · ")[0] : task.note)));
        return { width: Math.max(least, words + (this.icon(task) ? 27 : 14) + 14), height: HIGH };
      }
      unit.label = unit.head !== undefined ? `${unit.name}${unit.tasks.length ? ` ${this.words(this.tasks[unit.head].counts)}` : ""}` : unit.name.length > 2 ? `${unit.name}…` : `${task.name} … ${this.tasks[unit.tasks.at(-1)].name}`;
      if (!this.isOpen(unit)) return { width: Math.max(150, Math.min(LONGEST, label(unit.label)) + 62), height: HIGH };
      const names = unit.tasks.map((each) => label(this.tasks[each].name));
      unit.chip = Math.min(LONGEST_CHIP, Math.max(40, ...names)) + (task.status ? 37 : 24);
      unit.columns = Math.min(CHIPS_WIDE, Math.max(1, Math.round(Math.sqrt(unit.tasks.length * 60 / unit.chip))));
      const rows = Math.ceil(unit.tasks.length / unit.columns);
      return { width: Math.max(150, unit.head === undefined ? 0 : label(unit.label) + 62, unit.columns * (unit.chip + CHIP_GAP) - CHIP_GAP + 2 * PAD), height: HEAD + rows * (CHIP + CHIP_GAP) - CHIP_GAP + PAD };
    }

    icon(task) {
      return task.status ? `st-${task.status}` : KINDS[task.kind];
    }

    node(unit, size, at) {
      const box = { ...at, ...size };
      if (this.small) return this.plain(unit, box);
      if (!this.isGroup(unit)) {
        const node = this.task(unit.tasks[0], box, LONGEST);
        return { group: node.element, node, chips: [] };
      }
      const isOpen = this.isOpen(unit), isWhole = unit.head === undefined ? isOpen : this.tasks[unit.head].open;
      const element = make("g", { class: "node node-group", role: "button", tabindex: "-1", "aria-expanded": String(isWhole), transform: `translate(${at.x} ${at.y})` });
      const node = { element, box, unit, second: make("text", { class: "n2", x: 27, y: 31 }), icon: make("use", { x: 7, y: isOpen ? 7 : 12, width: 15, height: 15 }) };
      const name = make("text", { x: 27, y: isOpen ? 19 : 17 });
      name.textContent = unit.head === undefined ? cut(unit.label, LONGEST, label) : unit.label;
      const sign = make("path", { class: "node-sign", d: isWhole ? "M-4 2 0-2 4 2" : "M-4-2 0 2 4-2", transform: `translate(${size.width - 16} ${isOpen ? 15 : 20})` });
      if (isOpen) element.append(make("path", { class: "node-frame", d: frame(size) }));
      else element.append(make("rect", { class: "under", x: 4, y: 4, width: size.width }), make("rect", { width: size.width }));
      element.append(make("rect", { class: "ring", width: size.width + 8 }), node.icon, name, " ", node.second, sign);
      const chips = !isOpen ? [] : unit.tasks.map((each, place) => this.task(each, {
        x: at.x + PAD + (place % unit.columns) * (unit.chip + CHIP_GAP), y: at.y + HEAD + Math.floor(place / unit.columns) * (CHIP + CHIP_GAP), width: unit.chip, height: CHIP,
      }, LONGEST_CHIP));
      return { group: make("g", {}, element, ...chips.map((chip) => chip.element)), node, chips };
    }

    // A box of a plan, which says no more than what becomes of its tasks.
    plain(unit, box) {
      const element = make("g", { transform: `translate(${box.x} ${box.y})`, role: "img" }), title = make("title");
      element.append(title, make("rect", { width: box.width }));
      return { group: element, node: { element, box, plan: unit.tasks, title }, chips: [] };
    }

    task(each, box, most) {
      const task = this.tasks[each], chip = box.height === CHIP, linked = Boolean(task.href);
      const element = make(linked ? "a" : "g", { "data-task": task.name, tabindex: "-1", transform: `translate(${box.x} ${box.y})`, ...(linked ? {} : { role: "img" }) });
      const node = { element, box, task: each, most, chip, title: make("title"), icon: make("use"), name: make("text"), second: make("text", { class: "n2" }) };
      element.append(node.title, make("rect", { width: box.width }), make("rect", { class: "ring", width: box.width + 8 }), node.icon, node.name, " ", node.second);
      return node;
    }

    // ---- how all is ----
    paint() {
      for (const node of this.nodes) if (node.plan) this.paintPlan(node); else if (node.unit) this.paintGroup(node); else this.paintTask(node);
      this.paintEdges();
      this.rove(this.nodes.find((node) => this.tasks[node.task]?.current) || this.roved || this.nodes[0], false);
    }

    paintPlan({ element, title, plan }) {
      const of = plan.map((each) => this.tasks[each]), most = Object.keys(PLANS).reverse().find((name) => of.some((task) => task.plan === name)) || "";
      const names = of.length > 1 ? counted(of.length, "task") : of[0].name;
      put(element, "class", `node ${most === "drop" && of.some((task) => task.plan === "again") ? "again" : most}`);
      put(element, "aria-label", `${names}, ${PLANS[most] || ""}`);
      say(title, of.length > 1 ? `${names}: ${of[0].name} …` : names);
    }

    paintTask(node) {
      const task = this.tasks[node.task], { element, box } = node, icon = this.icon(task), x = icon ? 27 : 14;
      put(element, "class", ["node", node.chip && "node-chip", task.status && `is-${task.status}`, task.kind !== "task" && "node-wait"].filter(Boolean).join(" "));
      put(element, "aria-current", task.current ? "true" : null);
      if (task.href) put(element, "href", task.href);
      say(node.title, [task.name, task.says].filter(Boolean).join("\n"));
      const note = node.chip ? "" : this.short(task.note, box.width - x - 8), alone = !note;
      put(node.icon, "href", icon ? `#${icon}` : null);
      for (const [name, value] of Object.entries({ x: 7, y: node.chip ? 4.5 : 12, width: 15, height: 15 })) put(node.icon, name, String(value));
      const name = cut(task.name, Math.min(node.most, box.width - x - 8), label);
      say(node.name, name);
      // What is read out begins with what is seen.
      put(element, "aria-label", [`${name} ${note}`.trim(), name === task.name ? "" : task.name, task.kind === "task" ? "" : task.kind, task.status, note === task.note ? "" : task.note, task.says].filter(Boolean).join(", "));
      put(node.name, "x", alone && !icon ? String(box.width / 2) : String(x));
      put(node.name, "text-anchor", alone && !icon ? "middle" : null);
      put(node.name, "y", node.chip ? "16" : alone ? "24" : "17");
      say(node.second, note);
      put(node.second, "x", String(x));
      put(node.second, "y", "31");
    }

    words(counts) {
      return WORST.filter((status) => counts.has(status)).map((status) => `${counts.get(status).toLocaleString("en")} ${status}`).join(", ");
    }

    // What is told first is told where there is room for a part alone.
    short(note, most) {
      return second(note) <= most ? note : cut(note.split(" · ")[0], most, second);
    }

    paintGroup(node) {
      const { element, unit } = node, of = unit.tasks.map((each) => this.tasks[each]), counts = new Map(this.tasks[unit.head]?.counts);
      if (!counts.size) for (const { status } of of) if (status) counts.set(status, (counts.get(status) || 0) + 1);
      const inOrder = WORST.filter((status) => counts.has(status)), isOpen = this.isOpen(unit);
      const number = [...counts.values()].reduce((sum, each) => sum + each, 0) || of.length;
      const words = this.words(counts) || counted(number, "task");
      put(element, "class", `node node-group${inOrder.length ? ` is-${inOrder[0]}` : ""}`);
      put(node.icon, "href", inOrder.length ? `#st-${inOrder[0]}` : "#i-flow");
      say(node.second, isOpen ? "" : cut(inOrder.length > 1 ? words : inOrder.length ? `all ${words}` : words, node.box.width - 46, second));
      put(element, "aria-label", [element.textContent, counted(number, "task"), inOrder.length ? words : ""].filter(Boolean).join(", "));
      element.classList.toggle("node-near", of.some((task) => task.current));
    }

    paintEdges() {
      const skipped = ({ status, counts }) => counts ? counts.size === 1 && counts.has("skipped") : status === "skipped";
      const off = ([from, to]) => [from, to].some((each) => skipped(this.tasks[each]));
      const on = ([from, to]) => this.tasks[from].current || this.tasks[to].current;
      this.pipes.forEach(({ ways }, each) => put(this.edges[each], "class", `edge${ways.every(off) ? " edge-off" : ""}${ways.some(on) ? " edge-on" : ""}`));
      for (const edge of this.edges) if (edge.classList.contains("edge-on") && edge.nextSibling) edge.parentNode.append(edge);
    }

    // ---- keys, clicks ----
    // One node is in the order of tabs; arrows go on to the others.
    rove(node, focus = true) {
      if (!node || this.small) return;
      if (this.roved) put(this.roved.element, "tabindex", "-1");
      this.roved = this.nodes.includes(node) ? node : this.nodes[0];
      put(this.roved.element, "tabindex", "0");
      if (!focus) return;
      this.home.reveal(this.roved.box);
      this.roved.element.focus({ preventScroll: false });
    }

    key(event) {
      const here = this.nodes.find((node) => node.element === event.target);
      if (!here || event.ctrlKey || event.metaKey || event.altKey) return;
      const ways = { ArrowDown: [0, 1], ArrowUp: [0, -1], ArrowRight: [1, 0], ArrowLeft: [-1, 0] };
      if (ways[event.key]) this.rove(this.next(here, ways[event.key]) || here);
      else if ((event.key === "Enter" || event.key === " ") && here.unit) this.toggle(here);
      else return;
      event.preventDefault();
      event.stopPropagation();
    }

    // The nearest node in a direction: tasks that a pipe leads to before others.
    next(here, [right, down]) {
      const middle = ({ box }) => [box.x + box.width / 2, box.y + box.height / 2], [x, y] = middle(here);
      const joined = new Set(this.pipes.flatMap(({ from, to }) => [[from, to], [to, from]]).filter(([one]) => this.unitNodes[one].node === here).map(([, other]) => this.unitNodes[other].node));
      let best = null, least = Infinity;
      for (const node of this.nodes) {
        const [u, v] = middle(node), along = right ? (u - x) * right : (v - y) * down, aside = Math.abs(right ? v - y : u - x);
        if (node === here || along < 8 || (right && aside > HIGH)) continue;
        const far = along + aside * 2 + (down && !joined.has(node) ? 400 : 0);
        if (far < least) [best, least] = [node, far];
      }
      return best;
    }

    click(event) {
      const element = event.target.closest?.(".node");
      const node = element && this.nodes.find((each) => each.element === element);
      if (node?.unit) this.toggle(node);
    }

    toggle({ unit, box }) {
      if (unit.head !== undefined) { this.tasks[unit.head].link.click(); return; }  // the page comes with its tasks
      if (this.open.has(unit.key)) this.open.delete(unit.key); else this.open.add(unit.key);
      this.refresh();
      const now = this.nodes.find((node) => node.unit?.key === unit.key);
      this.home.anchor({ x: box.x, y: box.y }, { x: now.box.x, y: now.box.y });
      this.rove(now);
    }

    tools() {
      const bar = document.createElement("div");
      bar.className = "graph-tools";
      const button = (text, title, act) => {
        const made = document.createElement("button");
        made.type = "button";
        made.className = "btn btn-small";
        made.title = title;
        made.setAttribute("aria-label", title);
        made.textContent = text;
        made.addEventListener("click", act);
        bar.append(made);
      };
      button("Fit", "Fit the graph", () => this.home.fit());
      button("−", "Smaller", () => this.home.zoom(0.8));
      button("+", "Larger", () => this.home.zoom(1.25));
      button("SVG", "Save the graph as SVG", () => graphSave(this.svg, this.bounds, this.home.dataset.file));
      return bar;
    }
  }

  // ---- graphs that are there, and that come ----
  const drawn = new WeakSet();
  const drawAll = () => {
    for (const home of document.querySelectorAll("pan-zoom[data-graph]")) {
      const canvas = home.querySelector(".graph-drawing");
      if (drawn.has(canvas)) continue;
      drawn.add(canvas);
      try { new Drawing(home); } catch (error) { canvas.className = "graph-drawing graph-failed"; canvas.replaceChildren(); throw error; }
    }
  };
  drawAll();
  document.addEventListener("htmx:after:process", drawAll);
})();
