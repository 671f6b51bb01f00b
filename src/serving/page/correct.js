// The form that corrects the answer.
const editorInfo = (name) => app.model.editors.find((editor) => editor.name === name);

function modules(editor) {
  const setting = editor.settings.find((one) => one.name === 'module');
  if (!setting) return [];
  const part = { projector: 'connector' };
  return setting.range.split(', ').filter((name) => app.model.modules.includes(part[name] || name));
}

const lines = (text) => text.split('\n').map((line) => line.trim()).filter(Boolean);

// "QUESTION => ANSWER", or a question alone.
function questionLine(line) {
  const arrow = line.indexOf('=>');
  return arrow < 0 ? { prompt: line }
    : { prompt: line.slice(0, arrow).trim(), answer: line.slice(arrow + 2).trim() };
}

function editBody() {
  const { edit } = app;
  const body = { prompt: app.prompt, target: edit.target.trim(), editor: edit.editor, ...picturePart() };
  if (edit.name.trim()) body.name = edit.name.trim();
  if (edit.module) body.module = edit.module;
  if (Object.keys(edit.settings).length) body.settings = edit.settings;
  if (edit.subject.trim()) body.subject = edit.subject.trim();
  if (lines(edit.rephrasings).length) body.rephrasings = lines(edit.rephrasings);
  if (lines(edit.consequences).length) body.consequences = lines(edit.consequences).map(questionLine);
  if (lines(edit.locality).length) body.locality = lines(edit.locality).map(questionLine);
  return body;
}

// Shows the command that makes the same edit, which the server writes.
let commandTurn = 0, commandTimer = 0;
function showCommand(box) {
  const [label, code] = box.querySelectorAll('span, code');
  const turn = ++commandTurn;
  clearTimeout(commandTimer);
  if (!app.edit.target.trim()) {
    box.hidden = true;
    return;
  }
  commandTimer = setTimeout(async () => {
    let command = '', problem = '';
    try {
      ({ command } = await post('edits/command', editBody()));
    } catch (error) {
      problem = error.message;
    }
    if (turn !== commandTurn) return;
    label.textContent = problem || 'The same on the command line';
    code.textContent = command;
    box.hidden = false;
  }, 300);
}

function copyButton(text) {
  const button = h('button', { class: 'quiet', type: 'button', onclick: async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = 'Copied';
    } catch (_) {
      button.textContent = 'Select the text and copy it';
    }
    setTimeout(() => { button.textContent = 'Copy'; }, 1500);
  } }, 'Copy');
  return button;
}

function costText(editor) {
  const known = editSeconds(editor);
  return known === null ? 'Duration: unknown until the first edit with this editor'
    : `Duration of the last edits with this editor: about ${seconds(known)}`;
}

async function makeEdit(button) {
  if (!app.edit.target.trim()) {
    document.getElementById('target').focus();
    return announce('Enter the right answer first.');
  }
  button.disabled = true;
  app.result = null;
  const query = { prompt: app.prompt, ...picturePart() };
  const box = document.getElementById('result');
  const job = await runJob(box, () => post('edits', editBody()), 'editing');
  button.disabled = false;
  if (!job) return;
  app.result = { ...job.result, query };
  app.edit.name = '';
  await refreshPatches();
  await ask();
  show();
  document.getElementById('result').scrollIntoView({ block: 'nearest' });
  announce(job.result.report.holds ? 'The edit holds.' : 'The edit does not hold.');
}

function correctPart() {
  const { edit } = app;
  if (!app.asked || app.asked.error) return h('div', { id: 'correct' });
  if (!app.model.workspace)
    return h('div', { id: 'correct' }, h('p', { class: 'note' }, 'This server has no folder for patches. ' +
      'Start it with --workspace DIR to correct answers here.'));
  const editor = editorInfo(edit.editor);
  const code = h('code', {});
  const command = h('div', { class: 'command', hidden: true }, h('span', { class: 'under' }),
    h('div', { class: 'code' }, code, copyButton(() => code.textContent)));
  const refresh = () => showCommand(command);
  const field = (name, title, help, rows) => {
    const input = h(rows ? 'textarea' : 'input', { id: name, rows, type: rows ? null : 'text',
      oninput: (e) => { edit[name] = e.target.value; refresh(); },
      onkeydown: (e) => { if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) makeEdit(button); } });
    input.value = edit[name];
    return h('div', { class: 'setting' }, h('label', { for: name }, title), input,
      help && h('p', { class: 'under' }, help));
  };
  const button = h('button', { class: 'primary', type: 'submit', id: 'edit' }, 'Correct the model');
  const editorSelect = h('select', { id: 'editor', onchange: (e) => {
    edit.editor = e.target.value;
    edit.settings = {};
    edit.module = '';
    show('correct');
    document.getElementById('editor').focus();
  } }, app.model.editors.map((one) => h('option', { value: one.name }, one.name)));
  editorSelect.value = edit.editor;
  const choices = modules(editor);
  const moduleSelect = choices.length > 0 && h('select', { id: 'module',
    onchange: (e) => { edit.module = e.target.value; refresh(); } },
  h('option', { value: '' }, 'default'), choices.map((name) => h('option', { value: name }, name)));
  if (moduleSelect) moduleSelect.value = edit.module;
  refresh();
  return h('section', { id: 'correct', 'aria-label': 'Correct the answer' },
    h('div', { class: 'head' }, h('h2', {}, 'Correct the answer')),
    h('form', { class: 'card pad', onsubmit: (e) => { e.preventDefault(); makeEdit(button); } },
      h('div', { class: 'fields' }, field('target', 'The right answer'),
        h('div', { class: 'setting' }, h('label', { for: 'editor' }, 'Editor'), editorSelect,
          h('p', { class: 'under' }, editor.summary)),
        moduleSelect && h('div', { class: 'setting' }, h('label', { for: 'module' }, 'Module'), moduleSelect)),
      h('details', { class: 'plain' }, h('summary', {}, 'What to measure'),
        h('div', { class: 'fields' },
          field('rephrasings', 'Other wordings', 'One question for each line, for T-Generality', 3),
          field('consequences', 'Consequences', 'QUESTION => ANSWER, one for each line, for Portability', 3),
          field('locality', 'Questions that must not change', 'QUESTION or QUESTION => ANSWER, one for each line', 3),
          field('subject', 'Subject', 'The words of the question that the fact is about, for rome, memit and alphaedit'),
          field('name', 'Name of the patch', 'Default: the right answer'))),
      settingsForm(editor, edit.settings, refresh),
      h('div', { class: 'row' }, button, h('span', { class: 'under' }, costText(edit.editor))),
      command));
}
