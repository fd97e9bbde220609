// A chat panel: pickers, settings, the turns, the composer. It goes on where lk.js ends, as one module with it.

/**
 * @typedef {{value: string, price: string, aside: string}} Choice
 * @typedef {{name: string, kind: string, value: string, values: string[], note: string}} Field
 * @typedef {Message & {asked: string, model: string, examples: string[], all: Choice[], providers: Choice[],
 *   fields: Field[], dead: string, system: string, summary: string, provider: string, prospect: string[], on: boolean,
 *   lines: string[], name: string, text: string}} Told
 */

/** @param {Choice} choice */
const told = ({ price, aside }) => [price, aside].filter(Boolean).join(" · ");

/** Typing to filter, ↓ ↑ Enter Esc (ARIA 1.2). @param {string} id @param {Send} send */
function modelPicker(id, send) {
  /** @type {Choice[]} */ let all = [];
  let value = "";
  let at = -1;
  const list = element("ul", { id: `${id}-models`, role: "listbox", "aria-label": "Models" });
  const note = element("div", { className: "lk-note" });
  const drop = element("div", { className: "lk-drop", hidden: true }, [list, note]);
  const input = /** @type {HTMLInputElement} */ (
    element("input", { id: `${id}-model`, role: "combobox", autocomplete: "off", spellcheck: false, "aria-autocomplete": "list",
      "aria-controls": list.id, "aria-expanded": "false" })
  );
  const mark = (/** @type {number} */ to) => {
    at = to;
    [...list.children].forEach((line, i) => line.setAttribute("aria-selected", String(i === at)));
    list.children[at]?.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", list.children[at]?.id ?? "");
  };
  const close = () => {
    drop.hidden = true;
    input.value = value;
    input.setAttribute("aria-expanded", "false");
    mark(-1);
  };
  const pick = (/** @type {string} */ chosen) => {
    if (chosen) value = chosen;
    close();
    if (chosen) send({ t: "word", name: "model", text: chosen });
  };
  const open = (/** @type {string} */ typed) => {
    const words = typed.toLowerCase().split(/\s+/);
    const shown = all.filter((choice) => words.every((word) => `${choice.value} ${told(choice)}`.toLowerCase().includes(word)));
    list.replaceChildren(
      ...shown.map((choice, i) => {
        const line = element("li", { id: `${id}-m${i}`, role: "option", className: choice.aside ? "lk-dim" : "" }, [
          element("span", { textContent: choice.value }),
          element("span", { textContent: choice.price }),
          element("span", { textContent: choice.aside }),
        ]);
        line.addEventListener("mousedown", (event) => (event.preventDefault(), pick(choice.value)));
        return line;
      })
    );
    note.textContent = shown.some((choice) => choice.value === typed) || !typed
      ? "Prices: US dollars for a million tokens, as published."
      : shown.length ? "Enter without a choice uses it as typed." : "Not in the list. Enter uses it as typed.";
    drop.hidden = false;
    input.setAttribute("aria-expanded", "true");
    if (!typed) mark(shown.findIndex((choice) => choice.value === value));
    else mark(shown.length === 1 && !typed.includes("/") ? 0 : -1); // a short id is never a new one
  };
  const begin = () => {
    if (!drop.hidden) return;
    send({ t: "models" });
    open("");
    input.select();
  };
  input.addEventListener("input", () => open(input.value.trim()));
  input.addEventListener("mousedown", begin);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      const count = list.children.length;
      if (drop.hidden) begin();
      else if (count) mark((Math.max(at, step < 0 ? 0 : -1) + step + count) % count);
    } else if (drop.hidden) return;
    else if (event.key === "Enter") pick(list.children[at]?.firstElementChild?.textContent ?? input.value.trim());
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  const box = element("div", { className: "lk-pick" }, [element("label", { htmlFor: input.id, textContent: "Model" }), element("div", {}, [input, drop])]);
  return {
    box,
    models: (/** @type {Choice[]} */ given) => {
      all = given;
      if (!drop.hidden && input.value === value) open("");
    },
    show: (/** @type {string} */ model) => {
      value = model;
      if (drop.hidden) input.value = model;
    },
  };
}

