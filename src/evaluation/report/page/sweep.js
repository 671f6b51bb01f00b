// Scores by the values of a setting: one line for each metric.
const metricColor = (k) => 'var(--c' + (k % 8) + ')';

// The points of a metric that were measured, with the places of their values on the x axis.
const sweepPoints = (sweep, column) => sweep.points.map(({ value, method }, place) => {
  const score = methods()[method].groups[column];
  return { place, name: value, value: valueOf(score), error: errorOf(score), score };
}).filter((p) => p.value !== null && p.value !== undefined);

function sweepPlot(sweep, columns, width) {
  const left = 32, right = 12, top = 8, high = 220, n = sweep.points.length;
  const step = (width - left - right) / n;
  // Points of one value are side by side, so that their error bars do not overlap.
  const x = (place, k = (columns.length - 1) / 2) =>
    left + (place + 0.5) * step + (k - (columns.length - 1) / 2) * Math.min(5, step / 10);
  const y = (share) => top + (1 - share) * high;
  const svg = s('svg', { width, height: top + high + 38, role: 'img',
    'aria-label': `Scores of ${sweep.editor} by ${sweep.setting}` });
  svg.append(...shareAxis(left, width - right, y));
  const every = Math.ceil(30 / step);  // values that would touch are left out
  sweep.points.forEach(({ value }, place) => {
    if (place % every === 0)
      svg.append(label(value, x(place), top + high + 18, { 'text-anchor': 'middle' }, step * every));
  });
  svg.append(label(sweep.setting, (left + width - right) / 2, top + high + 33,
    { 'text-anchor': 'middle' }, width - left - right));
  columns.forEach((column, k) => {
    const points = sweepPoints(sweep, column);
    svg.append(s('path', { d: 'M' + points.map((p) => `${x(p.place, k)} ${y(p.value)}`).join('L'),
      style: `fill:none;stroke:${metricColor(k)};stroke-width:2` }));
    for (const p of points) {
      if (p.error) svg.append(errorBar(x(p.place, k), y, p, metricColor(k)));
      svg.append(s('circle', { cx: x(p.place, k), cy: y(p.value), r: 3.5,
        style: 'fill:' + metricColor(k) },
        s('title', {}, `${metric(column).title}, ${sweep.setting}=${p.name}: ${percent(p.value)}` +
          (p.error ? ' ± ' + percent(p.error) : '') + ` (${plural(p.score.probes, 'probe')})`)));
    }
  });
  return svg;
}

function sweepSection() {
  if (!block().sweeps.length) return null;
  return section('sweep', 'Scores by setting',
    'In percent, for each value of the setting; bars show the error of the table. Hover over a dot ' +
    'to see its score.', null,
    block().sweeps.map((sweep) => {
      const columns = block().columns.filter((c) => sweepPoints(sweep, c).length);
      return h('div', { class: 'card pad', style: 'margin-bottom:12px' },
        h('h3', {}, `${sweep.setting} of ${sweep.editor}`),
        h('div', { class: 'lines' }, columns.map((c, k) => h('span', { title: metric(c).says },
          s('svg', { width: 26, height: 10 }, s('line', { x1: 1, x2: 25, y1: 5, y2: 5,
            style: `stroke:${metricColor(k)};stroke-width:2.5` })), metric(c).title))),
        plot((width) => sweepPlot(sweep, columns, width)));
    }));
}
