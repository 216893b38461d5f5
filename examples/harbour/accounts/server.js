// GET /accounts/:id · GET /accounts/:id/statement (with a database) · POST /accounts/:id/open|deposit|withdraw, with the amount in cents as the body.
import { join } from 'node:path';
import { decide, fold } from './account.js';
import { fileStore } from './file-store.js';
import { postgresStore } from './postgres-store.js';
import { bodyOf, serve } from './service.js';
import { statements } from './statement.js';

const COMMANDS = ['open', 'deposit', 'withdraw'];
const TRIES = 20;

const database = process.env.HARBOUR_DATABASE_URL;
const store = database ? await postgresStore(database) : await fileStore(join(process.env.HARBOUR_DATA ?? 'data', 'accounts.jsonl'));
const holders = database ? statements(store.pool) : null;

serve(async (request, url) => {
  const [, , id, kind] = url.pathname.split('/');
  if (!id) return { status: 200, body: 'accounts' };
  if (request.method === 'GET' && kind === 'statement') {
    const statement = (await holders?.read(id)) ?? null;
    return statement === null ? { status: 404, body: 'no statement' } : json(statement);
  }
  if (request.method === 'GET') {
    const state = fold(await store.read(id));
    return state.open ? json(state) : { status: 404, body: 'no such account' };
  }
  if (request.method !== 'POST' || !COMMANDS.includes(kind)) return { status: 404, body: 'no such command' };
  if (kind === 'open') await holders?.register(id);
  return json(await carryOut(id, { kind, amount: Number(await bodyOf(request)) }));
}, store.close);

/** Decide on what is there; when somebody else was faster, decide again on what is there now. */
async function carryOut(id, command) {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const before = await store.read(id);
    const events = decide(command, fold(before));
    if (events.length === 0 || (await store.append(id, before.length, events))) return fold([...before, ...events]);
  }
  throw Object.assign(new Error('the account is busy'), { status: 503 });
}

const json = (value) => ({ status: 200, type: 'application/json', body: JSON.stringify(value) });
