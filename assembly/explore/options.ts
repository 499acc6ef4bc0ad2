/** What a trial is told at its start; of the actors the world knows. */
export class TrialOptions {
  /** `Control` bits */
  controls: i32 = 0;
  /** `Partscan` */
  partscan: i32 = 0;
  /** The kernel makes the partitions in LOOP_CONFIGURE itself. */
  isOneCall: bool = false;
  /** How often a deadline may strike, or the program give up. */
  deadlines: i32 = 0;
  aborts: i32 = 0;
  /** How often udev may be asked while it is at work: that it is silent for so long is rare. */
  asks: i32 = 0;
  /** The program awaits udev. */
  awaitsUdev: bool = false;
  /** Attaches, one after the other. */
  rounds: i32 = 1;
  /** Datagrams that may wait to be received before it is done, 0: any number. */
  lag: i32 = 0;
  /** Nothing is made blank: the same goes on, in more states. */
  keepsAll: bool = false;
}
