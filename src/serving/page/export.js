// Exports of patches for other programs.
const FORMATS = {
  patch: ['emend patch', 'One file for the program emend, with all active patches merged.'],
  peft: ['PEFT adapter', 'A folder for PeftModel.from_pretrained on the unedited model.'],
  hf: ['Hugging Face folder', 'The whole model with the edit in its weights, for transformers.'],
  gguf: ['GGUF', 'The edited model for llama.cpp (Llama, LLaVA-1.5, SmolVLM).'],
  'gguf-lora': ['GGUF LoRA', 'An adapter for llama.cpp; exact for low-rank patches.'],
};

async function runExport() {
  const { to, name } = app.export;
  const button = document.getElementById('export');
  button.disabled = true;
  const job = await runJob(document.getElementById('export-result'),
    () => post('exports', { patches: app.stack, to, name: name.trim() || `${app.stack.join('-')}-${to}` }), 'exporting');
  button.disabled = false;
  if (!job) return;
  const { path, files, facts, command } = job.result;
  const measured = Object.entries(facts || {}).filter(([name, value]) => typeof value !== 'object' &&
    !['kind', 'format', 'folder', 'file', 'projector'].includes(name) && value !== '');
  announce('Exported to ' + path);
  document.getElementById('export-result').replaceChildren(h('div', { class: 'card pad' },
    h('h3', {}, 'Exported'), h('div', { class: 'code' }, h('code', {}, path), copyButton(() => path)),
    h('ul', { class: 'list' }, (files || []).map((file) => h('li', {}, file))),
    factList(measured.map(([name, value]) => [name.replaceAll('_', ' '), String(value)])),
    h('div', { class: 'command' }, h('span', { class: 'under' }, 'The same on the command line'),
      h('div', { class: 'code' }, h('code', {}, command), copyButton(() => command)))));
}

function exportView() {
  const state = app.export;
  const memory = app.patches.filter((p) => app.stack.includes(p.name) && p.kind !== 'weights').map((p) => p.name);
  const name = h('input', { type: 'text', id: 'export-name', placeholder: `${app.stack.join('-')}-${state.to}`,
    oninput: (e) => { state.name = e.target.value; } });
  name.value = state.name;
  return [h('section', { 'aria-label': 'Export' }, h('div', { class: 'head' }, h('h2', {}, 'Export')),
    !app.model.workspace ? h('p', { class: 'note' }, 'Start the server with --workspace DIR to export patches.')
      : app.stack.length === 0 ? h('div', { class: 'card empty' }, 'No patch is active. Switch one on under Patches.')
        : h('form', { class: 'card pad', onsubmit: (e) => { e.preventDefault(); runExport(); } },
          h('p', {}, 'Active patches: ', h('b', {}, app.stack.join(' + '))),
          memory.length > 0 && h('p', { class: 'note' }, `${memory.join(', ')} has a memory, which no other program ` +
            'can run. Use this server from other programs: it has the API of OpenAI.'),
          h('fieldset', { class: 'formats' }, h('legend', {}, 'Format'), Object.entries(FORMATS).map(([id, [title, says]]) => {
            const obstacle = (app.model.exports || {})[id];
            return h('label', { class: 'format' }, h('input', { type: 'radio', name: 'format', value: id,
              checked: state.to === id, disabled: Boolean(obstacle), onchange: () => { state.to = id; show(); } }),
            h('span', {}, h('b', {}, title), h('span', { class: 'under' }, obstacle || says)));
          })),
          h('div', { class: 'setting' }, h('label', { for: 'export-name' }, 'Name'), name,
            h('p', { class: 'under' }, 'In the folder exports of the workspace')),
          h('button', { class: 'primary', type: 'submit', id: 'export' }, 'Export')),
    h('div', { id: 'export-result' }))];
}
