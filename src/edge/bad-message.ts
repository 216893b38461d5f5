/** Status of a request that is refused: malformed, a method no proxy passes on, too much, an unknown coding, another version. */
type Refusal = 400 | 405 | 413 | 422 | 431 | 505;

/** What is wrong with a message; `status` is the answer to a client. */
export class BadMessage extends Error {
  readonly status: Refusal;
  constructor(status: Refusal, message: string) {
    super(message);
    this.status = status;
  }
}
