// An account is what its events say. Pure: decide(command, state) gives events, evolve(state, event) the next state.

export const EMPTY = { open: false, balance: 0 };

export function evolve(state, event) {
  switch (event.type) {
    case 'Opened':
      return { open: true, balance: 0 };
    case 'Deposited':
      return { ...state, balance: state.balance + event.amount };
    case 'Withdrawn':
      return { ...state, balance: state.balance - event.amount };
    default:
      return state;
  }
}

export function decide(command, state) {
  if (command.kind === 'open') return state.open ? [] : [{ type: 'Opened' }];
  if (!state.open) throw refused(404, 'no such account');
  if (!Number.isInteger(command.amount) || command.amount <= 0)
    throw refused(400, 'the amount must be a whole number of cents greater than 0');
  if (command.kind === 'deposit') return [{ type: 'Deposited', amount: command.amount }];
  if (command.amount > state.balance) throw refused(409, `only ${state.balance} cents there`);
  return [{ type: 'Withdrawn', amount: command.amount }];
}

export const fold = (events) => events.reduce(evolve, EMPTY);

function refused(status, message) {
  return Object.assign(new Error(message), { status });
}
