// A session in the workbench, run by tests/workbench_test.sh in a folder with scenes/ and runs/.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const { EMEND, BROWSER, SCREENSHOTS } = process.env;
const PICTURE = 'scenes/images/scenes_eval_000003.png';
const QUESTION = 'What is the name of the creature?';
const EVIL = '<img src=x onerror="window.evil = 1">';

const children = [];

// Starts the server and returns its address and a function that ends it.
async function serve(...options) {
  const child = spawn(EMEND, ['serve', '--port', '0', ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  let text = '';
  const url = await new Promise((found, failed) => {
    child.stdout.on('data', (data) => {
      text += data;
      const match = /http:\/\/\S+:\d+/.exec(text);
      if (match) found(match[0] + '/');
    });
    child.on('exit', (status) => failed(new Error(`the server ended with status ${status}: ${text}`)));
  });
  const stop = () => new Promise((ended) => {
    child.removeAllListeners('exit');
    child.on('exit', ended);
    child.kill('SIGTERM');
  });
  return { url, stop };
}

let shots = 0;
async function screenshot(page, name) {
  if (!SCREENSHOTS) return;
  const size = page.viewportSize();
  await page.evaluate(() => scrollTo(0, 0));
  await page.setViewportSize({ width: size.width, height: 1480 });
  await page.screenshot({ path: `${SCREENSHOTS}/${++shots}-${name}.png` });
  await page.setViewportSize(size);
}
const view = (page, name) => page.click(`nav a[href="#${name}"]`);
const texts = (page, selector) => page.locator(selector).allInnerTexts();

async function ask(page, prompt) {
  await page.fill('#prompt', prompt);
  await page.press('#prompt', 'Enter');
  await page.waitForSelector('#answers .answer');
}

async function edit(page, target, change = async () => {}) {
  await page.fill('#target', target);
  await change();
  await page.click('#edit');
  await page.waitForSelector('.before-after', { timeout: 120000 });
  await page.waitForSelector('#answers .answer');
}

async function correctAnswer(page) {
  await page.setInputFiles('#file', PICTURE);
  await page.waitForSelector('.drop img');
  await ask(page, QUESTION);
  assert.deepEqual(await texts(page, '.answer .big'), ['Dweelo']);
  await page.click('.token >> nth=0');
  assert.ok(await page.locator('.token[open] .alternatives li').count() > 0, 'a token has no alternatives');
  await screenshot(page, 'ask');

  let command = '';
  await edit(page, 'Fozzim', async () => {
    await page.waitForFunction(() => document.querySelector('#correct .command code').textContent);
    command = await page.innerText('#correct .command code');
  });
  assert.equal(await page.innerText('#result h2'), 'The edit holds');
  assert.deepEqual(await texts(page, '.answer .big'), ['Dweelo', 'Fozzim']);
  assert.match(await page.innerText('#answers .check-line'), /as before, bit for bit/);
  assert.ok(await page.locator('.probe-table tbody tr').count() > 10, 'there are no probes');
  assert.match(command, /^emend edit --image .* --target Fozzim /);
  assert.equal(await page.innerText('#result .command code'), command);
  await screenshot(page, 'edit');
  await page.check('text=Only changed answers');
  for (const row of await page.locator('.probe-table tbody tr').all()) {
    const [, before, after] = await row.locator('td').allInnerTexts();
    assert.notEqual(before.trim(), after.split('\n')[0].trim());
  }
}

async function failedEdit(page) {
  await page.click('#settings > summary');
  await edit(page, 'Grobbo', () => page.fill('#set-steps', '1'));
  assert.equal(await page.innerText('#result h2'), 'The edit does not hold');
  assert.match(await page.innerText('.failed'), /reason/);
  await screenshot(page, 'failed edit');
  await page.click('.failed .chip >> nth=0');
  assert.notEqual(await page.inputValue('#set-steps'), '1', 'the suggestion was not applied');
  assert.equal((await texts(page, '.answer .big'))[1], 'Fozzim', 'a failed edit is active');
}

async function memoryEdit(page) {
  await page.selectOption('#editor', 'ledger');
  await edit(page, 'Nargi');
  await view(page, 'patches');
  await page.waitForSelector('.patch');
  assert.match(await page.innerText('.patches'), /Certificate: /);
}

async function stack(page) {
  await view(page, 'patches');
  await page.waitForSelector('#patch-fozzim');
  assert.equal(await page.isChecked('#patch-fozzim'), true);
  assert.equal(await page.isChecked('#patch-nargi'), true);
  await page.press('#patch-nargi-up', 'Enter');
  await page.waitForFunction(() => document.querySelector('.patch .check').innerText === 'nargi');
  await page.press('#patch-nargi', 'Space');
  await page.waitForFunction(() => document.querySelectorAll('.patch.on').length === 1);
  await page.click('#check-base');
  await page.waitForSelector('.check-line.right');
  assert.match(await page.innerText('.check-line'), /bit-identical without patches/);
  await screenshot(page, 'patches');
  page.once('dialog', (dialog) => dialog.accept());
  await page.click('[aria-label="Delete nargi"]');
  await page.waitForFunction(() => !document.querySelector('#patch-nargi'));
  assert.equal(existsSync('w/patches/nargi.patch'), false);
  assert.equal(existsSync('w/patches/fozzim.patch'), true);
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('[aria-label="Download fozzim"]')]);
  assert.deepEqual(readFileSync(await download.path()), readFileSync('w/patches/fozzim.patch'));
}

