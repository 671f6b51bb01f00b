// Bars, profile and text x picture grid of the selected editors.
function chooser() {
  const all = methods();
  const toggle = (i) => {
    state.show.has(i) ? state.show.delete(i) : state.show.add(i);
    redraw('charts', 'grid', 'curves', 'records');
  };
  const set = (some) => { state.show = new Set(some); redraw('charts', 'grid', 'curves', 'records'); };
  return h('div', { class: 'chips', role: 'group', 'aria-label': 'Editors shown below' },
    all.length > 4 && h('button', { class: 'chip all', type: 'button',
      onclick: () => set(all.map((m, i) => i)) }, 'all'),
    all.length > 4 && h('button', { class: 'chip all', type: 'button', onclick: () => set([]) }, 'none'),
    all.map((m, i) => h('button', { class: 'chip', type: 'button',
      'aria-pressed': String(state.show.has(i)), onclick: () => toggle(i) }, swatch(i), m.title)));
}

// Horizontal bars from 0 to 100 with error whiskers.
function bars(column, width) {
  const rows = shown();
  const left = Math.min(150, Math.max(...rows.map((i) => methods()[i].title.length)) * 7 + 12,
    0.42 * width);
  const right = 52, step = 26, top = 4;
  const x = (share) => left + share * (width - left - right);
  const bottom = top + rows.length * step;
  const svg = s('svg', { width, height: bottom + 20, role: 'img',
    'aria-label': metric(column).title + ' by editor' });
  for (const tick of [0, 0.25, 0.5, 0.75, 1]) {
    svg.append(s('line', { class: tick ? 'soft' : 'axis', x1: x(tick), x2: x(tick), y1: top,
      y2: bottom }));
    if (tick * 2 % 1 === 0)
      svg.append(s('text', { x: x(tick), y: bottom + 15, 'text-anchor': 'middle' }, 100 * tick));
  }
  rows.forEach((i, row) => {
    const score = methods()[i].groups[column], value = valueOf(score), error = errorOf(score);
    const middle = top + row * step + step / 2;
    svg.append(label(methods()[i].title, left - 8, middle + 4,
      { 'text-anchor': 'end', class: 'strong' }, left - 8));
    if (value === null || value === undefined) {
      svg.append(s('text', { x: left + 6, y: middle + 4 }, 'not measured'));
      return;
    }
    svg.append(s('rect', { x: left, y: middle - 8, width: Math.max(x(value) - left, 1), height: 16,
      rx: 2, style: 'fill:' + color(i) },
      s('title', {}, `${methods()[i].title}: ${percent(value)} (${plural(score.probes, 'probe')})`)));
    if (error) {
      const [from, to] = [x(Math.max(value - error, 0)), x(Math.min(value + error, 1))];
      svg.append(s('path', { d: `M${from} ${middle}H${to}M${from} ${middle - 4}v8M${to} ${middle - 4}v8`,
        style: 'stroke:var(--text);stroke-width:1.2;fill:none' }));
    }
    svg.append(s('text', { x: width, y: middle + 4, 'text-anchor': 'end', class: 'strong' },
      percent(value)));
  });
  return svg;
}

function radar(columns, width) {
  const size = Math.min(width, 520);
  const high = Math.round(size * 0.8), cx = width / 2, cy = high / 2 + 4;
  const radius = Math.min(high / 2 - 30, width / 2 - 86);
  const at = (k, share) => {
    const angle = 2 * Math.PI * k / columns.length - Math.PI / 2;
    return [cx + radius * share * Math.cos(angle), cy + radius * share * Math.sin(angle)];
  };
  const path = (points) => 'M' + points.map((p) => p.map((v) => v.toFixed(1)).join(' ')).join('L') + 'Z';
  const svg = s('svg', { width, height: high + 8, role: 'img', 'aria-label': 'Profile of editors' });
  for (const ring of [0.25, 0.5, 0.75, 1])
    svg.append(s('path', { class: ring === 1 ? 'axis' : 'soft',
      d: path(columns.map((c, k) => at(k, ring))) }));
  columns.forEach((c, k) => {
    const [x, y] = at(k, 1), [lx, ly] = at(k, 1 + 14 / radius);
    svg.append(s('line', { class: 'soft', x1: cx, y1: cy, x2: x, y2: y }));
    const anchor = Math.abs(lx - cx) < 4 ? 'middle' : lx > cx ? 'start' : 'end';
    svg.append(s('text', { x: lx, y: ly + 4, 'text-anchor': anchor, class: 'strong' },
      metric(c).title));
  });
  const many = shown().length > 4;
  for (const i of shown()) {
    const points = columns.map((c, k) => at(k, valueOf(methods()[i].groups[c]) || 0));
    svg.append(s('path', { d: path(points), 'stroke-dasharray': dash(i), 'stroke-linejoin': 'round',
      style: `fill:${color(i)};fill-opacity:${methods()[i].base || many ? 0 : 0.09};stroke:${color(i)};` +
        'stroke-width:2' }, s('title', {}, methods()[i].title)));
    if (!methods()[i].base)
      points.forEach(([x, y]) => svg.append(s('circle', { cx: x, cy: y, r: 3,
        style: 'fill:' + color(i) })));
  }
  // Labels are between two axes, where fewer lines cross them.
  const half = Math.PI / columns.length;
  for (const ring of [0.5, 1])
    svg.append(s('text', { x: cx - radius * ring * Math.cos(half) * Math.sin(half) - 4,
      y: cy - radius * ring * Math.cos(half) * Math.cos(half) - 4, 'text-anchor': 'end',
      style: 'font-size:10.5px' }, 100 * ring));
  return svg;
}

