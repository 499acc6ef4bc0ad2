/**
 * What can be explored: something whose whole state lies in a few parts of fixed size, that can say
 * what may happen next, and do it. The search knows nothing else of it.
 */
export abstract class Subject {
  /** How many parts the state has. A part is a range of a view; equal parts are kept once. */
  abstract parts(): i32;
  abstract partBytes(part: i32): i32;
  abstract partView(part: i32): DataView;
  abstract partAt(part: i32): i32;

  /** The state was written by somebody else: what was derived from it is no longer true. */
  abstract loaded(): void;

  /** How many deeds are possible in this state, and the number of each, above 0: the same deed has
   *  the same number in every state. */
  abstract choices(): i32;
  abstract choice(index: i32): i32;

  /** Does one. The property that it violates, 0: none. */
  abstract act(deed: i32): i32;

  /** What happens when nobody disturbs any more: a deed that is possible; 0: all is over; -1:
   *  something is not, and nothing can happen. */
  abstract solo(): i32;

  /** In a state in which all is over: the property that it violates, 0: none. */
  abstract atEnd(): i32;
}
