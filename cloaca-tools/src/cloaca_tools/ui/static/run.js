// The page of a run: one selection for its views and the pane, kept in the address.
(() => {
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const tasks = () => document.getElementById("run-tasks");
  const link = (row) => row.matches("a[href]") ? row : row.querySelector("a[href]");
  const address = (row) => new URL(link(row).getAttribute("href"), location.href).href;
  const runOf = (row) => row.dataset.run || tasks().dataset.run;
  const here = () => new URLSearchParams(location.search);

  // The page asks for itself anew with the chunks that are near the window; the others load again
  // when they come near.
  const near = (chunk) => {
    const box = chunk.getBoundingClientRect();
    return box.bottom > -innerHeight && box.top < 2 * innerHeight;
  };
  document.addEventListener("htmx:config:request", (event) => {
    const { ctx } = event.detail;
    if (ctx.sourceElement.matches(".rest")) {
      const query = here(), chunk = ctx.sourceElement.closest("[data-chunk]");
      query.set("rows", chunk.dataset.chunk);
      query.set("at", tasks().dataset.at);
      ctx.request.action = `${location.pathname}?${query}`;
    }
    if (ctx.sourceElement.id !== "page") return;
    const rows = all("[data-chunk][data-loaded]").filter(near).map((each) => each.dataset.chunk);
    const query = here();
    if (rows.length && !isOwn) query.set("rows", rows.join(","));
    if (isOwn && tasks()) query.set("at", tasks().dataset.at);
    isOwn = false;
    ctx.request.action = `${location.pathname}?${query}`;
  });

  // Rows that were scrolled far away become the space again that they came from, but for the selected one.
  const FAR = 4;  // heights of the window
  const isFar = (chunk) => {
    const box = chunk.getBoundingClientRect();
    return box.bottom < -FAR * innerHeight || box.top > (FAR + 1) * innerHeight;
  };
  const unload = (chunk) => {
    const space = chunk.querySelector(":scope > template");
    if (!space || chunk.contains(document.activeElement) || chunk.querySelector("[aria-current]")) return;
    chunk.removeAttribute("data-loaded");
    chunk.replaceChildren(space.content.cloneNode(true));
    htmx.process(chunk);
  };
  const tidy = () => all("[data-chunk][data-loaded]").filter(isFar).forEach(unload);
  for (const event of ["htmx:after:swap", "scrollend"]) document.addEventListener(event, tidy);

  const go = (address) => history.replaceState(null, "", address);
  // What the visitor asks for is shown of the run as the page has it: nothing is read anew.
  let isOwn = false;
  const again = () => { isOwn = true; htmx.trigger("#live", "changed"); };

  // ---- the page opens at the selected task, which is the fault if there is one; where that stands
  // above the tasks, at the top ----
  const toSelected = () => {
    const row = document.querySelector("#run-tasks [data-row][aria-current]");
    if (!row || scrollY || (narrow.matches && row.closest(".pane-first"))) return;
    const box = row.getBoundingClientRect();
    if (box.bottom > innerHeight) row.scrollIntoView({ block: "center" });
  };
  document.addEventListener("DOMContentLoaded", toSelected);

  // The head of the table stays below that of the tasks, whose height is that of its lines.
  const toldHead = () => {
    const head = document.querySelector("#run-tasks > .panel-head");
    if (head) document.documentElement.style.setProperty("--tasks-head", `${head.offsetHeight}px`);
  };
  for (const event of ["DOMContentLoaded", "htmx:after:swap"]) document.addEventListener(event, toldHead);
  addEventListener("resize", toldHead);

  // ---- find, as one types ----
  let typing;
  const find = () => {
    const to = new URL(document.querySelector("#run-find").action), fields = new FormData(document.getElementById("run-find"));
    for (const [name, value] of fields) if (value) to.searchParams.set(name, value);
    go(to.href);
    again();
  };
  document.addEventListener("input", (event) => {
    if (event.target.id !== "run-typed") return;
    clearTimeout(typing);
    typing = setTimeout(find, 120);
  });
  document.addEventListener("submit", (event) => {
    if (event.target.id === "item-find") {
      event.preventDefault();
      const to = new URL(event.target.action);
      to.search = new URLSearchParams(new FormData(event.target));
      withinPane(to.href);
    }
    if (event.target.id !== "run-find") return;
    event.preventDefault();
    clearTimeout(typing);
    find();
  });
  const showTyped = () => {
    const input = document.getElementById("run-typed");
    if (input && input !== document.activeElement) input.value = here().get("q") || "";
  };

  const mark = (row) => {
    const same = (each) => each.dataset.task === row.dataset.task && runOf(each) === runOf(row);
    for (const each of all("[data-task]", tasks())) {
      if (same(each)) each.setAttribute("aria-current", "true"); else each.removeAttribute("aria-current");
    }
    for (const each of all("#run-views [data-view], #fold")) {
      const to = new URL(each.href), now = here();
      for (const key of ["task", "of"]) if (now.has(key)) to.searchParams.set(key, now.get(key)); else to.searchParams.delete(key);
      each.href = to;
    }
    document.dispatchEvent(new CustomEvent("cloaca:selected", { detail: { task: row.dataset.task, run: runOf(row) } }));
  };
  const select = (row) => {
    go(address(row));
    mark(row);
    showPane();
  };
  const showPane = () => {
    const query = here();
    query.set("at", tasks().dataset.at);
    return htmx.ajax("GET", `${location.pathname}?${query}`, { source: "#pane", target: "#pane", swap: "innerMorph" });
  };
  // Other items of a map stand in the pane, which stays where it is, also as a sheet.
  const withinPane = async (address) => {
    go(address);
    await showPane();
    const seen = here().get("item") || here().get("find") ? "item" : "pane-items";
    document.getElementById(seen)?.scrollIntoView({ block: "nearest" });
  };

  // Where the pane has no place beside the tasks, it comes as a sheet; what stands there keeps its
  // height meanwhile, so that the rows stay where they are.
  const narrow = matchMedia("(max-width: 860px)");
  const openSheet = () => {
    const pane = document.getElementById("pane");
    if (narrow.matches && !pane.matches(":popover-open")) pane.showPopover();
  };
  narrow.addEventListener("change", () => {
    if (!narrow.matches) document.getElementById("pane")?.hidePopover();
  });
  document.addEventListener("beforetoggle", (event) => {
    const split = event.target.id === "pane" && event.target.parentElement;
    if (split) split.style.paddingTop = event.newState === "open" && split.matches(".pane-first") ? `${event.target.offsetHeight}px` : "";
  }, { capture: true });

  // What draws graphs comes once there is one: most visits look at none. It is copied from a
  // template, as no address of a script may be made from a text.
  const graphScripts = document.getElementById("graph-scripts");
  const loadGraphScripts = () => {
    if (!graphScripts?.isConnected || !document.querySelector("pan-zoom[data-graph]")) return;
    graphScripts.remove();
    for (const script of [...graphScripts.content.cloneNode(true).children]) {
      script.async = false;  // in their order
      document.head.append(script);
    }
  };
  loadGraphScripts();
  document.addEventListener("htmx:after:process", loadGraphScripts);

  // j and k move the selection; below the last row that is loaded the next ones come.
  const move = (step) => {
    const list = all("[data-task]", tasks()).filter((row) => link(row) && row.checkVisibility());
    const at = list.findIndex((row) => row.hasAttribute("aria-current"));
    const next = list[Math.min(list.length - 1, Math.max(0, at + step))];
    if (!next) return;
    if (next !== list[at]) select(next);
    else if (step > 0) document.querySelector(".rest")?.scrollIntoView({ block: "end" });
    link(next).focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  };

  document.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const row = event.target.closest("#run-tasks [data-task]"), stay = event.target.closest("#run-views [data-view], [data-stay]");
    const item = event.target.closest("#pane a[data-pane], .item-rows tr")?.closest("tr, a");
    const within = item && (item.matches("a") ? item : item.querySelector("a[data-pane]"));
    if (within) withinPane(within.href);
    else if (row && link(row)) { select(row); openSheet(); }
    else if (stay) { go(stay.href); showTyped(); again(); }
    else return;
    event.preventDefault();
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " " && event.target.closest("[data-stay]")) event.target.click();
    else if (event.target.closest("input, textarea, select, dialog") || !tasks()) return;
    else if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, { capture: true });
})();
