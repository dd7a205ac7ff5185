/* A target in plain C: logits are weighted sums of squared pixels.
 *
 * It keeps to the least: one call at a time, pull-backs one sample at a time. The host does the rest.
 *
 * With FAIL_AFTER or DIE_AFTER it is broken: forwards after that many fail, or end the process. With WAITS, forwards after
 * as many as the environment's LINEAR_WAITS_AFTER says take a minute, but for those that are cancelled.
 */
#if defined(WAITS)
#define _POSIX_C_SOURCE 200809L
#endif
#include "fmr_plugin.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(WAITS)
#include <time.h>
#endif

#ifndef CLASSES
#define CLASSES 4
#endif

struct fmr_instance {
  fmr_info info;
  float scale;
};

struct fmr_saved {
  int used;
  size_t pixels;
  float images[]; /* of one sample */
};

/* States are released by any thread, also while calls run. */
static uint64_t instances, saved_states;

static void count(uint64_t *counter, int by) { __atomic_add_fetch(counter, (uint64_t)by, __ATOMIC_RELAXED); }

static fmr_status fail(const fmr_call *call, fmr_status status, const char *subject, const char *message) {
  fmr_text *texts[2] = {&call->error->subject, &call->error->message};
  const char *from[2] = {subject, message};
  for (int i = 0; i < 2; i++) {
    texts[i]->len = strlen(from[i]);
    memcpy(texts[i]->ptr, from[i], texts[i]->len < texts[i]->cap ? texts[i]->len : texts[i]->cap);
  }
  return status;
}

/* Settings are `{}` or `{"scale": number}`. */
static fmr_status create(fmr_str settings, const fmr_site *site, const fmr_call *call, fmr_instance **out) {
  char text[256], key[64];
  float scale = 1;
  (void)site;
  if (settings.len >= sizeof text) return fail(call, FMR_BAD_SETTING, "", "the settings are too long");
  memcpy(text, settings.ptr, settings.len);
  text[settings.len] = 0;
  if (strcmp(text, "{}") != 0) {
    if (sscanf(text, "{\"%63[^\"]\":%f}", key, &scale) < 1) return fail(call, FMR_BAD_SETTING, "", "cannot be read");
    if (strcmp(key, "scale") != 0) return fail(call, FMR_BAD_SETTING, key, "there is no such setting; there is `scale`");
    if (!(scale > 0)) return fail(call, FMR_BAD_SETTING, "scale", "must be a number above 0");
  }
  fmr_instance *made = calloc(1, sizeof *made);
  if (!made) return fail(call, FMR_FAILED, "", "out of memory");
  const fmr_str name = FMR_STR("linear in C");
  made->scale = scale;
  made->info.size = sizeof made->info;
  made->info.classes = CLASSES;
  made->info.flags = FMR_DIFFERENTIABLE | FMR_DETERMINISTIC;
  made->info.name = name;
  count(&instances, 1);
  *out = made;
  return FMR_OK;
}

static void destroy(fmr_instance *instance) {
  count(&instances, -1);
  free(instance);
}

static const fmr_info *info(const fmr_instance *instance) { return &instance->info; }

static float weight(const fmr_instance *instance, size_t k, size_t p) {
  return instance->scale * cosf((float)k + 0.1f * (float)p);
}