/** The settings: rebuilt when the fields are others, else only filled in. @param {string} id @param {Send} send */
function settings(id, send) {
  const summary = element("span", { className: "lk-dim" });
  const body = element("div", { className: "lk-fields" });
  const dead = element("div", { className: "lk-note" });
  const box = element("details", { className: "lk-set" }, [element("summary", { "data-lk": "" }, ["Settings ", summary]), body, dead]);
  /** @type {Map<string, any>} */
  const inputs = new Map();
  let before = "";

  /** @param {Field} field */
  function build({ name, kind, values, note }) {
    const choice = values.length > 0;
    const own = `${id}-${name}`;
    const input = element(choice ? "select" : kind === "lines" ? "textarea" : "input", {
      id: own, name, className: "lk-input", "aria-describedby": `${own}-note`, spellcheck: name === "system",
    }, choice ? ["", ...values].map((value) => element("option", { value, textContent: value || "default" })) : []);
    const hint = element("div", { id: `${own}-note`, className: "lk-note", textContent: note });
    input.addEventListener("change", () => {
      const { value } = /** @type {HTMLInputElement} */ (input);
      hint.textContent = note;
      input.removeAttribute("aria-invalid");
      send(name === "system" ? { t: "word", name, text: value } : { t: "field", name, text: value });
    });
    inputs.set(name, input);
    const label = { system: "System prompt", others: "Other parameters" }[name] ?? name;
    return element("div", { className: kind === "lines" ? "lk-wide" : "" }, [element("label", { htmlFor: own, textContent: label }), input, hint]);
  }

  return {
    box,
    show: (/** @type {Told} */ setup) => {
      const fields = [{ name: "system", kind: "lines", value: setup.system, values: [], note: "" }, ...setup.fields];
      const shape = JSON.stringify(fields.map((field) => ({ ...field, value: "" })));
      if (shape !== before) {
        const name = body.contains(document.activeElement) ? document.activeElement?.getAttribute("name") : null;
        inputs.clear();
        body.replaceChildren(...fields.map(build));
        if (name) inputs.get(name)?.focus();
        before = shape;
      }
      for (const { name, value } of fields) if (inputs.get(name) !== document.activeElement) inputs.get(name).value = value;
      summary.textContent = setup.summary;
      dead.textContent = setup.dead;
    },
    refuse: (/** @type {string} */ name, /** @type {string[]} */ lines) => {
      const input = inputs.get(name);
      input?.setAttribute("aria-invalid", "true");
      const hint = input?.nextElementSibling;
      if (hint) hint.textContent = lines.join(" ");
      return Boolean(input);
    },
  };
}