function lineLegend() {
  return h('div', { class: 'lines' }, shown().map((i) => h('span', {},
      s('svg', { width: 26, height: 10 }, s('line', { x1: 1, x2: 25, y1: 5, y2: 5,
      'stroke-dasharray': dash(i), style: `stroke:${color(i)};stroke-width:2.5` })),
    methods()[i].title)));
}

function chartsSection() {
  const columns = block().columns
    .filter((c) => methods().some((m) => valueOf(m.groups[c]) !== undefined && m.groups[c]));
  const parts = [chooser()];
  if (!shown().length) {
    parts.push(h('div', { class: 'card empty' }, 'No editor is selected.'));
  } else {
    parts.push(h('div', { class: 'grid' }, columns.map((c) => h('div', { class: 'card pad' },
      h('h3', { title: metric(c).says }, metric(c).title), plot((width) => bars(c, width))))));
    // A profile needs at least three axes.
    if (columns.length >= 3)
      parts.push(h('div', { class: 'card pad', style: 'margin-top:12px' }, h('h3', {}, 'Profile'),
        h('div', { class: 'profile' }, plot((width) => radar(columns, width)), lineLegend())));
  }
  return section('charts', 'Charts',
    'In percent; whiskers show the error of the table. The selection of editors applies to all ' +
    'parts below.',
    null, parts);
}

const TEXTS = ['edited', 'similar', 'unrelated'];
const PICTURES = ['edited', 'similar', 'unrelated', 'none'];

// Cells have no VQA-style score. Cells of sequential runs are measured at the end.
const GRID_VIEW = { score: 'score', made: 'score', generated: 'generated', vqa: 'generated' };

function heatmap(index, width) {
  const left = 72, top = 38, row = 46;
  const column = (width - left) / PICTURES.length;
  const svg = s('svg', { width, height: top + TEXTS.length * row + 2, role: 'img',
    'aria-label': 'Text by picture, ' + methods()[index].title });
  svg.append(s('text', { x: left, y: 11 }, 'Picture'), s('text', { x: 0, y: top - 8 }, 'Text'));
  PICTURES.forEach((p, k) => svg.append(s('text', { x: left + (k + 0.5) * column, y: top - 8,
    'text-anchor': 'middle', class: 'strong' }, p)));
  TEXTS.forEach((t, r) => {
    const y = top + r * row;
    svg.append(s('text', { x: 0, y: y + row / 2 + 4, class: 'strong' }, t));
    PICTURES.forEach((p, k) => {
      const cell = methods()[index].grid.find((g) => g.text === t && g.image === p);
      const value = cell ? (GRID_VIEW[state.view] in cell ? cell[GRID_VIEW[state.view]] : null) : null;
      const x = left + k * column + 1.5, wide = column - 3, high = row - 3;
      const target = cell && cell.expects === 'target';
      if (value === null || value === undefined) {
        svg.append(s('rect', { x, y, width: wide, height: high, rx: 4, style: 'fill:var(--sunk)' }),
          s('text', { x: x + wide / 2, y: y + row / 2 + 3, 'text-anchor': 'middle' }, '–'));
        return;
      }
      svg.append(
        s('rect', { x, y, width: wide, height: high, rx: 4, style: 'fill:var(--sunk)' }),
        s('rect', { x, y, width: wide, height: high, rx: 4,
          style: `fill:var(--heat);fill-opacity:${0.06 + 0.94 * value}` },
          s('title', {}, `${t} text, ${p === 'none' ? 'no' : p} picture: ` +
            (target ? 'should give the target' : 'should not change') +
            ` – ${percent(value)} of ${plural(cell.probes, 'probe')}`)),
        target && s('rect', { x: x + 1.5, y: y + 1.5, width: wide - 3, height: high - 3, rx: 3,
          style: 'fill:none;stroke:var(--c1);stroke-width:2.5' }) || '',
        s('text', { x: x + wide / 2, y: y + row / 2 + 3, 'text-anchor': 'middle',
          style: `font-size:13px;font-weight:600;pointer-events:none;fill:` +
            (value > 0.7 ? 'var(--on-heat)' : 'var(--text)') }, percent(value)));
    });
  });
  return svg;
}

function gridSection() {
  const there = shown().filter((i) => methods()[i].grid.length);
  if (!methods().some((m) => m.grid.length)) return null;
  return section('grid', 'Text × picture',
    'The edited, a similar and an unrelated question, each with the edited, a similar, an ' +
    'unrelated and no picture. Answers in cells with an orange frame should be the target; the ' +
    'other answers should not change. 100 is best in every cell.', null,
    there.length ? h('div', { class: 'grid' }, there.map((i) => h('div', { class: 'card pad' },
      h('h3', {}, swatch(i), methods()[i].title), plot((width) => heatmap(i, width)))))
      : h('div', { class: 'card empty' }, 'None of the selected editors has this grid.'));
}
