/** The only script of the page: buttons in table headers sort the rows below them. Without it the page has everything but that. */
export const SORT_SCRIPT = `
for (const table of document.querySelectorAll('table.sorts')) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const original = [...body.rows];
  const keyOf = (row, at) => {
    const cell = row.cells[at];
    const given = cell.dataset.value;
    if (given === '') return null;
    return given === undefined ? cell.textContent.trim() : Number(given);
  };
  heads.forEach((head, at) => head.querySelector('button').addEventListener('click', () => {
    const next = { none: at === 0 ? 'ascending' : 'descending', ascending: at === 0 ? 'descending' : 'none', descending: at === 0 ? 'none' : 'ascending' }[head.getAttribute('aria-sort')];
    for (const other of heads) other.setAttribute('aria-sort', 'none');
    head.setAttribute('aria-sort', next);
    const sign = next === 'ascending' ? 1 : -1;
    const order = (a, b) => {
      const [one, other] = [keyOf(a, at), keyOf(b, at)];
      if (one === null || other === null) return (one === null) - (other === null);
      return sign * (typeof one === 'number' && typeof other === 'number' ? one - other : String(one) < String(other) ? -1 : String(one) > String(other) ? 1 : 0);
    };
    body.append(...(next === 'none' ? original : [...original].sort(order)));
  }));
}
`.trim();
