"use strict";
// Keys: "?" shows them; a letter on its own follows the link that names it in data-key.
(() => {
  const typing = (target) => target.closest("input, textarea, select, [contenteditable]");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (event.key === "?") {
      document.getElementById("keys")?.showModal();
      return;
    }
    const named = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (named) {
      event.preventDefault();
      named.click();
    }
  });
})();
