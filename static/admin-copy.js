// Copies a field's value when the button beside it is pressed. External, so that the page
// needs no inline script.
document.querySelectorAll("[data-copy]").forEach((button) => {
  const field = document.getElementById(button.dataset.copy);
  const status = document.querySelector("[data-copied]");
  field.addEventListener("focus", () => field.select());
  button.addEventListener("click", async () => {
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      status.textContent = "Copied.";
    } catch {
      // Browsers give pages without HTTPS no clipboard; the field is selected instead.
      status.textContent = "Selected. Press Ctrl+C, or ⌘C, to copy.";
    }
  });
});
