// The report: the result, the table of files, and for each file its evidence.

const RANK = { critical: 4, high: 3, medium: 2, low: 1, info: 0 };
const DETAILS_PRINTED = 50;
const PAGE_OF_ROWS = 400;

class Report {
  constructor(data) {
    this.data = data;
    this.rank = Object.fromEntries([...data.verdicts].reverse().concat("skipped").map((name, index) => [name, index]));
    this.rank.skipped = -1;
    this.hidden = new Set();
    this.query = "";
    this.sorting = { key: "verdict", down: true };
    this.limit = PAGE_OF_ROWS;
    this.open = new Map();
    this.body = h("tbody");
    this.more = h("p", { class: "more" });
  }

  draw(host) {
    const judged = this.data.files.filter((file) => file.verdict !== "skipped");
    host.append(this.header(judged));
    const main = h("main");
    host.append(main, this.footer());
    if (this.data.files.length === 1) {
      main.append(this.detail(this.data.files[0]));
    } else if (this.data.files.length) {
      main.append(this.controls(), this.table(), this.more);
      this.rows();
    }
    addEventListener("beforeprint", () => this.openForPrint());
  }

  // Head -----------------------------------------------------------------------------------------------------

  header(judged) {
    const { data } = this;
    const one = data.files.length === 1 ? data.files[0] : null;
    const counts = data.verdicts.map((verdict) => [verdict, judged.filter((file) => file.verdict === verdict).length]);
    return h("header", { class: `top is-${judged.length ? data.verdict : "none"}` },
      h("div", { class: "brand" }, h("span", { class: "mark" }, "pvmscan"), " report", themeButton()),
      h("h1", null, data.headline),
      one ? h("p", { class: "path" }, one.path) : null,
      one ? h("p", { class: "why" }, one.why) : null,
      one ? null : h("div", { class: "bar", role: "img", "aria-label": counts.map(([name, number]) => `${number} ${name}`).join(", ") },
        counts.filter(([, number]) => number).map(([name, number]) => {
          const part = h("span", { class: `part is-${name}` });
          part.style.flexGrow = String(number);
          return part;
        })));
  }

  footer() {
    const { tool } = this.data;
    const words = [tool.name || "pvmscan", tool.version].filter(Boolean).join(" ");
    return h("footer", null, words, tool.knowledge ? `, knowledge ${tool.knowledge}` : "",
      tool.policy ? `, policy ${tool.policy}` : "",
      ". Nothing in the scanned files was run. Characters that do not print are shown as escapes.");
  }

  // Table ----------------------------------------------------------------------------------------------------

  controls() {
    const all = [...this.data.verdicts, "skipped"];
    const chips = all.map((verdict) => [verdict, this.data.files.filter((file) => file.verdict === verdict).length])
      .filter(([, number]) => number)
      .map(([verdict, number]) => h("button", {
        type: "button", class: `chip verdict is-${verdict}`, "aria-pressed": "true", "data-verdict": verdict,
        onclick: (event) => {
          if (!this.hidden.delete(verdict)) this.hidden.add(verdict);
          event.currentTarget.setAttribute("aria-pressed", String(!this.hidden.has(verdict)));
          this.rows();
        },
      }, verdict, h("span", { class: "number" }, String(number))));
    const search = h("input", {
      type: "search", placeholder: "Find a file, rule or payload", "aria-label": "Find a file, rule or payload",
      oninput: (event) => {
        this.query = event.currentTarget.value.toLowerCase();
        this.rows();
      },
    });
    return h("div", { class: "controls" }, h("div", { class: "chips", role: "group", "aria-label": "Verdicts shown" }, chips), search);
  }

