// Starts the binary under test and finds out where it listens.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const binary =
  process.env.CHIPP_PROXY ?? fileURLToPath(new URL('../../../target/release/chipp-proxy', import.meta.url));

/** A sandbox on a free port: its base URL, and a way to end it. */
export async function sandbox() {
  const child = spawn(binary, ['sandbox', '--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const exited = once(child, 'exit');
  let url;
  for await (const line of createInterface({ input: child.stdout })) {
    url = line.match(/http:\/\/[^\s"'/]+\/v1\b/)?.[0];
    if (url) break;
  }
  if (!url) throw new Error('the sandbox did not say where it listens');
  child.stdout.resume();
  return {
    url,
    async stop() {
      child.kill('SIGTERM');
      const [code] = await exited;
      return code;
    },
  };
}
