"use strict";
// The gallery's filters, order and pages; pictures that enlarge; figures of others. No network, nothing stored.
(() => {
  const page = matchMedia("(max-width: 800px)").matches ? 6 : 12;
  const quoted = document.getElementById("show-quoted");
  if (quoted) {
    const own = document.getElementById("own-speed");
    const show = () => {
      document.getElementById("quoted-speed").hidden = !quoted.checked;
      if (own) own.hidden = quoted.checked;
    };
    quoted.addEventListener("change", show);
    show();
  }

  const form = document.getElementById("filters");
  if (!form) return;
  const list = document.getElementById("cards");
  const more = document.getElementById("more");
  const cards = [...list.children];
  const descending = { cost: true, gap: true, frame: false };
  let limit = page;

  function update() {
    const wanted = new FormData(form);
    const least = parseFloat(wanted.get("cost"));
    const key = wanted.get("sort");
    const sign = descending[key] ? -1 : 1;
    const fits = (card) =>
      ["run", "sequence", "cause"].every((name) => !wanted.get(name) || card.dataset[name] === wanted.get(name)) &&
      !(parseFloat(card.dataset.cost) < least);
    const chosen = cards.filter(fits).sort((a, b) => sign * (a.dataset[key] - b.dataset[key]));
    for (const card of cards) card.hidden = true;
    for (const card of chosen.slice(0, limit)) card.hidden = false;
    list.append(...chosen);
    const rest = chosen.length - limit;
    more.hidden = rest <= 0;
    more.firstElementChild.textContent = `${Math.min(rest, page)} more`;
    const shown = Math.min(chosen.length, limit);
    document.getElementById("shown").textContent =
      `${shown} of ${chosen.length}` + (chosen.length < cards.length ? ` (${cards.length} in all)` : "");
    for (const button of document.querySelectorAll(".causes button")) {
      const { cause, run } = button.dataset;
      button.setAttribute("aria-pressed", String(cause === wanted.get("cause") && run === wanted.get("run")));
    }
  }

  function restart() {
    limit = page;
    update();
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", restart);
  more.addEventListener("click", (event) => {
    const step = event.target.dataset.more;
    if (!step) return;
    limit = step === "all" ? cards.length : limit + Number(step);
    update();
  });

  document.querySelector(".causes").addEventListener("click", (event) => {
    const { cause, run } = event.target.dataset;
    if (cause === undefined) return;
    form.elements.cause.value = cause;
    form.elements.run.value = run;
    restart();
    form.scrollIntoView({ block: "start" });
  });

  document.getElementById("timelines").addEventListener("click", (event) => {
    const switched = event.target.closest("[data-person]");
    if (!switched) return;
    const { run, sequence } = switched.closest("details").dataset;
    const { person, frame } = switched.dataset;
    const beside = cards.filter((card) => card.dataset.run === run && card.dataset.sequence === sequence);
    const card = beside.find(({ dataset }) => dataset.person === person && dataset.frame === frame);
    form.reset();
    form.elements.run.value = run;
    form.elements.sequence.value = sequence;
    limit = Math.max(page, beside.indexOf(card) + 1); // cards come the most costly first, as a form that was reset asks
    update();
    card.scrollIntoView({ block: "center" });
    card.classList.add("found");
    setTimeout(() => card.classList.remove("found"), 3000);
  });

  const dialog = document.getElementById("enlarged");
  list.addEventListener("click", (event) => {
    const crops = event.target.closest(".crops");
    if (!crops) return;
    dialog.querySelector(".crops").replaceChildren(...[...crops.children].map((crop) => crop.cloneNode(true)));
    dialog.showModal();
  });
  dialog.addEventListener("click", () => dialog.close());

  update();
})();
