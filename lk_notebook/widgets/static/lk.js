// The view of everything lk_notebook shows: it inserts what the kernel rendered, and sends back which button was pressed.
// Typed by JSDoc, checked by `tsc`; no bundler, no dependency. HTML comes from the kernel's own renderer alone.

/**
 * @typedef {{o: string, h: string, i: string, k: number, s: number, p: [number, number]}} Op a change of one part, see core/render.py
 * @typedef {{t: string, c: number, ops: Op[], h: string, at: string, state: string, acts: string[], md: string,
 *   all: [string, string][]}} Message what the kernel says; each kind has only some of the fields
 * @typedef {{status: string, interrupt(): Promise<void>, statusChanged: {connect(f: (k: Kernel, s: string) => void): void}}} Kernel
 * @typedef {{kernel?: Kernel, rendermime?: {latexTypesetter?: {typeset(e: HTMLElement): Promise<void> | void}}}} Manager
 * @typedef {{get(name: string): any, send(content: object): void, widget_manager: Manager,
 *   on(event: string, f: (content: {n: number, all: Message[]}) => void): void}} Model
 * @typedef {(content: object) => void} Send
 */

/** @type {Record<string, string>} */
const LABELS = { stop: "Stop", copy: "Copy", retry: "Retry", continue: "Continue", sent: "What was sent" };
const LIVE = ["live", "waiting"];

/** @param {string} html @returns {ChildNode[]} */
function nodes(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return [...template.content.childNodes];
}

/**
 * @param {string} tag @param {Partial<HTMLElement> & Record<string, unknown>} [traits] @param {(Node | string)[]} [inside]
 * @returns {HTMLElement}
 */
function element(tag, traits = {}, inside = []) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(traits)) {
    if (name in made) /** @type {any} */ (made)[name] = value;
    else made.setAttribute(name, String(value));
  }
  made.append(...inside);
  return made;
}

/** @param {string} label @param {(button: HTMLButtonElement) => void} pressed @param {string} [cls] */
function button(label, pressed, cls = "") {
  const made = /** @type {HTMLButtonElement} */ (
    element("button", { type: "button", className: `lk-button ${cls}`, textContent: label, "data-lk": "" })
  );
  made.addEventListener("click", () => pressed(made));
  return made;
}

/** Copies, and says on the button whether it did. @param {HTMLButtonElement} b @param {Promise<string>} text */
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

/** Formulas as MathJax sets them, kept by their TeX: a tail that is drawn anew shows them at once. @param {Manager} manager */
function formulas(manager) {
  /** @type {Map<string, ChildNode[]>} */
  const set = new Map();
  const typesetter = manager?.rendermime?.latexTypesetter;
  return async (/** @type {Element} */ within) => {
    for (const math of within.querySelectorAll(".lk-math")) {
      const tex = math.textContent ?? "";
      const known = set.get(tex);
      if (known) math.replaceChildren(...known.map((node) => node.cloneNode(true)));
      else if (typesetter && !math.childElementCount) {
        await typesetter.typeset(/** @type {HTMLElement} */ (math));
        if (math.childElementCount) set.set(tex, [...math.childNodes].map((node) => /** @type {ChildNode} */ (node.cloneNode(true))));
      }
    }
  };
}

/** One part of a reply: the elements of a growing text, a fold. @param {HTMLElement} el */
function part(el) {
  /** @type {Element} */ let box = el;
  /** @type {Element | null} */ let open = null;
  /** @type {ChildNode[]} */ let tail = [];
  let last = ["", ""]; // the tail as HTML: the kernel sends only what goes on differently
  /** @type {Record<string, (op: Op) => void>} */
  const does = {
    add: ({ h, p: [from, n] }) => box.append(...nodes(last.join("").slice(from, from + n) + h)),
    open: ({ h }) => {
      el.append(...nodes(h));
      open = box = /** @type {Element} */ (el.lastElementChild);
      while (box.lastElementChild) box = box.lastElementChild;
    },
    text: ({ h }) => box.insertAdjacentHTML("beforeend", h),
    undo: () => {
      open?.remove();
      box = el;
    },
    close: () => (box = el),
    set: ({ h, k }) => el.children[k].replaceWith(...nodes(h)),
    tail: ({ i, h, p }) => {
      last = [i, h].map((html, k) => last[k].slice(0, p[k]) + html);
      const [inside, after] = last.map(nodes);
      box.append(...inside);
      el.append(...after);
      tail = [...inside, ...after];
    },
    whole: ({ h }) => {
      const unfolded = el.querySelector("details")?.open;
      el.replaceChildren(...nodes(h));
      if (unfolded) el.querySelector("details")?.setAttribute("open", "");
    },
    title: ({ h }) => el.querySelector("summary")?.replaceChildren(...nodes(h)),
  };
  return (/** @type {Op} */ op) => {
    if (!["text", "set", "title"].includes(op.o)) {
      for (const node of tail) node.remove();
      tail = [];
    }
    does[op.o]?.(op);
  };
}

