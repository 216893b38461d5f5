import { spawn } from 'node:child_process';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Edge } from '../../src/ports/edge.ts';
import { findProgram } from '../_lib.ts';
import type { Upstream } from './upstream.ts';
import { freePort } from '../../test/free-port.ts';

/** Something that passes requests on, and can be told to pass all of them to another version. */
export interface Proxy {
  readonly name: string;
  readonly url: string;
  /** Processes that carry requests or account for them. */
  pids(): Promise<number[]>;
  /** Make another version known, without traffic, as every rollout does before it shifts any. */
  announce(upstream: Upstream): Promise<void>;
  /** Give all the traffic to the version announced last. */
  switchOver(): Promise<void>;
  stop(): Promise<void>;
}

interface RunningEdge extends Edge {
  ensure(): Promise<string>;
  stop(): Promise<void>;
}

export async function ourProxy(name: string, edge: RunningEdge, dir: string, first: Upstream): Promise<Proxy> {
  const url = `${await edge.ensure()}/`;
  let fence = 0;
  let known: { id: string; port: number }[] = [];
  const weigh = async (weights: readonly number[]): Promise<void> => {
    fence += 1;
    await edge.apply({
      app: 'bench/app',
      fence,
      routes: [{ host: null, pathPrefix: '/' }],
      versions: known.map(({ id, port }, i) => ({ id, weight: weights[i] ?? 0, endpoints: [{ host: '127.0.0.1', port }] })),
      sticky: { by: 'cookie' },
    });
  };
  const announce = async (upstream: Upstream): Promise<void> => {
    known = [...known.slice(-1), { id: `v${fence + 1}`, port: upstream.port }];
    await weigh([100, 0]);
  };
  await announce(first);
  const pids = async (): Promise<number[]> =>
    (await Promise.all(['edge', 'haproxy', 'keeper'].map((file) => pidIn(join(dir, `${file}.json`))))).flat();
  return { name, url, pids, announce, switchOver: () => weigh([0, 100]), stop: () => edge.stop() };
}

export async function nginxProxy(dir: string, first: Upstream): Promise<Proxy> {
  await mkdir(dir, { recursive: true });
  const port = await freePort();
  const write = async (upstream: Upstream): Promise<void> => {
    await writeFile(join(dir, 'new.conf'), nginxConfig(dir, port, upstream));
    await rename(join(dir, 'new.conf'), join(dir, 'nginx.conf'));
  };
  await write(first);
  const args = ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', join(dir, 'error.log'), '-g', 'daemon off;'];
  // In a session of its own, as Sluice's edges are: Linux shares its time out by session.
  const child = spawn(findProgram('nginx') ?? 'nginx', args, { stdio: 'ignore', detached: true });
  const url = `http://127.0.0.1:${port}/`;
  for (const until = Date.now() + 5_000; Date.now() < until && !(await answers(url));) await sleep(20);
  return {
    name: 'nginx',
    url,
    pids: async () => (child.pid === undefined ? [] : [child.pid]),
    announce: write,
    async switchOver() {
      child.kill('SIGHUP');
    },
    stop: () =>
      new Promise((resolve) => {
        child.once('exit', () => resolve());
        child.kill('SIGTERM');
      }),
  };
}

function nginxConfig(dir: string, port: number, upstream: Upstream): string {
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${dir}/${name};`);
  return `${process.getuid?.() === 0 ? 'user root;' : ''}
worker_processes auto;
pid ${dir}/nginx.pid;
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_requests 1000000;
  ${folders.join('\n  ')}
  upstream app { server 127.0.0.1:${upstream.port}; keepalive 64; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
  }
}
`;
}

async function pidIn(file: string): Promise<number[]> {
  const text = await readFile(file, 'utf8').catch(() => null);
  return text === null ? [] : [(JSON.parse(text) as { pid: number }).pid];
}

function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    ({ ok }) => ok,
    () => false,
  );
}
