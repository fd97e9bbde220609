// The rules of lk.js, on a page without a browser: a model that is ten lines, and what the kernel would say.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { Window } from "happy-dom";

const NAMES = ["document", "navigator", "MutationObserver", "requestAnimationFrame", "cancelAnimationFrame", "getSelection"];
let window, copied, open;

beforeEach(() => {
  window = new Window();
  copied = [];
  open = [];
  for (const name of NAMES) {
    const value = typeof window[name] === "function" && !window[name].prototype ? window[name].bind(window) : window[name];
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  const writeText = async (text) => copied.push(text);
  Object.defineProperty(globalThis, "navigator", { value: { clipboard: { writeText } }, configurable: true, writable: true });
});
afterEach(async () => {
  for (const view of open) view.close();
  await window.happyDOM.close();
});

const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const until = async (holds) => {
  for (let i = 0; i < 400 && !holds(); i++) await wait(10);
  assert.ok(holds(), String(holds));
};

/** A model, its front end's kernel, and one view in an output area. */
class Shown {
  sent = [];
  n = 0;
  interrupted = 0;
  constructor({ number = "7", kernel = true, typeset } = {}) {
    this.kernel = { status: "busy", interrupt: async () => this.interrupted++, statusChanged: { connect: (f) => (this.change = f) } };
    this.model = {
      get: (name) => ({ kind: "reply", number })[name],
      send: (content) => this.sent.push(content),
      on: (_, f) => (this.hear = f),
      widget_manager: { kernel: kernel ? this.kernel : undefined, rendermime: typeset && { latexTypesetter: { typeset } } },
    };
    open.push(this);
  }
  async start() {
    this.widget = (await import(process.env.LK_MODULE ?? "./lk.js")).default();
    this.widget.initialize({ model: this.model });
    this.area = document.createElement("div");
    this.area.className = "jp-OutputArea";
    document.body.append(this.area);
    this.look();
    return this;
  }
  /** Another view of the same model. */
  look() {
    this.el = document.createElement("div");
    this.area.append(this.el);
    this.end = this.widget.render({ model: this.model, el: this.el });
    return this.el;
  }
  close() {
    this.end?.();
    this.tell({ t: "heard" });
  }
  tell(...all) {
    this.hear?.({ n: ++this.n, all });
  }
  /** Told, and drawn. */
  async told(...all) {
    this.tell(...all);
    await wait(40);
  }
  button(name) {
    return [...this.area.querySelectorAll("button")].find((b) => b.textContent === name);
  }
  said(t) {
    return this.sent.filter((content) => content.t === t);
  }
  get html() {
    return [...this.el.querySelectorAll("[data-c] > div")].map((part) => part.innerHTML).join("|");
  }
}

const frame = (...cs) => ({ t: "frame", h: (cs.length ? cs : [0]).map((c) => `<div class="lk-reply"><div data-c="${c}"></div><div data-foot="${c}"></div></div>`).join("") });
const ops = (...all) => ({ t: "ops", c: 0, ops: all.map((op) => ({ s: 1, ...op })) });
const foot = (state, acts, c = 0) => ({ t: "foot", c, state, acts, h: `<div class="lk-footer"><div>model ${state}</div></div>` });
const add = (h, p = [0, 0]) => ({ o: "add", h, p });
const tail = (h, p = [0, 0], i = "") => ({ o: "tail", i, h, p });

test("finished blocks are added, the tail is drawn anew", async () => {
  const shown = await new Shown().start();
  await shown.told(frame(), ops(tail("<p>On")), ops(tail("e</p>", [0, 5])));
  assert.equal(shown.html, "<p>One</p>");
  await shown.told(ops(add(" more</p>", [0, 6]), tail("<p>Two</p>")));
  assert.equal(shown.html, "<p>One more</p><p>Two</p>");
});

test("what a block takes from the tail is counted in UTF-16 units", async () => {
  const shown = await new Shown().start();
  await shown.told(frame(), ops(tail("<p>😀a</p><p>😀b")), ops(add("</p>", [10, 6]), tail("<p>c</p>")));
  assert.equal(shown.html, "<p>😀b</p><p>c</p>");
});

test("an open element grows by text, and only by text", async () => {
  const shown = await new Shown().start();
  await shown.told(frame(), ops({ o: "open", h: "<div><b>py</b><pre><code></code></pre></div>" }, { o: "text", h: "1 &lt; 2\n" }));
  const code = shown.el.querySelector("code");
  await shown.told(ops({ o: "text", h: "x" }));
  assert.equal(code.textContent, "1 < 2\nx");
  assert.equal(shown.el.querySelector("code"), code);
  await shown.told(ops({ o: "undo" }, add("<p>done</p>")));
  assert.equal(shown.html, "<p>done</p>");
});

test("a list takes items, its rest stays within it", async () => {
  const shown = await new Shown().start();
  await shown.told(frame(), ops({ o: "open", h: "<ul></ul>" }, add("<li>a</li>"), tail("<p>after</p>", [0, 0], "<li>b</li>")));
  assert.equal(shown.html, "<ul><li>a</li><li>b</li></ul><p>after</p>");
  await shown.told(ops(add("<li>b</li>"), { o: "close" }, add("<p>after</p>")));
  assert.equal(shown.html, "<ul><li>a</li><li>b</li></ul><p>after</p>");
});

test("a finished block that a late reference changes is replaced in its place", async () => {
  const shown = await new Shown().start();
  await shown.told(frame(), ops(add("<p>a</p><p>[b]</p><p>c</p>")), ops({ o: "set", k: 1, h: "<p>link</p>" }));
  assert.equal(shown.html, "<p>a</p><p>link</p><p>c</p>");
});

test("parts stand in the order of their places, whenever they come", async () => {
  const shown = await new Shown().start();
  await shown.told(frame(), ops({ ...add("<p>text</p>"), s: 1001 }, { ...add("<p>call</p>"), s: 2 }, { ...add("<p>thought</p>"), s: 0 }));
  assert.equal(shown.html, "<p>thought</p>|<p>call</p>|<p>text</p>");
});

test("an opened fold stays open when its title or its content changes", async () => {
  const shown = await new Shown().start();
  const fold = (title) => `<details><summary>${title}</summary><div></div></details>`;
  await shown.told(frame(), ops({ o: "open", h: fold("Thinking…") }, { o: "whole", h: fold("Calling f()"), s: 2 }));
  for (const each of shown.el.querySelectorAll("details")) each.open = true;
  await shown.told(ops({ o: "text", h: "hm" }, { o: "title", h: "Thought for 1.4 s" }, { o: "whole", h: fold("Called f()"), s: 2 }));
  const folds = [...shown.el.querySelectorAll("details")];
  assert.deepEqual(folds.map((each) => [each.open, each.querySelector("summary").textContent]), [[true, "Thought for 1.4 s"], [true, "Called f()"]]);
});

test("many messages are drawn in one frame", async () => {
  const shown = await new Shown().start();
  await shown.told(frame());
  shown.tell(ops(add("<p>1</p>")));
  shown.tell(ops(add("<p>2</p>")));
  assert.equal(shown.html, "");
  await until(() => shown.html === "<p>1</p><p>2</p>");
});

test("a later view shows all that was told before", async () => {
  const shown = await new Shown().start();
  await shown.told(frame(), ops(add("<p>a</p>")), ops(tail("<p>b</p>")), foot("live", ["stop"]));
  const first = shown.el.innerHTML;
  assert.equal(shown.look().innerHTML, first);
});

test("a view that was told nothing asks for all", async () => {
  const shown = await new Shown().start();
  await until(() => shown.said("lost").length === 1);
});

test("a message that is missing is noticed, and all asked for", async () => {
  const shown = await new Shown().start();
  await shown.told(frame());
  shown.n++;
  await shown.told(ops(add("<p>3</p>")));
  assert.equal(shown.said("lost").length, 1);
  await shown.told({ t: "reset" }, frame(), ops(add("<p>1</p><p>2</p><p>3</p>")));
  assert.equal(shown.html, "<p>1</p><p>2</p><p>3</p>");
});

test("it greets the kernel until it is heard", async () => {
  const shown = await new Shown().start();
  await until(() => shown.said("hello").length > 1);
  shown.tell({ t: "heard" });
  const before = shown.said("hello").length;
  await wait(400);
  assert.equal(shown.said("hello").length, before);
});

test("Stop is sent and cannot be pressed twice", async () => {
  const shown = await new Shown().start();
  await shown.told(frame(), foot("waiting", ["stop"]));
  shown.button("Stop").click();
  assert.equal(shown.button("Stop").disabled, true);
  assert.deepEqual(shown.said("stop"), [{ t: "stop", c: 0 }]);
});

for (const [when, status, heard, interrupts] of [
  ["is not heard by a busy kernel interrupts it", "busy", false, 1],
  ["is heard does not", "busy", true, 0],
  ["comes after the end of the cell does not", "idle", false, 0],
])
  test(`a Stop that ${when}`, async () => {
    const shown = await new Shown().start();
    await shown.told(frame(), foot("live", ["stop"]));
    shown.kernel.status = status;
    shown.button("Stop").click();
    if (heard) shown.tell({ t: "heard" });
    await wait(500);
    assert.equal(shown.interrupted, interrupts);
  });

test("without a kernel there is no Stop", async () => {
  const shown = await new Shown({ kernel: false }).start();
  await shown.told(frame(), foot("live", ["stop"]));
  assert.equal(shown.button("Stop"), undefined);
});

test("Copy asks for the text, copies it and says so for a while", async () => {
  const shown = await new Shown().start();
  await shown.told(frame(), foot("done", ["copy"]));
  shown.button("Copy").click();
  assert.deepEqual(shown.said("copy"), [{ t: "copy", c: 0 }]);
  await shown.told({ t: "heard", at: "copy", c: 0, md: "**a**" });
  assert.deepEqual(copied, ["**a**"]);
  assert.ok(shown.button("Copied"));
  await until(() => shown.button("Copy"));
});

test("a Copy that the page refuses says that it failed", async () => {
  const shown = await new Shown().start();
  navigator.clipboard.writeText = async () => Promise.reject(new Error("refused"));
  await shown.told(frame(), foot("done", ["copy"]));
  shown.button("Copy").click();
  await shown.told({ t: "heard", at: "copy", c: 0, md: "a" });
  assert.ok(shown.button("Copy failed"));
});

for (const act of ["retry", "continue"])
  test(`${act} is asked for once`, async () => {
    const shown = await new Shown().start();
    await shown.told(frame(), foot("stopped", ["copy", act, "sent"]));
    const pressed = shown.area.querySelector(`.lk-do-${act}`);
    pressed.click();
    assert.deepEqual(shown.said(act), [{ t: act, c: 0 }]);
    assert.equal(pressed.disabled, true);
  });

test("what was sent is shown as it is, in each spelling, and hidden again", async () => {
  const shown = await new Shown().start();
  await shown.told(frame(), foot("done", ["sent"]));
  shown.button("What was sent").click();
  await shown.told({ t: "heard", at: "sent", c: 0, all: [["JSON", "<b>1</b>"], ["curl", "curl -N"]] });
  const box = shown.area.querySelector(".lk-sent pre");
  assert.equal(box.textContent, "<b>1</b>");
  assert.equal(shown.button("JSON").getAttribute("aria-pressed"), "true");
  shown.button("curl").click();
  assert.equal(box.textContent, "curl -N");
  shown.button("Copy").click();
  await until(() => copied[0] === "curl -N");
  shown.button("What was sent").click();
  await wait(20);
  assert.equal(shown.area.querySelector(".lk-sent"), null);
});

for (const status of ["dead", "restarting", "autorestarting", "terminating"])
  test(`a kernel that is ${status} leaves buttons that say so`, async () => {
    const shown = await new Shown().start();
    await shown.told(frame(), foot("done", ["copy", "retry"]));
    shown.change(shown.kernel, status);
    assert.deepEqual([shown.button("Copy").disabled, shown.button("Retry").disabled], [true, true]);
    assert.equal(shown.area.querySelectorAll(".lk-gone").length, 1);
    assert.match(shown.area.textContent, /Kernel stopped/);
  });

test("several replies have one more button, which stops all", async () => {
  const shown = await new Shown().start();
  await shown.told(frame(0, 1), foot("live", ["stop"], 0), foot("live", ["stop"], 1));
  shown.button("Stop all").click();
  assert.deepEqual(shown.said("stop"), [{ t: "stop", c: -1 }]);
  await shown.told(foot("stopped", [], 0), foot("stopped", [], 1));
  assert.equal(shown.button("Stop all"), undefined);
});

test("a formula is set once and then shown at once", async () => {
  const asked = [];
  const typeset = (math) => (asked.push(math.textContent), (math.innerHTML = `<i>${math.textContent}</i>`));
  const shown = await new Shown({ typeset }).start();
  const formula = '<p><span class="lk-math">$x$</span></p>';
  await shown.told(frame(), ops(tail(formula)));
  await shown.told(ops(tail(formula)));
  assert.equal(shown.html, formula.replace("$x$", "<i>$x$</i>"));
  assert.deepEqual(asked, ["$x$"]);
});

test("without a typesetter a formula stays as TeX", async () => {
  const shown = await new Shown().start();
  await shown.told(frame(), ops(add('<p><span class="lk-math">$x$</span></p>')));
  assert.match(shown.html, /\$x\$/);
});

/** What the front end does when an output is replaced. */
async function sealed(shown, html, act = () => {}) {
  await shown.told(frame(), ops(add(html)), foot("done", ["copy", "retry"]));
  act();
  shown.tell({ t: "seal" });
  const held = shown.area.style.minHeight;
  shown.el.remove();
  shown.end();
  const after = document.createElement("div");
  after.setAttribute("data-lk", "7");
  after.innerHTML = frame().h.replace('<div data-c="0">', `<div data-c="0"><div>${html}</div>`);
  after.querySelector("[data-foot]").innerHTML = foot("done", []).h;
  shown.area.append(after);
  await wait(30);
  return { after, held };
}

test("the HTML that follows a view gets its buttons, its place is kept meanwhile", async () => {
  const shown = await new Shown().start();
  const { after, held } = await sealed(shown, "<p>a</p>");
  assert.match(held, /px$/);
  assert.deepEqual([...after.querySelectorAll("button")].map((b) => b.textContent), ["Copy", "Retry"]);
  shown.button("Retry").click();
  assert.deepEqual(shown.said("retry"), [{ t: "retry", c: 0 }]);
  await until(() => shown.area.style.minHeight === "");
});

test("HTML that is written again gets its buttons again", async () => {
  const shown = await new Shown().start();
  const { after } = await sealed(shown, "<p>a</p>");
  const again = after.cloneNode(true);
  again.querySelector(".lk-bar").remove();
  after.replaceWith(again);
  await until(() => again.querySelectorAll("button").length === 2);
});

test("what the reader has unfolded is unfolded in the HTML too", async () => {
  const shown = await new Shown().start();
  const html = "<details><summary>s</summary>t</details><details><summary>u</summary>v</details>";
  const { after } = await sealed(shown, html, () => (shown.el.querySelectorAll("details")[1].open = true));
  assert.deepEqual([...after.querySelectorAll("details")].map((fold) => fold.open), [false, true]);
});

test("what an answer to a button cannot do is told below the reply", async () => {
  const shown = await new Shown().start();
  const { after } = await sealed(shown, "<p>a</p>");
  shown.tell({ t: "note", c: 0, h: '<div role="alert">No key.</div>' });
  assert.equal(after.querySelector("[data-foot] [role=alert]").textContent, "No key.");
});
