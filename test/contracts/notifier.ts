import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { OutsideError } from '../../src/core/errors.ts';
import type { Notifier } from '../../src/ports/notifier.ts';
import type { Notice } from '../../src/core/access/notice.ts';

/** A notifier with somebody at the other end. */
export interface NotifierHarness {
  readonly notifier: Notifier;
  /** The same once more, as after a restart. */
  again(): Notifier;
  /** Must not show in names or errors. */
  readonly secret: string;
  /** What came through, as it was sent. */
  received(): Promise<readonly string[]>;
  /** From now on nobody takes anything, in this way. */
  refuse(how: 'says no' | 'gone' | 'silent'): Promise<void>;
  end(): Promise<void>;
}

export function noticeSample(key = 'r1/rollbackFailed'): Notice {
  return {
    key,
    occasion: 'rollbackFailed',
    release: 'r1',
    environment: 'production',
    apps: ['web', 'api'],
    title: 'release r1 of web, api to production could not be put back: "weights" & <more>',
    action: 'sluice status r1',
    at: 1_790_000_000_000,
  };
}

/** The promises of `Notifier`. `deviations`: tests that one cannot keep, by name, with the reason. */
export function notifierContract(
  name: string,
  open: () => Promise<NotifierHarness>,
  deviations: Readonly<Record<string, string>> = {},
): void {
  describe(`notifier ${name}`, () => {
    const opened: NotifierHarness[] = [];
    afterEach(async () => {
      for (const harness of opened.splice(0)) await harness.end();
    });
    const names = new Set<string>();
    const promise = (title: string, run: (harness: NotifierHarness) => Promise<void>) => {
      names.add(title);
      it.skipIf(title in deviations)(title, { timeout: 30_000 }, async () => {
        const harness = await open();
        opened.push(harness);
        await run(harness);
      });
    };
    const never = new AbortController().signal;
    const failure = async (harness: NotifierHarness): Promise<Error> => {
      const error = await harness.notifier.tell(noticeSample(), never).then(
        () => null,
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(OutsideError);
      expect(error).toMatchObject({ code: 'NOTIFY_FAILED' });
      return error as Error;
    };

    promise('says who needs what, what to do, and which notice it is', async ({ notifier, received }) => {
      await notifier.tell(noticeSample(), never);
      const [text = ''] = await received();
      const { title, action, key } = noticeSample();
      for (const part of [JSON.stringify(title).slice(1, -1), action])
        expect(text.replaceAll('\\"', '"')).toContain(part.replaceAll('\\"', '"'));
      expect(text).toContain(key);
    });

    promise('says each notice, and a repeat with the same key', async ({ notifier, received }) => {
      for (const key of ['r1/approval', 'r2/approval', 'r1/approval']) await notifier.tell(noticeSample(key), never);
      const keys = (await received()).map((text) => /r\d\/approval/.exec(text)?.[0]);
      expect(keys).toEqual(['r1/approval', 'r2/approval', 'r1/approval']);
    });

    promise('has the same name after a restart, and no secret in it', async (harness) => {
      expect(harness.again().name).toBe(harness.notifier.name);
      expect(harness.notifier.name).not.toContain(harness.secret);
    });

    promise('fails when nobody takes it, and can be asked again', async (harness) => {
      await harness.refuse('says no');
      expect((await failure(harness)).message).not.toContain(harness.secret);
      await failure(harness);
    });

    promise('fails when nobody is there, without saying where', async (harness) => {
      await harness.refuse('gone');
      const { message, cause } = await failure(harness);
      expect(`${message} ${String(cause)}`).not.toContain(harness.secret);
    });

    promise('fails when nothing is heard for too long', async (harness) => {
      await harness.refuse('silent');
      await failure(harness);
    });

    promise('ends soon when it is no longer wanted', async (harness) => {
      await harness.refuse('silent');
      const ending = new AbortController();
      const told = harness.notifier.tell(noticeSample(), ending.signal).then(
        () => 'told',
        () => 'ended',
      );
      ending.abort();
      expect(await Promise.race([told, sleep(10_000, 'still there', { ref: false })])).toBe('ended');
    });

    it('keeps all promises but those that it names', () => {
      expect(Object.keys(deviations).filter((title) => !names.has(title))).toEqual([]);
    });
  });
}
