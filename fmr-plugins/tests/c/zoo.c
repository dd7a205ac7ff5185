/* Plugins that misbehave. As they are built, libraries are broken in the way that the macro says; without one, the library
 * is sound and holds a target for each way to misbehave later. */
#include "fmr_plugin.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fmr_instance {
  const char *fault;
  fmr_info info;
};

static fmr_status say(const fmr_call *call, const char *bytes, size_t len) {
  memcpy(call->error->message.ptr, bytes, len < call->error->message.cap ? len : call->error->message.cap);
  call->error->message.len = len;
  return FMR_FAILED;
}

/* `{"fault":"..."}` */
static fmr_status create(fmr_str settings, const fmr_site *site, const fmr_call *call, fmr_instance **out) {
  static const char *const faults[] = {
      "unwritten", "overrun", "nan", "hang", "utf8", "long", "status", "silent", "saves nothing", "fails after saving",
      "no handle", "no info", "no classes", "short info", "no name", "name utf8", "name control",
      "hang in create", "few names", "null names", "nameless class", "class utf8", "no file", "null files", "file utf8",
      "preprocessing control"};
  const char *fault = "";
  (void)site;
  (void)call;
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
    if (settings.len == strlen(faults[i]) + 12 && memcmp(settings.ptr + 10, faults[i], strlen(faults[i])) == 0)
      fault = faults[i];
  if (strcmp(fault, "hang in create") == 0)
    for (;;) pause();
  if (strcmp(fault, "no handle") == 0) return FMR_OK;
  fmr_instance *made = calloc(1, sizeof *made);
  if (!made) return FMR_FAILED;
  const fmr_str name = FMR_STR("faulty"), no_name = {NULL, 0}, bad_name = FMR_STR("\xff\xfe");
  const fmr_str control = FMR_STR("\033[31mred");
  static const fmr_str texts[] = {FMR_STR("a"), FMR_STR("\xff"), FMR_STR("/nowhere/at/all")};
  static const fmr_names few[] = {{&texts[0], 1}, {&texts[0], 1}};
  static const fmr_names nameless[] = {{&texts[0], 1}, {&texts[0], 0}, {&texts[0], 1}};
  static const fmr_names no_text[] = {{&texts[0], 1}, {&texts[0], 1}, {&texts[1], 1}};
  made->fault = fault;
  if (strcmp(fault, "few names") == 0) made->info.class_names = few, made->info.class_names_len = 2;
  if (strcmp(fault, "null names") == 0) made->info.class_names_len = 3;
  if (strcmp(fault, "nameless class") == 0) made->info.class_names = nameless, made->info.class_names_len = 3;
  if (strcmp(fault, "class utf8") == 0) made->info.class_names = no_text, made->info.class_names_len = 3;
  if (strcmp(fault, "no file") == 0) made->info.files = &texts[2], made->info.files_len = 1;
  if (strcmp(fault, "null files") == 0) made->info.files_len = 1;
  if (strcmp(fault, "file utf8") == 0) made->info.files = &texts[1], made->info.files_len = 1;
  if (strcmp(fault, "preprocessing control") == 0) made->info.preprocessing = control;
  made->info.size = strcmp(fault, "short info") == 0 ? 8 : sizeof made->info;
  made->info.classes = strcmp(fault, "no classes") == 0 ? 0 : 3;
  made->info.flags = FMR_DIFFERENTIABLE | FMR_DETERMINISTIC | FMR_THREAD_SAFE | FMR_BATCHED_PULL_BACK |
                     FMR_PICTURES;
  made->info.name = strcmp(fault, "no name") == 0 ? no_name : strcmp(fault, "name utf8") == 0 ? bad_name : name;
  if (strcmp(fault, "name control") == 0) made->info.name = control;
  *out = made;
  return FMR_OK;
}

/* Settings as for create. */
static fmr_status check(fmr_str settings, const fmr_site *site, const fmr_call *call,
                        void (*file)(void *files, fmr_str key, fmr_str path), void *files) {
  static const fmr_str key = FMR_STR("weights"), path = FMR_STR("w.bin"), bad = FMR_STR("\xff"), null = {NULL, 3};
  const char *const at = settings.len > 12 ? settings.ptr + 10 : "";
  (void)site;
  if (strncmp(at, "check ", 6) != 0) return FMR_OK;
  switch (at[6]) {
  case '1': file(files, key, path); return FMR_OK;
  case '2': file(files, bad, path); return FMR_OK;
  case '3': file(files, key, null); return FMR_OK;
  case '4': for (int i = 0; i < 70000; i++) file(files, key, path); return FMR_OK;
  case '5': for (;;) pause();
  default: return say(call, "no", 2);
  }
}

