/* fmr_plugin.h: the binary interface between fmr and its plugins, version 1.1.
 *
 * A plugin is a dynamic library that exports one function, fmr_plugin_v1. docs/plugins.md is the contract in words; this
 * file is checked against the Rust declarations by a test. Needs C99 or C++11, and nothing else of fmr.
 *
 * Growth: within a major version, structures that start with `size` get new fields at their end only, and a field beyond
 * `size` counts as zero. fmr_str, fmr_text, fmr_dtype, fmr_view, fmr_block and fmr_names are frozen. A plugin works with
 * every host of its major version: an older one leaves out what it does not know, which is marked "since" below.
 */
#ifndef FMR_PLUGIN_H
#define FMR_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define FMR_EXPORT __declspec(dllexport)
#else
#define FMR_EXPORT __attribute__((visibility("default")))
#endif

#define FMR_MAGIC 0x31524d46u /* "FMR1" */
#define FMR_MAJOR 1           /* incompatible changes; part of the entry's name */
#define FMR_MINOR 1           /* compatible additions */

/* What a call ends with. */
typedef int32_t fmr_status;
#define FMR_OK 0          /* done; every output is written */
#define FMR_BAD_SETTING 1 /* a setting is unknown, missing or makes no sense; error->subject is its key */
#define FMR_UNSUPPORTED 2 /* not offered */
#define FMR_FAILED 3      /* could not be done; error->message says why */
#define FMR_PANICKED 4    /* the plugin panicked; the instance is poisoned */
#define FMR_POISONED 5    /* an earlier call panicked */
#define FMR_CONSUMED 6    /* this pull-back was used before */
#define FMR_CANCELLED 7   /* call->cancelled said so */
#define FMR_BAD_CALL 8    /* the host broke the contract */
#define FMR_UNKNOWN_NAME 9 /* since 1.1, of check: a setting names something that there is not, such as a model;
                              error->subject is its key */

/* Roles of a component. */
#define FMR_GENERATOR 1u
#define FMR_ORACLE 2u
#define FMR_TARGET 3u
#define FMR_SCORER 4u

/* Functions of fmr_component.forward: inputs -> outputs. */
#define FMR_ENCODE 1u /* generator: images f32 [n,c,h,w], labels i64 [n] -> latents f32 [n,d] */
#define FMR_DECODE 2u /* generator: latents f32 [n,d], labels i64 [n] -> images f32 [n,c,h,w]; has a pull-back */
#define FMR_JUDGE 3u  /* oracle: images f32 [n,c,h,w] -> class probabilities f32 [n,k] */
#define FMR_LOGITS 4u /* target: images f32 [n,c,h,w] -> logits f32 [n,k]; pull-back if FMR_DIFFERENTIABLE */
#define FMR_SCORE 5u  /* scorer: logits f32 [n,k], clean logits f32 [n,k], labels i64 [n]
                         -> scores f32 [n], gradients f32 [n,k] */
#define FMR_FINISH 6u /* generator with FMR_FINISHES: latents f32 [n,d], labels i64 [n]
                         -> the latents f32 [n,d] that become final in their place */
#define FMR_QUANTIZE 7u /* generator with FMR_QUANTIZES: latents f32 [n,d] -> latents as decoding sees them, f32 [n,d] */
#define FMR_LOGITS_OF_PICTURES 8u /* since 1.1, target with FMR_PICTURES: n pictures as their files hold them, an input each:
                                     u8 [c,h,w] of its own size, grey (c = 1) or RGB (c = 3) -> logits f32 [n,k] */
#define FMR_JUDGE_PICTURES 9u     /* since 1.1, oracle with FMR_PICTURES: pictures as above -> probabilities f32 [n,k] */

