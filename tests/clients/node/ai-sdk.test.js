// Vercel's AI SDK: responses (its default), chat completions, legacy completions, and its class for servers that speak
// OpenAI's API.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, generateObject, generateText, Output, stepCountIs, streamObject, streamText, tool } from 'ai';

import { sandbox } from './proxy.js';
import { ask, City, filled, Point } from './tools.js';

let proxy;
const models = {};

before(async () => {
  proxy = await sandbox();
  const settings = { baseURL: proxy.url, apiKey: 'sk-sandbox-0123456789' };
  const openai = createOpenAI(settings);
  models.responses = openai('gpt-4o');
  models.chat = openai.chat('gpt-4o');
  models.completion = openai.completion('gpt-4o');
  const compatible = createOpenAICompatible({ ...settings, name: 'chipp', supportsStructuredOutputs: true });
  models.compatible = compatible('gpt-4o');
  models.nobody = openai('nobody');
});

after(async () => {
  assert.equal(await proxy.stop(), 0);
});

const tools = {
  get_weather: tool({ inputSchema: City, execute: ({ city }) => `sunny in ${city}` }),
};

for (const name of ['responses', 'chat', 'compatible']) {
  describe(name, () => {
    test('text, and what was said before', async () => {
      const messages = [{ role: 'user', content: 'My name is Ann.' }];
      const first = await generateText({ model: models[name], messages, maxRetries: 0 });
      messages.push(...first.response.messages, { role: 'user', content: 'Who am I?' });
      const second = await generateText({ model: models[name], messages, maxRetries: 0 });
      assert.match(second.text, /My name is Ann\./);
      assert.equal(second.finishReason, 'stop');
      assert.ok(second.usage.totalTokens > 0);
    });

    test('a stream', async () => {
      const result = streamText({ model: models[name], prompt: 'say 5 words', maxRetries: 0 });
      let text = '';
      for await (const piece of result.textStream) text += piece;
      assert.equal(text, 'word1 word2 word3 word4 word5');
      assert.equal(await result.finishReason, 'stop');
    });

    test('tools over several steps, plain and streamed', async () => {
      const asked = { model: models[name], prompt: ask, tools, stopWhen: stepCountIs(3), maxRetries: 0 };
      const plain = await generateText(asked);
      assert.equal(plain.steps.length, 2);
      assert.match(plain.text, /sunny in example/);
      const streamed = streamText(asked);
      let text = '';
      for await (const piece of streamed.textStream) text += piece;
      assert.match(text, /sunny in example/);
    });

    test('objects', async () => {
      const asked = { model: models[name], prompt: 'Go on.', maxRetries: 0 };
      assert.deepEqual((await generateObject({ ...asked, schema: Point })).object, filled);
      const streamed = streamObject({ ...asked, schema: Point });
      for await (const _ of streamed.partialObjectStream);
      assert.deepEqual(await streamed.object, filled);
      const { output } = await generateText({ ...asked, output: Output.object({ schema: Point }) });
      assert.deepEqual(output, filled);
    });
  });
}

test('legacy completions', async () => {
  const { text } = await generateText({ model: models.completion, prompt: 'Hello', maxOutputTokens: 99 });
  assert.match(text, /Hello/);
});

test('errors are its own', async () => {
  await assert.rejects(generateText({ model: models.nobody, prompt: 'x', maxRetries: 0 }), (error) => {
    assert.ok(APICallError.isInstance(error));
    assert.equal(error.statusCode, 404);
    return true;
  });
});
