import type { FastifyInstance } from 'fastify';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Its requests prove themselves by a signature, not by our token. */
    isSigned?: boolean;
  }
}

export interface HookAnswer {
  /** Whether anything is done because of it. */
  readonly taken: boolean;
  readonly kind: string;
}

/** Takes deliveries of others, signed by them. Gets the body byte for byte, as that is what is signed. */
export type TakeDelivery = (headers: Readonly<Record<string, string | string[] | undefined>>, body: Uint8Array) => Promise<HookAnswer>;

const LARGEST = 5_000_000;

/** `POST /hooks/github`: outside the documented API, as only GitHub calls it. */
export function hooks(take: TakeDelivery): (server: FastifyInstance) => Promise<void> {
  return async (server) => {
    server.removeAllContentTypeParsers();
    server.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    server.post('/hooks/github', { bodyLimit: LARGEST, config: { isSigned: true } }, async (request, reply) => {
      const body = request.body instanceof Uint8Array ? request.body : new Uint8Array();
      return reply.code(202).send(await take(request.headers, body));
    });
  };
}
