// The stack of patches: order, on and off, removal, and certificates.
async function refreshPatches() {
  const state = await get('patches');
  app.patches = state.patches;
  app.stack = state.stack;
  app.warnings = state.warnings;
}

async function setStack(stack, focus) {
  try {
    const state = await put('stack', { stack });
    app.patches = state.patches;
    app.stack = state.stack;
    app.problem = null;
  } catch (error) {
    app.problem = error;
  }
  if (app.asked && !app.asked.waiting) app.asked = null;
  show();
  if (focus) document.getElementById(focus)?.focus();
  announce(app.stack.length ? 'Active patches: ' + app.stack.join(', ') : 'No patch is active.');
}

async function removePatch(name) {
  if (!confirm(`Delete the patch "${name}"? Its file is removed from the workspace.`)) return;
  try {
    const state = await remove('patches/' + part(name));
    app.patches = state.patches;
    app.stack = state.stack;
    app.problem = null;
  } catch (error) {
    app.problem = error;
  }
  show();
}

function readPatch(file) {
  if (!file) return;
  const reader = new FileReader();
  reader.onload = async () => {
    try {
      const name = file.name.replace(/\.patch$/, '').replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^\.+/, '');
      await post('patches', { name, data: reader.result.slice(reader.result.indexOf(',') + 1) });
      await refreshPatches();
      app.problem = null;
    } catch (error) {
      app.problem = error;
    }
    show();
  };
  reader.readAsDataURL(file);
}

// Asks the questions whose unedited answers are known again, without patches, and compares the logits.
async function checkBase(box) {
  const known = [...app.hashes];
  if (!known.length)
    return box.replaceChildren(h('p', { class: 'under' }, 'Ask a question first; its logits are then compared.'));
  let same = 0;
  try {
    for (const [key, logits] of known) {
      const [prompt, image] = JSON.parse(key);
      box.replaceChildren(h('p', { class: 'under' }, `asking ${same + 1} of ${known.length} …`));
      const answer = await post('ask', { prompt, ...(image ? { image } : {}), patches: [] });
      if (answer.logits !== logits)
        return box.replaceChildren(h('p', { class: 'check-line wrong' },
          `The logits of the unedited model changed for "${prompt}". This should never happen.`));
      ++same;
    }
  } catch (error) {
    return box.replaceChildren(failure(error));
  }
  box.replaceChildren(h('p', { class: 'check-line right' }, `Everything is as before: the logits of ` +
    `${plural(same, 'question')} are bit-identical without patches.`));
}

function certificateText(certificate) {
  if (!certificate) return null;
  const { risk, confidence, samples, bound } = certificate;
  return [risk !== undefined && `risk at most ${percent(risk)} %`,
    confidence !== undefined && `confidence ${percent(confidence)} %`,
    bound !== undefined && `bound ${percent(bound)} %`,
    samples !== undefined && `${samples} unrelated questions`].filter(Boolean).join(', ');
}

