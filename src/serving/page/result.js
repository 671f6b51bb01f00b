// What an edit did: the answer before and after, the probes, and why it failed if it did.
const GROUPS = {
  reliability: ['Reliability', 'the question itself'],
  text_generality: ['T-Generality', 'other wordings'],
  image_generality: ['M-Generality', 'other pictures of the subject'],
  both_generality: ['Both', 'other wordings with other pictures'],
  text_locality: ['T-Locality', 'unrelated questions without a picture'],
  image_locality: ['M-Locality', 'unrelated questions about other pictures'],
  random_image_locality: ['RI locality', 'the question about unrelated pictures'],
  no_image_locality: ['NI locality', 'the question without its picture'],
  consistent_image_locality: ['CI locality', 'other questions about the picture'],
  portability: ['Portability', 'consequences of the edit'],
};
const groupTitle = (group) => (GROUPS[group] || [group])[0];
const changed = (probe) => probe.before !== probe.after;
// A locality answer must stay; the others must become the expected answer.
const wrong = (probe) => (probe.group.endsWith('locality') ? changed(probe) : probe.generated < 1);

function scoreTiles(scores) {
  return h('div', { class: 'tiles' }, Object.keys(GROUPS).filter((g) => scores[g]).map((group) =>
    h('div', { class: 'card tile', title: scores[group].measured_on || GROUPS[group][1] },
      h('b', {}, percent(scores[group].score)),
      h('span', {}, groupTitle(group), h('span', { class: 'under' },
        `generated ${percent(scores[group].generated)} · ${plural(scores[group].probes, 'probe')}`)))));
}

const text = (answer) => answer || h('i', {}, 'empty');

// A table of probes, changed answers first. Long lists are shown in steps.
function probeTable(probes) {
  const view = { only: false, group: '', limit: 40 };
  const box = h('div', {});
  const draw = () => {
    const all = probes.filter((p) => (!view.only || changed(p)) && (!view.group || p.group === view.group));
    const order = [...all].sort((a, b) => wrong(b) - wrong(a) || changed(b) - changed(a));
    const rows = order.slice(0, view.limit);
    replace(box,
      h('div', { class: 'filters' },
        check('Only changed answers', view.only, (on) => { view.only = on; draw(); }),
        h('label', { class: 'pick' }, 'Probes', groupSelect()),
        h('span', { class: 'under' }, `${all.length} of ${plural(probes.length, 'probe')}, ` +
          `${probes.filter(wrong).length} wrong`)),
      rows.length === 0 ? h('div', { class: 'card empty' }, 'No probe matches.')
        : h('div', { class: 'card scroll' }, h('table', { class: 'probe-table' },
          h('thead', {}, h('tr', {}, ['Probe', 'Before', 'After', 'Expected'].map((t) =>
            h('th', { scope: 'col' }, t)))),
          h('tbody', {}, rows.map((p) => h('tr', { class: wrong(p) ? 'wrong' : null },
            h('td', {}, h('b', {}, groupTitle(p.group)), p.picture && p.picture !== 'edited' && p.picture !== 'none' &&
              h('span', { class: 'tag' }, p.picture + ' picture'), h('span', { class: 'p' }, p.prompt)),
            h('td', {}, text(p.before)),
            h('td', { class: 'ans' + (wrong(p) ? ' bad' : '') }, text(p.after),
              changed(p) && !wrong(p) && h('span', { class: 'under' }, 'changed, as intended')),
            h('td', {}, text(p.expected))))))),
      order.length > rows.length && h('button', { class: 'quiet more', type: 'button',
        onclick: () => { view.limit += 200; draw(); } }, `Show more (${order.length - rows.length})`));
  };
  const groupSelect = () => {
    const select = h('select', { onchange: (e) => { view.group = e.target.value; view.limit = 40; draw(); } },
      h('option', { value: '' }, 'all'), [...new Set(probes.map((p) => p.group))].map((g) =>
        h('option', { value: g }, groupTitle(g))));
    select.value = view.group;
    return select;
  };
  draw();
  return box;
}

