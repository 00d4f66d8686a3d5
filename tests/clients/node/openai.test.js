// Tools, JSON, legacy completions and responses, by the official Node SDK.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import OpenAI from 'openai';
import { zodFunction, zodResponseFormat, zodTextFormat } from 'openai/helpers/zod';

import { sandbox } from './proxy.js';
import { ask, chatTools, City, filled, Point, responseTools } from './tools.js';

const model = 'gpt-4o';
let proxy;
let client;

before(async () => {
  proxy = await sandbox();
  client = new OpenAI({ baseURL: proxy.url, apiKey: 'sk-sandbox-0123456789', maxRetries: 0, timeout: 20_000 });
});

after(async () => {
  assert.equal(await proxy.stop(), 0);
});

describe('chat', () => {
  const messages = [{ role: 'user', content: ask }];

  test('a call, its result, the answer', async () => {
    const first = await client.chat.completions.create({ model, messages, tools: chatTools });
    const { message, finish_reason } = first.choices[0];
    assert.equal(finish_reason, 'tool_calls');
    const [call] = message.tool_calls;
    assert.deepEqual(JSON.parse(call.function.arguments), { city: 'example' });
    const history = [...messages, message, { role: 'tool', tool_call_id: call.id, content: 'sunny' }];
    const { data, response } = await client.chat.completions
      .create({ model, messages: history, tools: chatTools })
      .withResponse();
    assert.equal(response.headers.get('x-chipp-session'), 'continued');
    assert.match(data.choices[0].message.content, /sunny$/);
  });

  test('the stream helper puts calls together', async () => {
    const runner = client.chat.completions.stream({ model, messages, tools: chatTools });
    const final = await runner.finalChatCompletion();
    assert.equal(final.choices[0].message.tool_calls[0].function.arguments, '{"city":"example"}');
  });

  for (const stream of [false, true]) {
    test(`runTools, ${stream ? 'streamed' : 'plain'}`, async () => {
      const tool = {
        type: 'function',
        function: {
          ...chatTools[0].function,
          parse: JSON.parse,
          function: ({ city }) => `sunny in ${city}`,
        },
      };
      const runner = client.chat.completions.runTools({ model, messages, tools: [tool], stream });
      assert.match(await runner.finalContent(), /sunny in example/);
    });
  }

  test('parse, with a format and with a function', async () => {
    const asked = { model, messages: [{ role: 'user', content: 'Go on.' }] };
    const format = zodResponseFormat(Point, 'point');
    const made = await client.chat.completions.parse({ ...asked, response_format: format });
    assert.deepEqual(made.choices[0].message.parsed, filled);
    const tools = [zodFunction({ name: 'get_weather', parameters: City })];
    const called = await client.chat.completions.parse({ model, messages, tools });
    assert.deepEqual(called.choices[0].message.tool_calls[0].function.parsed_arguments, { city: 'example' });
  });
});

describe('legacy completions', () => {
  test('plain and streamed', async () => {
    const asked = { model, prompt: 'say 3 words', max_tokens: 50 };
    assert.equal((await client.completions.create(asked)).choices[0].text, 'word1 word2 word3');
    let text = '';
    for await (const chunk of await client.completions.create({ ...asked, stream: true })) {
      text += chunk.choices[0]?.text ?? '';
    }
    assert.equal(text, 'word1 word2 word3');
  });
});

describe('responses', () => {
  test('plain, streamed, and gone on from', async () => {
    const first = await client.responses.create({ model, input: 'My name is Ann.' });
    const { data, response } = await client.responses
      .create({ model, input: 'Who am I?', previous_response_id: first.id })
      .withResponse();
    assert.equal(response.headers.get('x-chipp-session'), 'continued');
    assert.match(data.output_text, /My name is Ann\./);
    const stream = client.responses.stream({ model, input: 'Still?', previous_response_id: data.id });
    const kinds = [];
    for await (const event of stream) kinds.push(event.type);
    assert.equal(kinds.at(-1), 'response.completed');
    assert.match((await stream.finalResponse()).output_text, /message 3/);
  });

  test('a call and its output', async () => {
    const first = await client.responses.create({ model, input: ask, tools: responseTools });
    const [call] = first.output;
    assert.deepEqual([call.type, call.arguments], ['function_call', '{"city":"example"}']);
    const input = [{ type: 'function_call_output', call_id: call.call_id, output: 'sunny' }];
    const told = await client.responses.create({
      model, input, previous_response_id: first.id, tools: responseTools,
    });
    assert.match(told.output_text, /sunny$/);
  });

  test('parse', async () => {
    const text = { format: zodTextFormat(Point, 'point') };
    const made = await client.responses.parse({ model, input: 'Go on.', text });
    assert.deepEqual(made.output_parsed, filled);
  });

  test('kept, listed, deleted', async () => {
    const made = await client.responses.create({ model, input: 'Hello' });
    assert.equal((await client.responses.retrieve(made.id)).output_text, made.output_text);
    const items = await client.responses.inputItems.list(made.id);
    assert.equal(items.data[0].content[0].text, 'Hello');
    await client.responses.delete(made.id);
    await assert.rejects(client.responses.retrieve(made.id), OpenAI.NotFoundError);
    await assert.rejects(
      client.responses.create({ model, input: 'x', previous_response_id: made.id }),
      OpenAI.NotFoundError,
    );
  });

  test('conversations', async () => {
    const conversation = await client.conversations.create({
      items: [{ type: 'message', role: 'user', content: 'My name is Ann.' }],
    });
    const answer = await client.responses.create({ model, input: 'Who am I?', conversation: conversation.id });
    assert.match(answer.output_text, /My name is Ann\./);
    const items = await client.conversations.items.list(conversation.id);
    assert.equal(items.data.length, 3);
    assert.equal((await client.conversations.delete(conversation.id)).deleted, true);
  });

  test('what OpenAI runs itself is refused', async () => {
    const tools = [{ type: 'web_search' }];
    await assert.rejects(client.responses.create({ model, input: 'x', tools }), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.equal(error.param, 'tools[0].type');
      return true;
    });
  });
});
