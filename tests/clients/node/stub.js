// A stub of Chipp that fails as it is told to, and counts what reaches it.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';

const event = (value) => `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`;

/** A server on loopback. `plans` says for each app what is done with its first request, its second …; the last stays. */
export async function stub(plans) {
  const calls = Object.fromEntries(Object.keys(plans).map((app) => [app, 0]));
  const server = createServer(async (request, response) => {
    const { model } = JSON.parse(await text(request));
    const plan = plans[model];
    const answer = plan[Math.min(calls[model], plan.length - 1)];
    calls[model] += 1;
    switch (answer.then) {
      case 'reset':
        request.socket.resetAndDestroy();
        break;
      case 'silence':
        // Until the other side closes.
        break;
      default:
        reply(response, answer);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}/api/v1`,
    calls,
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function reply(response, answer) {
  const body = Buffer.from(answer.body ?? answer.events.map(event).join(''));
  const missing = answer.missing ?? 0;
  response.writeHead(answer.status ?? 200, {
    'content-type': answer.type ?? 'text/event-stream',
    'content-length': body.length + missing,
    connection: 'close',
    ...(answer.retry_after && { 'retry-after': answer.retry_after }),
  });
  // A body that is too short: written by hand, since `end` would leave the connection open for the rest.
  if (missing) response.write(body, () => response.socket.end());
  else response.end(body);
}
