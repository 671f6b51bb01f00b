// The picture of a question: chosen, dropped, pasted, or one of the examples.
function readPicture(file, done) {
  if (!file || !file.type.startsWith('image/')) return announce('This file is not a picture.');
  const reader = new FileReader();
  reader.onload = () => done({ name: file.name || 'picture.png', url: reader.result });
  reader.readAsDataURL(file);
}

function setPicture(picture) {
  app.picture = picture;
  app.asked = null;
  show();
}

function pictureBox() {
  const input = h('input', { type: 'file', accept: 'image/*', class: 'hidden', id: 'file',
    'aria-label': 'Picture file', onchange: (e) => readPicture(e.target.files[0], setPicture) });
  const choose = h('button', { class: 'quiet', type: 'button', onclick: () => input.click() },
    app.picture ? 'Another picture' : 'Choose a picture');
  const box = h('div', { class: 'drop card' + (app.picture ? ' full' : ''),
    ondragover: (e) => { e.preventDefault(); box.classList.add('over'); },
    ondragleave: () => box.classList.remove('over'),
    ondrop: (e) => {
      e.preventDefault();
      box.classList.remove('over');
      readPicture(e.dataTransfer.files[0], setPicture);
    } },
  app.picture
    ? h('img', { src: app.picture.url, alt: 'Picture of the question: ' + app.picture.name })
    : h('p', { class: 'sub' }, 'Drop a picture here, paste it, or ask without a picture.'),
  h('div', { class: 'drop-tools' }, choose, app.picture && h('button', { class: 'quiet', type: 'button',
    onclick: () => setPicture(null) }, 'No picture'), input));
  return box;
}

function exampleRow() {
  if (!app.model.examples || !app.model.examples.length) return null;
  return h('div', { class: 'examples', role: 'group', 'aria-label': 'Examples' },
    h('span', { class: 'under' }, 'Examples'), app.model.examples.map((one) =>
      h('button', { class: 'example', type: 'button', title: one.prompt, onclick: () => {
        app.picture = one.image ? { name: 'example.png', url: one.image } : null;
        app.prompt = one.prompt;
        app.asked = null;
        show();
        ask();
      } }, one.image ? h('img', { src: one.image, alt: '' }) : h('span', { class: 'thumb tiny' }, 'text'),
      h('span', {}, one.prompt))));
}

document.addEventListener('paste', (event) => {
  const file = [...(event.clipboardData || { files: [] }).files].find((f) => f.type.startsWith('image/'));
  if (file && app.model && !app.model.text_only && app.view === 'ask') readPicture(file, setPicture);
});
