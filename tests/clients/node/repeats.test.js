// The policy for repeats, by the official SDK at its default settings: how many requests reach the upstream.
//
// The SDK repeats 408, 409, 429 and 5xx twice by itself. What an app may have carried out must not be sent again.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';

import OpenAI from 'openai';

import { serve } from './proxy.js';
import { stub } from './stub.js';

const table = JSON.parse(readFileSync(new URL('../repeats.json', import.meta.url)));
const schema = { type: 'object', properties: { x: { type: 'integer' } }, required: ['x'], additionalProperties: false };
const response_format = { type: 'json_schema', json_schema: { name: 'point', strict: true, schema } };
const said = 'Here I am.';
// The first request opens the circuit breaker.
const breaker = { name: 'breaker', settings: 'breaker', upstream: ['500', 'good'], stream: [false, true] };

const mode = (stream) => (stream ? 'streamed' : 'plain');
/** Each case has an app of its own, and so a circuit breaker, a counter, and an alias of the same name. */
const app = (row, stream) => `${row.name}-${mode(stream)}-1`;
const cases = (rows) => rows.flatMap((row) => row.stream.map((stream) => ({ row, stream, model: app(row, stream) })));

/** What comes after `upstream.base_url`. */
function config(settings, apps) {
  const aliases = apps.map((app) => `  ${app}: ${app}\n`).join('');
  return `  api_key: live_0123456789\n  ${table.settings[settings]}\nmodels:\n${aliases}auth: {mode: open}\n`;
}

let chipp;
const proxies = {};

before(async () => {
  const plans = cases([...table.rows, breaker]).map(({ row, model }) => [
    model,
    row.upstream.map((name) => table.answers[name]),
  ]);
  chipp = await stub(Object.fromEntries(plans));
  for (const settings of Object.keys(table.settings)) {
    proxies[settings] = await serve(chipp.url, config(settings, Object.keys(chipp.calls)));
  }
});

after(async () => {
  const codes = await Promise.all(Object.values(proxies).map((proxy) => proxy.stop()));
  await chipp.stop();
  assert.ok(codes.every((code) => code === 0), `${codes}`);
});

/** One request by the SDK as it is: its text or its exception, and the responses that the SDK got. */
async function ask(baseURL, model, stream, { seen = () => {}, headers, ...more } = {}) {
  const responses = [];
  const client = new OpenAI({
    baseURL,
    apiKey: 'x',
    async fetch(url, options) {
      const response = await fetch(url, options);
      responses.push(response);
      seen(response);
      return response;
    },
  });
  assert.equal(client.maxRetries, 2);
  try {
    const messages = [{ role: 'user', content: 'Send the mail.' }];
    const answer = await client.chat.completions.create({ model, messages, stream, ...more }, { headers });
    let text = '';
    if (stream) for await (const chunk of answer) text += chunk.choices[0]?.delta.content ?? '';
    else text = answer.choices[0].message.content;
    return { text, responses };
  } catch (error) {
    assert.ok(error instanceof OpenAI.APIError, error);
    return { error, responses };
  }
}

/** `x-should-retry` of each failed response. */
const header = (responses) =>
  responses.filter(({ status }) => status !== 200).map(({ headers }) => headers.get('x-should-retry'));

/** What the caller of the SDK gets. */
function checkResult(result, row) {
  if (row.raises) {
    assert.equal(result.error?.constructor, OpenAI[row.raises], `${result.error}`);
    assert.deepEqual([result.error.status ?? null, result.error.code ?? null], [row.status, row.code]);
  } else {
    assert.deepEqual([result.text, result.error], [said, undefined]);
  }
}

describe('calls of the upstream', { timeout: 60_000 }, () => {
  for (const { row, stream, model } of cases(table.rows)) {
    test(`${row.name}, ${mode(stream)}`, async () => {
      const { url } = proxies[row.settings ?? 'default'];
      const more = row.json ? { response_format } : {};
      if (row.second_turn) {
        more.headers = { 'X-Conversation-ID': model };
        assert.equal((await ask(url, model, stream, more)).text, said);
      }
      const before = chipp.calls[model];
      const result = await ask(url, model, stream, more);
      assert.equal(chipp.calls[model] - before, row.calls, `x-should-retry: ${JSON.stringify(header(result.responses))}`);
      checkResult(result, row);
      for (const value of header(result.responses)) assert.equal(value, row.x_should_retry);
      assert.equal(result.responses.length, row.attempts ?? 1);
    });
  }
});

describe('an open circuit breaker may be repeated', { timeout: 60_000 }, () => {
  for (const { stream, model } of cases([breaker])) {
    test(mode(stream), async () => {
      const { url } = proxies.breaker;
      const opened = await ask(url, model, stream);
      assert.deepEqual([header(opened.responses), chipp.calls[model]], [['false'], 1]);
      const calls = [];
      const result = await ask(url, model, stream, {
        seen: ({ status }) => calls.push([status, chipp.calls[model]]),
      });
      // None while it is open; the repeat comes when the SDK was told to, and is the probe.
      assert.deepEqual(calls, [[503, 1], [200, 2]]);
      assert.equal(result.text, said);
      assert.deepEqual(header(result.responses), [null]);
      const wait = Number(result.responses[0].headers.get('retry-after-ms'));
      assert.ok(wait > 0 && wait <= 2000, `${wait}`);
    });
  }
});

// The proxy's own retry is the only one: with it the SDK is told not to repeat, without it the SDK does.
describe('no connection', { timeout: 60_000 }, () => {
  for (const [settings, expected] of [['default', ['false']], ['no_retries', [null, null, null]]]) {
    test(settings, async () => {
      const closed = createServer().listen(0, '127.0.0.1');
      await once(closed, 'listening');
      const url = `http://127.0.0.1:${closed.address().port}/api/v1`;
      closed.close();
      await once(closed, 'close');
      const proxy = await serve(url, config(settings, ['app-1']));
      try {
        const { error, responses } = await ask(proxy.url, 'app-1', false);
        assert.equal(error?.constructor, OpenAI.InternalServerError);
        assert.deepEqual([error.status, error.code], [502, 'upstream_error']);
        assert.deepEqual(header(responses), expected);
      } finally {
        await proxy.stop();
      }
    });
  }
});