  table() {
    const columns = [
      ["verdict", "Verdict", (file) => this.rank[file.verdict], true],
      ["path", "File", (file) => file.path, false],
      ["why", "Why", (file) => file.why, false],
      ["findings", "Findings", (file) => file.findings.length + file.hidden, true],
      ["size", "Size", (file) => file.size ?? -1, true],
    ];
    this.keys = Object.fromEntries(columns.map(([key, , value]) => [key, value]));
    this.heads = columns.map(([key, words, , down]) => h("th", { scope: "col", class: `c-${key}`, "data-key": key },
      h("button", {
        type: "button",
        onclick: () => {
          this.sorting = { key, down: this.sorting.key === key ? !this.sorting.down : down };
          this.rows();
        },
      }, words)));
    return h("table", { class: "files" }, h("thead", null, h("tr", null, this.heads)), this.body);
  }

  found(file) {
    if (this.hidden.has(file.verdict)) return false;
    if (!this.query) return true;
    const texts = [file.path, file.why, ...file.findings.flatMap((one) => [one.rule, one.message, ...(one.payload || [])])];
    return texts.some((text) => text.toLowerCase().includes(this.query));
  }

  rows() {
    const { key, down } = this.sorting;
    const value = this.keys[key];
    const order = this.data.files.filter((file) => this.found(file)).map((file) => [value(file), file]);
    order.sort(([one, first], [other, second]) => {
      const way = one < other ? -1 : one > other ? 1 : 0;
      return (down ? -way : way) || (first.path < second.path ? -1 : 1);
    });
    for (const head of this.heads) {
      const own = head.dataset.key === key;
      if (own) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    const shown = order.slice(0, this.limit);
    this.body.replaceChildren(...shown.flatMap(([, file]) => this.row(file)));
    this.more.replaceChildren(...(order.length > shown.length ? [h("button", {
      type: "button",
      onclick: () => {
        this.limit += PAGE_OF_ROWS;
        this.rows();
      },
    }, `${(order.length - shown.length).toLocaleString("en")} more files`)] : []));
    if (!order.length) this.body.append(h("tr", null, h("td", { colspan: 5, class: "none" }, "No file like that.")));
  }

  row(file) {
    const detail = this.open.get(file);
    const button = h("button", {
      type: "button", class: "name", "aria-expanded": String(Boolean(detail)),
      onclick: (event) => {
        event.stopPropagation();
        this.toggle(file, row, button);
      },
    }, file.path);
    const number = file.findings.length + file.hidden;
    const row = h("tr", { class: `file is-${file.verdict}`, onclick: () => this.toggle(file, row, button) },
      h("td", null, badge(file.verdict)),
      h("td", { class: "c-path" }, button),
      h("td", { class: "c-why" }, file.why),
      h("td", { class: "figure" }, number ? String(number) : ""),
      h("td", { class: "figure" }, bytes(file.size)));
    return detail ? [row, detail] : [row];
  }

  toggle(file, row, button) {
    const known = this.open.get(file);
    button.setAttribute("aria-expanded", String(!known));
    if (known) {
      known.remove();
      this.open.delete(file);
    } else {
      const detail = h("tr", { class: "detail" }, h("td", { colspan: 5 }, this.detail(file)));
      this.open.set(file, detail);
      row.after(detail);
    }
  }

  openForPrint() {
    if (this.data.files.length < 2) return;
    const bad = this.data.files.filter((file) => file.findings.length || file.errors.length);
    for (const file of bad.slice(0, DETAILS_PRINTED)) {
      if (!this.open.has(file)) this.open.set(file, h("tr", { class: "detail" }, h("td", { colspan: 5 }, this.detail(file))));
    }
    this.rows();
  }

  // One file -------------------------------------------------------------------------------------------------

  detail(file) {
    const pictures = (file.pictures || []).map((picture) => ({ ...picture, drawn: new Graph(picture.graph) }));
    const facts = [
      bytes(file.size),
      file.streams.length ? count(file.streams.length, "pickle") : "",
      file.globals.length ? count(file.globals.length + file.more_globals, "import") : "",
      file.streams.some((one) => one.opcodes !== null)
        ? count(file.streams.reduce((sum, one) => sum + (one.opcodes ?? 0), 0), "opcode") : "",
    ].filter(Boolean).join(" \u00b7 ");
    return h("article", { class: "evidence" },
      facts && h("p", { class: "facts" }, facts),
      file.allowed.map((text) => h("p", { class: "allowed" }, `Allowed: ${text}`)),
      file.findings.map((finding) => this.finding(finding, pictures)),
      file.hidden ? h("p", { class: "note" }, `${count(file.hidden, "more finding")} like these: pvmscan scan -f json lists what was kept.`) : null,
      file.errors.length ? this.errors(file.errors) : null,
      pictures.map((picture) => this.picture(picture, pictures.length > 1 || picture.member !== null)),
      file.left_out && h("p", { class: "note" }, file.left_out),
      file.globals.length ? this.globals(file) : null,
      file.streams.length > 1 ? this.streams(file.streams) : null);
  }

  finding(finding, pictures) {
    const where = [finding.offset === null ? "" : `at ${place(finding.offset)}`, finding.member === null ? "" : `in ${finding.member}`];
    return h("section", { class: `finding is-${finding.verdict}` },
      h("h2", null, finding.message),
      h("p", { class: "judged" },
        h("span", { class: `severity s${RANK[finding.severity]}` }, finding.severity),
        h("span", null, finding.confidence),
        h("code", null, finding.rule),
        h("span", { class: "where" }, where.filter(Boolean).join(" "))),
      finding.allowed && h("p", { class: "allowed" }, `Allowed: ${finding.allowed}`),
      finding.payload && h("div", { class: "payload" }, h("span", { class: "label" }, "payload"),
        h("pre", { tabindex: 0 }, finding.payload.map((line, index) => [index ? "\n" : "", line]).flat())),
      finding.chain.length ? this.chain(finding, pictures) : null);
  }

  chain(finding, pictures) {
    const last = finding.chain.length - 1;
    return h("ol", { class: "chain", "aria-label": "How the file gets there" },
      finding.chain.map((step, index) => {
        const target = find(pictures, step);
        const text = step.text.startsWith(`${step.kind} `) ? step.text.slice(step.kind.length + 1) : step.text;
        const content = [h("span", { class: "kind" }, step.kind), h("code", null, text),
          step.offset === null ? null : h("span", { class: "where" }, place(step.offset))];
        return h("li", { class: index === last ? "step sink" : "step" },
          target ? h("button", { type: "button", title: "Show it in the graph", onclick: () => target.drawn.reveal(target.index) }, content)
            : h("div", null, content));
      }),
      finding.more_steps ? h("li", { class: "step" }, h("div", null, count(finding.more_steps, "more step"))) : null);
  }

  errors(errors) {
    return h("section", { class: "errors is-incomplete" }, h("h2", null, "Not understood to the end"),
      h("ul", null, errors.map((error) => h("li", null, h("span", { class: "kind" }, error.kind), error.message, " ",
        h("span", { class: "where" }, [error.offset === null ? "" : `at ${place(error.offset)}`,
          error.member === null ? "" : `in ${error.member}`].filter(Boolean).join(" "))))));
  }

  picture(picture, named) {
    const title = named ? [h("span", null, picture.member === null ? "pickle" : picture.member),
      h("span", { class: "where" }, `at ${place(picture.offset)}`)] : null;
    return h("section", { class: "picture" },
      h("h2", { class: "small" }, "Dataflow", title),
      picture.drawn.element,
      picture.rows.length ? h("details", null, h("summary", null, "Opcodes"), lazily(() => opcodes(picture))) : null);
  }

  globals(file) {
    return h("details", { class: "globals" }, h("summary", null, `Imports (${file.globals.length + file.more_globals})`),
      lazily(() => h("div", { class: "scroll" }, h("table", { class: "plain" },
        head("Effect", "Name", "As written", "Times", "Called", "First at"),
        h("tbody", null, file.globals.map((one) => h("tr", null,
          h("td", null, h("span", { class: `dot effect-${this.data.effects[one.status] ? one.status : "structure"}` }), this.data.effects[one.status] || one.status),
          h("td", null, h("code", null, one.name)),
          h("td", null, h("code", null, one.written)),
          h("td", { class: "figure" }, String(one.count)),
          h("td", null, one.called ? "yes" : "no"),
          h("td", null, [place(one.offset), one.member].filter(Boolean).join(" in ")))))),
      file.more_globals ? h("p", { class: "note" }, `${count(file.more_globals, "more import")}: pvmscan scan -g lists them.`) : null)));
  }

  streams(streams) {
    return h("details", null, h("summary", null, `Pickles (${streams.length})`),
      lazily(() => h("div", { class: "scroll" }, h("table", { class: "plain" }, head("Verdict", "Where", "Format", "Length", "Protocol", "Opcodes", "Fault"),
        h("tbody", null, streams.map((one) => h("tr", null, h("td", null, badge(one.verdict)),
          h("td", null, [place(one.offset), one.member].filter(Boolean).join(" in ")), h("td", null, one.format),
          h("td", { class: "figure" }, bytes(one.length)), h("td", { class: "figure" }, String(one.protocol)),
          h("td", { class: "figure" }, one.opcodes === null ? "" : one.opcodes.toLocaleString("en")), h("td", null, one.fault || ""))))))));
  }
}

function head(...words) {
  return h("thead", null, h("tr", null, words.map((word) => h("th", { scope: "col" }, word))));
}

function badge(verdict) {
  return h("span", { class: `badge is-${verdict}` }, verdict);
}

// Content of a folded part, made when it is first unfolded or printed.
function lazily(make) {
  const host = h("div");
  const fillIn = () => {
    if (!host.firstChild) host.append(make());
  };
  queueMicrotask(() => host.parentElement && host.parentElement.addEventListener("toggle", fillIn, { once: true }));
  return host;
}

function opcodes(picture) {
  return h("div", { class: "scroll" }, h("table", { class: "plain opcodes" },
    head("Offset", "Opcode", "Argument", "Stack", "Memo", "What it does"),
    h("tbody", null, picture.rows.map((row) => (row.length === 1
      ? h("tr", { class: "gap" }, h("td", { colspan: 6 }, `${count(row[0], "opcode")} left out`))
      : h("tr", { class: row[5].length ? "does" : null },
        h("td", { class: "figure" }, place(row[0])), h("td", null, row[1]), h("td", null, row[2]),
        h("td", { class: "figure" }, String(row[3])), h("td", null, row[4]),
        h("td", null, row[5].map((event) => h("div", null, event)))))))),
  picture.rows_note ? h("p", { class: "note" }, picture.rows_note) : null);
}

// The node of a step: in the picture of its stream, at its offset, and of its kind where several stand there.
function find(pictures, step) {
  if (step.offset === null) return null;
  for (const { member, drawn } of pictures) {
    if (member !== step.member) continue;
    const { boxes } = drawn.drawing;
    const wanted = { import: "global", call: "call", attribute: "attribute" }[step.kind];
    const at = boxes.findIndex((box) => box.offset === step.offset && box.kind === wanted);
    const index = at >= 0 ? at : boxes.findIndex((box) => box.offset === step.offset);
    if (index >= 0) return { drawn, index };
  }
  return null;
}

function themeButton() {
  const dark = () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  return h("button", {
    type: "button", class: "theme", "aria-label": "Switch between light and dark", title: "Light or dark",
    onclick: () => {
      document.documentElement.dataset.theme = dark() ? "light" : "dark";
    },
  }, "\u25d0");
}

function alone(drawing) {
  const graph = new Graph(drawing);
  return h("main", { class: "alone" }, h("div", { class: "brand" }, h("span", { class: "mark" }, "pvmscan"), " graph", themeButton()),
    graph.element);
}

{
  const data = JSON.parse(document.getElementById("data").textContent);
  const host = document.getElementById("page");
  if (data.graph) host.append(alone(data.graph));
  else new Report(data).draw(host);
  addEventListener("beforeprint", () => Graph.all.forEach((graph) => graph.print(true)));
  addEventListener("afterprint", () => Graph.all.forEach((graph) => graph.print(false)));
}
