// The y axis of a chart whose values are shares: lines and numbers in percent.
const shareAxis = (left, right, y) => [0, 0.5, 1].flatMap((tick) => [
  s('line', { class: tick ? 'soft' : 'axis', x1: left, x2: right, y1: y(tick), y2: y(tick) }),
  s('text', { x: left - 6, y: y(tick) + 4, 'text-anchor': 'end' }, 100 * tick)]);
const errorBar = (x, y, { value, error }, stroke) => s('line', { x1: x, x2: x,
  y1: y(Math.min(1, value + error)), y2: y(Math.max(0, value - error)),
  style: `stroke:${stroke};opacity:.55` });

// Curves of scores by number of edits, for sequential runs.
const laterOf = (score) => (score ? score[state.view === 'made' ? 'score' : state.view] : null);

function curve(column, width) {
  const rows = shown().filter((i) => methods()[i].curve.some((p) => p.groups[column]));
  const left = 32, right = 12, top = 8, high = 170;
  const edits = [...new Set(rows.flatMap((i) => methods()[i].curve.map((p) => p.edits)))]
    .sort((a, b) => a - b);
  const low = Math.log(Math.max(edits[0], 1)), span = Math.log(Math.max(edits.at(-1), 1)) - low;
  const x = (n) => left + (span ? (Math.log(Math.max(n, 1)) - low) / span : 0.5) * (width - left - right);
  const y = (share) => top + (1 - share) * high;
  const svg = s('svg', { width, height: top + high + 38, role: 'img',
    'aria-label': metric(column).title + ' by number of edits' });
  svg.append(...shareAxis(left, width - right, y));
  let last = -Infinity;
  for (const n of edits) {
    if (x(n) - last < 30) continue;  // numbers that would touch
    last = x(n);
    svg.append(s('text', { x: x(n), y: top + high + 18, 'text-anchor': 'middle' }, n));
  }
  svg.append(s('text', { x: (left + width - right) / 2, y: top + high + 33, 'text-anchor': 'middle' },
    'number of edits'));
  for (const i of rows) {
    const points = methods()[i].curve
      .map((p) => ({ ...p, value: laterOf(p.groups[column]), error: errorOf(p.groups[column]) }))
      .filter((p) => p.value !== null && p.value !== undefined);
    svg.append(s('path', { d: 'M' + points.map((p) => `${x(p.edits)} ${y(p.value)}`).join('L'),
      'stroke-dasharray': dash(i), style: `fill:none;stroke:${color(i)};stroke-width:2` }));
    for (const p of points) {
      if (p.error) svg.append(errorBar(x(p.edits), y, p, color(i)));
      svg.append(s('circle', { cx: x(p.edits), cy: y(p.value), r: 3.5, style: 'fill:' + color(i) },
        s('title', {}, `${methods()[i].title}, after ${plural(p.edits, 'edit')}: ` +
          `${percent(p.value)} (${plural(p.judged, 'record')} judged)`)));
    }
  }
  return svg;
}

function curvesSection() {
  if (!methods().some((m) => m.curve.length)) return null;
  const rows = shown().filter((i) => methods()[i].curve.length);
  const columns = block().metrics.map((m) => m.id).filter((c) =>
    rows.some((i) => methods()[i].curve.some((p) => laterOf(p.groups[c]) !== undefined
      && p.groups[c])));
  return section('curves', 'Scores by number of edits',
    'Earlier edits are judged again after these numbers of edits. The x axis is logarithmic. ' +
    'Hover over a dot to see how many edits were judged.', null,
    columns.length ? [h('div', { style: 'margin:0 4px 12px' }, lineLegend()),
      h('div', { class: 'grid' }, columns.map((c) => h('div', { class: 'card pad' },
      h('h3', { title: metric(c).says }, metric(c).title), plot((width) => curve(c, width)))))] : h('div', { class: 'card empty' }, 'None of the selected editors has a curve.'));
}