static fmr_status forward(const fmr_instance *instance, const fmr_call *call, uint32_t function, const fmr_view *inputs,
                          size_t inputs_len, const fmr_view *outputs, size_t outputs_len, fmr_saved **saved) {
  if (function != FMR_LOGITS || inputs_len != 1 || outputs_len != 1) return FMR_UNSUPPORTED;
#if defined(FAIL_AFTER) || defined(DIE_AFTER) || defined(WAITS)
  static unsigned forwards;
  forwards++;
#if defined(FAIL_AFTER)
  if (forwards > FAIL_AFTER) return fail(call, FMR_FAILED, "", "the licence ran out");
#elif defined(DIE_AFTER)
  if (forwards > DIE_AFTER) abort();
#else
  const char *after = getenv("LINEAR_WAITS_AFTER");
  if (after && forwards > strtoul(after, NULL, 10)) {
    const struct timespec millisecond = {0, 1000000};
    fputs("waiting\n", stderr);
    for (int i = 0; i < 60000; i++) {
      if (call->cancelled(call->context)) return FMR_CANCELLED;
      nanosleep(&millisecond, NULL);
    }
  }
#endif
#endif
  const float *images = inputs[0].data;
  float *logits = outputs[0].data;
  const size_t n = (size_t)inputs[0].shape[0];
  const size_t pixels = (size_t)(inputs[0].shape[1] * inputs[0].shape[2] * inputs[0].shape[3]);
  if (call->log) {
    const fmr_str text = FMR_STR("working");
    call->log(call->context, FMR_LEVEL_DEBUG, text);
  }
  for (size_t i = 0; i < n; i++) {
    if (call->cancelled && call->cancelled(call->context)) return FMR_CANCELLED;
    for (size_t k = 0; k < CLASSES; k++) {
      float sum = 0;
      for (size_t p = 0; p < pixels; p++) sum += weight(instance, k, p) * images[i * pixels + p] * images[i * pixels + p];
      logits[i * CLASSES + k] = sum;
    }
  }
  if (saved) {
    if (n != 1) return fail(call, FMR_BAD_CALL, "", "one sample at a time");
    *saved = malloc(sizeof **saved + pixels * sizeof(float));
    if (!*saved) return fail(call, FMR_FAILED, "", "out of memory");
    (*saved)->used = 0;
    (*saved)->pixels = pixels;
    memcpy((*saved)->images, images, pixels * sizeof(float));
    count(&saved_states, 1);
  }
  return FMR_OK;
}

static fmr_status pull_back(const fmr_instance *instance, fmr_saved *saved, const fmr_call *call,
                            const fmr_view *cotangent, const fmr_view *gradient) {
  const float *from = cotangent->data;
  float *to = gradient->data;
  (void)call;
  if (saved->used) return FMR_CONSUMED;
  saved->used = 1;
  for (size_t p = 0; p < saved->pixels; p++) {
    to[p] = 0;
    for (size_t k = 0; k < CLASSES; k++) to[p] += from[k] * weight(instance, k, p) * 2 * saved->images[p];
  }
  return FMR_OK;
}

static void release(fmr_saved *saved) {
  count(&saved_states, -1);
  free(saved);
}

static void live_handles(uint64_t *live_instances, uint64_t *live_saved) {
  *live_instances = __atomic_load_n(&instances, __ATOMIC_RELAXED);
  *live_saved = __atomic_load_n(&saved_states, __ATOMIC_RELAXED);
}

static const fmr_component component = {
    .size = sizeof(fmr_component),
    .role = FMR_TARGET,
    .name = FMR_STR("linear"),
    .create = create,
    .destroy = destroy,
    .info = info,
    .forward = forward,
    .pull_back = pull_back,
    .release = release,
    .schema = FMR_STR("{\"type\":\"object\",\"properties\":{\"scale\":{\"type\":\"number\"}},\"additionalProperties\":false}"),
};

static const fmr_component *const components[] = {&component};

static const fmr_library library = {
    .size = sizeof(fmr_library),
    .magic = FMR_MAGIC,
    .major = FMR_MAJOR,
    .minor = FMR_MINOR,
    .components_len = 1,
    .name = FMR_STR("linear-c"),
    .version = FMR_STR("1.2.3"),
    .components = components,
    .live_handles = live_handles,
};

FMR_EXPORT fmr_status fmr_plugin_v1(const fmr_host *host, fmr_error *error, const fmr_library **out) {
  (void)host;
  (void)error;
  *out = &library;
  return FMR_OK;
}
