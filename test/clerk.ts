import { setTimeout as sleep } from 'node:timers/promises';

const EVERY_MS = 60;

/** A statement as any version shows it; newer ones name the holder properly and know the largest movement. */
interface Statement {
  readonly name: string;
  readonly balance: number;
  readonly movements: number;
  readonly largest?: number;
}

export interface Clerked {
  readonly asked: number;
  readonly failed: readonly string[];
  /** Statements that were not what the account's events say. */
  readonly wrong: readonly string[];
  /** Release → statements it showed. */
  readonly shown: Readonly<Record<string, number>>;
}

export interface Clerk {
  look(): Clerked;
  stop(): Promise<Clerked>;
}

/** Puts money into an account and reads its statement, again and again, and checks every one of them by what was put in. */
export async function startClerk(url: string, account: string): Promise<Clerk> {
  const failed: string[] = [];
  const wrong: string[] = [];
  const shown: Record<string, number> = {};
  let [asked, paid, asking, seen] = [0, 0, 0, 0];
  let stopping = false;

  async function call(path: string, body?: string): Promise<{ release: string; text: string } | null> {
    asked += 1;
    try {
      const answer = await fetch(`${url}/accounts/${account}${path}`, body === undefined ? {} : { method: 'POST', body });
      const text = await answer.text();
      if (answer.status === 200) return { release: answer.headers.get('x-app-release') ?? '?', text };
      failed.push(`${path}: ${answer.status} ${text.slice(0, 80)}`);
    } catch (error) {
      failed.push(`${path}: ${error instanceof Error ? error.message : String(error)}`);
    }
    return null;
  }

  function check(release: string, text: string): void {
    const { name, balance, movements, largest } = JSON.parse(text) as Statement;
    const isNew = largest !== undefined;
    const problem =
      name !== (isNew ? account.slice(0, 1).toUpperCase() + account.slice(1) : account)
        ? `names the holder ${name}`
        : balance < seen || balance > asking || movements !== balance
          ? `shows ${balance} cents in ${movements} movements, of ${paid} paid in and ${seen} shown before`
          : isNew && largest !== Math.min(1, balance)
            ? `says ${largest} was the largest movement`
            : null;
    if (problem !== null) wrong.push(`release ${release} ${problem}`);
    seen = Math.max(seen, balance);
    shown[release] = (shown[release] ?? 0) + 1;
  }

  async function read(): Promise<void> {
    const answer = await call('/statement');
    if (answer !== null) check(answer.release, answer.text);
  }

  await call('/open', '');
  const look = (): Clerked => ({ asked, failed: [...failed], wrong: [...wrong], shown: { ...shown } });
  const working = (async () => {
    while (!stopping) {
      asking += 1;
      if ((await call('/deposit', '1')) !== null) paid += 1;
      await read();
      await sleep(EVERY_MS);
    }
  })();
  return {
    look,
    async stop() {
      stopping = true;
      await working;
      for (const until = Date.now() + 5_000; seen < paid && Date.now() < until; await sleep(EVERY_MS)) await read();
      if (seen !== paid) wrong.push(`in the end ${seen} cents are shown of ${paid} paid in`);
      return look();
    },
  };
}