/* Capabilities, fmr_info.flags. The host ignores bits that it does not know. */
#define FMR_DIFFERENTIABLE 1u     /* offers a pull-back */
#define FMR_DETERMINISTIC 2u      /* the same call gives the same bits */
#define FMR_THREAD_SAFE 4u        /* may be called from several threads at once; else the host lets calls queue */
#define FMR_BATCHED_PULL_BACK 8u  /* a pull-back may span several samples; else the host asks one sample at a time */
#define FMR_NEEDS_LABELS 16u      /* reads the labels it is given */
#define FMR_FINISHES 32u          /* a generator that offers FMR_FINISH */
#define FMR_QUANTIZES 64u         /* a generator that offers FMR_QUANTIZE: latents that decoding sees alike have the same
                                     image, bit for bit */
#define FMR_PICTURES 128u         /* since 1.1: a target that offers FMR_LOGITS_OF_PICTURES, or an oracle that offers
                                     FMR_JUDGE_PICTURES; else originals are shown at the size of the run's images */

/* fmr_library.flags. */
#define FMR_PANIC_ABORTS 1u /* a panic ends the process */

/* Levels of fmr_call.log. */
#define FMR_LEVEL_ERROR 1u
#define FMR_LEVEL_WARN 2u
#define FMR_LEVEL_INFO 3u
#define FMR_LEVEL_DEBUG 4u

/* Borrowed UTF-8, not zero-terminated; a null pointer with length 0 is the empty text. */
typedef struct fmr_str {
  const char *ptr;
  size_t len;
} fmr_str;

/* An fmr_str of a string literal, for initialisers. */
#define FMR_STR(literal) {(literal), sizeof(literal) - 1}

/* A buffer of the host's that the plugin writes text to. */
typedef struct fmr_text {
  char *ptr;
  size_t cap; /* room in bytes */
  size_t len; /* bytes of the whole text, set by the plugin; may exceed cap, then only cap bytes are there */
} fmr_text;

/* Where the plugin explains a status other than FMR_OK. */
typedef struct fmr_error {
  uint32_t size;
  uint32_t reserved;
  fmr_text message; /* what is wrong and what would be right */
  fmr_text subject; /* FMR_BAD_SETTING: the key; else what was asked, or nothing */
} fmr_error;

/* Type of elements, numbered as in DLPack. */
typedef struct fmr_dtype {
  uint8_t code; /* 0 signed integer, 1 unsigned integer, 2 floating point */
  uint8_t bits;
  uint16_t lanes; /* 1 */
} fmr_dtype;

/* A tensor of the host's, lent for one call. Inputs are read only; inputs and outputs never overlap. */
typedef struct fmr_view {
  void *data;
  const int64_t *shape;   /* slowest dimension first */
  const int64_t *strides; /* in elements; in version 1 always row by row without gaps */
  uint32_t ndim;
  fmr_dtype dtype;
} fmr_view;

/* Accompanies every call that may take time or fail. Callbacks may be null, are valid until the call returns, and may be
 * used from any thread. */
typedef struct fmr_call {
  uint32_t size;
  uint32_t threads; /* that the plugin may keep busy; 0 leaves it to the plugin. A thread that calls has one budget, ever */
  uint64_t seed;    /* source of all randomness */
  fmr_error *error; /* never null */
  void *context;    /* first argument of the callbacks */
  int32_t (*cancelled)(void *context); /* not 0: the result is not wanted any more, return FMR_CANCELLED */
  void (*progress)(void *context, uint64_t done, uint64_t total);
  void (*log)(void *context, uint32_t level, fmr_str text);
} fmr_call;

/* The run that a component is made for. */
typedef struct fmr_site {
  uint32_t size;
  uint32_t image[3]; /* channels, height, width of the run's images */
  fmr_str base;      /* folder that relative paths of the settings start from */
  fmr_str device;    /* device that computes unless the settings name another, e.g. "cpu" */
  uint64_t seed;
} fmr_site;

/* A named part of a latent row. */
typedef struct fmr_block {
  fmr_str name;
  const int64_t *shape; /* slowest dimension first */
  uint32_t ndim;
  uint32_t reserved;
} fmr_block;

/* The names of one class: the name for people first, then identifiers such as a WordNet id. */
typedef struct fmr_names {
  const fmr_str *names;
  size_t len; /* at least 1 */
} fmr_names;

