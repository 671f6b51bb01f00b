// Long work: its progress, and how to cancel it.
const ENDS = ['done', 'failed', 'cancelled'];

// Follows a job until it ends. Returns the job with its result. Throws ApiFailure if it failed or was
// cancelled. `show(progress)` is called with {part, step, steps, loss}.
async function follow(id, show) {
  let last = null;
  for (let attempt = 0; !last && attempt < 5; ++attempt) {
    try {
      await events(`jobs/${part(id)}/events`, (event, data) => {
        if (event === 'progress') show(data);
        if (ENDS.includes(event)) last = data;
      });
    } catch (error) {
      if (error.status) throw error;  // else the connection ended
    }
    if (!last) {
      const job = await get('jobs/' + part(id));
      if (ENDS.includes(job.status)) last = job;
      else await new Promise((wait) => setTimeout(wait, 500));
    }
  }
  if (last && last.status === 'done') return last;
  const why = last && (last.error && (last.error.message || last.error) || last.status);
  throw new ApiFailure(0, { message: why || 'the connection to the job was lost' });
}

// Starts a job with `start()` and shows its progress in `box`. Returns the job, or null if it failed; the
// reason is then shown in `box`.
async function runJob(box, start, title) {
  const bar = h('i', { style: 'width:0' });
  const text = h('span', {}, title);
  const curve = h('div', { class: 'spark' });
  const losses = [];
  let id = null;
  const cancel = h('button', { class: 'quiet', type: 'button', onclick: async () => {
    cancel.disabled = true;
    if (id) await remove('jobs/' + part(id)).catch(() => {});
  } }, 'Cancel');
  box.replaceChildren(h('div', { class: 'card pad job', role: 'status' },
    h('div', { class: 'job-head' }, text, cancel), h('div', { class: 'track' }, bar), curve));
  const begin = performance.now();
  const timer = setInterval(() => showSeconds(), 200);
  let progress = {};
  const showSeconds = () => {
    const { part: name, step, steps, loss } = progress;
    text.textContent = `${name || title}` +
      (steps ? `, step ${step} of at most ${steps}` : '') +
      (loss !== undefined && loss !== null ? `, loss ${loss.toPrecision(3)}` : '') +
      ` · ${((performance.now() - begin) / 1000).toFixed(1)} s`;
  };
  try {
    id = (await start()).job;
    refreshJobs();
    const job = await follow(id, (now) => {
      progress = now;
      bar.style.width = now.steps ? `${Math.min(100, 100 * now.step / now.steps)}%` : '8%';
      if (typeof now.loss === 'number') {
        losses.push(now.loss);
        curve.replaceChildren(lossCurve(losses, 320, 56));
      }
      showSeconds();
    });
    box.replaceChildren();
    return job;
  } catch (error) {
    box.replaceChildren(failure(error));
    return null;
  } finally {
    clearInterval(timer);
    refreshJobs();
  }
}

const failure = (error) => h('p', { class: 'note bad', role: 'alert' }, error.message || String(error));

// The loss after each step of an edit.
function lossCurve(losses, width, height) {
  const most = Math.max(...losses, 1e-9);
  const x = (i) => 2 + (losses.length > 1 ? i / (losses.length - 1) : 0) * (width - 4);
  const y = (loss) => height - 3 - Math.max(loss, 0) / most * (height - 6);
  const path = losses.map((loss, i) => `${i ? 'L' : 'M'}${x(i).toFixed(1)} ${y(loss).toFixed(1)}`).join('');
  return s('svg', { width, height, viewBox: `0 0 ${width} ${height}`, role: 'img',
    'aria-label': `loss from ${losses[0].toPrecision(3)} to ${losses[losses.length - 1].toPrecision(3)} in ` +
      plural(losses.length - 1, 'step') },
  s('path', { class: 'soft', d: `M0 ${height - 2}H${width}` }),
  s('path', { d: path, style: 'fill:none;stroke:var(--accent);stroke-width:1.6' }));
}

// The jobs that run or wait, in the bar.
async function refreshJobs() {
  const { jobs } = await get('jobs').catch(() => ({ jobs: [] }));
  app.jobs = jobs;
  const active = jobs.filter((job) => !ENDS.includes(job.status));
  document.getElementById('jobs').replaceChildren(...(active.length
    ? [h('span', { class: 'tag', title: active.map((job) => job.title || job.kind).join('\n') },
      plural(active.length, 'job'))] : []));
}

// The median duration of finished edits with this editor, in seconds; null: none yet.
function editSeconds(editor) {
  const times = app.jobs.filter((job) => job.kind === 'edit' && job.status === 'done' && job.editor === editor)
    .map((job) => job.seconds).sort((a, b) => a - b);
  return times.length ? times[Math.floor(times.length / 2)] : null;
}
