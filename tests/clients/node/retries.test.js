// The SDK as everybody has it, with its own retries: it waits for as long as a 429 says, and gets through.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import OpenAI from 'openai';

import { emulator, serve } from './proxy.js';

const messages = [{ role: 'user', content: 'Hello' }];

// Each alias answers one request in a second and a half.
const text = `  api_key: live_0123456789
models:
  plain: &limited {app: emu-gpt-4o-1, limits: {requests_per_minute: 40, burst: 1}}
  streamed: *limited
auth: {mode: open}
`;

let chipp;
let proxy;

before(async () => {
  chipp = await emulator();
  proxy = await serve(chipp.url, text);
});

after(async () => {
  assert.deepEqual([await proxy.stop(), await chipp.stop()], [0, 0]);
});

/** A client with the SDK's own settings, and its attempts: when each was sent, and when and with what it was answered. */
function watched() {
  const attempts = [];
  const client = new OpenAI({
    baseURL: proxy.url,
    apiKey: 'x',
    async fetch(url, options) {
      const attempt = { sent: performance.now() };
      attempts.push(attempt);
      const response = await fetch(url, options);
      return Object.assign(attempt, { answered: performance.now(), response }).response;
    },
  });
  return { client, attempts };
}

describe('a denied request waits and gets through', { timeout: 60_000 }, () => {
  for (const model of ['plain', 'streamed']) {
    test(model, async () => {
      const { client, attempts } = watched();
      const ask = { model, messages, stream: model === 'streamed' };
      // The one that there is room for.
      await client.chat.completions.create({ model, messages });
      const answer = await client.chat.completions.create(ask);
      let said = '';
      if (ask.stream) for await (const chunk of answer) said += chunk.choices[0]?.delta.content ?? '';
      else said = answer.choices[0].message.content;
      assert.ok(said);

      assert.deepEqual(attempts.map(({ response }) => response.status), [200, 429, 200]);
      const [, denied, passed] = attempts;
      const asked = Number(denied.response.headers.get('retry-after-ms'));
      assert.ok(asked > 0 && asked <= 1500, `${asked}`);
      const waited = passed.sent - denied.answered;
      // Node's timers count whole milliseconds.
      assert.ok(waited >= asked - 1, `${waited} of ${asked}`);
    });
  }
});