async function trace(page) {
  await view(page, 'trace');
  await page.fill('#trace-subject', 'creature');
  await page.click('#trace');
  await page.waitForSelector('table.heat', { timeout: 120000 });
  assert.ok(await page.locator('.overlay img').evaluate((image) => image.naturalWidth > 0));
  await screenshot(page, 'trace');
  await page.locator('.card:has(h3:text-is("language: mlp")) table.heat tbody tr').last().locator('button').nth(1).click();
  await page.waitForSelector('#editor');
  assert.equal(await page.inputValue('#editor'), 'rome');
  assert.equal(await page.inputValue('#set-layers'), '1');
}

async function runs(page) {
  await view(page, 'runs');
  await page.getByRole('checkbox', { name: 'one', exact: true }).check();
  const frame = page.frameLocator('iframe.report');
  await frame.locator('#results td.name').first().waitFor();
  await screenshot(page, 'report');
  await page.getByRole('checkbox', { name: 'two', exact: true }).check();
  await frame.locator('#results td.name').first().waitFor();
}

async function exports(page) {
  await view(page, 'export');
  await page.check('input[value="peft"]');
  await page.click('#export');
  await page.waitForSelector('#export-result code', { timeout: 120000 });
  const path = await page.innerText('#export-result code');
  assert.ok(existsSync(path + '/adapter_config.json'), path);
  await screenshot(page, 'export');
}

async function layouts(page) {
  for (const width of [360, 768, 1280]) {
    await page.setViewportSize({ width, height: 900 });
    for (const name of ['ask', 'patches', 'trace', 'runs', 'export']) {
      await view(page, name);
      await page.waitForTimeout(50);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(wide <= 0, `${name} is ${wide} pixels too wide at ${width}`);
    }
  }
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const before = await background();
  await page.click('#theme');
  assert.notEqual(await background(), before);
  await view(page, 'ask');
  await screenshot(page, 'dark');
}

// Texts of the user are never parsed as HTML.
async function evilTexts(page) {
  await view(page, 'ask');
  await ask(page, EVIL);
  await edit(page, EVIL, async () => {
    await page.selectOption('#editor', 'ft');
    await page.click('#settings > summary');
    await page.fill('#set-steps', '1');
  });
  await view(page, 'patches');
  await page.waitForSelector('.patch');
  assert.equal(await page.evaluate(() => window.evil), undefined);
}

async function session(browser) {
  const server = await serve('--workspace', 'w', '--runs', 'runs');
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, colorScheme: 'light' });
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.stack));
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  page.on('request', (request) => {
    if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(server.url))
      problems.push('a request to ' + request.url());
  });
  await page.goto(server.url);
  await page.waitForSelector('#ask');
  for (const step of [correctAnswer, failedEdit, memoryEdit, stack, trace, runs, exports, layouts, evilTexts]) {
    await step(page);
    console.log('passed: ' + step.name);
  }
  assert.deepEqual(problems, []);
  await page.close();
  await server.stop();
}

// The page asks for the token, and what the server had is there again after a restart.
async function token(browser) {
  writeFileSync('token', 'a-long-secret-token\n');
  const server = await serve('--workspace', 'w', '--token-file', 'token');
  const page = await browser.newPage();
  await page.goto(server.url);
  for (const [text, next] of [['wrong', '.note.bad'], ['a-long-secret-token', '#ask']]) {
    await page.fill('#token', text);
    await page.press('#token', 'Enter');
    await page.waitForSelector(next);
  }
  await view(page, 'patches');
  await page.waitForSelector('#patch-fozzim');
  assert.equal(await page.isChecked('#patch-fozzim'), true);
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('[aria-label="Download fozzim"]')]);
  assert.equal(await download.failure(), null);
  await page.close();
  await server.stop();
}

const browser = await chromium.launch({ executablePath: BROWSER, args: ['--no-sandbox'] });
try {
  await session(browser);
  await token(browser);
  console.log('passed: token');
} finally {
  children.forEach((child) => child.kill('SIGKILL'));
  await browser.close();
}
