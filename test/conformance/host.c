/*
 * The host that is not in JavaScript: core.wasm as C, by wasm2c. `host FILE...` runs vectors and
 * prints a line for each file that is refused, and the result. Needs nothing but what README.md
 * says of the core, whose numbers it does not know: a line is compared as text.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#ifndef WASM2C_1_0_32
#include "wasm-rt-exceptions.h"
#endif
#include "wasm-rt-impl.h"

/* How wasm2c names what it makes: up to 1.0.32, and since. */
#ifdef WASM2C_1_0_32
typedef Z_core_instance_t instance_t;
#define CORE(name) Z_coreZ_##name
#define CORE_ABI_VERSION Z_coreZ_LimitZ2EAbiVersion
#define CORE_INSTANTIATE Z_core_instantiate
#define CORE_FREE Z_core_free
#else
typedef w2c_core instance_t;
#define CORE(name) w2c_core_##name
#define CORE_ABI_VERSION w2c_core_Limit0x2EAbiVersion
#define CORE_INSTANTIATE wasm2c_core_instantiate
#define CORE_FREE wasm2c_core_free
#endif

enum { CALL_WORDS = 13, EVENT_WORDS = 25, PARTITION_WORDS = 22, WORDS_MAX = 32 };

static instance_t core;
/* What the line is when the core has its say. */
static char actual[1 << 16];
static long inputs;

static uint8_t *memory(uint32_t at) {
  return CORE(memory)(&core)->data + at;
}

static void say(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(actual, sizeof actual, format, arguments);
  va_end(arguments);
}

/* Words of the outbox, without the zeros at their end. */
static void say_words(const char *kind, int count) {
  uint64_t words[WORDS_MAX];
  memcpy(words, memory(CORE(outboxAt)(&core)), sizeof words);
  while (count > 0 && words[count - 1] == 0) count--;
  char *end = actual + sprintf(actual, "%s", kind);
  for (int i = 0; i < count; i++) end += sprintf(end, " %" PRIx64, words[i]);
}

static void say_partition(uint32_t operation, uint32_t index) {
  char kind[64];
  snprintf(kind, sizeof kind, "partition %" PRIx32 " %" PRIx32, operation, index);
  say_words(kind, CORE(selectPartition)(&core, operation, index) ? PARTITION_WORDS : 0);
}

static void say_bytes(uint32_t at, uint32_t count) {
  const uint8_t *bytes = memory(CORE(buffersAt)(&core)) + at;
  char *end = actual + sprintf(actual, "bytes %" PRIx32 " %" PRIx32, at, count);
  while (count > 0 && bytes[count - 1] == 0) count--;
  if (count > 0) *end++ = ' ';
  for (uint32_t i = 0; i < count; i++) end += sprintf(end, "%02x", bytes[i]);
}

/* Nothing else may come out. */
static void say_done(void) {
  if (CORE(pollEvent)(&core)) {
    say_words("event", EVENT_WORDS);
  } else if (CORE(pollCall)(&core)) {
    say_words("call", CALL_WORDS);
  } else {
    uint64_t at = CORE(pollTimeout)(&core);
    uint32_t reason = CORE(timeoutReason)(&core);
    say("done %" PRIx64 " %" PRIx32 " %" PRIx64, at, reason, CORE(stateHash)(&core));
  }
}

static void put(const char *region, uint32_t at, uint32_t count, const char *digits) {
  uint32_t buffers = CORE(buffersAt)(&core);
  if (!strcmp(region, "inbox")) at += CORE(inboxAt)(&core);
  else if (!strcmp(region, "slots")) at += buffers + CORE(slotsAt)(&core);
  else if (!strcmp(region, "records")) at += buffers + CORE(recordsAt)(&core);
  else at += buffers;
  memset(memory(at), 0, count);
  for (unsigned i = 0, byte; sscanf(digits + 2 * i, "%2x", &byte) == 1; i++) memory(at)[i] = byte;
}

