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
  const again = async (form) => {
    const tasks = new FormData(form).getAll("task").map((task) => ["task", task]);
    const typed = [...form.querySelectorAll("textarea[id], input.input[id]")].map((each) => [each.id, each.value]);
    const focused = document.activeElement && document.activeElement.value;
    await fetched(`${form.getAttribute("action")}?${new URLSearchParams(tasks)}`);
    for (const [id, value] of typed) document.getElementById(id).value = value;
    const field = [...place.querySelectorAll("[data-replan]")].find((each) => each.value === focused);
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
