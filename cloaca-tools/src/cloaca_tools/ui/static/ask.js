// Shows the page of a question or a plan in a dialog, and plans anew when other tasks are chosen.
(() => {
  const INPUT = /^(context|more|shape|data\.)/;
  const page = document.getElementById("plan-page");
  const dialog = document.createElement("dialog"), body = document.createElement("div");
  dialog.id = "plan";
  dialog.className = "dialog";
  dialog.setAttribute("aria-labelledby", "h-plan");
  body.id = "plan-body";
  dialog.append(body);
  const place = page || body;
  if (!page) document.body.append(dialog);

  const fetched = (address, swap) => htmx.ajax("GET", address, { target: place, swap, headers: { "HX-Target": "div#plan-body" } });
  // What is typed and where the focus is stays when a plan is made anew.
  const show = async (address, link) => {
    await fetched(address, place.contains(link) ? "innerMorph" : "innerHTML");
    if (!page && !dialog.open) dialog.showModal();
  };
  // A fork has the input of its task, with what was edited in it: that goes with the question. What is typed
  // meanwhile stays, with the input that it was typed over.
  const posted = (form, swap, values) => htmx.ajax("POST", `${form.getAttribute("action")}/change`,
    { source: form.elements.task, target: place, swap, values, headers: { "HX-Target": "div#plan-body" } });
  const typed = (form) => JSON.stringify([...new FormData(form)].filter(([name]) => INPUT.test(name)));
  const anew = async (form) => {
    const sent = typed(form);
    const keep = (event) => {
      if (event.detail.oldNode.id === "plan-input" && typed(form) !== sent) { event.preventDefault(); changed = true; }
    };
    document.addEventListener("htmx:before:morph:node", keep);
    try {
      await posted(form, "innerMorph");
      if (typed(form) === sent) for (const each of document.querySelectorAll("#plan-input :is(input, textarea, select)")) {
        if (each.options) for (const option of each.options) option.selected = option.defaultSelected;
        else if (each.type === "checkbox") each.checked = each.defaultChecked;
        else each.value = each.defaultValue;
      }
    } finally {
      document.removeEventListener("htmx:before:morph:node", keep);
    }
  };
  let asking = false, changed = false;
  const again = async (form) => {
    changed = true;
    if (asking) return;
    asking = true;
    try {
      while (changed) {
        changed = false;
        if (form.elements.base) await anew(form);
        else {
          const tasks = new FormData(form).getAll("task").map((task) => ["task", task]);
          await fetched(`${form.getAttribute("action")}?${new URLSearchParams(tasks)}`, "innerMorph");
        }
      }
      for (const box of place.querySelectorAll("[data-replan][type=checkbox]")) box.checked = box.defaultChecked;
    } finally {
      asking = false;
    }
  };
  document.addEventListener("htmx:before:settle", () => {
    if (asking) for (const each of place.querySelectorAll("[autofocus]")) each.removeAttribute("autofocus");
  });

  document.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const link = event.target.closest("a[data-ask]");
    if (!link) return;
    event.preventDefault();
    show(link.getAttribute("href"), link).catch(() => { location.href = link.href; });
  });
  document.addEventListener("change", (event) => {
    const field = event.target.closest("[data-replan]");
    if (field) again(field.form);
  });
  // An act is sent once, also when a button is pressed twice. The fields of a fork, and rows of its lists, are asked for
  // in the dialog.
  document.addEventListener("submit", (event) => {
    const by = event.submitter;
    if (event.target.id === "plan-form" && ["as", "add", "remove"].includes(by?.name)) {
      event.preventDefault();
      posted(event.target, "innerHTML", { [by.name]: by.value });
      return;
    }
    if (event.target.method !== "post") return;
    if (event.target.dataset.sent) event.preventDefault(); else event.target.dataset.sent = "1";
  });
  addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));
})();
