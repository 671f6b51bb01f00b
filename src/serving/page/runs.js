// Results of `emend bench`, and comparisons of two runs.
async function openRuns() {
  try {
    app.runs = (await get('runs')).runs;
    app.problem = null;
  } catch (error) {
    app.runs = [];
    app.problem = error;
  }
  show();
}

function runsView() {
  if (!app.runs) {
    openRuns();
    return [h('div', { class: 'card empty' }, 'Reading the runs …')];
  }
  const chosen = app.chosenRuns;
  const [one, two] = chosen;
  const frame = one && h('iframe', { class: 'report', title: 'Report of ' + chosen.join(' and '),
    src: `/api/runs/${part(one)}/report` + (two ? `?with=${part(two)}` : '') });
  return [h('section', { 'aria-label': 'Runs' }, h('div', { class: 'head' }, h('h2', {}, 'Runs'),
    h('button', { class: 'quiet', type: 'button', onclick: openRuns }, 'Read again')),
  h('p', { class: 'sub' }, 'Folders of ', h('code', {}, 'emend bench -o'), ' in the runs folder of the server. ' +
    'Choose one run for its report, or two to compare them.'),
  app.problem && failure(app.problem),
  app.runs.length === 0 ? h('div', { class: 'card empty' }, 'There are no runs. Write one with ',
    h('code', {}, 'emend bench -o WORKSPACE/runs/NAME'), ', then choose Read again.')
    : h('div', { class: 'card scroll runs' }, h('table', {},
      h('thead', {}, h('tr', {}, ['Run', 'Suite', 'Protocol', 'Editors', 'Records', 'Written'].map((t) =>
        h('th', { scope: 'col' }, t)))),
      h('tbody', {}, app.runs.map((run) => h('tr', {},
        h('td', {}, h('label', { class: 'check' }, h('input', { type: 'checkbox', checked: chosen.includes(run.name), disabled: Boolean(run.problem),
          onchange: (e) => {
            app.chosenRuns = e.target.checked ? [...chosen, run.name].slice(-2) : chosen.filter((n) => n !== run.name);
            show();
          } }), run.name), run.interrupted && h('span', { class: 'tag' }, 'not finished'),
          run.problem && h('span', { class: 'under' }, run.problem)),
        h('td', {}, run.suite), h('td', {}, run.protocol), h('td', {}, (run.editors || []).join(', ')),
        h('td', {}, run.records), h('td', {}, new Date(1000 * run.written).toLocaleString())))))),
  frame)];
}
