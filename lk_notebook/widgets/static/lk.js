// The view of everything lk_notebook shows: it inserts what the kernel rendered, and sends back which button was pressed.
// Types: lk.d.ts, checked by `tsc`; no bundler, no dependency. HTML comes from the kernel's own renderer alone.

/** @type {Record<string, string>} */
const LABELS = { stop: "Stop", copy: "Copy", retry: "Retry", continue: "Continue", sent: "What was sent" };
const LIVE = ["live", "waiting"];
const GONE = ["dead", "restarting", "autorestarting", "terminating"];

/** @param {string} html */
function nodes(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return [...template.content.childNodes];
}

/** @param {string} tag @param {Record<string, unknown>} [traits] @param {(Node | string)[]} [inside] */
function element(tag, traits = {}, inside = []) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(traits)) {
    if (name in made) /** @type {any} */ (made)[name] = value;
    else made.setAttribute(name, String(value));
  }
  made.append(...inside);
  return made;
}

const stopped = () => element("span", { className: "lk-gone", textContent: "Kernel stopped" });

/** Once the kernel is gone. @param {Model} model @param {() => void} then */
function afterwards(model, then) {
  model.widget_manager?.kernel?.statusChanged?.connect((_, status) => GONE.includes(status) && then());
}

/** @param {string} label @param {(button: Button) => void} pressed */
function button(label, pressed, cls = "") {
  const made = /** @type {Button} */ (element("button", { type: "button", className: `lk-button ${cls}`, textContent: label, "data-lk": "" }));
  made.addEventListener("click", () => pressed(made));
  return made;
}

/** Copies, and says on the button whether it did. @param {Button} b @param {Promise<string> | string} text */
async function copy(b, text) {
  const before = b.textContent;
  try {
    await navigator.clipboard.writeText(await text);
    b.textContent = "Copied";
  } catch {
    b.textContent = "Copy failed";
  }
  setTimeout(() => (b.textContent = before), 1500);
}

/**
 * Formulas as MathJax sets them, kept by their TeX: those of a tail that is drawn anew are there at once.
 * @param {Manager} manager @returns {Formulas}
 */
function formulas(manager) {
  /** @type {Map<string, Node[]>} */
  const set = new Map();
  /** @type {Map<string, Promise<void>>} */
  const asked = new Map();
  const copies = (/** @type {Iterable<Node>} */ all) => [...all].map((node) => node.cloneNode(true));
  const typesetter = manager?.rendermime?.latexTypesetter;
  /** @type {Formulas["fill"]} */
  const fill = (within) =>
    [...within.querySelectorAll(".lk-math")].filter((math) => {
      const known = set.get(math.textContent ?? "");
      if (known) math.replaceChildren(...copies(known));
      const waits = !known && !math.childElementCount && typesetter;
      math.classList.toggle("lk-unset", Boolean(waits));
      return waits;
    });
  const ask = async (/** @type {Element} */ math, /** @type {string} */ tex) => {
    try {
      await typesetter?.typeset(math);
    } finally {
      asked.delete(tex);
      // else it was measured without its place
      if (math.isConnected) set.set(tex, copies(math.childNodes));
    }
  };
  return {
    fill,
    async set(within) {
      for (let math; within.isConnected && (math = fill(within)[0]); ) {
        const tex = math.textContent ?? "";
        if (!asked.has(tex)) asked.set(tex, ask(math, tex));
        await asked.get(tex);
      }
    },
  };
}

