"use strict";
// Filters and order of the gallery, and the quoted points of the scatter plot. No network, nothing stored.
(() => {
  const quoted = document.getElementById("show-quoted");
  const showQuoted = () => document.body.classList.toggle("hide-quoted", !quoted.checked);
  if (quoted) quoted.addEventListener("change", showQuoted);

  const form = document.getElementById("filters");
  if (!form) return;
  const list = document.getElementById("cards");
  const cards = [...list.children];
  const descending = { cost: true, gap: true, frame: false };

  function update() {
    const wanted = new FormData(form);
    const least = parseFloat(wanted.get("cost"));
    let shown = 0;
    for (const card of cards) {
      const fits = ["run", "sequence", "kind"].every((key) => !wanted.get(key) || card.dataset[key] === wanted.get(key));
      card.hidden = !fits || parseFloat(card.dataset.cost) < least;
      shown += card.hidden ? 0 : 1;
    }
    document.getElementById("shown").textContent = `${shown} of ${cards.length} switches`;
  }

  function sort() {
    const key = form.elements.sort.value;
    const sign = descending[key] ? -1 : 1;
    const ordered = [...cards].sort((a, b) => sign * (parseFloat(a.dataset[key]) - parseFloat(b.dataset[key])));
    list.append(...ordered);
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", update);
  form.elements.sort.addEventListener("change", sort);
  update();
})();