KINDS.chat = (model, el, bar) => {
  const send = (/** @type {object} */ content) => model.send(content);
  const number = model.get("number");
  const id = `${number}-${Math.random().toString(36).slice(2, 8)}`;
  const math = formulas(model.widget_manager);
  /** @type {Map<number, {el: HTMLElement, take: (m: Message) => void}>} */
  const turns = new Map();
  let busy = false;
  let pinned = true;
  let top = 0;

  const picker = modelPicker(id, send);
  const form = settings(id, send);
  const provider = /** @type {HTMLSelectElement} */ (element("select", { id: `${id}-provider`, className: "lk-input" }));
  provider.addEventListener("change", () => send({ t: "word", name: "provider", text: provider.value }));
  const empty = element("div", { className: "lk-empty" });
  const log = element("div", { className: "lk-log", role: "log", "aria-live": "off", "aria-label": "Conversation", tabIndex: 0 }, [empty]);
  const latest = button("Latest ↓", () => ((pinned = true), stay()), "lk-latest");
  const alert = element("div", { className: "lk-alert", role: "alert" });
  const status = element("div", { className: "lk-sr", role: "status" });
  const composer = /** @type {HTMLTextAreaElement} */ (
    element("textarea", { id: `${id}-ask`, rows: 1, placeholder: "Ask a question", "aria-label": "Ask a question" })
  );
  const go = button("Send", () => (busy ? stop() : ask()), "lk-go");
  const copies = ["magic", "Python", "Agents code"].map((what) => button(`Copy as ${what}`, (b) => copy(b, bar.ask(`as ${what}`, 0).then(({ md }) => md || Promise.reject())), "lk-flat"));
  const root = element("div", { "data-view": number, className: "lk-chat lk-view", role: "group", "aria-label": "Chat panel" }, [
    element("div", { className: "lk-top" }, [picker.box,
      element("div", { className: "lk-pick" }, [element("label", { htmlFor: provider.id, textContent: "Provider" }), provider])]),
    form.box,
    element("div", { className: "lk-middle" }, [log, latest]),
    alert,
    element("div", { className: "lk-compose" }, [composer, go]),
    element("div", { className: "lk-low" }, [element("span", { className: "lk-hint", textContent: "Enter sends · Shift+Enter new line · Esc stops" }),
      element("span", {}, [button("New chat", () => send({ t: "new" }), "lk-flat"), ...copies])]),
    status,
  ]);
  latest.hidden = true;

  function stay() {
    if (pinned) log.scrollTop = log.scrollHeight;
    top = log.scrollTop;
    latest.hidden = pinned;
  }
  log.addEventListener("scroll", () => {
    const below = log.scrollHeight - log.scrollTop - log.clientHeight;
    if (below < 8) pinned = true;
    else if (log.scrollTop < top - 1 && below > 24) pinned = false;
    top = log.scrollTop;
    latest.hidden = pinned;
  });
  function stop() {
    /** @type {HTMLButtonElement} */ (go).disabled = true;
    send({ t: "stop" });
    composer.focus();
  }
  function grow() {
    composer.style.height = "";
    composer.style.height = `${Math.min(composer.scrollHeight + 2, 160)}px`;
  }
  function ask(text = composer.value) {
    if (busy || there.off() || !text.trim()) return;
    alert.replaceChildren();
    if (text === composer.value) composer.value = "";
    grow();
    pinned = true;
    send({ t: "send", text });
    composer.focus();
  }
  composer.addEventListener("input", grow);
  composer.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229) {
      event.preventDefault();
      ask();
    } else if (event.key === "ArrowUp" && !composer.value && turns.size) {
      event.preventDefault();
      edit([...turns.keys()][turns.size - 1]);
    }
  });
  root.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && busy) stop();
  });

  /** @param {number} c */
  function edit(c) {
    const asked = turns.get(c)?.el.querySelector(".lk-asked");
    if (!asked || busy || there.off() || asked.querySelector("textarea")) return;
    const text = asked.textContent ?? "";
    const area = /** @type {HTMLTextAreaElement} */ (element("textarea", { value: text, className: "lk-input", "aria-label": "Edit the question", rows: Math.min(8, text.split("\n").length + 1) }));
    const done = () => {
      asked.textContent = text;
      composer.focus();
    };
    const again = () => {
      if (!area.value.trim()) return;
      send({ t: "send", c, text: area.value });
      pinned = true;
      done();
    };
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape") done();
      else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) again();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    const later = [...turns.keys()].filter((each) => each > c).length;
    asked.replaceChildren(area, element("div", { className: "lk-row" }, [button("Send again", again), button("Cancel", done),
      element("span", { className: "lk-note", textContent: later ? "What follows is replaced." : "" })]));
    area.focus();
  }

  /** @param {Told} m */
  function turn({ c, asked, model: who }) {
    const box = element("div", { "data-c": c });
    const foot = element("div", { "data-foot": c });
    const change = button("Edit", () => edit(c), "lk-flat lk-edit");
    const made = element("section", { className: "lk-turn" }, [
      element("article", { "aria-label": "You" }, [element("div", { className: "lk-who" }, ["You", change]), element("div", { className: "lk-asked", textContent: asked })]),
      element("article", { "aria-label": who, className: "jp-RenderedHTMLCommon jp-RenderedHTML" }, [element("div", { className: "lk-who", textContent: who }), box, foot]),
    ]);
    empty.remove();
    log.append(made);
    turns.set(c, { el: made, take: replyPart(box, foot, bar.dress, math) });
  }

  /** @param {string[]} lines */
  const lined = (lines) => lines.map((line, i) => element(i || !lines[1] ? "div" : "strong", { textContent: line }));

  /** @type {Record<string, (m: Told) => void>} */
  const does = {
    panel: ({ examples }) => {
      log.replaceChildren(empty);
      turns.clear();
      empty.replaceChildren(
        element("div", { className: "lk-h", textContent: "Ask a question" }),
        element("div", { className: "lk-prospect" }),
        element("div", { className: "lk-row" }, examples.map((text) => button(text, () => ask(text))))
      );
    },
    models: ({ all }) => picker.models(all),
    setup: (m) => {
      picker.show(m.model);
      provider.replaceChildren(...m.providers.map((choice) => element("option", { value: choice.value, textContent: [choice.value, told(choice)].filter(Boolean).join(" · ") })));
      provider.value = m.provider;
      form.show(m);
      alert.replaceChildren();
      empty.querySelector(".lk-prospect")?.replaceChildren(...lined(m.prospect));
    },
    turn,
    drop: ({ c }) => {
      for (const [key, there] of turns) if (key >= c) (there.el.remove(), turns.delete(key));
      if (!turns.size) log.append(empty);
    },
    busy: ({ on }) => {
      if (on && !busy) status.textContent = "Replying";
      busy = on;
      root.toggleAttribute("data-busy", on);
      go.textContent = on ? "Stop" : "Send";
      /** @type {HTMLButtonElement} */ (go).disabled = there.off();
    },
    error: ({ name, lines }) => {
      if (!form.refuse(name, lines)) alert.replaceChildren(...lined(lines));
    },
    draft: ({ text }) => {
      if (text && !composer.value) composer.value = text;
      grow();
    },
  };

  const there = place(model, el, root);

  let due = false;
  const take = (/** @type {Message} */ message) => {
    const m = /** @type {Told} */ (message);
    const live = m.t === "foot" && LIVE.includes(m.state);
    if (does[m.t]) does[m.t](m);
    else turns.get(m.c)?.take(live ? { ...m, acts: [] } : m);
    if (m.t === "foot" && busy && !live) status.textContent = turns.get(m.c)?.el.querySelector("[data-c]")?.textContent ?? "";
    if (!due) queueMicrotask(() => ((due = false), stay()));
    due = true;
  };
  take.stays = there.stays;
  return take;
};
