// The browser of records: each probe with the answers before and after the edit of each editor.
const filter = { text: '', method: '', group: '', wrong: false, limit: 20, edits: '' };
const [AFTER, SCORE, GENERATED, VQA, WRONG, PROMPT, BEFORE] = [0, 1, 2, 3, 4, 5, 6];

function picture(index, kind, alt) {
  if (index === null || index === undefined)
    return h('span', { class: 'thumb ' + kind }, 'no picture');
  if (index < 0) return h('span', { class: 'thumb ' + kind }, 'not found');
  return h('img', { class: 'thumb ' + kind, src: DATA.pictures[index], alt, loading: 'lazy' });
}
const quoted = (text) => text === '' ? h('span', { class: 'emptytext' }, 'empty') : text;

// One column per editor: the last judgment, or the selected one.
function columnsOf(record) {
  const latest = new Map();
  for (const column of record.columns) {
    if (filter.edits !== '' && column.after_edits !== undefined &&
      column.after_edits !== Number(filter.edits)) continue;
    const before = latest.get(column.method);
    // If an edit is judged twice after the same number of edits, the later line counts.
    if (!before || (column.after_edits || 0) >= (before.after_edits || 0))
      latest.set(column.method, column);
  }
  return [...latest.values()].filter((c) => state.show.has(c.method))
    .sort((a, b) => a.method - b.method);
}
// The wrong probes of an editor in the selected group. The edit of base cannot fail.
function wrongs(record, column) {
  if (methods()[column.method].base) return [];
  return Object.entries(column.cells).filter(([row, cell]) => cell[WRONG] &&
    (!filter.group || record.probes[row].group === filter.group)).map(([row]) => Number(row));
}
function searched(record) {
  if (!record.words)
    record.words = JSON.stringify([record.id, record.prompt, record.target, record.truth,
      record.probes.map((p) => [p.prompt, p.expected, p.before]),
      record.columns.map((c) => [c.failed, Object.values(c.cells).map((x) => x[AFTER])])])
      .toLowerCase();
  return record.words;
}
function kept(record) {
  const columns = columnsOf(record)
    .filter((c) => filter.method === '' || c.method === Number(filter.method));
  if (filter.method !== '' && !columns.length) return false;
  if (filter.group && !record.probes.some((p) => p.group === filter.group)) return false;
  if (filter.wrong && !columns.some((c) => c.failed || wrongs(record, c).length)) return false;
  return !filter.text || searched(record).includes(filter.text.toLowerCase());
}

function mark(record, column) {
  const name = methods()[column.method].title;
  if (column.failed) return h('span', { class: 'mark bad', title: column.failed }, name + ' failed');
  const wrong = wrongs(record, column).length;
  return h('span', { class: 'mark' + (wrong ? ' bad' : ''), title: wrong
    ? plural(wrong, 'wrong probe') + ' with ' + name : 'no wrong probe with ' + name },
    name + (wrong ? ` ✗ ${wrong}` : ' ✓'));
}

function answerCell(probe, column, row) {
  if (!column) return h('td', {}, h('span', { class: 'none' }, '–'));
  if (column.failed) return h('td', {}, h('span', { class: 'ans bad' }, 'failed'));
  const cell = column.cells[row];
  if (!cell) return h('td', {}, h('span', { class: 'none', title: 'not measured' }, '–'));
  const judge = ['score ' + percent(cell[SCORE]).replace(/\.00$/, '')];
  if (cell[GENERATED] !== null) judge.push('text ' + (cell[GENERATED] === 1 ? '✓' : '✗'));
  const bad = cell[WRONG] && !methods()[column.method].base;
  return h('td', {}, h('span', { class: 'ans' + (bad ? ' bad' : '') }, bad && '✗ ',
    quoted(cell[AFTER])),
    cell.length > BEFORE && h('span', { class: 'judge', style: 'white-space:normal' },
      'prompt “', cell[PROMPT], '”, before “', cell[BEFORE], '”'),
    h('span', { class: 'judge', title: cell[VQA] === null ? null : 'VQA-style: ' +
      percent(cell[VQA]) }, judge.join(' · ')));
}

function probeRow(record, row, columns) {
  const probe = record.probes[row], m = metric(probe.group);
  return h('tr', {}, h('td', {}, h('div', { class: 'probe' },
    probe.image >= 0 || probe.picture !== 'none' && probe.image === -1 && probe.picture !== ''
      ? picture(probe.image, 'tiny', probe.picture + ' picture')
      : h('span', { class: 'thumb tiny' }, 'text only'),
    h('div', {}, h('b', { title: m.says }, m.title), h('span', { class: 'p' }, quoted(probe.prompt))))),
  h('td', {}, m.locality
    ? h('span', { class: 'ans', title: 'correct answer: ' + probe.expected }, 'unchanged')
    : h('span', { class: 'ans' }, quoted(probe.expected))),
  h('td', {}, h('span', { class: 'ans' }, quoted(probe.before))),
  columns.filter((c) => !methods()[c.method].base).map((c) => answerCell(probe, c, row)));
}

