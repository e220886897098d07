// Where the tasks of a graph stand, and the pipes between them. Arithmetic: draws nothing.
//
// A unit is what is placed: a task, or a group of tasks. Groups are made where tasks are too many to
// be seen one by one: those with the same tasks before and after them, those of a layer whose names
// begin alike, those of a layer, those of some layers.
globalThis.graphLayout = (() => {
  const MOST = 400;      // units that are placed one by one
  const PIPES = 1200;    // edges that are
  const FAN = 24;        // tasks side by side that are a group even in a small graph
  const BETWEEN = 8, ROW_GAP = 32, TRACK = 9, CORNER = 7, MARGIN = 6, APART = 5, CLEAR = 8, NEAR = 10;
  const QUICKER = 160;   // units from which on ranks are found by a quicker way

  // ---- units ----
  const stem = (name) => name.replace(/[-_. ]*\d+$/, "");

  const commonStart = (names) => {
    let [start] = names;
    for (const name of names) while (!name.startsWith(start)) start = start.slice(0, -1);
    return start.replace(/[-_. \d]+$/, "") || start.replace(/\d+$/, "");
  };

  const dependents = (tasks) => {
    const found = tasks.map(() => []);
    tasks.forEach((task, each) => task.after.forEach((needed) => found[needed].push(each)));
    return found;
  };

  const sorted = (list, keyOf) => {
    const found = new Map();
    list.forEach((each, place) => {
      const key = keyOf(each, place);
      if (found.has(key)) found.get(key).push(each); else found.set(key, [each]);
    });
    return found;
  };

  const grouped = (tasks, keyOf, least) => {
    const members = sorted([...tasks.keys()], (each) => keyOf(tasks[each], each));
    return [...members].flatMap(([key, of]) => of.length >= least
      ? [{ key: `${key}`, tasks: of, name: commonStart(of.map((each) => tasks[each].name)) }]
      : of.map((each) => ({ key: `task ${tasks[each].name}`, tasks: [each], name: tasks[each].name })));
  };

  const units = (tasks, fan = FAN) => {
    const after = dependents(tasks), pipes = tasks.reduce((sum, task) => sum + task.after.length, 0);
    const same = (task, each) => `${task.after}/${after[each]}`;
    if (tasks.length <= MOST && pipes <= PIPES) return grouped(tasks, same, fan + 1);
    const ways = [same, (task) => `${task.layer} ${stem(task.name)}`, (task) => task.layer];
    for (const way of ways) {
      const found = grouped(tasks, way, 2);
      if (found.length <= MOST && pipesOf(tasks, found).length <= PIPES) return found;
    }
    const layers = 1 + Math.max(...tasks.map((task) => task.layer)), band = Math.ceil(layers / 100);
    return grouped(tasks, (task) => Math.floor(task.layer / band), 2);
  };

  // Units that the server has made: tasks, and groups, each at its `head` in the list, with those of
  // its tasks that are listed.
  const given = (tasks) => {
    const members = sorted([...tasks.keys()], (each) => tasks[each].within);
    return [...tasks.keys()].filter((each) => tasks[each].within === null).map((head) => tasks[head].counts
      ? { key: `group ${tasks[head].name}`, head, tasks: members.get(head) || [], name: tasks[head].name }
      : { key: `task ${tasks[head].name}`, tasks: [head], name: tasks[head].name });
  };

  const pipesOf = (tasks, found) => {
    const unitOf = [], pipes = new Map();
    found.forEach((unit, place) => [unit.head ?? unit.tasks[0], ...unit.tasks].forEach((each) => { unitOf[each] = place; }));
    tasks.forEach((task, each) => task.after.forEach((needed) => {
      const from = unitOf[needed], to = unitOf[each], key = `${from} ${to}`;
      if (from === to) return;
      if (!pipes.has(key)) pipes.set(key, { from, to, ways: [] });
      pipes.get(key).ways.push([needed, each]);
    }));
    return [...pipes.values()];
  };

  // ---- places ----
  // sizes: {width, height} of each unit. Returns places {x, y} (left, top), the path of each pipe, and
  // the size of all.
  const place = (sizes, pipes) => {
    const graph = new dagre.graphlib.Graph();
    graph.setGraph({ rankdir: "TB", nodesep: BETWEEN, edgesep: 12, ranksep: ROW_GAP, marginx: MARGIN, marginy: MARGIN, ranker: sizes.length > QUICKER ? "tight-tree" : "network-simplex" });
    graph.setDefaultEdgeLabel(() => ({}));
    sizes.forEach((size, each) => graph.setNode(String(each), { ...size }));
    for (const { from, to } of pipes) graph.setEdge(String(from), String(to), {});
    dagre.layout(graph);
    const nodes = sizes.map((_, each) => graph.node(String(each)));
    const lines = [...new Set(nodes.map((node) => Math.round(node.y)))].sort((a, b) => a - b);
    const rowOf = nodes.map((node) => lines.indexOf(Math.round(node.y)));
    const rows = lines.map((_, row) => ({ high: Math.max(...sizes.filter((_, each) => rowOf[each] === row).map((size) => size.height)) }));
    const hops = pipes.flatMap((pipe, number) => hopsOf(pipe, number, nodes, rowOf, lines, graph.edge(String(pipe.from), String(pipe.to)).points));
    const gaps = rows.map((_, row) => tracks(hops.filter((hop) => hop.gap === row)));
    let y = MARGIN;
    rows.forEach((row, number) => {
      row.y = y;
      row.gap = Math.max(ROW_GAP, (gaps[number] + 1) * TRACK);
      y += row.high + row.gap;
    });
    const places = nodes.map((node, each) => ({ x: node.x - sizes[each].width / 2, y: rows[rowOf[each]].y + (rows[rowOf[each]].high - sizes[each].height) / 2 }));
    const paths = pipes.map((pipe, number) => pathOf(pipe, hops.filter((hop) => hop.pipe === number), rows, gaps, places, sizes));
    const last = rows.at(-1);
    return { places, paths, width: graph.graph().width, height: last ? last.y + last.high + MARGIN : 0 };
  };

  // A pipe passes a gap below each row from that of its source on: from one x to another.
  const hopsOf = ({ from, to }, pipe, nodes, rowOf, lines, points) => {
    const first = rowOf[from], last = rowOf[to], found = [];
    const passes = (row) => {
      if (row === first) return nodes[from].x;
      if (row === last) return nodes[to].x;
      return points.reduce((best, point) => Math.abs(point.y - lines[row]) < Math.abs(best.y - lines[row]) ? point : best).x;
    };
    for (let gap = first; gap < last; gap += 1) {
      let start = passes(gap), end = passes(gap + 1);
      if (Math.abs(start - end) < NEAR) { if (gap === first) start = end; else if (gap + 1 === last) end = start; }
      found.push({ pipe, gap, start, end, source: from, target: gap + 1 === last ? to : -1, key: gap === first ? `from ${from}` : `by ${from} ${Math.round(start)}`, track: 0 });
    }
    return found;
  };

  // ---- tracks ----
  // Gives each hop of a gap its track, from above; returns their number.
  const tracks = (hops) => {
    shareIntoTargets(hops);
    const groups = [...sorted(hops, (hop) => hop.key).values()].map(spanOf).filter((group) => group.high - group.low > 0.5);
    for (const group of groups) group.above = groups.filter((other) => other !== group && meets(other.starts, group.ends));
    const left = new Set(groups.sort((a, b) => a.low - b.low || a.high - b.high));
    let number = 0;
    while (left.size) {
      const free = [...left].filter((group) => !group.above.some((other) => left.has(other)));
      const next = free.length ? free : [[...left].reduce((a, b) => waits(a, left) <= waits(b, left) ? a : b)];
      let end = -Infinity;
      for (const group of next) if (group.low > end + CLEAR) {
        for (const hop of group.hops) hop.track = number;
        end = group.high;
        left.delete(group);
      }
      number += 1;
    }
    return number;
  };

  const waits = (group, left) => group.above.filter((other) => left.has(other)).length;

  // Pipes into one target that share their way with no other share one track.
  const shareIntoTargets = (hops) => {
    const alone = [...sorted(hops, (hop) => hop.key).values()].filter((of) => of.length === 1 && of[0].target >= 0).map(([hop]) => hop);
    for (const [target, into] of sorted(alone, (hop) => hop.target)) if (into.length > 1) for (const hop of into) hop.key = `into ${target}`;
  };

  const spanOf = (hops) => {
    const starts = hops.map((hop) => hop.start), ends = hops.map((hop) => hop.end);
    return { hops, starts, ends, low: Math.min(...starts, ...ends), high: Math.max(...starts, ...ends) };
  };

  const meets = (some, others) => some.some((x) => others.some((other) => Math.abs(x - other) < APART));

  // ---- paths ----
  const pathOf = ({ from, to }, hops, rows, gaps, places, sizes) => {
    const points = [[hops[0].start, places[from].y + sizes[from].height]];
    for (const hop of hops) {
      const row = rows[hop.gap], y = row.y + row.high + row.gap * (hop.track + 1) / (gaps[hop.gap] + 1);
      if (Math.abs(hop.end - hop.start) > 0.5) points.push([hop.start, y], [hop.end, y]);
    }
    points.push([hops.at(-1).end, places[to].y]);
    return rounded(points);
  };

  const short = (number) => Number(number.toFixed(1));

  const rounded = (points) => {
    const apart = ([x, y], [u, v]) => Math.abs(x - u) + Math.abs(y - v);
    const toward = ([x, y], [u, v], by) => [x + Math.sign(u - x) * by, y + Math.sign(v - y) * by].map(short).join(" ");
    let path = `M${points[0].map(short).join(" ")}`;
    for (let each = 1; each < points.length - 1; each += 1) {
      const [before, here, next] = points.slice(each - 1, each + 2);
      const by = Math.min(CORNER, apart(before, here) / 2, apart(here, next) / 2);
      path += `L${toward(here, before, by)}Q${here.map(short).join(" ")} ${toward(here, next, by)}`;
    }
    return `${path}L${points.at(-1).map(short).join(" ")}`;
  };

  return { units, given, pipesOf, place };
})();
