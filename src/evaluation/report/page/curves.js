// The y axis of a chart whose values are shares: lines and numbers in percent.
const shareAxis = (left, right, y) => [0, 0.5, 1].flatMap((tick) => [
  s('line', { class: tick ? 'soft' : 'axis', x1: left, x2: right, y1: y(tick), y2: y(tick) }),
  s('text', { x: left - 6, y: y(tick) + 4, 'text-anchor': 'end' }, 100 * tick)]);
const errorBar = (x, y, { value, error }, stroke) => s('line', { x1: x, x2: x,
  y1: y(Math.min(1, value + error)), y2: y(Math.max(0, value - error)),
  style: `stroke:${stroke};opacity:.55` });
// The same for seconds from 0 to `most`.
const secondsAxis = (most) => (left, right, y) => [0, most / 2, most].flatMap((tick) => [
  s('line', { class: tick ? 'soft' : 'axis', x1: left, x2: right, y1: y(tick), y2: y(tick) }),
  s('text', { x: left - 6, y: y(tick) + 4, 'text-anchor': 'end' }, seconds(tick))]);

// Lines of values by number of edits, whose axis is logarithmic.
// lines: [{method, points: [{edits, value, error, says}]}]; most: the largest value of the y axis.
function editsChart(title, lines, { left, most, axis }, width) {
  const right = 12, top = 8, high = 170;
  const edits = [...new Set(lines.flatMap(({ points }) => points.map((p) => p.edits)))].sort((a, b) => a - b);
  const low = Math.log(Math.max(edits[0], 1)), span = Math.log(Math.max(edits.at(-1), 1)) - low;
  const x = (n) => left + (span ? (Math.log(Math.max(n, 1)) - low) / span : 0.5) * (width - left - right);
  const y = (value) => top + (1 - value / most) * high;
  const svg = s('svg', { width, height: top + high + 38, role: 'img', 'aria-label': title + ' by number of edits' });
  svg.append(...axis(left, width - right, y));
  let last = -Infinity;
  for (const n of edits) {
    if (x(n) - last < 30) continue;  // numbers that would touch
    last = x(n);
    svg.append(s('text', { x: x(n), y: top + high + 18, 'text-anchor': 'middle' }, n));
  }
  svg.append(s('text', { x: (left + width - right) / 2, y: top + high + 33, 'text-anchor': 'middle' },
    'number of edits'));
  for (const { method: i, points } of lines) {
    svg.append(s('path', { d: 'M' + points.map((p) => `${x(p.edits)} ${y(p.value)}`).join('L'),
      'stroke-dasharray': dash(i), style: `fill:none;stroke:${color(i)};stroke-width:2` }));
    for (const p of points) {
      if (p.error) svg.append(errorBar(x(p.edits), y, p, color(i)));
      svg.append(s('circle', { cx: x(p.edits), cy: y(p.value), r: 3.5, style: 'fill:' + color(i) },
        s('title', {}, `${methods()[i].title}, after ${plural(p.edits, 'edit')}: ${p.says}`)));
    }
  }
  return svg;
}

// The lines of the selected editors. point: (point of a curve) -> {value, error, says}.
const linesOf = (point) => shown().map((i) => ({ method: i, points: methods()[i].curve
  .map((p) => ({ edits: p.edits, ...point(p) }))
  .filter((p) => p.value !== null && p.value !== undefined) })).filter(({ points }) => points.length);

const chartCard = (title, says, chart) =>
  h('div', { class: 'card pad' }, h('h3', { title: says }, title), plot(chart));

// Scores of sequential runs.
const laterOf = (score) => (score ? score[state.view === 'made' ? 'score' : state.view] : null);
const scoreLines = (column) => linesOf((p) => {
  const value = laterOf(p.groups[column]);
  return { value, error: errorOf(p.groups[column]),
    says: `${percent(value)} (${plural(p.judged, 'record')} judged)` };
});

const TIMES = { edit_seconds: ['Seconds per edit', 'Mean of the edits since the point before'],
  judge_seconds: ['Seconds to judge', 'Mean time to run all probes of a record after these edits'] };
const timeLines = (key) => linesOf((p) => ({ value: p[key], says: seconds(p[key]) }));

function curvesSection() {
  if (!methods().some((m) => m.curve.length)) return null;
  const scores = block().metrics.map(({ id, title, says }) => [title, says, scoreLines(id)])
    .filter(([, , lines]) => lines.length)
    .map(([title, says, lines]) => chartCard(title, says,
      (width) => editsChart(title, lines, { left: 32, most: 1, axis: shareAxis }, width)));
  const times = Object.entries(TIMES).map(([key, [title, says]]) => [title, says, timeLines(key)])
    .filter(([, , lines]) => lines.length)
    .map(([title, says, lines]) => {
      const most = Math.max(...lines.flatMap(({ points }) => points.map((p) => p.value))) || 1;
      return chartCard(title, says,
        (width) => editsChart(title, lines, { left: 64, most, axis: secondsAxis(most) }, width));
    });
  return section('curves', 'Scores and times by number of edits',
    'Earlier edits are judged again after these numbers of edits. The x axis is logarithmic. ' +
    'Hover over a dot to see how many edits were judged.', null,
    scores.length ? [h('div', { style: 'margin:0 4px 12px' }, lineLegend()),
      h('div', { class: 'grid' }, scores, times)]
      : h('div', { class: 'card empty' }, 'None of the selected editors has a curve.'));
}
