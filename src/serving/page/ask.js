// The question, and the answers of the unedited and the edited model.
function announce(text) { document.getElementById('live').textContent = text; }

const picturePart = () => (app.picture ? { image: app.picture.url } : {});

// The names of questions whose unedited answer is known, with the hash of its logits.
function remember(query, answer) {
  const key = JSON.stringify([query.prompt, query.image || '']);
  const known = app.hashes.get(key);
  if (known === undefined) app.hashes.set(key, answer.logits);
  return known === undefined ? null : known === answer.logits;
}

// What was entered for another question does not belong to this one.
function forgetQuestion() {
  Object.assign(app.edit, { target: '', name: '', subject: '', rephrasings: '', consequences: '' });
  Object.assign(app.trace, { subject: '', target: '', result: null });
}

async function ask() {
  if (!app.prompt.trim()) return;
  if (app.lastPrompt !== app.prompt) forgetQuestion();
  app.lastPrompt = app.prompt;
  const query = { prompt: app.prompt, ...picturePart() };
  const turn = ++app.turn;
  app.asked = { waiting: true, query };
  show('answers', 'correct');
  try {
    const base = await post('ask', { ...query, patches: [] });
    const unchanged = remember(query, base);
    const stack = app.stack.length ? await post('ask', query) : null;
    if (turn !== app.turn) return;
    app.asked = { query, base, stack, unchanged, names: [...app.stack] };
    announce('Answer: ' + (stack || base).answer);
  } catch (error) {
    if (turn !== app.turn) return;
    app.asked = { query, error };
  }
  show('answers', 'correct');
}

// One token of the answer. Its color is darker the less probable the token is.
function tokenChip(token) {
  const share = token.probability;
  const name = token.end ? 'end of answer' : token.text.trim() === '' ? JSON.stringify(token.text) : token.text;
  return h('details', { class: 'token' }, h('summary', { title: `probability ${percent(share)} %` },
    h('span', { class: token.end ? 'end' : null }, name), h('small', {}, percent(share) + ' %'),
    h('span', { class: 'meter' }, h('i', { style: `width:${100 * share}%` }))),
  h('ol', { class: 'alternatives' }, (token.alternatives || []).map((other) => h('li', {},
    h('span', {}, other.text === '' ? 'end of answer' : JSON.stringify(other.text)),
    h('b', {}, percent(other.probability) + ' %')))));
}

function answerCard(title, answer, other) {
  const differs = other && other.answer !== answer.answer;
  return h('div', { class: 'card pad answer' }, h('h3', {}, title),
    h('p', { class: 'big' + (differs ? ' changed' : '') }, answer.answer || h('i', {}, 'empty answer')),
    answer.truncated && h('p', { class: 'under' }, 'The answer was truncated.'),
    h('div', { class: 'tokens' }, answer.tokens.map(tokenChip)),
    answer.touched && answer.touched.length > 0 &&
      h('p', { class: 'under' }, 'Answered from the memory of ' + answer.touched.join(', ')),
    h('p', { class: 'under', title: 'Hash of the float32 logits: equal values mean equal bits' },
      `${answer.seconds.toFixed(2)} s · logits ${answer.logits.slice(0, 12)}`));
}

const stackTitle = (names) => 'With ' + names.join(' + ');

function answersPart() {
  const asked = app.asked;
  const box = (...children) => h('div', { id: 'answers', 'aria-live': 'polite' }, children);
  if (!asked) return box();
  if (asked.waiting) return box(h('div', { class: 'card empty' }, 'The model is answering …'));
  if (asked.error) return box(failure(asked.error));
  return box(h('div', { class: asked.stack ? 'pair' : null },
    answerCard(asked.stack ? 'Unedited model' : 'Answer of the unedited model', asked.base),
    asked.stack && answerCard(stackTitle(asked.names), asked.stack, asked.base)),
  asked.unchanged !== null && h('p', { class: 'check-line ' + (asked.unchanged ? 'right' : 'wrong') },
    asked.unchanged
      ? 'The unedited model answers as before, bit for bit.'
      : 'The unedited model no longer gives the same logits. This should never happen.'));
}

function askView() {
  const prompt = h('textarea', { id: 'prompt', rows: 2, placeholder: 'What is the name of the creature?',
    oninput: (e) => { app.prompt = e.target.value; },
    onkeydown: (e) => {
      if (e.key === 'Enter' && !e.shiftKey && !e.isComposing) { e.preventDefault(); ask(); }
    } });
  prompt.value = app.prompt;
  return [h('div', { class: 'workspace' + (app.model.text_only ? ' text-only' : '') },
    !app.model.text_only && h('div', { class: 'side' }, pictureBox()),
    h('div', {},
      h('form', { class: 'card pad', onsubmit: (e) => { e.preventDefault(); ask(); } },
        h('label', { for: 'prompt' }, 'Question'), prompt,
        h('div', { class: 'row' }, h('button', { class: 'primary', type: 'submit', id: 'ask' }, 'Ask'),
          h('span', { class: 'under' }, app.stack.length
            ? `Also asked with the active patches: ${app.stack.join(', ')}` : 'Enter asks; Shift+Enter starts a line'))),
      answersPart())),
  exampleRow(), correctPart(), h('div', { id: 'result' }, app.result && resultPart(app.result))];
}