function patchCard(patch) {
  const index = app.stack.indexOf(patch.name);
  const id = 'patch-' + patch.name;
  const move = (by) => {
    const stack = [...app.stack];
    stack.splice(index, 1);
    stack.splice(index + by, 0, patch.name);
    setStack(stack, id + (by < 0 ? '-up' : '-down'));
  };
  const toggle = h('input', { type: 'checkbox', id, disabled: Boolean(patch.problem), checked: index >= 0,
    onchange: (e) => setStack(e.target.checked ? [...app.stack, patch.name]
      : app.stack.filter((name) => name !== patch.name), id) });
  const details = h('details', { class: 'plain', ontoggle: async () => {
    if (!details.open || details.children.length > 1) return;
    try {
      const full = await get('patches/' + part(patch.name));
      details.append(h('div', {}, full.certificate && h('div', {}, h('h3', {}, 'Certificate of scope'),
        factList(Object.entries(full.certificate).filter(([, v]) => typeof v !== 'object').map(([k, v]) =>
          [k.replaceAll('_', ' '), String(v)]))), full.scores && scoreTiles(full.scores),
      effectPart(full.effect)));
    } catch (error) {
      details.append(failure(error));
    }
  } }, h('summary', {}, 'Details'));
  return h('li', { class: 'card pad patch' + (index >= 0 ? ' on' : '') },
    h('div', { class: 'patch-head' },
      h('label', { class: 'check' }, toggle, h('b', {}, patch.name)),
      index >= 0 && app.stack.length > 1 && h('span', { class: 'tag' }, `${index + 1} of ${app.stack.length}`),
      h('span', { class: 'under grow' }, [patch.editor, patch.module, patch.kind === 'memory' ? 'memory' : null,
        patch.parameters ? compact(patch.parameters) + ' values' : null,
        patch.bytes ? compact(patch.bytes) + 'B' : null].filter(Boolean).join(' · ')),
      index > 0 && h('button', { class: 'quiet', id: id + '-up', type: 'button', title: 'Apply earlier',
        'aria-label': `Apply ${patch.name} earlier`, onclick: () => move(-1) }, '↑'),
      index >= 0 && index < app.stack.length - 1 && h('button', { class: 'quiet', id: id + '-down', type: 'button',
        title: 'Apply later', 'aria-label': `Apply ${patch.name} later`, onclick: () => move(1) }, '↓'),
      !patch.problem && h('a', { class: 'quiet', href: `/api/patches/${part(patch.name)}/file`, download: patch.name +
        '.patch', 'aria-label': `Download ${patch.name}` }, 'Download'),
      patch.workspace && h('button', { class: 'quiet', type: 'button', 'aria-label': `Delete ${patch.name}`,
        onclick: () => removePatch(patch.name) }, 'Delete')),
    patch.problem && h('p', { class: 'note bad' }, patch.problem),
    (patch.edits || []).slice(0, 5).map((edit) => h('p', { class: 'edit-line' }, edit.prompt, ' ',
      h('span', { class: 'arrow' }, '→'), ' ', h('b', {}, edit.target), edit.image && h('span', { class: 'tag' }, 'picture'),
      edit.holds === false && h('span', { class: 'tag bad' }, 'does not hold'))),
    (patch.edits || []).length > 5 && h('p', { class: 'under' }, `and ${patch.edits.length - 5} more edits`),
    patch.certificate && h('p', { class: 'under' }, 'Certificate: ', certificateText(patch.certificate)),
    (patch.superseded || []).length > 0 && h('p', { class: 'under' },
      `${plural(patch.superseded.length, 'edit')} superseded by later ones`),
    !patch.problem && details);
}

function patchesView() {
  const order = [...app.patches].sort((a, b) => {
    const [x, y] = [app.stack.indexOf(a.name), app.stack.indexOf(b.name)];
    return (x < 0) - (y < 0) || x - y || a.name.localeCompare(b.name);
  });
  const result = h('div', {});
  const input = h('input', { type: 'file', accept: '.patch', class: 'hidden', 'aria-label': 'Patch file',
    onchange: (e) => readPatch(e.target.files[0]) });
  return [h('section', { 'aria-label': 'Patches' }, h('div', { class: 'head' }, h('h2', {}, 'Patches'),
    app.stack.length > 0 && h('button', { class: 'quiet', type: 'button', onclick: () => setStack([]) }, 'Switch all off'),
    h('button', { class: 'quiet', type: 'button', id: 'check-base', onclick: () => checkBase(result) },
      'Check that the unedited model is unchanged'),
    app.model.workspace && h('button', { class: 'quiet', type: 'button', onclick: () => input.click() }, 'Add a patch file'),
    input),
  h('p', { class: 'sub' }, 'Active patches are applied in this order. OpenAI clients select them with the model name ',
    h('code', {}, ['base', ...app.stack].join('+')), '.'),
  app.warnings.map((warning) => h('p', { class: 'note bad' }, warning)), app.problem && failure(app.problem), result,
  order.length ? h('ul', { class: 'patches' }, order.map(patchCard))
    : h('div', { class: 'card empty' }, 'There are no patches. Correct an answer, and its patch is listed here.'))];
}
