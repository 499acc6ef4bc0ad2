/**
 * What can be explored: something whose whole state lies in a few parts of fixed size, that can say
 * what may happen next, and do it. The search knows nothing else of it.
 */
export abstract class Subject {
  /** How many parts the state has. A part is a range of words of a view; equal parts are kept
   *  once. */
  abstract parts(): i32;
  abstract partWords(part: i32): i32;
  abstract partView(part: i32): Int32Array;
  abstract partAt(part: i32): i32;

  /** How many parts, the first ones, the last deed has not touched. */
  abstract untouched(): i32;

  /** How many deeds are possible in this state, and the number of each, above 0: the same deed has
   *  the same number in every state. A deed that only waits for another leaves the state as it
   *  is. The numbers hold until the next deed is done. */
  abstract choices(): i32;
  abstract choice(index: i32): i32;

  /** How many of them, the first ones, also happen when nobody disturbs any more. The first of
   *  those that changes anything is the one that does. */
  abstract calm(): i32;

  /** Does one. The property that it violates, 0: none. */
  abstract act(deed: i32): i32;

  /** All is over, but for what disturbs. */
  abstract isOver(): bool;

  /** In a state in which all is over: the property that it violates, 0: none. */
  abstract atEnd(): i32;
}
