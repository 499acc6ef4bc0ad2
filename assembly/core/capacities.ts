/**
 * How much a state has room for, chosen at start and fixed from there on. The parts behind the
 * operations say how many bytes they take.
 */
export class Capacities {
  readonly operations: i32;
  readonly partitions: i32;
  readonly watches: i32;
  readonly disks: i32;
  registryBytes: i32 = 0;
  deadlinesBytes: i32 = 0;
  seenBytes: i32 = 0;

  constructor(operations: i32, partitions: i32, watches: i32) {
    this.operations = operations;
    this.partitions = partitions;
    this.watches = watches;
    this.disks = watches + operations + 1;
  }
}
