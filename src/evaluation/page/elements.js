// Elements that the pages of emend share. They are built in code only, so that no text of the data is
// parsed as HTML.
'use strict';

const SVG = 'http://www.w3.org/2000/svg';

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'style') element.style.cssText = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  for (const child of children.flat(3))
    if (child !== null && child !== undefined && child !== false)
      element.append(child instanceof Node ? child : String(child));
  return element;
}
const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const s = (tag, attributes, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

// Replaces the children of an element.
const replace = (element, ...children) => {
  element.replaceChildren();
  fill(element, {}, children);
};

// 99.996 is not rounded to 100, which would mean that nothing changed.
function percent(share) {
  if (share === null || share === undefined) return '–';
  const text = (100 * share).toFixed(2);
  return text === '100.00' && share < 1 - 1e-12 ? '99.99' : text;
}
function compact(number) {
  if (number === null || number === undefined) return '–';
  for (const [size, unit] of [[1e9, ' B'], [1e6, ' M'], [1e3, ' k']])
    if (number >= size) return (number / size).toPrecision(3) + unit;
  return Number.isInteger(number) ? String(number) : number.toFixed(1);
}
function seconds(number) {
  if (number === null || number === undefined) return '–';
  if (number === 0) return '0 s';
  if (number < 1) return (1000 * number).toPrecision(number < 0.01 ? 2 : 3) + ' ms';
  return number.toPrecision(3) + ' s';
}
const plural = (count, thing) => count + ' ' + thing + (count === 1 ? '' : 's');

// Draws at the available width, and again when the width changes.
function plot(draw) {
  const box = h('div', { class: 'plot' });
  let width = 0;
  new ResizeObserver(() => {
    const now = Math.floor(box.clientWidth);
    if (now < 40 || now === width) return;
    width = now;
    box.replaceChildren(draw(width));
  }).observe(box);
  return box;
}
// Truncates a text that does not fit. The tooltip has the whole text.
function label(text, x, y, attributes, room) {
  const most = Math.max(3, Math.floor(room / 6.6));
  const cut = text.length > most ? text.slice(0, most - 1) + '…' : text;
  return s('text', { x, y, ...attributes }, s('title', {}, text), cut);
}
function section(id, title, sub, controls, ...children) {
  return h('section', { id, 'aria-label': title },
    h('div', { class: 'head' }, h('h2', {}, title), controls), sub && h('p', { class: 'sub' }, sub),
    children);
}
function segments(options, chosen, pick) {
  return h('div', { class: 'seg', role: 'group' }, options.map(([id, name, title]) =>
    h('button', { type: 'button', title, 'aria-pressed': String(id === chosen),
      onclick: () => pick(id) }, name)));
}
function check(name, on, change) {
  return h('label', { class: 'check' },
    h('input', { type: 'checkbox', checked: on, onchange: (e) => change(e.target.checked) }), name);
}

const factList = (facts) => h('dl', { class: 'facts' },
  facts.map(([name, text]) => [h('dt', {}, name), h('dd', {}, text)]));

// Follows the color scheme of the system until the button is pressed.
function theme() {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  let chosen = null;
  const button = document.getElementById('theme');
  const apply = () => {
    const now = chosen || (dark.matches ? 'dark' : 'light');
    document.documentElement.dataset.theme = now;
    button.textContent = now === 'dark' ? 'Light' : 'Dark';
    button.title = `Show the page in ${now === 'dark' ? 'light' : 'dark'} colors`;
  };
  button.addEventListener('click', () => {
    chosen = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
    apply();
  });
  dark.addEventListener('change', apply);
  apply();
}
