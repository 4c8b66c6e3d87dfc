// Tables with search, filter, sorting and paging. Rows that stay keep their elements, and with them the
// focus and a screen reader's place.

const pageLength = 25;

// element makes a text, a link or a button from a part of a cell.
export function element(part) {
  if (part.act) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = part.text;
    button.setAttribute("aria-label", part.label ?? part.text);
    button.addEventListener("click", () => part.act());
    return button;
  }
  if (part.href) {
    const link = document.createElement("a");
    link.href = part.href;
    link.textContent = part.text;
    return link;
  }
  const text = document.createElement("span");
  text.textContent = part.text;
  return text;
}

const partsOf = (cell) => cell?.parts ?? [cell !== null && typeof cell === "object" ? cell : { text: String(cell ?? "") }];
const textOf = (cell) => partsOf(cell).map((p) => p.text).join(" ");

// compare sorts numbers by value and texts by the alphabet.
function compare(a, b) {
  const [x, y] = [a, b].map((cell) => cell?.value ?? textOf(cell));
  return typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
}

// Table shows rows {key, cells, kind}. A cell is a text, a part {text, href, act}, or {parts, mark, value};
// value sorts. Columns are {title, number}. Filters are names of kinds.
export class Table {
  constructor(name, caption, columns, { empty = "None.", filters = [], sort = -1 } = {}) {
    Object.assign(this, { name, columns, empty, sort, down: true, page: 0, search: "", kind: "", rows: [] });
    this.root = document.createElement("div");
    this.root.className = "listing";
    this.tools(caption, filters);
    this.table = document.createElement("table");
    this.table.dataset.table = name;
    this.table.createCaption().textContent = caption;
    const head = this.table.createTHead().insertRow();
    columns.forEach((column, at) => head.append(this.head(column, at)));
    this.body = this.table.createTBody();
    this.pager = document.createElement("p");
    this.pager.className = "pager";
    this.root.append(this.table, this.pager);
  }

  tools(caption, filters) {
    this.bar = document.createElement("div");
    this.bar.className = "tools";
    const search = document.createElement("input");
    Object.assign(search, { type: "search", placeholder: "Search" });
    search.setAttribute("aria-label", `Search: ${caption}`);
    search.addEventListener("input", () => { this.search = search.value.toLowerCase(); this.page = 0; this.draw(); });
    this.bar.append(search);
    if (filters.length) {
      const select = document.createElement("select");
      select.setAttribute("aria-label", `Filter: ${caption}`);
      select.append(new Option("all", ""), ...filters.map((f) => new Option(f, f)));
      select.addEventListener("change", () => { this.kind = select.value; this.page = 0; this.draw(); });
      this.bar.append(select);
    }
    this.root.append(this.bar);
  }

  head({ title, number }, at) {
    const th = document.createElement("th");
    th.scope = "col";
    if (number) th.className = "n";
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = title;
    button.addEventListener("click", () => {
      this.down = this.sort === at ? !this.down : Boolean(number);
      this.sort = at;
      this.draw();
    });
    th.append(button);
    return th;
  }

  show(rows) {
    this.rows = rows;
    this.draw();
  }

  chosen() {
    const fits = (row) => (!this.kind || row.kind === this.kind) && (!this.search || row.cells.some((c) => textOf(c).toLowerCase().includes(this.search)));
    const rows = this.rows.filter(fits);
    if (this.sort >= 0) rows.sort((a, b) => compare(a.cells[this.sort], b.cells[this.sort]) * (this.down ? -1 : 1));
    return rows;
  }

  draw() {
    const all = this.chosen();
    this.page = Math.min(this.page, Math.max(0, Math.ceil(all.length / pageLength) - 1));
    this.bar.hidden = this.rows.length < 6 && !this.search && !this.kind;
    [...this.table.tHead.rows[0].cells].forEach((th, at) => {
      if (at === this.sort) th.setAttribute("aria-sort", this.down ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
    });
    this.fill(all.slice(this.page * pageLength, (this.page + 1) * pageLength));
    this.drawPager(all.length);
  }

  fill(rows) {
    const known = new Map([...this.body.rows].map((row) => [row.dataset.key, row]));
    if (!rows.length) rows = [{ key: "none", cells: [{ parts: [{ text: this.rows.length ? "Nothing matches." : this.empty }], mark: "none" }] }];
    const used = new Set();
    rows.forEach(({ key, cells }, at) => {
      const row = known.get(key) ?? document.createElement("tr");
      known.delete(key);
      used.add(row);
      row.dataset.key = key;
      const alone = cells.length === 1 && this.columns.length > 1;
      cells.forEach((cell, i) => this.cell(row.cells[i] ?? row.insertCell(), cell, alone ? null : this.columns[i]));
      if (alone) row.cells[0].colSpan = this.columns.length;
      if (this.body.rows[at] !== row) this.body.insertBefore(row, this.body.rows[at] ?? null);
    });
    [...this.body.rows].forEach((row) => { if (!used.has(row)) row.remove(); });
  }

  cell(td, cell, column) {
    const parts = partsOf(cell);
    td.className = [column?.number ? "n" : "", cell?.mark ?? ""].join(" ").trim();
    td.dataset.label = column?.title ?? "";
    const shape = JSON.stringify(parts.map((p) => [p.text, p.href, p.label]));
    if (td.dataset.shape === shape) return;
    td.dataset.shape = shape;
    td.replaceChildren(...parts.flatMap((p, i) => i ? [" ", element(p)] : [element(p)]));
  }

  drawPager(n) {
    const pages = Math.ceil(n / pageLength);
    const shape = `${pages} ${this.page} ${n}`;
    if (this.pager.dataset.shape === shape) return;
    this.pager.dataset.shape = shape;
    const turn = (text, by) => {
      const button = element({ text, act: () => { this.page += by; this.draw(); } });
      button.disabled = this.page + by < 0 || this.page + by >= pages;
      return button;
    };
    this.pager.hidden = pages < 2;
    this.pager.replaceChildren(turn("Back", -1), ` page ${this.page + 1} of ${pages}, ${n} rows `, turn("Next", 1));
  }
}
