// The main table: editors by metrics, with published rows below.
function scoreCell(score, index, best) {
  const value = valueOf(score);
  if (value === null || value === undefined)
    return h('td', {}, h('span', { class: 'none', title: 'not measured' }, '–'));
  const error = errorOf(score);
  return h('td', { class: best ? 'best' : null, title: plural(score.probes, 'probe') },
    h('span', { class: 'num' }, percent(value)),
    error !== null && h('span', { class: 'pm' }, ' ± ' + percent(error)),
    h('span', { class: 'meter' },
      h('i', { style: `width:${100 * value}%;background:${color(index)}` })));
}

// Base is not an editor, so it is never marked as best.
function bestOf(column) {
  const values = methods().filter((m) => !m.base)
    .map((m) => valueOf(m.groups[column])).filter((v) => v !== null && v !== undefined);
  return values.length > 1 ? Math.max(...values) : null;
}

function sortedMethods() {
  const order = methods().map((m, i) => i);
  if (!state.sort) return order;
  const { column, down } = state.sort;
  const key = (i) => {
    if (column === 'method') return methods()[i].title;
    const value = valueOf(methods()[i].groups[column]);
    return value === null || value === undefined ? -1 : value;
  };
  return order.sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    const way = typeof x === 'string' ? x.localeCompare(y, undefined, { numeric: true }) : x - y;
    return (down ? -way : way) || a - b;
  });
}

function headCell(column, title, says) {
  const sorted = state.sort && state.sort.column === column;
  const down = sorted ? state.sort.down : column === 'method';
  const arrow = sorted ? (state.sort.down ? '▾' : '▴') : '';
  const by = () => {
    state.sort = sorted && state.sort.down === (column === 'method')
      ? null : { column, down: sorted ? !down : column !== 'method' };
    redraw('results');
  };
  return h('th', { scope: 'col',
    'aria-sort': sorted ? (state.sort.down ? 'descending' : 'ascending') : 'none' },
    h('button', { type: 'button', title: says, onclick: by },
      column !== 'method' && h('span', { class: 'arrow' }, arrow), title,
      column === 'method' && h('span', { class: 'arrow' }, arrow)));
}

function methodCell(index) {
  const m = methods()[index];
  const under = [];
  if (m.seeds.length > 1) under.push(`mean of ${m.seeds.length} runs (seeds ${m.seeds.join(', ')})`);
  if (m.failures) under.push(plural(m.failures, 'record') + ' failed');
  if (m.protocol) under.push('judged by a different protocol');
  const settings = Object.entries(m.settings || {}).map(([k, v]) => `${k} = ${JSON.stringify(v)}`);
  return h('td', { class: 'name', title: settings.join('\n') || null },
    h('span', { class: 'titled' }, swatch(index), m.title),
    under.map((text) => h('span', { class: 'under' }, text)));
}

function publishedRows(columns) {
  return block().published.filter((table) => table.rows.length).map((table) => [
    h('tr', { class: 'pub-head' }, h('td', { colspan: columns.length + 1 },
      h('div', {}, h('b', {}, 'Published'), ' ', table.title, h('small', {}, table.note)))),
    table.rows.map((row) => h('tr', { class: 'pub' },
      h('td', {}, row.editor, h('span', { class: 'tag' }, row.model),
        h('span', { class: 'src' }, row.source)),
      columns.map((column) => h('td', {}, column in row.percent
        ? row.percent[column].toFixed(2) : h('span', { class: 'none' }, '–'))))),
  ]);
}

function resultsSection() {
  const b = block();
  const columns = b.columns;
  const best = Object.fromEntries(columns.map((c) => [c, bestOf(c)]));
  const published = b.published.some((table) => table.rows.length);
  const views = Object.entries(VIEWS)
    .filter(([id]) => id === 'score' || methods().some((m) =>
      Object.values(m.groups).some((g) => g[id] !== null)));
  const table = h('table', { class: 'scores' },
    h('thead', {}, h('tr', {}, headCell('method', 'Editor', 'Sort by name'),
      columns.map((c) => headCell(c, metric(c).title, metric(c).says)))),
    h('tbody', {}, sortedMethods().map((i) => h('tr', {}, methodCell(i), columns.map((c) => {
      const value = valueOf(methods()[i].groups[c]);
      return scoreCell(methods()[i].groups[c], i,
        !methods()[i].base && best[c] !== null && value === best[c]);
    }))), published && state.published && publishedRows(columns)));
  const notes = b.published.filter((t) => !t.rows.length)
    .map((t) => h('p', { class: 'sub', style: 'margin-top:10px' },
      h('b', {}, 'Published, ' + t.title + ': '), t.note));
  return section('results', 'Results',
    `In percent: ${VIEWS[state.view][1]}. ${state.view === 'score' ? b.error + ' ' : ''}` +
      'Bold: the best editor of a column.' +
      (published ? ' Published rows are figures from the named papers.' : ''),
    [views.length > 1 && segments(views.map(([id, [name, says]]) => [id, name, says]), state.view,
      (id) => { state.view = id; redraw('results', 'charts', 'sweep', 'grid', 'curves'); }),
    published && check('Published rows', state.published,
      (on) => { state.published = on; redraw('results'); })],
    h('div', { class: 'card scroll' }, table), notes,
    h('div', { class: 'legend' }, columns.map((c) =>
      h('div', {}, h('b', {}, metric(c).title), ' ', metric(c).says))));
}

function costSection() {
  const all = methods();
  const columns = [['edit_seconds', 'Seconds per edit', seconds, 'Mean time to make one edit'],
    ['judge_seconds', 'Seconds to judge', seconds, 'Mean time to run all probes of a record'],
    ['before_seconds', 'Seconds before', seconds,
      'Mean time to measure the model before the edit; counted for the editor that ran first, ' +
        'mostly base'],
    ['sites', 'Sites edited', compact, 'Layers that the largest patch changes'],
    ['parameters', 'Values in a patch', compact, 'Number of values in the largest patch']];
  const there = columns.filter(([key]) => all.some((m) => m[key] !== null));
  if (!there.length)
    return section('cost', 'Cost', null, null,
      h('div', { class: 'card empty' }, 'The run has neither times nor patch sizes.'));
  const most = Object.fromEntries(there.map(([key]) => [key, Math.max(...all.map((m) => m[key] || 0))]));
  return section('cost', 'Cost', 'Wall-clock means over records on the machine named above. ' +
    'Shared activations are counted for the editor that computed them first.', null,
    h('div', { class: 'card scroll' }, h('table', { class: 'cost' },
      h('thead', {}, h('tr', {}, h('th', {}, 'Editor'),
        there.map(([, name, , says]) => h('th', { title: says }, name)))),
      h('tbody', {}, all.map((m, i) => h('tr', {}, h('td', { class: 'name' },
          h('span', { class: 'titled' }, swatch(i), m.title)),
        there.map(([key, , format]) => h('td', {}, format(m[key]),
          h('span', { class: 'meter' }, h('i', { style: `background:${color(i)};width:` +
            (most[key] ? 100 * (m[key] || 0) / most[key] : 0) + '%' }))))))))));
}