static int32_t hand(const char *kind, uint64_t now, uint32_t first, uint32_t second) {
  if (!strcmp(kind, "command")) return CORE(handleCommand)(&core, now);
  if (!strcmp(kind, "completion")) return CORE(handleCompletion)(&core, now, first, second);
  if (!strcmp(kind, "datagram")) return CORE(handleDatagram)(&core, now, first);
  if (!strcmp(kind, "overrun")) return CORE(handleOverrun)(&core, now, first, second);
  return CORE(handleTimeout)(&core, now);
}

/* An input's last word is the core's answer. */
static void say_input(const char *line, const char *kind, char words[][64], int count) {
  uint64_t numbers[3] = {0};
  for (int i = 1; i < count - 1; i++) numbers[i - 1] = strtoull(words[i], NULL, 16);
  int given = strrchr(line, ' ') - line;
  inputs++;
  if (wasm_rt_impl_try() == 0) {
    int64_t answer = hand(kind, numbers[0], numbers[1], numbers[2]);
    say("%.*s %" PRIx64, given, line, (uint64_t)answer);
  } else {
    /* Who panics says where. */
    int is_told = memory(CORE(panicNote)(&core))[0] != 0;
    say("%.*s %s", given, line, is_told ? "panic" : "a panic without a word");
  }
}

static void play(const char *line) {
  char words[6][64] = {""};
  int at = 0;
  int count = sscanf(line, "%63s %63s %63s %63s %n%63s %63s", words[0], words[1], words[2],
                     words[3], &at, words[4], words[5]);
  uint32_t first = strtoul(words[1], NULL, 16), second = strtoul(words[2], NULL, 16);
  const char *kind = words[0];
  if (!strcmp(kind, "#")) {
    say("%s", line);
  } else if (!strcmp(kind, "diskseq-vectors")) {
    say("%s 1", kind);
  } else if (!strcmp(kind, "abi")) {
    say("abi %" PRIx32, *CORE_ABI_VERSION(&core));
  } else if (!strcmp(kind, "start")) {
    CORE(start)(&core, strtoull(words[1], NULL, 16), second, strtoul(words[3], NULL, 16),
                  strtoul(words[4], NULL, 16));
    say("%s", line);
  } else if (!strcmp(kind, "put")) {
    put(words[1], second, strtoul(words[3], NULL, 16), count > 4 ? line + at : "");
    say("%s", line);
  } else if (!strcmp(kind, "event")) {
    say_words(kind, CORE(pollEvent)(&core) ? EVENT_WORDS : 0);
  } else if (!strcmp(kind, "partition")) {
    say_partition(first, second);
  } else if (!strcmp(kind, "call")) {
    say_words(kind, CORE(pollCall)(&core) ? CALL_WORDS : 0);
  } else if (!strcmp(kind, "bytes")) {
    say_bytes(first, second);
  } else if (!strcmp(kind, "done")) {
    say_done();
  } else if (!strcmp(kind, "end")) {
    say("end %lx", inputs);
  } else {
    say_input(line, kind, words, count);
  }
}

/* Whether the core agrees with every line, the last of which is the end. */
static int run(const char *path, long *inputs_run) {
  static char line[1 << 16];
  const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
  FILE *file = fopen(path, "r");
  if (file == NULL) return perror(path), 0;
  CORE_INSTANTIATE(&core);
  int number = 0, is_good = 1, has_ended = 0;
  for (inputs = 0; is_good && fgets(line, sizeof line, file) != NULL;) {
    line[strcspn(line, "\n")] = 0;
    number++;
    has_ended = !strncmp(line, "end ", 4);
    play(line);
    is_good = !strcmp(line, actual);
  }
  if (!is_good) printf("%s:%d: '%.200s', not '%.200s'\n", name, number, actual, line);
  else if (!has_ended) printf("%s:%d: the file was cut short\n", name, number + 1);
  fclose(file);
  CORE_FREE(&core);
  *inputs_run += inputs;
  return is_good && has_ended;
}

int main(int count, char **paths) {
  long inputs_run = 0, refused = 0;
  wasm_rt_init();
#ifdef WASM2C_1_0_32
  Z_core_init_module();
#endif
  for (int i = 1; i < count; i++) refused += !run(paths[i], &inputs_run);
  printf("c: %d files, %ld inputs, %ld refused\n", count - 1, inputs_run, refused);
  return refused > 0;
}
