// LangChain.js, by chat completions and by responses.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { HumanMessage, ToolMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI } from '@langchain/openai';

import { sandbox } from './proxy.js';
import { ask, City, filled, Point } from './tools.js';

let proxy;

before(async () => {
  proxy = await sandbox();
});

after(async () => {
  assert.equal(await proxy.stop(), 0);
});

const weather = tool(({ city }) => `sunny in ${city}`, { name: 'get_weather', schema: City });

for (const useResponsesApi of [false, true]) {
  const make = () =>
    new ChatOpenAI({
      model: 'gpt-4o',
      apiKey: 'sk-sandbox-0123456789',
      maxRetries: 0,
      useResponsesApi,
      configuration: { baseURL: proxy.url },
    });

  describe(useResponsesApi ? 'responses' : 'chat', () => {
    test('text, and what was said before', async () => {
      const history = [new HumanMessage('My name is Ann.')];
      history.push(await make().invoke(history), new HumanMessage('Who am I?'));
      assert.match((await make().invoke(history)).text, /My name is Ann\./);
    });

    test('a stream', async () => {
      let text = '';
      for await (const chunk of await make().stream('say 5 words')) text += chunk.text;
      assert.equal(text, 'word1 word2 word3 word4 word5');
    });

    test('tools', async () => {
      const model = make().bindTools([weather]);
      const history = [new HumanMessage(ask)];
      const answer = await model.invoke(history);
      const [call] = answer.tool_calls;
      assert.deepEqual([call.name, call.args], ['get_weather', { city: 'example' }]);
      history.push(answer, new ToolMessage({ content: await weather.invoke(call.args), tool_call_id: call.id }));
      assert.match((await model.invoke(history)).text, /sunny in example/);
    });

    test('structured output', async () => {
      for (const method of ['jsonSchema', 'functionCalling']) {
        const model = make().withStructuredOutput(Point, { name: 'point', method });
        assert.deepEqual(await model.invoke('Go on.'), filled);
      }
    });
  });
}
