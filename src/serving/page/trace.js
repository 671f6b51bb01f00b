// Causal tracing: heat maps of positions and layers, and the picture with the effect of its parts.
async function runTrace() {
  const { trace } = app;
  const body = { prompt: app.prompt, ...picturePart() };
  if (trace.target.trim()) body.target = trace.target.trim();
  if (trace.subject.trim()) body.subject = trace.subject.trim();
  const button = document.getElementById('trace');
  button.disabled = true;
  trace.result = null;
  const job = await runJob(document.getElementById('trace-result'), () => post('trace', body), 'tracing');
  if (job) trace.result = job.result;
  show();
}

// The color of an effect between 0 and the largest one.
function heat(value, most) {
  const share = Math.max(0, Math.min(1, most > 0 ? value / most : 0));
  return `background:color-mix(in srgb, var(--heat) ${(100 * share).toFixed(1)}%, var(--sunk))`;
}

const shortLayer = (layer) => layer.replace(/^.*?\./, '').replace(/^(block|layer)\./, '');

// Prepares the form for an edit of this layer.
function proposeSite(map, layer) {
  const number = /block\.(\d+)/.exec(layer);
  const closed = ['rome', 'memit', 'alphaedit'];
  let editor = editorInfo(app.edit.editor);
  if (!closed.includes(editor.name)) editor = editorInfo('rome') || editor;
  app.edit.editor = editor.name;
  app.edit.settings = {};
  app.edit.module = modules(editor).includes(map.module) ? map.module : '';
  if (number && editor.settings.some((one) => one.name === 'layers')) app.edit.settings.layers = number[1];
  if (app.trace.subject.trim()) app.edit.subject = app.trace.subject.trim();
  go('ask');
  announce(`The next edit uses ${editor.name} at ${layer}.`);
  document.getElementById('target')?.focus();
}

function heatMap(map, most) {
  const effects = map.indirect_effect.probability;
  return h('div', { class: 'card pad' }, h('h3', {}, `${map.module.replaceAll('_', ' ')}: ${map.component}` +
    (map.window > 1 ? `, windows of ${map.window} layers` : '')),
  h('div', { class: 'scroll' }, h('table', { class: 'heat' },
    h('thead', {}, h('tr', {}, h('td', {}), map.layers.map((layer) =>
      h('th', { scope: 'col', title: layer }, h('span', {}, shortLayer(layer)))))),
    h('tbody', {}, map.groups.map((group, row) => h('tr', {}, h('th', { scope: 'row' }, group),
      map.layers.map((layer, column) => {
        const value = effects[row][column];
        return h('td', {}, h('button', { type: 'button', style: heat(value, most),
          title: `${group}, ${layer}: ${value.toFixed(3)}. Click to edit here.`,
          'aria-label': `${group}, ${layer}: ${value.toFixed(3)}`,
          onclick: () => proposeSite(map, layer) }));
      })))))));
}

function traceResult({ summary, runs, notes, overlay, answer, target, command }) {
  return h('div', {}, h('div', { class: overlay ? 'pair' : null },
    h('div', { class: 'card pad' }, h('h3', {}, `Where the answer "${(target || answer || '').trim()}" comes from`),
      h('ul', { class: 'summary' }, (summary || []).map((line) => h('li', {}, line))),
      (notes || []).map((note) => h('p', { class: 'under' }, note))),
    overlay && h('figure', { class: 'card pad overlay' }, h('img', { src: overlay, alt: 'Effect of the parts of the picture' }),
      h('figcaption', { class: 'under' }, 'Parts of the picture, tinted by their effect'))),
  runs.map((run) => {
    const most = Math.max(1e-6, ...run.maps.flatMap((map) => map.indirect_effect.probability.flat()));
    return h('section', {}, h('div', { class: 'head' }, h('h2', {}, run.corrupted === 'text' ? 'Corrupted subject'
      : 'Corrupted picture')), h('p', { class: 'sub' }, `${run.kind}: the probability of the answer falls from ` +
      `${run.clean.probability.toFixed(3)} to ${run.score.probability.toFixed(3)}. A cell shows how much of it ` +
      `returns when the clean state is restored there (at most ${most.toFixed(3)}). ` +
      'Click a cell to make the next edit in that layer.'),
    h('div', { class: 'maps' }, run.maps.map((map) => heatMap(map, most))));
  }),
  command && h('div', { class: 'command' }, h('span', { class: 'under' }, 'The same on the command line'),
    h('div', { class: 'code' }, h('code', {}, command), copyButton(() => command))));
}

function traceView() {
  const { trace } = app;
  const field = (name, title, help) => {
    const input = h('input', { type: 'text', id: 'trace-' + name, oninput: (e) => { trace[name] = e.target.value; } });
    input.value = trace[name];
    return h('div', { class: 'setting' }, h('label', { for: 'trace-' + name }, title), input,
      h('p', { class: 'under' }, help));
  };
  return [h('section', { 'aria-label': 'Trace' }, h('div', { class: 'head' }, h('h2', {}, 'Trace an answer')),
    app.prompt.trim() === '' ? h('div', { class: 'card empty' }, 'Ask a question first.')
      : h('form', { class: 'card pad', onsubmit: (e) => { e.preventDefault(); runTrace(); } },
        h('div', { class: 'about' }, app.picture && h('img', { class: 'thumb', src: app.picture.url, alt: '' }),
          h('p', { class: 'q' }, app.prompt)),
        h('div', { class: 'fields' },
          field('subject', 'Subject', 'Words of the question to corrupt; empty: only the picture is corrupted'),
          field('target', 'Answer to trace', "Empty: the model's own answer")),
        h('button', { class: 'primary', type: 'submit', id: 'trace' }, 'Trace')),
    h('div', { id: 'trace-result' }, trace.result && traceResult(trace.result)))];
}
