// A form for the settings of an editor, from their descriptions.
function settingInput(setting, value, change) {
  const id = 'set-' + setting.name;
  const common = { id, 'aria-describedby': id + '-help' };
  const range = setting.range || '';
  const initial = value === undefined ? setting.default : value;
  if (typeof setting.default === 'boolean') {
    const input = h('input', { type: 'checkbox', ...common, onchange: (e) => change(e.target.checked) });
    input.checked = initial === true || initial === 'true';
    return input;
  }
  const choices = range.split(', ');
  if (typeof setting.default === 'string' && choices.length > 1 && choices.includes(setting.default)) {
    const input = h('select', { ...common, onchange: (e) => change(e.target.value) },
      choices.map((choice) => h('option', { value: choice }, choice)));
    input.value = initial;
    return input;
  }
  const number = typeof setting.default === 'number';
  const input = h('input', { type: 'text', inputmode: number ? 'decimal' : null, ...common,
    oninput: (e) => {
      const text = e.target.value.trim();
      const bad = number && (text === '' || Number.isNaN(Number(text)));
      e.target.setCustomValidity(bad ? 'a number is required' : '');
      if (!bad) change(number ? Number(text) : e.target.value);
    } });
  input.value = String(initial);
  return input;
}

// `values` has the settings that differ from the defaults; it is changed in place.
function settingsForm(editor, values, changed) {
  const rows = editor.settings.filter((setting) => setting.name !== 'module');
  const given = Object.keys(values).length;
  return h('details', { class: 'plain', id: 'settings', open: given > 0 },
    h('summary', {}, 'Settings' + (given ? ` (${given} changed)` : '')),
    h('div', { class: 'settings' }, rows.map((setting) => h('div', { class: 'setting' },
      h('label', { for: 'set-' + setting.name }, setting.name),
      settingInput(setting, values[setting.name], (value) => {
        if (String(value) === String(setting.default)) delete values[setting.name];
        else values[setting.name] = value;
        changed();
      }),
      h('p', { class: 'under', id: `set-${setting.name}-help` }, setting.meaning, ' ',
        h('span', { class: 'none' }, `(${setting.range || 'text'}; default ${JSON.stringify(setting.default)})`))))));
}