typedef struct fmr_instance fmr_instance; /* yours: a component that was made */
typedef struct fmr_saved fmr_saved;       /* yours: what one forward keeps for its pull-back */

/* What an instance takes and gives. */
typedef struct fmr_info {
  uint32_t size;
  uint32_t classes; /* target: number of logits; else 0 */
  uint64_t flags;   /* capabilities */
  fmr_str name;     /* for messages and reports */
  uint32_t image[3]; /* generator: channels, height, width; else 0 */
  uint32_t blocks_len;
  const fmr_block *blocks; /* generator: the latent row, in order and without gaps */
  /* Since 1.1. */
  fmr_str preprocessing; /* target, oracle: what it does to an image before its model sees it, in one line; or nothing */
  const fmr_names *class_names; /* target that knows its classes: their names in label order; else null */
  uint32_t class_names_len;     /* classes, or 0 */
  uint32_t files_len;
  const fmr_str *files; /* every file that create read and results depend on, by a path that this process can open */
} fmr_info;

typedef struct fmr_component {
  uint32_t size;
  uint32_t role;
  fmr_str name; /* what experiment files call it */
  /* Makes an instance from its settings, a JSON object. Refuses unknown keys with FMR_BAD_SETTING. The host looks at *out
   * after FMR_OK only, so what was made before a failure is yours to free. */
  fmr_status (*create)(fmr_str settings, const fmr_site *site, const fmr_call *call, fmr_instance **out);
  void (*destroy)(fmr_instance *instance);
  /* Valid and unchanged until destroy. */
  const fmr_info *(*info)(const fmr_instance *instance);
  /* n is at least 1. saved is null where no pull-back will follow; else store a handle there, which the host releases
   * exactly once, whatever happens. */
  fmr_status (*forward)(const fmr_instance *instance, const fmr_call *call, uint32_t function, const fmr_view *inputs,
                        size_t inputs_len, const fmr_view *outputs, size_t outputs_len, fmr_saved **saved);
  /* Oracles only: comes before the first forward and never beside one. */
  fmr_status (*set_classes)(fmr_instance *instance, const fmr_call *call, const fmr_str *names, size_t names_len,
                            const fmr_str *templates, size_t templates_len);
  /* With a pull-back only: from d score / d output to d score / d first input; at most once for a state. */
  fmr_status (*pull_back)(const fmr_instance *instance, fmr_saved *saved, const fmr_call *call,
                          const fmr_view *cotangent, const fmr_view *gradient);
  /* With a pull-back only: may come from any thread, also while calls run. */
  void (*release)(fmr_saved *saved);
  /* Optional: JSON Schema of the settings. One of "format": "path" names a file or folder that has to be there; since 1.1
   * the host looks for it, starting from site->base, and hands create its absolute path. */
  fmr_str schema;
  /* Since 1.1, optional: refuses settings as create does, as far as that is possible without the files that they name, and
   * tells of each of these by file(files, dotted key, path), on the same thread. Paths of the settings are as the experiment
   * has them, relative ones from site->base. Without it the schema says which settings are files. */
  fmr_status (*check)(fmr_str settings, const fmr_site *site, const fmr_call *call,
                      void (*file)(void *files, fmr_str key, fmr_str path), void *files);
} fmr_component;

typedef struct fmr_library {
  uint32_t size;
  uint32_t magic;
  uint16_t major;
  uint16_t minor;
  uint32_t components_len;
  uint64_t flags;
  fmr_str name;
  fmr_str version;
  const fmr_component *const *components;
  void (*live_handles)(uint64_t *instances, uint64_t *saved); /* optional: given out and not returned */
} fmr_library;

typedef struct fmr_host {
  uint32_t size;
  uint16_t major;
  uint16_t minor;
  fmr_str version;
} fmr_host;

/* What a plugin exports. Hands over a table that stays valid and unchanged; may be called again and from any thread. */
FMR_EXPORT fmr_status fmr_plugin_v1(const fmr_host *host, fmr_error *error, const fmr_library **library);

#ifdef __cplusplus
}
#endif

#endif
