// The state of the page, and its views.
const app = {
  model: null, patches: [], stack: [], warnings: [], jobs: [], runs: null, chosenRuns: [],
  view: 'ask', picture: null, prompt: '', lastPrompt: '', asked: null, turn: 0, result: null, problem: null,
  hashes: new Map(),  // logits of the unedited model by question
  edit: { target: '', editor: 'ft', module: '', settings: {}, name: '', subject: '', rephrasings: '',
    consequences: '', locality: '' },
  trace: { subject: '', target: '', result: null },
  export: { to: 'peft', name: '' },
};

const VIEWS = {
  ask: ['Ask and correct', askView],
  patches: ['Patches', patchesView],
  trace: ['Trace', traceView],
  runs: ['Runs', runsView],
  export: ['Export', exportView],
};
const PARTS = { answers: answersPart, correct: correctPart };

// Draws the view again, or only some of its parts.
function show(...parts) {
  if (parts.length) {
    for (const id of parts) document.getElementById(id)?.replaceWith(PARTS[id]());
    return;
  }
  document.getElementById('nav').replaceChildren(...Object.entries(VIEWS).map(([id, [title]]) =>
    h('a', { href: '#' + id, 'aria-current': id === app.view ? 'page' : null }, title,
      id === 'patches' && app.stack.length > 0 && h('span', { class: 'tag' }, app.stack.length))));
  document.getElementById('page').replaceChildren(...VIEWS[app.view][1]().filter(Boolean));
  document.title = `${VIEWS[app.view][0]} · emend workbench`;
}

function go(view) {
  app.view = VIEWS[view] ? view : 'ask';
  app.problem = null;
  if (location.hash !== '#' + app.view) history.pushState(null, '', '#' + app.view);
  show();
  if (app.view === 'ask' && app.turn > 0 && !app.asked) ask();  // the patches changed
}

function tokenView(error) {
  const input = h('input', { type: 'password', id: 'token', autocomplete: 'off' });
  document.getElementById('page').replaceChildren(h('form', { class: 'card pad token-form', onsubmit: (e) => {
    e.preventDefault();
    setToken(input.value.trim());
    start();
  } }, h('h2', {}, 'Token'), h('p', { class: 'sub' }, 'This server needs the token of its --token-file.'),
  sessionStorage.getItem(TOKEN) && failure(error), h('label', { for: 'token' }, 'Token'), input,
  h('div', { class: 'row' }, h('button', { class: 'primary', type: 'submit' }, 'Continue'))));
  input.focus();
}

async function start() {
  try {
    app.model = await get('model');
    await refreshPatches();
    await refreshJobs();
  } catch (error) {
    if (error.status === 401) return tokenView(error);
    document.getElementById('page').replaceChildren(failure(error));
    return;
  }
  const first = (app.model.examples || [])[0];
  if (first && !app.prompt) {
    app.prompt = first.prompt;
    if (first.image) app.picture = { name: 'example.png', url: first.image };
  }
  app.view = VIEWS[location.hash.slice(1)] ? location.hash.slice(1) : 'ask';
  document.getElementById('foot').textContent = `${app.model.model} · ${app.model.architecture} · ` +
    `${app.model.precision.dtype} on ${app.model.device} · fingerprint ${app.model.base} · emend ${app.model.version}`;
  show();
}

addEventListener('hashchange', () => app.model && go(location.hash.slice(1)));
addEventListener('popstate', () => app.model && go(location.hash.slice(1)));
theme();
start();
