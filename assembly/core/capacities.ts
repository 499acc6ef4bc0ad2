/**
 * How much a state has room for, chosen at start and fixed from there on. The parts behind the
 * operations say how many bytes they take.
 */
/** Measured with eight writers: a SEQNUM out of order by 9 739. */
export const SEQNUMS: i32 = 16384;

export class Capacities {
  readonly operations: i32;
  readonly partitions: i32;
  readonly watches: i32;
  readonly disks: i32;
  /** How far back SEQNUMs are known, a multiple of 64. */
  readonly seqnums: i32;
  registryBytes: i32 = 0;
  deadlinesBytes: i32 = 0;
  seenBytes: i32 = 0;

  constructor(operations: i32, partitions: i32, watches: i32, seqnums: i32) {
    assert(seqnums > 0 && seqnums % 64 === 0);
    this.seqnums = seqnums;
    this.operations = operations;
    this.partitions = partitions;
    this.watches = watches;
    this.disks = watches + operations + 1;
  }
}
