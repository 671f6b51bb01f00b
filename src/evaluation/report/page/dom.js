// The data of the page and what is selected.
const DATA = JSON.parse(document.getElementById('data').textContent);

// The selections on the page. `show`: the editors in charts and records.
const state = { block: 0, view: 'score', published: true, sort: null, show: new Set() };
const block = () => DATA.blocks[state.block];
const methods = () => block().methods;
const shown = () => methods().map((m, i) => i).filter((i) => state.show.has(i));
const metric = (id) => block().metrics.find((m) => m.id === id);

function color(index) {
  if (methods()[index].base) return 'var(--base)';
  const before = methods().slice(0, index).filter((m) => !m.base).length;
  return 'var(--c' + (before % 8) + ')';
}
// Colors repeat after eight editors; lines are then dashed.
function dash(index) {
  if (methods()[index].base) return '2 3';
  return [null, '7 3', '2 2', '9 3 2 3'][Math.floor(index / 9) % 4];
}
const swatch = (index) => h('span', { class: 'swatch', style: 'background:' + color(index) });

const VIEWS = {
  score: ['Protocol score', 'score of the protocol'],
  generated: ['Generated, exact', 'share of generated answers with exactly the expected text'],
  vqa: ['Generated, VQA-style',
    'share of generated answers that are equal after VQA normalization (articles, punctuation)'],
  made: ['Right after the edit', 'score of the protocol, right after each edit was made'],
};
const valueOf = (score) => (score ? score[state.view] : null);
const errorOf = (score) => (score && state.view === 'score' ? score.error : null);
