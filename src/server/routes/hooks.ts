import type { FastifyInstance } from 'fastify';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Its requests prove themselves by a signature, not by our token. */
    isSigned?: boolean;
  }
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

export interface HookAnswer {
  /** Whether anything is done because of it. */
  readonly taken: boolean;
  readonly kind: string;
  /** Whether the same delivery came before: what it asked for is not done again. */
  readonly repeated?: boolean;
}

/** Deliveries of others, signed by them. */
export interface Deliveries {
  /**
   * Asked before a body is read: starts nothing and reads no file, because anybody may send anything here.
   * @throws UserError `WEBHOOK_UNKNOWN` where no secret is known, `WEBHOOK_UNSIGNED` where there is no signature.
   */
  expect(headers: Headers): void;
  /** Gets the body byte for byte, as that is what is signed. @throws as `expect`, and UserError `WEBHOOK_INVALID`. */
  take(headers: Headers, body: Uint8Array): Promise<HookAnswer>;
}

const LARGEST = 5_000_000;

/** `POST /hooks/github`: outside the documented API, as only GitHub calls it. */
export function hooks(deliveries: Deliveries): (server: FastifyInstance) => Promise<void> {
  return async (server) => {
    server.removeAllContentTypeParsers();
    server.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    server.post(
      '/hooks/github',
      { bodyLimit: LARGEST, config: { isSigned: true }, onRequest: async (request) => deliveries.expect(request.headers) },
      async (request, reply) => {
        const body = request.body instanceof Uint8Array ? request.body : new Uint8Array();
        return reply.code(202).send(await deliveries.take(request.headers, body));
      },
    );
  };
}
