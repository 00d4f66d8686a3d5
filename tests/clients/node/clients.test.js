// The same stories as the Python suite's main ones, told by the official Node SDK.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import OpenAI from 'openai';

import { sandbox } from './proxy.js';

const hello = [{ role: 'user', content: 'Hello' }];
const model = 'gpt-4o';
const timeout = 20_000;

let proxy;
let client;

before(async () => {
  proxy = await sandbox();
  client = new OpenAI({ baseURL: proxy.url, apiKey: 'sk-sandbox-0123456789', maxRetries: 0, timeout });
});

after(async () => {
  assert.equal(await proxy.stop(), 0);
});

/** Which of the user's messages the app says that it answers. */
function number(text) {
  if (text.startsWith('Hello! You said: ')) return 1;
  const found = text.match(/message (\d+) of this conversation/);
  assert.ok(found, text);
  return Number(found[1]);
}

/** The text of a stream. */
async function collect(stream) {
  let text = '';
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
  return text;
}

/** A client with a history, as every chat program keeps one. */
class Chat {
  history = [];

  constructor(fields = {}) {
    this.fields = { model, ...fields };
  }

  async ask(content, { stream = false } = {}) {
    this.history.push({ role: 'user', content });
    const { data, response } = await client.chat.completions
      .create({ ...this.fields, messages: this.history, stream })
      .withResponse();
    const message = stream ? { role: 'assistant', content: await collect(data) } : data.choices[0].message;
    this.history.push(message);
    return { text: message.content, session: response.headers.get('x-chipp-session') };
  }
}

describe('answers', { timeout: 60_000 }, () => {
  test('create', async () => {
    const answer = await client.chat.completions.create({ model, messages: hello });
    assert.equal(answer.object, 'chat.completion');
    assert.equal(answer.model, model);
    assert.ok(answer.choices[0].message.content);
    assert.equal(answer.choices[0].finish_reason, 'stop');
    assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
  });

  test('several choices, of which any may be gone on with', async () => {
    const fields = { model, messages: [{ role: 'user', content: 'Several, please' }], n: 3 };
    const plain = await client.chat.completions.create(fields);
    assert.deepEqual(plain.choices.map((choice) => choice.index), [0, 1, 2]);
    const streamed = await client.chat.completions.stream(fields).finalChatCompletion();
    for (const { message, finish_reason } of [...plain.choices, ...streamed.choices]) {
      assert.equal(finish_reason, 'stop');
      const messages = [...fields.messages, message, { role: 'user', content: 'And now?' }];
      const { response } = await client.chat.completions.create({ model, messages }).withResponse();
      assert.equal(response.headers.get('x-chipp-session'), 'continued');
    }
  });

  test('stream, the same text as plain', async () => {
    const plain = await client.chat.completions.create({ model, messages: hello });
    const chunks = [];
    for await (const chunk of await client.chat.completions.create({ model, messages: hello, stream: true }))
      chunks.push(chunk);
    assert.equal(chunks[0].choices[0].delta.role, 'assistant');
    assert.equal(chunks.at(-1).choices[0].finish_reason, 'stop');
    assert.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1);
    assert.equal(
      chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join(''),
      plain.choices[0].message.content,
    );
  });

  test('the stream helper builds the same answer', async () => {
    const helper = client.chat.completions.stream({ model, messages: hello });
    let text = '';
    helper.on('content', (delta) => (text += delta));
    const final = await helper.finalChatCompletion();
    assert.equal(final.choices[0].message.content, text);
  });

  test('usage at the end of a stream', async () => {
    const stream = await client.chat.completions.create({
      model,
      messages: hello,
      stream: true,
      stream_options: { include_usage: true },
    });
    let last;
    for await (const chunk of stream) {
      if (last) assert.equal(last.usage, null);
      last = chunk;
    }
    assert.deepEqual(last.choices, []);
    assert.ok(last.usage.total_tokens > 0);
  });

  test('headers', async () => {
    for (const stream of [false, true]) {
      const { data, response, request_id } = await client.chat.completions
        .create({ model, messages: hello, stream, temperature: 0 }, { headers: { 'x-request-id': 'my-own-id-42' } })
        .withResponse();
      assert.equal(request_id, 'my-own-id-42');
      assert.equal(response.headers.get('openai-version'), '2020-10-01');
      assert.match(response.headers.get('openai-processing-ms'), /^\d+$/);
      assert.equal(response.headers.get('x-chipp-session'), 'new');
      assert.equal(response.headers.get('x-chipp-ignored-params'), 'temperature');
      if (stream) await collect(data);
    }
  });

  test('stop and max_tokens', async () => {
    const messages = [{ role: 'user', content: 'count to 40' }];
    const whole = (await client.chat.completions.create({ model, messages })).choices[0].message.content;
    const stopped = await client.chat.completions.create({ model, messages, stop: '17' });
    assert.equal(stopped.choices[0].message.content, whole.slice(0, whole.indexOf('17')));
    const short = await client.chat.completions.create({ model, messages, max_tokens: 5 });
    assert.equal(short.choices[0].finish_reason, 'length');
    assert.ok(whole.startsWith(short.choices[0].message.content));
  });
});

