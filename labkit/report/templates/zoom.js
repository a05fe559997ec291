// Figures open at full width in a dialog; without scripts they are just there.
for (const image of document.querySelectorAll("main img")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "zoom";
  image.replaceWith(button);
  button.append(image);
  button.addEventListener("click", () => {
    const dialog = document.createElement("dialog");
    dialog.className = "zoomed";
    dialog.setAttribute("aria-label", "Enlarged figure");
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "Close";
    const large = image.cloneNode();
    large.removeAttribute("width");
    dialog.append(close, large);
    document.body.append(dialog);
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => { dialog.remove(); button.focus(); });
    dialog.showModal();
  });
}