function recordBody(record) {
  const columns = columnsOf(record), editors = columns.filter((c) => !methods()[c.method].base);
  const rows = record.probes.map((p, i) => i)
    .filter((i) => !filter.group || record.probes[i].group === filter.group);
  const facts = [['Record', record.id], ['Question', record.prompt], ['Target', record.target]];
  if (record.truth) facts.push(['Truth', record.truth]);
  const holds = editors.filter((c) => c.steps !== undefined || c.holds !== undefined)
    .map((c) => methods()[c.method].title + ': ' + [c.steps !== undefined && plural(c.steps, 'step'),
      c.holds !== undefined && (c.holds ? 'holds' : 'does not hold')].filter(Boolean).join(', '));
  if (holds.length) facts.push(['Edits', holds.join('; ')]);
  for (const c of editors.filter((e) => e.failed))
    facts.push([methods()[c.method].title + ' failed', c.failed]);
  return h('div', { class: 'body' },
    h('div', { class: 'about' }, picture(record.image, 'big', 'the picture of the edit'),
      h('dl', { class: 'facts', style: 'flex:1;align-content:start' },
        facts.map(([name, text]) => [h('dt', {}, name), h('dd', {}, quoted(text))]))),
    rows.length ? h('div', { class: 'scroll probes' }, h('table', {},
      h('thead', {}, h('tr', {}, ['Probe', 'Expected', 'Before'].map((t) => h('th', {}, t)),
        editors.map((c) => h('th', {}, swatch(c.method), methods()[c.method].title,
          c.after_edits !== undefined && h('span', { class: 'under' },
            'after ' + plural(c.after_edits, 'edit')))))),
      h('tbody', {}, rows.map((row) => probeRow(record, row, columns)))))
      : h('p', { class: 'sub' }, 'No probe was judged.'));
}

function recordCard(record) {
  const marks = columnsOf(record).filter((c) => !methods()[c.method].base);
  const card = h('details', { class: 'card record' }, h('summary', {},
    picture(record.image, 'lead-pic', ''),
    h('span', { class: 'ask' }, h('span', { class: 'q' }, quoted(record.prompt)),
      h('span', { class: 'to' }, '→ ', h('b', {}, quoted(record.target)), '  ', record.id)),
    h('span', { class: 'marks' }, marks.slice(0, 6).map((c) => mark(record, c)),
      marks.length > 6 && h('span', { class: 'mark' }, `${marks.length - 6} more`)),
    h('span', { class: 'turn', 'aria-hidden': 'true' }, '›')));
  card.addEventListener('toggle', () => {
    if (card.open && card.children.length === 1) card.append(recordBody(record));
  });
  return card;
}

function listRecords(box) {
  const all = block().records.shown.filter(kept);
  const cards = all.slice(0, filter.limit).map(recordCard);
  box.replaceChildren(h('p', { class: 'count', role: 'status' },
    `${all.length} of ${plural(block().records.shown.length, 'record')} match.`), ...cards);
  if (!all.length)
    box.append(h('div', { class: 'card empty' }, 'No record matches. ',
      h('button', { class: 'quiet', type: 'button', onclick: () => {
        Object.assign(filter, { text: '', method: '', group: '', wrong: false });
        redraw('records');
      } }, 'Clear the filters')));
  if (all.length > filter.limit)
    box.append(h('button', { class: 'quiet more', type: 'button',
      onclick: () => { filter.limit += 40; listRecords(box); } },
    `Show more (${all.length - filter.limit} left)`));
}

function pick(name, key, options, box) {
  return h('label', { class: 'pick' }, name, h('select', { onchange: (e) => {
    filter[key] = e.target.value;
    filter.limit = 20;
    listRecords(box);
  } }, options.map(([value, text]) =>
    h('option', { value, selected: String(value) === String(filter[key]) }, text))));
}

function recordsSection() {
  const { total, shown: records } = block().records;
  if (!records.length)
    return section('records', 'Records', null, null, h('div', { class: 'card empty' }, total
      ? `${total} records were judged; none is shown on this page (--records 0).`
      : 'No samples: samples.jsonl is empty or missing.'));
  const box = h('div', {});
  const groups = block().metrics.filter((m) =>
    records.some((r) => r.probes.some((p) => p.group === m.id)));
  const times = [...new Set(records.flatMap((r) => r.columns.map((c) => c.after_edits)))]
    .filter((n) => n !== undefined).sort((a, b) => a - b);
  const sub = (records.length < total
    ? `${records.length} of ${total} records are shown: half are the first records, half those ` +
      'with the most wrong probes, so they are not a representative sample. '
    : `All ${plural(total, 'record')}. `) +
    'A probe is wrong if it misses the target by the score of the protocol, or if an answer ' +
    'changed that should not change.' + (DATA.unreadable_pictures
      ? ` ${plural(DATA.unreadable_pictures, 'picture')} could not be read.` : '') +
    (DATA.pictures_elsewhere
      ? ` ${plural(DATA.pictures_elsewhere, 'picture')} outside of the run's folder not shown.` : '');
  const filters = h('div', { class: 'filters' },
    h('input', { type: 'search', placeholder: 'Search questions and answers', value: filter.text,
      'aria-label': 'Search', oninput: (e) => {
        filter.text = e.target.value;
        filter.limit = 20;
        listRecords(box);
      } }),
    pick('Editor', 'method', [['', 'any'], ...shown().filter((i) => !methods()[i].base)
      .map((i) => [i, methods()[i].title])], box),
    pick('Probes', 'group', [['', 'all'], ...groups.map((m) => [m.id, m.title])], box),
    times.length > 1 && pick('Judged', 'edits', [['', 'last judgment'],
      ...times.map((n) => [n, 'after ' + plural(n, 'edit')])], box),
    check('Only wrong probes', filter.wrong,
      (on) => { filter.wrong = on; filter.limit = 20; listRecords(box); }));
  listRecords(box);
  return section('records', 'Records', sub, null, filters, box);
}
