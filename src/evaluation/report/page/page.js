// The section that describes the measurement, and the assembly of the page.
function tiles() {
  const editors = methods().filter((m) => !m.base);
  const records = Math.max(0, ...methods().map((m) => m.records));
  const failures = methods().reduce((sum, m) => sum + m.failures, 0);
  const probes = Math.max(0, ...methods().map((m) =>
    Object.values(m.groups).reduce((sum, g) => sum + g.probes, 0)));
  return h('div', { class: 'tiles' }, [
    [editors.length, editors.length === 1 ? 'editor, and the base model'
      : 'editors, and the base model'],
    [records.toLocaleString('en'), 'records judged per editor'],
    [probes.toLocaleString('en'), 'probes per editor'],
    [failures, failures === 1 ? 'edit failed' : 'edits failed', failures > 0],
  ].map(([value, name, alert]) =>
    h('div', { class: 'card tile' + (alert ? ' alert' : '') }, h('b', {}, value),
      h('span', {}, name))));
}

function aboutSection() {
  const failed = methods().filter((m) => m.failures);
  const own = methods().filter((m) => m.protocol);
  return h('section', { id: 'about', 'aria-label': 'What was measured', style: 'margin:0' },
    h('h1', {}, block().title),
    h('p', { class: 'lead' }, 'Each edit gives the model one new answer. This page shows whether ' +
      'the edit holds, whether it generalizes to other wordings and pictures, and which unrelated ' +
      'answers it changes.'),
    DATA.warnings.map((text) => h('p', { class: 'note', role: 'note' }, text)), tiles(),
    h('div', { class: 'pair' },
      h('div', { class: 'card pad' }, h('h3', {}, 'What was measured'), factList(block().facts),
        failed.map((m) => h('details', { class: 'plain' },
          h('summary', {}, `${m.title}: reasons of ${plural(m.failures, 'failed record')}`),
          h('ul', { class: 'list' }, m.failed.map(([id, when, reason]) =>
            h('li', {}, h('b', {}, id), when && ` (${when})`, ': ', reason)),
            m.failures > m.failed.length &&
              h('li', {}, `${m.failures - m.failed.length} more`))))),
      h('div', { class: 'card pad' }, h('h3', {}, 'How it was judged'), factList(block().protocol),
        own.map((m) => h('details', { class: 'plain' }, h('summary', {}, m.title +
          ': a different protocol'), h('div', { style: 'margin-top:8px' }, factList(m.protocol)))))));
}

const SECTIONS = { about: aboutSection, results: resultsSection, sweep: sweepSection,
  charts: chartsSection, grid: gridSection, curves: curvesSection, cost: costSection,
  records: recordsSection };
const NAMES = { about: 'About', results: 'Results', sweep: 'Sweep', charts: 'Charts',
  grid: 'Text × picture', curves: 'Curves', cost: 'Cost', records: 'Records' };

function redraw(...ids) {
  for (const id of ids) {
    const old = document.getElementById(id);
    const now = old && SECTIONS[id]();
    if (now) old.replaceWith(now);
  }
}

function tabs() {
  if (DATA.blocks.length < 2) return null;
  return h('div', { class: 'tabs', role: 'tablist', 'aria-label': 'What was measured' },
    DATA.blocks.map((b, i) => h('button', { class: 'quiet', type: 'button', role: 'tab',
      'aria-selected': String(i === state.block), onclick: () => open(i) },
    b.title, h('span', { class: 'under' }, b.model))));
}

function open(index) {
  state.block = index;
  state.sort = null;
  state.show = new Set(methods().map((m, i) => i).slice(0, 8));
  Object.assign(filter, { text: '', method: '', group: '', wrong: false, limit: 20, edits: '' });
  const parts = Object.entries(SECTIONS).map(([id, make]) => [id, make()]).filter(([, e]) => e);
  document.getElementById('page').replaceChildren(...[tabs()].filter(Boolean),
    ...parts.map(([, element]) => element));
  document.getElementById('nav').replaceChildren(...parts.slice(1).map(([id]) =>
    h('a', { href: '#' + id }, NAMES[id])));
  document.title = 'emend report: ' + block().title;
}

theme();
open(0);
document.getElementById('foot').textContent = `Written by emend ${DATA.emend}. The same scores ` +
  'are in table.md, table.csv, table_wide.csv and table.tex in the same folder; ' +
  'docs/results.md describes all files.';