describe('models', { timeout: 60_000 }, () => {
  test('list and retrieve', async () => {
    const ids = [];
    for await (const each of client.models.list()) ids.push(each.id);
    assert.ok(ids.includes('gpt-4o') && ids.includes('gpt-4o-mini'));
    assert.equal((await client.models.retrieve(model)).id, model);
  });

  test('unknown', async () => {
    await assert.rejects(client.models.retrieve('org/nobody:free'), (error) => {
      assert.ok(error instanceof OpenAI.NotFoundError);
      assert.equal(error.code, 'model_not_found');
      return true;
    });
  });
});

describe('errors', { timeout: 60_000 }, () => {
  const cases = [
    ['nobody', OpenAI.NotFoundError, 404, 'model_not_found'],
    ['plan-401', OpenAI.PermissionDeniedError, 403, 'plan_required'],
    ['credits-402', OpenAI.RateLimitError, 429, 'insufficient_quota'],
    ['rate-429', OpenAI.RateLimitError, 429, 'rate_limit_exceeded'],
    ['html-502', OpenAI.InternalServerError, 502, 'upstream_error'],
  ];
  for (const [name, kind, status, code] of cases)
    test(name, async () => {
      for (const stream of [false, true])
        await assert.rejects(client.chat.completions.create({ model: name, messages: hello, stream }), (error) => {
          assert.ok(error instanceof kind, `${error.constructor.name}: ${error.message}`);
          assert.equal(error.status, status);
          assert.equal(error.code, code);
          assert.ok(error.error.message);
          assert.ok(error.requestID);
          return true;
        });
    });

  test('bad request names its place', async () => {
    await assert.rejects(client.chat.completions.create({ model, messages: [] }), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.equal(error.param, 'messages');
      assert.equal(error.code, 'empty_array');
      return true;
    });
    await assert.rejects(client.chat.completions.create({ model, messages: hello, logprobs: true }), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.equal(error.code, 'unsupported_parameter');
      return true;
    });
  });

  test('a stream that breaks throws and never ends well', async () => {
    for (const name of ['cut-a', 'cut-b', 'cut-c', 'stream-error-a', 'stream-error-b', 'stream-error-c']) {
      const seen = [];
      await assert.rejects(
        async () => {
          for await (const chunk of await client.chat.completions.create({ model: name, messages: hello, stream: true }))
            seen.push(chunk);
        },
        (error) => error instanceof OpenAI.APIError && error.message.length > 0,
      );
      assert.ok(seen.length > 0);
      assert.ok(seen.every((chunk) => chunk.choices.every((choice) => choice.finish_reason === null)));
    }
  });

  test('the timeout of a client on a silent app', async () => {
    await assert.rejects(
      client.chat.completions.create({ model: 'silent', messages: hello }, { timeout: 300 }),
      OpenAI.APIConnectionTimeoutError,
    );
  });
});

describe('aborts', { timeout: 60_000 }, () => {
  test('a stream by its controller', async () => {
    const stream = await client.chat.completions.create({
      model,
      messages: [{ role: 'user', content: 'count to 500' }],
      stream: true,
    });
    let seen = 0;
    for await (const _ of stream) {
      seen += 1;
      if (seen === 5) stream.controller.abort();
    }
    assert.ok(seen >= 5 && seen < 500);
    assert.ok((await client.chat.completions.create({ model, messages: hello })).choices[0].message.content);
  });

  test('a plain request by a signal', async () => {
    const controller = new AbortController();
    const answer = client.chat.completions.create({ model: 'silent', messages: hello }, { signal: controller.signal });
    controller.abort();
    await assert.rejects(answer, OpenAI.APIUserAbortError);
  });
});

describe('conversations', { timeout: 60_000 }, () => {
  test('ten turns, plain and streamed mixed, are one session', async () => {
    const chat = new Chat();
    const sessions = [];
    for (let turn = 1; turn <= 10; turn += 1) {
      const { text, session } = await chat.ask(`Node turn ${turn}`, { stream: turn % 2 === 0 });
      assert.equal(number(text), turn);
      sessions.push(session);
    }
    assert.deepEqual(sessions, ['new', ...Array(9).fill('continued')]);
  });

  test('two users at once', async () => {
    const talk = async (user) => {
      const chat = new Chat({ user });
      const texts = [(await chat.ask('hi')).text];
      for (let turn = 2; turn <= 10; turn += 1) {
        const { text, session } = await chat.ask(`${user} says ${turn}`, { stream: turn % 2 === 0 });
        assert.equal(session, 'continued');
        texts.push(text);
      }
      return texts;
    };
    const [anna, bert] = await Promise.all([talk('anna'), talk('bert')]);
    for (const texts of [anna, bert]) assert.deepEqual(texts.map(number), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert.ok(!anna.some((text) => text.includes('bert')));
    assert.ok(!bert.some((text) => text.includes('anna')));
  });

  test('an edited history is replayed', async () => {
    const chat = new Chat();
    await chat.ask('My name is Anna');
    chat.history[0] = { role: 'user', content: 'My name is Zoe' };
    const { text, session } = await chat.ask('Who am I?');
    assert.equal(number(text), 2);
    assert.equal(session, 'replayed');
    assert.ok(!text.includes('Anna'));
  });
});
