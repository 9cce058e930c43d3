/* Attention of bertlab-mini, token by token. All numbers stand in the page, in thousandths:
   weights[layer][head][query][key]. Plain script: it also works from a file. */
"use strict";

(() => {
  const make = (tag, properties = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  };
  const percent = (thousandths) =>
    thousandths > 0 && thousandths < 5 ? "<1\u00a0%" : `${Math.round(thousandths / 10)}\u00a0%`;

  function start(figure) {
    const { sentences } = JSON.parse(figure.querySelector("script").textContent);
    const layers = sentences[0].weights.length;
    const heads = sentences[0].weights[0].length;
    // What is shown; `token` is chosen, `pointed` the one under the mouse, if there is one.
    const state = { sentence: 0, layer: 0, head: 2, token: 7, pointed: null, column: false };
    const name = figure.id;
    const current = () => sentences[state.sentence];
    const map = () => current().weights[state.layer][state.head];

    /* The controls. */
    const sentence = make("select");
    sentences.forEach(({ text }, i) => sentence.append(make("option", { value: i }, text)));
    const directions = ["what it attends to (its row)", "what attends to it (its column)"];
    const direction = make("fieldset", { className: "widget-choice" });
    direction.append(make("legend", {}, "Shades show, for the chosen token,"));
    directions.forEach((words, i) => {
      const radio = make("input", { type: "radio", name: `${name}-way`, value: i, checked: !i });
      direction.append(make("label", {}, radio, ` ${words}`));
    });
    const controls = make(
      "div",
      { className: "widget-controls" },
      make("label", {}, make("span", {}, "Sentence"), sentence),
      direction,
    );

    /* A small map for each head. */
    const grid = make("div", { className: "widget-heads" });
    grid.style.setProperty("--heads", heads);
    const choice = make("fieldset", {}, make("legend", {}, "Layer and head"), grid);
    const maps = [];
    for (let layer = 0; layer < layers; layer += 1) {
      for (let head = 0; head < heads; head += 1) {
        const radio = make("input", { type: "radio", name: `${name}-head` });
        radio.value = `${layer}.${head}`;
        radio.setAttribute("aria-label", `layer ${layer}, head ${head}`);
        const canvas = make("canvas");
        const line = make("span", { className: "widget-line" });
        const picture = make("span", { className: "widget-map" }, canvas, line);
        const words = make("span", { className: "widget-number" }, `${layer}.${head}`);
        grid.append(make("label", {}, radio, picture, words));
        maps.push({ layer, head, radio, canvas });
      }
    }

    /* The tokens, and what is said of them. */
    const tokens = make("fieldset", { className: "widget-tokens" });
    const said = make("p", { className: "widget-said" });
    said.setAttribute("aria-live", "polite");
    const whole = make("p", { className: "widget-whole" });
    const panel = make("div", { className: "widget-panel" }, tokens, said, whole);
    let chips = [];

    function newSentence() {
      tokens.replaceChildren(make("legend", {}, "Token"));
      chips = current().tokens.map((token, i) => {
        const radio = make("input", { type: "radio", name: `${name}-token`, value: i });
        const number = make("span", { className: "widget-number" });
        const chip = make("label", {}, radio, make("span", { className: "widget-word" }, token));
        chip.append(number);
        chip.addEventListener("mouseenter", () => show({ pointed: i }));
        radio.addEventListener("change", () => show({ token: i, pointed: null }));
        tokens.append(chip);
        return { radio, chip, number };
      });
      const wanted = current().tokens.indexOf("bank");
      state.token = wanted < 0 ? current().tokens.indexOf("port") : wanted;
      state.pointed = null;
      drawMaps();
    }

    function drawMaps() {
      const colour = getComputedStyle(figure).getPropertyValue("--widget-map").trim();
      const size = current().tokens.length;
      for (const { layer, head, canvas } of maps) {
        canvas.width = canvas.height = size;
        const brush = canvas.getContext("2d");
        brush.fillStyle = `rgb(${colour})`;
        current().weights[layer][head].forEach((row, y) =>
          row.forEach((weight, x) => {
            brush.globalAlpha = Math.sqrt(weight / 1000);
            brush.fillRect(x, y, 1, 1);
          }),
        );
      }
    }

    function show(changes) {
      Object.assign(state, changes);
      const token = state.pointed ?? state.token;
      const words = current().tokens;
      const weights = state.column ? map().map((row) => row[token]) : map()[token];
      chips.forEach(({ radio, chip, number }, i) => {
        radio.checked = i === state.token;
        chip.classList.toggle("is-chosen", i === token);
        chip.style.setProperty("--weight", Math.sqrt(weights[i] / 1000));
        number.textContent = weights[i] ? percent(weights[i]) : "";
      });
      for (const { layer, head, radio } of maps) {
        radio.checked = layer === state.layer && head === state.head;
      }
      figure.style.setProperty("--token", token);
      figure.style.setProperty("--tokens", words.length);
      figure.classList.toggle("is-column", state.column);
      say(token, words, weights);
    }

    function say(token, words, weights) {
      const order = weights.map((_, i) => i).sort((a, b) => weights[b] - weights[a]);
      const most = order.slice(0, 3).filter((i) => weights[i] > 0);
      const total = Math.round(weights.reduce((sum, weight) => sum + weight, 0) / 10);
      said.replaceChildren(
        make("b", {}, words[token]),
        `, layer ${state.layer}, head ${state.head}: `,
        state.column ? "gets most from " : "attends most to ",
        most.map((i) => `“${words[i]}” ${percent(weights[i])}`).join(", "),
        ".",
      );
      if (state.column) said.append(` In all ${total} %: a column need not sum to 100 %.`);

      const shares = [0, 0, 0, 0]; // before, itself, after, elsewhere
      map().forEach((row, q) =>
        row.forEach((weight, k) => {
          shares[Math.abs(k - q) > 1 ? 3 : k - q + 1] += weight / words.length;
        }),
      );
      const [before, itself, after, elsewhere] = shares.map(percent);
      whole.textContent =
        `All tokens of this head together: ${before} goes to the token before, ${itself} to ` +
        `the token itself, ${after} to the token after, ${elsewhere} elsewhere.`;
    }

    /* Arrow keys move through the maps in two directions. */
    function move(event) {
      const step = { ArrowUp: -heads, ArrowDown: heads, ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const count = maps.length;
      const { layer, head, radio } =
        maps[(state.layer * heads + state.head + step + count) % count];
      radio.focus();
      show({ layer, head });
    }

    grid.addEventListener("keydown", move);
    grid.addEventListener("change", (event) => {
      const [layer, head] = event.target.value.split(".").map(Number);
      show({ layer, head });
    });
    sentence.addEventListener("change", () => {
      state.sentence = Number(sentence.value);
      newSentence();
      show({});
    });
    direction.addEventListener("change", (event) => show({ column: event.target.value === "1" }));
    tokens.addEventListener("mouseleave", () => show({ pointed: null }));
    new MutationObserver(drawMaps).observe(document.documentElement, {
      attributeFilter: ["data-theme"],
    });

    figure.querySelector(".widget-live").append(
      controls,
      make("div", { className: "widget-both" }, choice, panel),
    );
    figure.classList.add("is-live");
    newSentence();
    show({});
  }

  document.querySelectorAll('[data-widget="attention"]').forEach(start);
})();
