/* A target and an oracle in plain C that offer what version 1.1 added: they read files and say which, know their classes,
 * say what they do to an image, and take originals as bytes in the size that their files have.
 *
 * Both look at brightness. The target's table names a file `weights`, which holds a factor; `<weights>.names` beside it
 * holds the names of the classes, one a line, of each the name and an id with a comma between.
 */
#include "fmr_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef CLASSES
#define CLASSES 3
#endif
#define MOST 4096

struct fmr_instance {
  fmr_info info;
  float scale;
  size_t classes; /* of the oracle, once they are set */
  char paths[2][MOST], names[MOST];
  fmr_str files[2], texts[2 * CLASSES];
  fmr_names class_names[CLASSES];
};

static fmr_status fail(const fmr_call *call, fmr_status status, const char *subject, const char *message) {
  fmr_text *texts[2] = {&call->error->subject, &call->error->message};
  const char *from[2] = {subject, message};
  for (int i = 0; i < 2; i++) {
    texts[i]->len = strlen(from[i]);
    memcpy(texts[i]->ptr, from[i], texts[i]->len < texts[i]->cap ? texts[i]->len : texts[i]->cap);
  }
  return status;
}

static fmr_str str(const char *text) {
  const fmr_str borrowed = {text, strlen(text)};
  return borrowed;
}

static fmr_instance *make(const char *name, uint32_t classes, const char *preprocessing) {
  fmr_instance *made = calloc(1, sizeof *made);
  if (!made) return NULL;
  made->info.size = sizeof made->info;
  made->info.classes = classes;
  made->info.flags = FMR_DETERMINISTIC | FMR_THREAD_SAFE | FMR_PICTURES;
  made->info.name = str(name);
  made->info.preprocessing = str(preprocessing);
  return made;
}

/* A whole file, as text. */
static int read_file(const char *path, char *text) {
  FILE *file = fopen(path, "rb");
  if (!file) return 0;
  text[fread(text, 1, MOST - 1, file)] = 0;
  return fclose(file) == 0;
}

/* Settings are `{"weights":"path"}`; a host since 1.1 gives the path absolute, as the schema asks. */
static fmr_status create_target(fmr_str settings, const fmr_site *site, const fmr_call *call, fmr_instance **out) {
  char text[MOST], path[MOST - 10];
  (void)site;
  if (settings.len >= sizeof path) return fail(call, FMR_BAD_SETTING, "", "the settings are too long");
  memcpy(text, settings.ptr, settings.len);
  text[settings.len] = 0;
  if (sscanf(text, "{\"weights\":\"%[^\"]\"}", path) != 1) return fail(call, FMR_BAD_SETTING, "weights", "must be the only key");
  fmr_instance *made = make("brightness in C", CLASSES, "mean of all pixels, in C");
  if (!made) return fail(call, FMR_FAILED, "", "out of memory");
  strcpy(made->paths[0], path);
  snprintf(made->paths[1], MOST, "%s.names", path);
  if (!read_file(made->paths[0], text) || sscanf(text, "%f", &made->scale) != 1 ||
      !read_file(made->paths[1], made->names)) {
    free(made);
    return fail(call, FMR_BAD_SETTING, "weights", "cannot be read, or has no names beside it");
  }
  char *next = strtok(made->names, ",\n");
  for (int i = 0; next && i < 2 * CLASSES; i++, next = strtok(NULL, ",\n")) {
    made->texts[i] = str(next);
    made->class_names[i / 2].names = &made->texts[i / 2 * 2];
    made->class_names[i / 2].len = (size_t)(i % 2) + 1;
  }
  made->info.class_names = made->class_names;
  made->info.class_names_len = CLASSES;
  for (int i = 0; i < 2; i++) made->files[i] = str(made->paths[i]);
  made->info.files = made->files;
  made->info.files_len = 2;
  *out = made;
  return FMR_OK;
}

static fmr_status create_oracle(fmr_str settings, const fmr_site *site, const fmr_call *call, fmr_instance **out) {
  (void)site;
  if (settings.len != 2) return fail(call, FMR_BAD_SETTING, "", "there are no settings");
  *out = make("watch", 0, "");
  return *out ? FMR_OK : fail(call, FMR_FAILED, "", "out of memory");
}