// Applies a suggestion such as "--set steps=50" or "--editor lora" to the form.
function applySuggestion(suggestion) {
  const words = suggestion.split(/\s+/);
  for (let i = 0; i + 1 < words.length; ++i) {
    const [name, ...value] = words[i + 1].split('=');
    if (words[i] === '--editor') {
      app.edit.editor = name;
      app.edit.settings = {};
      app.edit.module = '';
    }
    if (words[i] === '--module') app.edit.module = name;
    if (words[i] === '--set') {
      const setting = editorInfo(app.edit.editor).settings.find((one) => one.name === name);
      const text = value.join('=');
      if (setting) app.edit.settings[name] = typeof setting.default === 'number' ? Number(text)
        : typeof setting.default === 'boolean' ? text === 'true' : text;
    }
  }
  show('correct');
  document.getElementById('edit').focus();
}

function failurePart(report) {
  const why = report.failure;
  if (!why) return null;
  return h('div', { class: 'card pad failed' }, h('h3', {}, 'Why the edit does not hold'),
    factList([['reason', why.reason], why.stop_reason && ['stopped because of', why.stop_reason],
      ['answer', why.answer || 'empty'],
      ...(why.failed_tokens || []).map((t) => [`token ${t.position + 1}`,
        `expected ${JSON.stringify(t.expected)}, predicted ${JSON.stringify(t.predicted)}`])].filter(Boolean)),
    (why.try || []).length > 0 && h('div', { class: 'row' }, h('span', { class: 'under' }, 'Try'),
      why.try.map((one) => h('button', { class: 'chip all', type: 'button',
        onclick: () => applySuggestion(one) }, one))));
}

// Facts of the editor: the loss curve, and numbers such as the size of the change.
function effectPart(effect) {
  if (!effect) return null;
  const losses = effect.losses || [];
  const facts = Object.entries(effect).filter(([name, value]) => !['losses', 'failed_tokens', 'metrics', 'holds']
    .includes(name) && ['number', 'string', 'boolean'].includes(typeof value))
    .map(([name, value]) => [name.replaceAll('_', ' '),
      typeof value === 'number' && !Number.isInteger(value) ? value.toPrecision(4) : String(value)]);
  const longs = Object.entries(effect).filter(([, value]) => value && typeof value === 'object' &&
    !Array.isArray(value));
  return h('details', { class: 'plain' }, h('summary', {}, 'Details of the edit'),
    h('div', { class: 'pair effect' }, h('div', {}, factList(facts)),
      losses.length > 1 && h('div', {}, h('h3', {}, 'Loss after each step'), plot((width) => lossCurve(losses, width, 130)))),
    longs.filter(([name]) => name !== 'metrics').map(([name, value]) => h('details', { class: 'plain' },
      h('summary', {}, name.replaceAll('_', ' ')), h('pre', {}, JSON.stringify(value, null, 2).slice(0, 20000)))));
}

function resultPart({ patch, report, command, warnings }) {
  const verdict = report.holds ? 'The edit holds' : 'The edit does not hold';
  return h('section', { 'aria-label': 'Result of the edit' },
    h('div', { class: 'head' }, h('h2', {}, verdict),
      patch && h('span', { class: 'tag' }, report.holds ? `patch ${patch}, active` : `patch ${patch}, not active`)),
    h('p', { class: 'before-after' }, h('span', {}, text(report.before)), h('span', { class: 'arrow' }, '→'),
      h('b', { class: report.holds ? 'right' : 'bad' }, text(report.after))),
    (warnings || []).map((text) => h('p', { class: 'note' }, text)),
    failurePart(report), scoreTiles(report.metrics.scores), probeTable(report.probes), effectPart(report.effect),
    command && h('div', { class: 'command' }, h('span', { class: 'under' }, 'The same on the command line'),
      h('div', { class: 'code' }, h('code', {}, command), copyButton(() => command))));
}
