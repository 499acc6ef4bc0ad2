/** What runs inside a model: the exports of kernel.wasm, and the regions of its memory. */

/** What `start` of kernel.wasm takes. */
export type StartNumbers = readonly [
  version: number,
  loops: number,
  partitions: number,
  files: number,
  tasks: number,
  sockets: number,
  queue: number,
  images: number,
  processes: number,
  maxPart: number,
  parsers: number,
  contentBytes: number,
  buffersBytes: number,
];

/** What runs inside: the exports of kernel.wasm, or the JavaScript build behind the same shape. */
export interface ModelEngine {
  boot(loops: number, diskseq: number): void;
  setGrain(grain: number): void;
  switchValue(name: number): number;
  begin(
    process: number,
    routine: number,
    a: number,
    b: number,
    c: number,
    d: number,
    e: bigint,
    f: bigint,
  ): number;
  nameTask(task: number): void;
  step(task: number): number;
  run(task: number): number;
  result(task: number): number;
  release(task: number): void;
  openImage(process: number, image: number, flags: number): number;
  openControl(process: number, flags: number): number;
  flock(process: number, file: number, operation: number): number;
  truncate(image: number, bytes: bigint): number;
  unlink(image: number): number;
  trigger(number: number, partition: number, action: number, uuid: number): number;
  openSocket(process: number, group: number, receiveBuffer: number, noEnobufs: number): number;
  closeSocket(socket: number): void;
  receive(socket: number): number;
  viewDisk(number: number): number | boolean;
  viewPartition(number: number, place: number): number | boolean;
  watch(number: number, partition: number, isWatched: number): number;
  isNoticed(number: number, partition: number): number | boolean;
  setUdev(isRunning: number): void;
  writeRecord(number: number, partition: number): number;
  forward(socket: number): void;
  forge(
    group: number,
    sender: number,
    action: number,
    number: number,
    partition: number,
    diskseq: number,
  ): number;
  lose(socket: number): void;
  swap(socket: number): number | boolean;
  drop(socket: number): void;
  dirty(number: number): number;
  addContent(image: number, offset: bigint, bytes: number): number;
  beginCall(process: number, image: number): number;
  stepCall(task: number): number;
  runCall(task: number): number;
  finishCall(task: number): number;
  receiveCall(process: number, group: number, slot: number, record: number): number;
  socketOf(process: number, group: number): number;
  takeDrops(socket: number): number;
}

/** The regions of its memory; views stay valid for its life. */
export interface ModelRegions {
  /** a copy of it is a snapshot, writing it back restores it */
  readonly state: Uint8Array;
  readonly setup: DataView;
  readonly inbox: DataView;
  readonly datagram: Uint8Array;
  readonly view: DataView;
  readonly content: Uint8Array;
  readonly words: DataView;
  readonly buffers: Uint8Array;
}