static void destroy(fmr_instance *instance) { free(instance); }

static const fmr_info *info(const fmr_instance *instance) {
  return strcmp(instance->fault, "no info") == 0 ? NULL : &instance->info;
}

static fmr_status forward(const fmr_instance *instance, const fmr_call *call, uint32_t function, const fmr_view *inputs,
                          size_t inputs_len, const fmr_view *outputs, size_t outputs_len, fmr_saved **saved) {
  const char *fault = instance->fault;
  float *logits = outputs[0].data;
  size_t len = (size_t)(outputs[0].shape[0] * outputs[0].shape[1]);
  char text[40000];
  (void)function, (void)inputs, (void)inputs_len, (void)outputs_len;
  if (saved && strcmp(fault, "saves nothing") != 0) *saved = malloc(1);
  if (strcmp(fault, "fails after saving") == 0) return say(call, "changed its mind", 16);
  if (strcmp(fault, "hang") == 0)
    for (;;) pause();
  if (strcmp(fault, "utf8") == 0) return say(call, "caf\xe9 is \xff closed", 16);
  if (strcmp(fault, "long") == 0) {
    memset(text, 'a', sizeof text);
    return say(call, text, sizeof text);
  }
  if (strcmp(fault, "status") == 0) return 77;
  if (strcmp(fault, "silent") == 0) return FMR_FAILED;
  if (strcmp(fault, "unwritten") == 0) len--;
  if (strcmp(fault, "overrun") == 0) len++;
  for (size_t i = 0; i < len; i++) logits[i] = strcmp(fault, "nan") == 0 ? strtof("nan", NULL) : 1;
  return FMR_OK;
}

static fmr_status pull_back(const fmr_instance *instance, fmr_saved *saved, const fmr_call *call,
                            const fmr_view *cotangent, const fmr_view *gradient) {
  (void)instance, (void)saved, (void)call, (void)cotangent, (void)gradient;
  return FMR_OK; /* writes nothing */
}

static void release(fmr_saved *saved) { free(saved); }

static const fmr_component component = {
#ifdef SHORT_COMPONENT
    .size = 40,
#else
    .size = sizeof(fmr_component),
#endif
#ifdef UNKNOWN_ROLE
    .role = 9,
#else
    .role = FMR_TARGET,
#endif
#ifdef BAD_NAME
    .name = FMR_STR("\xff"),
#else
    .name = FMR_STR("faulty"),
#endif
    .create = create,
    .destroy = destroy,
    .info = info,
#ifndef NULL_FUNCTION
    .forward = forward,
#endif
    .pull_back = pull_back,
#ifndef NO_RELEASE
    .release = release,
#endif
    .check = check,
#ifdef BAD_SCHEMA
    .schema = FMR_STR("{"),
#endif
};

#ifdef TWICE
#define LEN 2
#elif defined(NO_COMPONENTS)
#define LEN 0
#else
#define LEN 1
#endif

static const fmr_component *const components[] = {&component, &component};

static const fmr_library library = {
#ifdef SHORT_LIBRARY
    .size = 8,
#else
    .size = sizeof(fmr_library),
#endif
#ifdef BAD_MAGIC
    .magic = 1,
#else
    .magic = FMR_MAGIC,
#endif
#ifdef OTHER_MAJOR
    .major = 9,
#else
    .major = FMR_MAJOR,
#endif
    .minor = FMR_MINOR,
    .components_len = LEN,
    .name = FMR_STR("zoo"),
    .version = FMR_STR("0"),
    .components = components,
};

#ifdef UNRESOLVED
void fmr_nobody_defines_this(void);
#endif
#ifdef DEPENDENT
void fmr_dependency(void);
#endif

#ifdef OTHER_SYMBOL
#define fmr_plugin_v1 fmr_plugin_v7
FMR_EXPORT fmr_status fmr_plugin_v7(const fmr_host *host, fmr_error *error, const fmr_library **out);
#endif
#ifdef NO_SYMBOL
#define fmr_plugin_v1 something_else
FMR_EXPORT fmr_status something_else(const fmr_host *host, fmr_error *error, const fmr_library **out);
#endif

FMR_EXPORT fmr_status fmr_plugin_v1(const fmr_host *host, fmr_error *error, const fmr_library **out) {
  (void)host;
  (void)error;
#ifdef UNRESOLVED
  fmr_nobody_defines_this();
#endif
#ifdef DEPENDENT
  fmr_dependency();
#endif
#ifdef REFUSES
  error->message.len = 18;
  memcpy(error->message.ptr, "it is Sunday today", 18);
  return FMR_FAILED;
#endif
#ifdef NULL_TABLE
  *out = NULL;
#else
  *out = &library;
#endif
  return FMR_OK;
}