/** One part of a reply: the elements of a growing text, a fold. @param {Element} el @param {Formulas} math */
function part(el, math) {
  let box = el;
  /** @type {ChildNode[][]} the nodes of the tail, in the box and after it */ let tail = [[], []];
  // the tail as HTML: the kernel sends only what goes on differently
  let last = ["", ""];
  const drop = () => {
    for (const node of tail.flat()) node.remove();
    tail = [[], []];
  };
  /** Puts nodes at an end; what stands there already stays, selected or not. @param {Element} to @param {string} html @param {ChildNode[]} old */
  const put = (to, html, old) => {
    const made = document.createElement("template");
    made.innerHTML = html;
    math.fill(made.content);
    const fresh = [...made.content.childNodes];
    const found = fresh.findIndex((node, i) => !old[i]?.isEqualNode(node));
    const same = found < 0 ? fresh.length : found;
    for (const node of old.slice(same)) node.remove();
    to.append(...fresh.slice(same));
    return [...old.slice(0, same), ...fresh.slice(same)];
  };
  /** @type {Record<string, (op: Op) => void>} */
  const does = {
    add: ({ h, p: [from, n] }) => {
      // of the tail, what follows the box goes
      const k = Number(box === el);
      if (!k) tail[1].splice(0).forEach((node) => node.remove());
      put(box, last.join("").slice(from, from + n) + h, tail[k]);
      tail = [[], []];
    },
    open: ({ h }) => {
      drop();
      el.append(...nodes(h));
      for (box = el; box.lastElementChild; ) box = box.lastElementChild;
    },
    text: ({ h }) => box.insertAdjacentHTML("beforeend", h),
    undo: () => {
      drop();
      el.lastElementChild?.remove();
      box = el;
    },
    close: () => {
      drop();
      box = el;
    },
    set: ({ h, k }) => el.children[k].replaceWith(...nodes(h)),
    tail: ({ i, h, p }) => {
      last = [i, h].map((html, k) => last[k].slice(0, p[k]) + html);
      tail = [put(box, last[0], tail[0]), put(el, last[1], tail[1])];
    },
    whole: ({ h }) => {
      const unfolded = el.querySelector("details")?.open;
      el.replaceChildren(...nodes(h));
      if (unfolded) el.querySelector("details")?.setAttribute("open", "");
    },
    title: ({ h }) => el.querySelector("summary")?.replaceChildren(...nodes(h)),
  };
  return (/** @type {Op} */ op) => does[op.o]?.(op);
}

/**
 * A reply: its parts in their places, its footer with the buttons of its state.
 * @param {HTMLElement} box @param {HTMLElement} foot @param {Bar["dress"]} dress @param {Formulas} math
 */
function replyPart(box, foot, dress, math) {
  /** @type {Map<number, {el: Element, take: (op: Op) => void}>} */
  const parts = new Map();
  const at = (/** @type {number} */ s) => {
    let there = parts.get(s);
    if (!there) {
      const el = element("div");
      const after = Math.min(...[...parts.keys()].filter((key) => key > s));
      box.insertBefore(el, parts.get(after)?.el ?? null);
      parts.set(s, (there = { el, take: part(el, math) }));
    }
    return there;
  };
  return (/** @type {Message} */ message) => {
    if (message.t === "ops") {
      for (const op of message.ops) at(op.s).take(op);
      for (const s of new Set(message.ops.map((op) => op.s))) math.set(at(s).el);
    } else if (message.t === "foot") {
      const had = foot.contains(document.activeElement);
      foot.replaceChildren(...nodes(message.h));
      box.setAttribute("aria-busy", String(LIVE.includes(message.state)));
      dress(foot, message);
      if (had) foot.querySelector("button")?.focus();
    }
  };
}

/** The request of a reply in several spellings, below its footer. @param {[string, string][]} all */
function sentBox(all) {
  const shown = element("pre", { tabIndex: 0 });
  const tabs = all.map(([name, text]) =>
    button(name, (pressed) => {
      shown.textContent = text;
      for (const tab of tabs) tab.setAttribute("aria-pressed", String(tab === pressed));
    })
  );
  tabs[0]?.click();
  const bar = element("div", { className: "lk-tabs" }, [...tabs, button("Copy", (b) => copy(b, shown.textContent ?? ""))]);
  return element("div", { className: "lk-sent" }, [bar, shown]);
}

