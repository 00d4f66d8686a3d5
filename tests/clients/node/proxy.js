// Starts the binary under test and finds out where it listens.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const binary =
  process.env.CHIPP_PROXY ?? fileURLToPath(new URL('../../../target/release/chipp-proxy', import.meta.url));

/** The program with these arguments: an address, as `pattern` finds it in one of its outputs, and a way to end it. */
async function start(args, output, pattern) {
  const stdio = ['ignore', 'ignore', 'ignore'];
  stdio[output === 'stdout' ? 1 : 2] = 'pipe';
  const child = spawn(binary, args, { stdio });
  const exited = once(child, 'exit');
  let url;
  for await (const line of createInterface({ input: child[output] })) {
    url = line.match(pattern)?.[1];
    if (url) break;
  }
  if (!url) throw new Error(`${args[0]} did not say where it listens`);
  child[output].resume();
  return {
    url,
    async stop() {
      child.kill('SIGTERM');
      const [code] = await exited;
      return code;
    },
  };
}

/** A sandbox on a free port. */
export function sandbox() {
  return start(['sandbox', '--listen', '127.0.0.1:0'], 'stdout', /(http:\/\/[^\s"'/]+\/v1)\b/);
}

/** Chipp's stand-in on a free port. */
export function emulator() {
  return start(['emulate', '--listen', '127.0.0.1:0'], 'stdout', /(http:\/\/[^\s"']+)/);
}

/** `serve` on a free port, in front of `upstream`; `text` goes on below its section `upstream`. */
export async function serve(upstream, text) {
  const folder = await mkdtemp(join(tmpdir(), 'chipp-proxy-'));
  const file = join(folder, 'config.yaml');
  await writeFile(file, `server: {listen: '127.0.0.1:0', admin: off}\nupstream:\n  base_url: ${upstream}\n${text}`);
  const served = await start(['serve', '--config', file], 'stderr', /"listen":"(127\.0\.0\.1:\d+)"/);
  return {
    url: `http://${served.url}/v1`,
    async stop() {
      const code = await served.stop();
      await rm(folder, { recursive: true });
      return code;
    },
  };
}
