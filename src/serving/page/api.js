// The requests of the page. All of them go to the server that sent the page.

const TOKEN = 'emend_token';

class ApiFailure extends Error {
  constructor(status, error) {
    super(error.message || `status ${status}`);
    this.status = status;
    this.param = error.param;
  }
}

function headers(extra) {
  const token = sessionStorage.getItem(TOKEN);
  return token ? { ...extra, Authorization: 'Bearer ' + token } : extra || {};
}

// Frames and downloads send the token as a cookie, in hexadecimal digits, because they have no headers.
function setToken(token) {
  sessionStorage.setItem(TOKEN, token);
  const digits = [...new TextEncoder().encode(token)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  document.cookie = `${TOKEN}=${digits}; SameSite=Strict; path=/api`;
}

async function request(method, path, body, signal) {
  let response;
  try {
    response = await fetch('/api/' + path, { method, signal, cache: 'no-store',
      headers: headers(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiFailure(0, { message: 'the server does not answer; is it still running?' });
  }
  if (response.ok) return response;
  let error = {};
  try {
    error = (await response.json()).error || {};
  } catch (_) { /* no JSON: the status says it all */ }
  throw new ApiFailure(response.status, error);
}
const get = async (path) => (await request('GET', path)).json();
const post = async (path, body, signal) => (await request('POST', path, body, signal)).json();
const put = async (path, body) => (await request('PUT', path, body)).json();
const remove = async (path) => (await request('DELETE', path)).json();
const part = encodeURIComponent;

// Calls `take(event, data)` for each server-sent event, until the stream ends.
async function events(path, take) {
  const response = await request('GET', path);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
      let event = 'message', data = '';
      for (const line of text.slice(0, end).split('\n')) {
        if (line.startsWith('event:')) event = line.slice(6).trim();
        if (line.startsWith('data:')) data += line.slice(5).trim();
      }
      if (data) take(event, JSON.parse(data));
    }
  }
}