/** Which buttons a footer gets, and whether the kernel is still there. @param {Model} model @param {Send} send @returns {Bar} */
function buttons(model, send) {
  const kernel = model.widget_manager?.kernel;
  /** @type {Map<string, Take>} */
  const asked = new Map();
  /** @type {Set<HTMLElement>} */
  const bars = new Set();
  let gone = false;
  let answered = false;
  let heard = () => {};
  afterwards(model, () => {
    gone = true;
    bars.forEach(close);
  });

  /** @param {HTMLElement} bar */
  function close(bar) {
    if (bar.querySelector(".lk-gone")) return;
    for (const b of bar.querySelectorAll("button")) b.disabled = true;
    bar.prepend(stopped());
  }

  /** @type {Bar["ask"]} */
  const ask = (t, c) =>
    new Promise((resolve) => {
      asked.set(t + c, resolve);
      send({ t, c });
    });

  /** Stops; a kernel that does not hear it is interrupted: its cell waits for the reply, but not for a panel's. @param {number} c */
  function stop(c) {
    send({ t: "stop", c });
    const unheard = setTimeout(() => model.get("kind") === "reply" && kernel?.status === "busy" && kernel.interrupt(), 300);
    heard = () => clearTimeout(unheard);
  }

  return {
    ask,
    stop,
    answered: () => answered,
    told(message) {
      answered = true;
      heard();
      asked.get(message.at + message.c)?.(message);
    },
    dress(foot, { c, acts, state }) {
      foot.dataset.state = state;
      /** @type {Record<string, (b: Button) => void>} */
      const does = {
        stop: (b) => {
          b.disabled = true;
          stop(c);
        },
        copy: (b) => copy(b, ask("copy", c).then(({ md }) => md)),
        sent: async () => {
          const there = foot.querySelector(".lk-sent");
          if (there) there.remove();
          else foot.append(sentBox((await ask("sent", c)).all));
        },
      };
      const made = acts
        .filter((act) => act !== "stop" || kernel)
        .map((act) => button(LABELS[act], does[act] ?? ((b) => ((b.disabled = true), send({ t: act, c }))), `lk-do-${act}`));
      if (!made.length) return;
      const bar = element("span", { className: "lk-bar" }, made);
      const line = foot.querySelector(".lk-footer");
      line ? line.prepend(bar) : foot.append(bar);
      if (gone) close(bar);
      for (const old of bars) if (!old.isConnected) bars.delete(old);
      bars.add(bar);
    },
  };
}

/** Where a node stands below an element. @param {Element} el @param {Node} node @returns {number[]} */
function way(el, node) {
  const above = /** @type {Node} */ (node.parentNode);
  return node === el ? [] : [...way(el, above), [...above.childNodes].findIndex((each) => each === node)];
}

/**
 * Keeps the place of a view until the HTML that follows it is there; that takes over what is unfolded and selected.
 * @param {HTMLElement} el @returns {Held | null}
 */
function hold(el) {
  const area = /** @type {HTMLElement | null} */ (el.closest(".jp-OutputArea"));
  if (!area) return null;
  area.style.minHeight = `${area.offsetHeight}px`;
  el.normalize();
  const folds = [...el.querySelectorAll("details")].map((fold) => fold.open);
  const s = /** @type {Selection} */ (getSelection());
  const [from, to] = [s.anchorNode, s.focusNode].map((node) => node && el.contains(node) && way(el, node));
  const [start, end] = [s.anchorOffset, s.focusOffset];
  return {
    area,
    restore(root) {
      const at = (/** @type {number[]} */ steps) => steps.reduce((/** @type {Node} */ node, k) => node.childNodes[k] ?? node, root);
      root.querySelectorAll("details").forEach((fold, i) => (fold.open = folds[i]));
      if (from && to) s.setBaseAndExtent(at(from), start, at(to), end);
      setTimeout(() => (area.style.minHeight = ""), 400);
    },
  };
}

/**
 * Draws HTML in its place; the focus there stays, and what is being typed; where that has gone, the composer has it.
 * @param {Element} at @param {string} html @param {Element} el
 */
function put(at, html, el) {
  const on = /** @type {HTMLInputElement | null} */ (document.activeElement);
  const had = at.contains(on);
  const caret = on?.selectionStart ?? null;
  at.replaceChildren(...nodes(html));
  const first = /** @type {HTMLInputElement | null} */ (at.querySelector("[autofocus]"));
  first?.focus();
  if (!on || !had) return first?.setSelectionRange(first.value.length, first.value.length);
  const next = /** @type {HTMLInputElement | null} */ (on.name && at.querySelector(`[name="${on.name}"]:enabled`));
  (next || /** @type {HTMLElement | null} */ (el.querySelector("[data-enter='']")))?.focus();
  if (!next || caret === null || on.matches("[role]")) return;
  next.value = on.value;
  next.setSelectionRange(caret, caret);
}

/** One reply or several columns, in the frame that the kernel gives. @type {Kind} */
function framed(model, el, bar) {
  const math = formulas(model.widget_manager);
  /** @type {Map<number, Take>} */
  const replies = new Map();
  /** @param {Element} within */
  function bind(within) {
    for (const box of within.querySelectorAll("div[data-c]")) {
      const c = Number(box.getAttribute("data-c"));
      const foot = within.querySelector(`[data-foot="${c}"]`);
      replies.set(c, replyPart(/** @type {HTMLElement} */ (box), /** @type {HTMLElement} */ (foot), bar.dress, math));
    }
  }
  return (/** @type {Message} */ message) => {
    const at = message.t === "frame" ? el : message.at && el.querySelector(`[data-at="${message.at}"]`);
    if (!at) return replies.get(message.c)?.(message);
    if (message.t === "cut") {
      for (const c of replies.keys()) if (c >= message.c) replies.delete(c);
      while (at.nextSibling) at.nextSibling.remove();
      at.remove();
    } else if (message.t === "more") {
      at.append(...nodes(message.h));
      bind(/** @type {Element} */ (at.lastElementChild));
    } else {
      put(at, message.h, el);
      bind(at);
    }
  };
}

