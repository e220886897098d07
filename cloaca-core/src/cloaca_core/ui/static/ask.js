// Shows the page of a question or a plan in a dialog, and plans anew when other tasks are chosen.
(() => {
  const page = document.getElementById("plan-page");
  const dialog = document.createElement("dialog"), body = document.createElement("div");
  dialog.id = "plan";
  dialog.className = "dialog";
  dialog.setAttribute("aria-labelledby", "h-plan");
  body.id = "plan-body";
  dialog.append(body);
  const place = page || body;
  if (!page) document.body.append(dialog);

  const fetched = (address) => htmx.ajax("GET", address, { target: place, swap: "innerHTML", headers: { "HX-Target": "div#plan-body" } });
  const show = async (address) => {
    await fetched(address);
    if (!page && !dialog.open) dialog.showModal();
  };
  const typed = () => [...place.querySelectorAll("textarea[id], input.input[id]")].map((each) => [each.id, each.value]);
  const again = async (form) => {
    const tasks = new FormData(form).getAll("task").map((task) => ["task", task]);
    // What is typed until the answer is there stays.
    let kept = [], focused = document.activeElement;
    const keep = () => { kept = typed(); focused = document.activeElement; };
    document.addEventListener("htmx:before:swap", keep);
    await fetched(`${form.getAttribute("action")}?${new URLSearchParams(tasks)}`)
      .finally(() => document.removeEventListener("htmx:before:swap", keep));
    for (const [id, value] of kept) document.getElementById(id).value = value;
    const fields = [...place.querySelectorAll("[data-replan]"), ...place.querySelectorAll(".input[id]")];
    const field = fields.find((each) => focused.id ? each.id === focused.id : each.value === focused.value);
    if (field) field.focus();
  };

  document.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const link = event.target.closest("a[data-ask]");
    if (!link) return;
    event.preventDefault();
    show(link.getAttribute("href")).catch(() => { location.href = link.href; });
  });
  document.addEventListener("change", (event) => {
    const field = event.target.closest("[data-replan]");
    if (field) again(field.form);
  });
  // An act is sent once, also when a button is pressed twice.
  document.addEventListener("submit", (event) => {
    if (event.target.method !== "post") return;
    if (event.target.dataset.sent) event.preventDefault(); else event.target.dataset.sent = "1";
  });
  addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));
})();
