/* Windows over a text, and the best span in them. All numbers stand in the page: logits, in
   thousandths, of the model that the chapter trains. What is decoded here is held to bertlab's own
   decoding by tests. Plain script: it also works from a file. */
"use strict";

(() => {
  const make = (tag, properties = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  };
  const labelled = (words, control) => make("label", {}, make("span", {}, words), control);
  const option = (value, words) => make("option", { value }, words);
  const number = (thousandths, digits = 3) =>
    (thousandths / 1000).toFixed(digits).replace("-", "−");

  /* A window as a row of places: [CLS] question [SEP] context [SEP]. */
  function rowOf(question, window, longest) {
    const asked = question.question_pieces;
    const places = window.starts.length;
    const from = asked.length + 2; // the context's first place
    const until = places - 1;
    const context = question.pieces.slice(window.first, window.first + until - from);
    const words = ["[CLS]", ...asked, "[SEP]", ...context, "[SEP]"];
    const inside = (t) => from <= t && t < until;
    const fault = (i, j) => {
      if (!inside(i)) return `the start, ${words[i]}, is not in the context`;
      if (!inside(j)) return `the end, ${words[j]}, is not in the context`;
      if (j < i) return "the end stands before the start";
      if (j - i >= longest) return `${j - i + 1} pieces are too many; at most ${longest} may be`;
      return null;
    };
    const sum = (i, j) => window.starts[i] + window.ends[j];
    const bestEnd = (i) => {
      let best = null;
      for (let j = i; j < Math.min(i + longest, until); j += 1) {
        if (inside(i) && (best === null || window.ends[j] > window.ends[best])) best = j;
      }
      return best;
    };
    let best = { start: from, end: from };
    for (let i = from; i < until; i += 1) {
      const j = bestEnd(i);
      if (sum(i, j) > sum(best.start, best.end)) best = { start: i, end: j };
    }
    const offset = (t) => question.offsets[window.first + t - from];
    const cut = (i, j) => question.context.slice(offset(i)[0], offset(j)[1]);
    const piece = (t) => window.first + t - from;
    return { ...window, words, places, from, until, inside, fault, sum, bestEnd, best, cut, piece };
  }

  function start(figure) {
    const { longest, questions } = JSON.parse(figure.querySelector("script").textContent);
    const state = { question: 0, length: 96, stride: 24, window: 0, start: 0, end: 0 };
    const current = () => questions[state.question];
    const settings = () => current().settings.filter((one) => one.length === state.length);
    let rows = []; // of the current setting's windows
    let truth = [0, 0]; // the true answer's first and last piece

    /* The controls. */
    const question = make("select");
    questions.forEach((one, i) => question.append(option(i, one.question)));
    const length = make("select");
    const lengths = [...new Set(current().settings.map((one) => one.length))];
    lengths.forEach((size) => length.append(option(size, `${size} tokens`)));
    const stride = make("input", { type: "range", min: 0, step: 1 });
    const strideSays = make("span", { className: "widget-value" });
    const overlap = labelled("Pieces that neighbours share", stride);
    overlap.append(strideSays);
    const controls = make(
      "div",
      { className: "widget-controls" },
      labelled("Question", question),
      labelled("Longest row", length),
      overlap,
    );

    const count = make("p", { className: "widget-whole" });
    const windows = make("fieldset", { className: "widget-windows" });
    const answer = make("p", { className: "widget-said" });
    answer.setAttribute("aria-live", "polite");

    const legend = make("p", { className: "widget-whole" });
    const pieces = make("div", { className: "widget-pieces" });
    let marks = [];
    const slider = (name) => {
      const input = make("input", { type: "range", min: 0, step: 1 });
      const says = make("span", { className: "widget-value" });
      const label = labelled(name, input);
      label.className = `widget-${name.toLowerCase()}`;
      label.append(says);
      input.addEventListener("input", () => {
        state[name.toLowerCase()] = Number(input.value);
        show();
      });
      return { input, says, label };
    };
    const ends = { start: slider("Start"), end: slider("End") };
    const button = (words, action) => {
      const node = make("button", { type: "button" }, words);
      node.addEventListener("click", () => {
        Object.assign(state, action(rows[state.window]));
        show();
      });
      return node;
    };
    const highest = (values) => values.indexOf(Math.max(...values));
    const buttons = make(
      "div",
      { className: "widget-buttons" },
      button("Best span of this window", (row) => row.best),
      button("Best end for this start", (row) => ({ end: row.bestEnd(state.start) ?? state.end })),
      button("Highest start and highest end, taken apart", (row) => ({
        start: highest(row.starts),
        end: highest(row.ends),
      })),
    );
    const said = make("p", { className: "widget-said" });
    said.setAttribute("aria-live", "polite");
    const allowed = make("p", { className: "widget-whole" });

    /* A new question or other windows. */
    function decode() {
      const one = current();
      const setting = settings().find((each) => each.stride === state.stride);
      rows = setting.windows.map((window) => rowOf(one, window, longest));
      const scores = rows.map((row) => row.sum(row.best.start, row.best.end));
      const winner = highest(scores);
      const [a, z] = [one.answer_start, one.answer_start + one.accepted[0].length];
      const touched = one.offsets.map(([from, to]) => from < z && to > a);
      truth = [touched.indexOf(true), touched.lastIndexOf(true)];

      const total = one.pieces.length;
      const room = state.length - 3 - one.question_pieces.length;
      count.textContent =
        `The context has n = ${total} pieces; a row has room for r = ${room}; ` +
        `neighbours share v = ${state.stride}: ` +
        `${rows.length} window${rows.length > 1 ? "s" : ""}, as (10.1) says.`;
      windows.replaceChildren(make("legend", {}, "Windows, with the best span of each"));
      const holders = [];
      rows.forEach((row, w) => {
        const last = row.piece(row.until - 1);
        const whole = row.first <= truth[0] && truth[1] <= last;
        if (whole) holders.push(w);
        const radio = make("input", { type: "radio", name: `${figure.id}-window`, value: w });
        const strip = make("span", { className: "widget-strip" });
        const stretch = (kind, from, to) => {
          const part = make("span", { className: kind });
          part.style.left = `${(100 * from) / total}%`;
          part.style.width = `${(100 * (to - from + 1)) / total}%`;
          strip.append(part);
        };
        stretch("is-window", row.first, last);
        stretch("is-true", ...truth);
        stretch("is-best", row.piece(row.best.start), row.piece(row.best.end));
        const text = `${number(scores[w], 2)} “${row.cut(row.best.start, row.best.end)}”`;
        const found = make("span", { className: "widget-found" }, text);
        if (w === winner) found.append(make("b", {}, " ★ the answer"));
        const name = make("span", {}, radio, ` ${w}: pieces ${row.first}–${last}`);
        const label = make("label", {}, name, strip, found);
        radio.addEventListener("change", () => choose(w));
        windows.append(label);
      });
      const best = rows[winner].best;
      answer.replaceChildren(
        "Best of all windows: ",
        make("b", {}, `“${rows[winner].cut(best.start, best.end)}”`),
        `, window ${winner}, ${number(scores[winner])}. Accepted: `,
        `${one.accepted.map((text) => `“${text}”`).join(", ")}; the first is whole in `,
        holders.length ? `window ${holders.join(" and ")}.` : "no window: a border cuts it.",
      );
      choose(winner);
    }

    /* Another window of the same setting. */
    function choose(w) {
      const row = rows[w];
      Object.assign(state, { window: w, ...row.best });
      windows.querySelectorAll("input").forEach((radio, i) => (radio.checked = i === w));
      const low = Math.min(...row.starts, ...row.ends);
      const high = Math.max(...row.starts, ...row.ends);
      const box = (kind, words) => make("span", {}, make("i", { className: kind }), words);
      legend.replaceChildren(
        `Window ${w}, token by token. `,
        box("is-start-logit", "start logit"),
        box("is-end-logit", `end logit, from ${number(low, 1)} to ${number(high, 1)}`),
        box("is-allowed", "end allowed for this start"),
        box("is-span", "span"),
        box("is-true", "true answer"),
      );
      pieces.replaceChildren();
      marks = row.words.map((word, t) => {
        const bars = make("span", { className: "widget-bars" });
        for (const [kind, values] of [["is-start-logit", row.starts], ["is-end-logit", row.ends]]) {
          const bar = make("i", { className: kind });
          bar.style.height = `${(100 * (values[t] - low)) / (high - low)}%`;
          bars.append(bar);
        }
        const mark = make("span", {}, bars, make("span", { className: "widget-word" }, word));
        mark.title = `place ${t}: start ${number(row.starts[t])}, end ${number(row.ends[t])}`;
        mark.classList.toggle("is-outside", !row.inside(t));
        const piece = row.piece(t);
        mark.classList.toggle("is-true", row.inside(t) && truth[0] <= piece && piece <= truth[1]);
        mark.addEventListener("click", () => {
          Object.assign(state, { start: t, end: row.bestEnd(t) ?? t });
          show();
        });
        pieces.append(mark);
        return mark;
      });
      show();
    }

    /* Another start or end. */
    function show() {
      const row = rows[state.window];
      const { start: i, end: j } = state;
      const fault = row.fault(i, j);
      marks.forEach((mark, t) => {
        mark.classList.toggle("is-start", t === i);
        mark.classList.toggle("is-end", t === j);
        mark.classList.toggle("is-span", !fault && i <= t && t <= j);
        mark.classList.toggle("is-allowed", !row.fault(i, t));
      });
      for (const [side, place, values] of [["start", i, row.starts], ["end", j, row.ends]]) {
        const { input, says } = ends[side];
        input.max = row.places - 1;
        input.value = place;
        says.textContent = `${place}: ${row.words[place]}`;
        input.setAttribute("aria-valuetext", `${place}, ${row.words[place]}, ${number(values[place])}`);
      }
      const top = row.sum(row.best.start, row.best.end);
      said.replaceChildren(
        `Start ${number(row.starts[i])} + end ${number(row.ends[j])} = `,
        make("b", {}, number(row.sum(i, j))),
        ". ",
      );
      if (fault) {
        said.append(make("b", {}, "No span: "), `${fault}.`);
        if (row.sum(i, j) > top) {
          said.append(` Its sum is above that of the best span, ${number(top)}, and doesn't count.`);
        }
      } else {
        const size = j - i + 1;
        said.append(`“${row.cut(i, j)}”, ${size} piece${size > 1 ? "s" : ""}`);
        said.append(row.sum(i, j) === top ? ": the best span of this window." : ".");
      }
      tell(row, i);
    }

    function tell(row, i) {
      if (!row.inside(i)) {
        allowed.textContent = "From this start, no end is allowed.";
        return;
      }
      const context = row.until - row.from;
      const before = i - row.from;
      const fits = Math.min(longest, row.until - i);
      allowed.textContent =
        `From this start, ${fits} of ${row.places} ends are allowed: ${before} stand before it, ` +
        `${context - before - fits} would make it too long, and ${row.places - context} are ` +
        "question or special tokens.";
    }

    function newSetting() {
      const strides = settings().map((one) => one.stride);
      if (!strides.includes(state.stride)) state.stride = Math.max(...strides);
      stride.max = strides.length - 1;
      stride.value = strides.indexOf(state.stride);
      strideSays.textContent = state.stride;
      stride.setAttribute("aria-valuetext", `${state.stride} pieces`);
      length.value = state.length;
      decode();
    }

    question.addEventListener("change", () => {
      state.question = Number(question.value);
      newSetting();
    });
    length.addEventListener("change", () => {
      state.length = Number(length.value);
      newSetting();
    });
    stride.addEventListener("input", () => {
      state.stride = settings()[stride.value].stride;
      newSetting();
    });
    const sliders = make("div", { className: "widget-sliders" }, ends.start.label, ends.end.label);
    figure
      .querySelector(".widget-live")
      .append(controls, count, windows, answer, legend, pieces, sliders, buttons, said, allowed);
    figure.classList.add("is-live");
    newSetting();
  }

  document.querySelectorAll('[data-widget="spans"]').forEach(start);
})();