/**
 * A reply: its parts in their places, its footer with the buttons of its state.
 * @param {HTMLElement} box @param {HTMLElement} foot @param {(b: HTMLElement, m: Message) => void} dress
 * @param {(within: Element) => void} math
 */
function replyPart(box, foot, dress, math) {
  /** @type {Map<number, {el: HTMLElement, take: (op: Op) => void}>} */
  const parts = new Map();
  const at = (/** @type {number} */ s) => {
    let there = parts.get(s);
    if (!there) {
      const el = element("div");
      const after = [...parts.keys()].filter((key) => key > s).sort((a, b) => a - b)[0];
      box.insertBefore(el, parts.get(after)?.el ?? null);
      there = { el, take: part(el) };
      parts.set(s, there);
    }
    return there;
  };
  return (/** @type {Message} */ message) => {
    if (message.t === "ops") {
      const changed = new Set();
      for (const op of message.ops) {
        const there = at(op.s);
        there.take(op);
        changed.add(there.el);
      }
      for (const el of changed) math(el);
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
  const bar = element("div", { className: "lk-tabs" }, [...tabs, button("Copy", (b) => copy(b, Promise.resolve(shown.textContent ?? "")))]);
  tabs[0]?.click();
  return element("div", { className: "lk-sent" }, [bar, shown]);
}

/**
 * What holds for all views of one model: which buttons a footer gets, and whether the kernel is still there.
 * @param {Model} model @param {Send} send
 */
function buttons(model, send) {
  /** @type {Map<string, (m: Message) => void>} */
  const asked = new Map();
  /** Asks the kernel. @param {string} t @param {number} c @returns {Promise<Message>} */
  const ask = (t, c) =>
    new Promise((resolve) => {
      asked.set(t + c, resolve);
      send({ t, c });
    });
  const kernel = model.widget_manager?.kernel;
  let gone = false;
  /** @type {Set<HTMLElement>} */
  const bars = new Set();
  let heard = () => {};
  let answered = false;
  kernel?.statusChanged?.connect((_, status) => {
    gone ||= ["dead", "restarting", "autorestarting", "terminating"].includes(status);
    if (gone) for (const bar of bars) close(bar);
  });

  /** @param {HTMLElement} bar */
  function close(bar) {
    if (bar.querySelector(".lk-gone")) return;
    for (const b of bar.querySelectorAll("button")) b.disabled = true;
    bar.prepend(element("span", { className: "lk-gone", textContent: "Kernel stopped" }));
  }

  /** Stops; a kernel that does not hear it is interrupted: its cell waits for the reply, but not for a panel's. @param {number} c */
  function stop(c) {
    send({ t: "stop", c });
    const unheard = setTimeout(() => model.get("kind") === "reply" && kernel?.status === "busy" && kernel.interrupt(), 300);
    heard = () => clearTimeout(unheard);
  }

  /** @param {HTMLElement} foot @param {Message} message */
  function dress(foot, message) {
    const { c, acts } = message;
    foot.dataset.state = message.state;
    /** @type {Record<string, (b: HTMLButtonElement) => void>} */
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
    (foot.querySelector(".lk-footer") ?? foot).prepend(bar);
    if (gone) close(bar);
    bars.add(bar);
    for (const old of bars) if (!old.isConnected && old !== bar) bars.delete(old);
  }
  /** The kernel has heard something, or answers. @param {Message} message */
  function told(message) {
    answered = true;
    heard();
    asked.get(message.at + message.c)?.(message);
  }
  return { ask, dress, stop, told, answered: () => answered };
}

/** Keeps the place of a view until the HTML that follows it is there. @param {HTMLElement} el */
function hold(el) {
  const area = /** @type {HTMLElement | null} */ (el.closest(".jp-OutputArea"));
  if (area) area.style.minHeight = `${area.offsetHeight}px`;
  return area;
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
  if (!on || !had) return;
  const next = /** @type {HTMLInputElement | null} */ (on.name && at.querySelector(`[name="${on.name}"]:enabled`));
  (next || /** @type {HTMLElement | null} */ (el.querySelector("[data-enter]")))?.focus();
  if (!next || caret === null || on.matches("[role]")) return;
  next.value = on.value;
  next.setSelectionRange(caret, caret);
}

/**
 * One reply or several columns, in the frame that the kernel gives.
 * @param {Model} model @param {HTMLElement} el @param {ReturnType<typeof buttons>} bar
 */
function framed(model, el, bar) {
  const math = formulas(model.widget_manager);
  /** @type {Map<number, (m: Message) => void>} */
  const replies = new Map();
  /** @param {Element} within */
  function bind(within) {
    for (const box of within.querySelectorAll("div[data-c]")) {
      const c = Number(box.getAttribute("data-c"));
      const foot = el.querySelector(`[data-foot="${c}"]`);
      replies.set(c, replyPart(/** @type {HTMLElement} */ (box), /** @type {HTMLElement} */ (foot), bar.dress, math));
    }
  }
  return (/** @type {Message} */ message) => {
    const at = message.t === "frame" ? el : message.t === "html" && el.querySelector(`[data-at="${message.at}"]`);
    if (at) {
      put(at, message.h, el);
      bind(at);
    } else replies.get(message.c)?.(message);
  };
}

/** The view below a cell. @param {Model} model @param {HTMLElement} el @param {ReturnType<typeof buttons>} bar */
function inline(model, el, bar) {
  const show = framed(model, el, bar);
  /** @type {Set<number>} */
  const live = new Set();
  const all = button("Stop all", (b) => ((b.disabled = true), bar.stop(-1)), "lk-do-stop");
  el.classList.add("lk-view", "jp-RenderedHTMLCommon", "jp-RenderedHTML");
  return (/** @type {Message} */ message) => {
    show(message);
    if (message.t !== "foot") return;
    live[LIVE.includes(message.state) ? "add" : "delete"](message.c);
    if (live.size && el.querySelectorAll("[data-c]").length > 1) el.append(all);
    else all.remove();
  };
}

/** @typedef {((m: Message) => void) & {stays?: () => boolean}} Show draws what it is told; `stays`: past the end of its output */
/** @type {Record<string, (model: Model, el: HTMLElement, bar: ReturnType<typeof buttons>) => Show>} */
const KINDS = { reply: inline };

export default () => {
  /** @type {Message[]} */
  let log = [];
  let last = 0;
  /** @type {Map<number, Message>} */
  const feet = new Map();
  /** @type {Set<(m: Message) => void>} */
  const views = new Set();
  /** @type {HTMLElement | null} the HTML that took a view's place */
  let sealed = null;
  /** @type {ReturnType<typeof buttons>} */
  let bar;

  /** @param {Message} message */
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

  /** The buttons of a reply whose view has made room for HTML. @param {HTMLElement} area @param {string} number */
  function follow(area, number) {
    const look = () => {
      if (!area.isConnected) return observer.disconnect();
      const node = /** @type {HTMLElement | null} */ (area.querySelector(`[data-lk="${number}"]`));
      if (!node || node.querySelector(".lk-bar")) return;
      sealed = node;
      for (const foot of node.querySelectorAll("[data-foot]")) {
        const message = feet.get(Number(foot.getAttribute("data-foot")));
        if (message) bar.dress(/** @type {HTMLElement} */ (foot), message);
      }
      setTimeout(() => (area.style.minHeight = ""), 400);
    };
    const observer = new MutationObserver(look);
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
        for (const message of all) take(message);
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
      /** @type {Message[]} */
      let waiting = [];
      let frame = 0;
      /** @type {HTMLElement | null} */
      let area = null;
      const show = KINDS[model.get("kind")](model, el, bar);
      const draw = () => {
        frame = 0;
        const due = waiting;
        waiting = [];
        for (const message of due) show(message);
      };
      /** @param {Message} message */
      const view = (message) => {
        if (message.t === "seal") {
          draw();
          area = hold(el);
          return;
        }
        waiting.push(message);
        frame ||= requestAnimationFrame(draw);
      };
      waiting = [...log];
      draw();
      views.add(view);
      setTimeout(() => log.length || model.send({ t: "lost" }), 300);
      return () => {
        if (show.stays?.()) return; // it has moved out of the output that ends here
        cancelAnimationFrame(frame);
        views.delete(view);
        if (area) follow(area, model.get("number"));
      };
    },
  };
};
