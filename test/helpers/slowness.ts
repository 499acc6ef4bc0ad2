/**
 * How much slower than a usual machine this one is: an emulated processor, by 15 or so. Deadlines
 * that only end what hangs are longer by it; what a test measures and asserts is not.
 */

/** At least 1. */
export const slowness = Number(process.env.DISKSEQ_TEST_SLOWNESS ?? 1);