static void destroy(fmr_instance *instance) { free(instance); }

static const fmr_info *info(const fmr_instance *instance) { return &instance->info; }

static fmr_status set_classes(fmr_instance *instance, const fmr_call *call, const fmr_str *names, size_t names_len,
                              const fmr_str *templates, size_t templates_len) {
  (void)call, (void)names, (void)templates, (void)templates_len;
  instance->classes = names_len;
  return FMR_OK;
}

/* Mean of a picture's bytes, as a number in [0, 1]. */
static float brightness_of_bytes(const fmr_view *picture) {
  const uint8_t *bytes = picture->data;
  const int64_t len = picture->shape[0] * picture->shape[1] * picture->shape[2];
  uint64_t sum = 0;
  for (int64_t p = 0; p < len; p++) sum += bytes[p];
  return (float)sum / (float)len / 255;
}

static float brightness(const float *image, int64_t len) {
  float sum = 0;
  for (int64_t p = 0; p < len; p++) sum += image[p];
  return sum / (float)len;
}

static fmr_status forward(const fmr_instance *instance, const fmr_call *call, uint32_t function, const fmr_view *inputs,
                          size_t inputs_len, const fmr_view *outputs, size_t outputs_len, fmr_saved **saved) {
  const int of_pictures = function == FMR_LOGITS_OF_PICTURES || function == FMR_JUDGE_PICTURES;
  const int target = instance->info.classes != 0;
  if (saved || outputs_len != 1 || (target ? function != FMR_LOGITS && function != FMR_LOGITS_OF_PICTURES
                                           : function != FMR_JUDGE && function != FMR_JUDGE_PICTURES))
    return FMR_UNSUPPORTED;
  if (!of_pictures && inputs_len != 1) return fail(call, FMR_BAD_CALL, "", "one batch of images");
  const size_t k = target ? CLASSES : instance->classes;
  float *rows = outputs->data;
  for (size_t i = 0; i < (size_t)outputs->shape[0]; i++) {
    float light, size = 0;
    if (of_pictures) {
      light = brightness_of_bytes(&inputs[i]);
      size = (float)(inputs[i].shape[1] * inputs[i].shape[2]); /* shows that the size is the file's */
    } else {
      const int64_t len = inputs->shape[1] * inputs->shape[2] * inputs->shape[3];
      light = brightness((const float *)inputs->data + (int64_t)i * len, len);
    }
    for (size_t j = 0; j < k; j++)
      rows[i * k + j] = target ? instance->scale * light * (float)(j + 1) + size : j == (size_t)(light * ((float)k - 0.01f));
  }
  return FMR_OK;
}

static const fmr_component target = {
    .size = sizeof(fmr_component),
    .role = FMR_TARGET,
    .name = FMR_STR("brightness"),
    .create = create_target,
    .destroy = destroy,
    .info = info,
    .forward = forward,
    .schema = FMR_STR("{\"properties\":{\"weights\":{\"type\":\"string\",\"format\":\"path\"}},\"required\":[\"weights\"]}"),
};

static const fmr_component oracle = {
    .size = sizeof(fmr_component),
    .role = FMR_ORACLE,
    .name = FMR_STR("watch"),
    .create = create_oracle,
    .destroy = destroy,
    .info = info,
    .forward = forward,
    .set_classes = set_classes,
};

static const fmr_component *const components[] = {&target, &oracle};

static const fmr_library library = {
    .size = sizeof(fmr_library),
    .magic = FMR_MAGIC,
    .major = FMR_MAJOR,
    .minor = FMR_MINOR,
    .components_len = 2,
    .name = FMR_STR("pictures-c"),
    .version = FMR_STR("1"),
    .components = components,
};

FMR_EXPORT fmr_status fmr_plugin_v1(const fmr_host *host, fmr_error *error, const fmr_library **out) {
  (void)host, (void)error;
  *out = &library;
  return FMR_OK;
}
