// Copies the text of an element.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy-of]");
  const source = button && document.getElementById(button.dataset.copyOf);
  if (!source) return;
  await navigator.clipboard.writeText(source.textContent);
  const label = button.querySelector("span"), before = label.textContent;
  label.textContent = "Copied";
  setTimeout(() => { label.textContent = before; }, 1500);
});