/** The view below a cell. @type {Kind} */
function inline(model, el, bar) {
  const show = framed(model, el, bar);
  /** @type {Set<number>} */
  const live = new Set();
  const all = button("Stop all", (b) => ((b.disabled = true), bar.stop(-1)), "lk-do-stop");
  el.classList.add("lk-view", "jp-RenderedHTMLCommon", "jp-RenderedHTML");
  return (message) => {
    show(message);
    if (message.t !== "foot") return;
    live[LIVE.includes(message.state) ? "add" : "delete"](message.c);
    if (live.size && el.querySelectorAll("[data-c]").length > 1) el.append(all);
    else all.remove();
  };
}

/** @type {Record<string, Kind>} */
const KINDS = { reply: inline };

export default () => {
  /** @type {Message[]} */ let log = [];
  /** @type {Map<number, Message>} */ const feet = new Map();
  /** @type {Set<Take>} */ const views = new Set();
  /** @type {Element | null} the HTML that took a view's place */ let sealed = null;
  /** @type {Bar} */ let bar;
  /** @type {MutationObserver | undefined} */ let observer;
  let last = 0;

  /** @type {Take} */
  function take(message) {
    if (message.t === "reset") log = [];
    else if (message.t === "heard") bar.told(message);
    else if (message.t === "note") sealed?.querySelector(`[data-foot="${message.c}"]`)?.append(...nodes(message.h));
    else {
      if (message.t === "foot") feet.set(message.c, message);
      if (message.t !== "seal") log.push(message);
      for (const view of views) view(message);
    }
  }

  /** The buttons of a reply whose view has made room for HTML, each time that this is written. @param {Held} held @param {string} number */
  function succeed({ area, restore }, number) {
    const look = () => {
      const node = area.querySelector(`[data-lk="${number}"]`);
      if (!area.isConnected) return observer?.disconnect();
      if (!node || node.querySelector(".lk-bar")) return;
      for (const foot of /** @type {NodeListOf<HTMLElement>} */ (node.querySelectorAll("[data-foot]"))) {
        const message = feet.get(Number(foot.dataset.foot));
        if (message) bar.dress(foot, message);
      }
      if (!sealed) restore(node);
      sealed = node;
    };
    sealed = null;
    observer?.disconnect();
    observer = new MutationObserver(look);
    observer.observe(area, { childList: true, subtree: true });
    look();
  }

  return {
    /** @param {{model: Model}} given */
    initialize({ model }) {
      const send = (/** @type {object} */ content) => model.send(content);
      bar = buttons(model, send);
      model.on("msg:custom", ({ n, all }) => {
        if (last && n !== last + 1) send({ t: "lost" });
        last = n;
        all.forEach(take);
      });
      // the first message may leave before the front end has a subshell, and then waits for the end of the cell
      const greet = (/** @type {number} */ tries) => {
        if (bar.answered() || !tries) return;
        send({ t: "hello" });
        setTimeout(() => greet(tries - 1), 150);
      };
      greet(6);
    },
    /** @param {{model: Model, el: HTMLElement}} given */
    render({ model, el }) {
      let waiting = [...log];
      let frame = 0;
      /** @type {Held | null} */ let held = null;
      const show = KINDS[model.get("kind")](model, el, bar);
      const draw = () => {
        frame = 0;
        const due = waiting;
        waiting = [];
        due.forEach(show);
      };
      /** @type {Take} */
      const view = (message) => {
        if (message.t === "seal") {
          draw();
          held = hold(el);
          return;
        }
        waiting.push(message);
        frame ||= requestAnimationFrame(draw);
      };
      draw();
      views.add(view);
      setTimeout(() => log.length || model.send({ t: "lost" }), 300);
      return () => {
        // it has moved out of the output that ends here
        if (show.stays?.()) return;
        cancelAnimationFrame(frame);
        views.delete(view);
        if (held) succeed(held, model.get("number"));
      };
    },
  };
};
