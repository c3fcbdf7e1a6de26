// The one list of a config's fields: name, place, limits and a line of help. Reading, --set,
// writing and the list of known keys all use it.
#pragma once
#include <limits>

#include "lait/config/config.h"

namespace lait {

// Limits of a number: min and max are inclusive, above and below exclusive.
struct Limits {
  static constexpr double kInfinity = std::numeric_limits<double>::infinity();
  double min = -kInfinity;
  double max = kInfinity;
  double above = -kInfinity;
  double below = kInfinity;
};

// Calls visitor.field(name, reference, limits, help) for every field, in the order in which they
// are written.
template <class ConfigType, class Visitor>
void visit_fields(ConfigType& c, Visitor& v) {
  constexpr double kMaxCount = 1e12;
  constexpr Limits kAny{}, kFromOne{.min = 1, .max = kMaxCount},
      kFromZero{.min = 0, .max = kMaxCount}, kShare{.min = 0, .max = 1};
  constexpr Limits kBelowOne{.min = 0, .below = 1}, kRate{.min = 0}, kPositive{.above = 0};
  v.field("task", c.task, kAny, "what the segments and labels are and how the files are read");
  v.field("model.path", c.model.path, kAny, "a Hugging Face directory, or a model's name");
  v.field("model.init", c.model.init, kAny,
          "pretrained, or random: new weights for the folder's config.json, drawn from the seed");
  v.field("model.independent_layers", c.model.independent_layers,
          Limits{.min = 0, .max = kMaxLayers},
          "P: layers in which a token sees its own segment only");
  v.field("model.schedule", c.model.schedule, kAny,
          "instead: stages [{num_layers, scope: segment|group|example}, …]; with updates: first a "
          "stage of scope example computes the first segment's rows only");
  v.field("model.segment_format", c.model.segment_format, kAny,
          "pair (the stock layout, P = 0), standalone, auto");
  v.field("model.head", c.model.head, kAny,
          "classifier, regression, relevance, span, or text (the decoder writes the label); "
          "default: the "
          "task's, and text for families with a decoder");
  v.field("model.pooling", c.model.pooling, kAny, "what of the encoder the head reads");
  v.field("model.lexical_bias", c.model.lexical_bias, kAny,
          "each head of the layers in which segments see each other learns what a pair of the same "
          "token in different segments adds to its score");
  v.field("model.hidden_dropout", c.model.hidden_dropout, kBelowOne, "instead of the checkpoint's");
  v.field("model.attention_dropout", c.model.attention_dropout, kBelowOne,
          "instead of the checkpoint's");
  v.field("model.classifier_dropout", c.model.classifier_dropout, kBelowOne,
          "instead of the checkpoint's");
  v.field("data.train", c.data.train, kAny, "file or list of files");
  v.field("data.validation", c.data.validation, kAny, "selects the best model");
  v.field("data.test", c.data.test, kAny, "scored once, at the end");
  v.field("data.format", c.data.format, kAny,
          "tsv: quotes are text; csv: quotes enclose fields; auto: by the first line");
  v.field("data.columns.segments", c.data.columns.segments, kAny,
          "columns (or JSON fields) with the segments, instead of the task's; numbers from 1 if "
          "the table has no header");
  v.field("data.columns.label", c.data.columns.label, kAny, "the column with the label");
  v.field("data.columns.id", c.data.columns.id, kAny, "the column with the example's id");
  v.field("data.label_map", c.data.label_map, kAny,
          "labels as the files write them, and what they mean, e.g. {0: entailment, 1: neutral}");
  v.field("data.bodies", c.data.bodies, kAny,
          "fnc1: the articles, CSV files with Body ID and articleBody");
  v.field("data.corpus", c.data.corpus, kAny,
          "scifact: the abstracts, JSON lines with doc_id, title and abstract");
  v.field(
      "data.wiki_pages", c.data.wiki_pages, kAny,
      "fever: the folder of wiki-*.jsonl, for claims that name their evidence by page and line");
  v.field("data.num_segments", c.data.num_segments, Limits{.min = 0, .max = kMaxCount},
          "segments of every example, 0: any; default: as the first training example has");
  v.field("data.max_segment_tokens", c.data.max_segment_tokens, kFromZero,
          "longest sequence, with special tokens; 0: the model's limit");
  v.field("data.on_overflow", c.data.on_overflow, kAny,
          "longer sequences: truncate (and count) or error");
  v.field(
      "data.window_overlap", c.data.window_overlap, kFromZero,
      "tokens that windows of a long passage share (squad; default 128, at most half a window)");
  v.field("data.skip_bad_lines", c.data.skip_bad_lines, kFromZero,
          "malformed lines allowed in a split");
  v.field("training.epochs", c.training.epochs, Limits{.max = 1e6, .above = 0},
          "passes over the training data (default 3)");
  v.field("training.steps", c.training.steps, kFromOne, "instead: optimiser steps");
  v.field("training.batch_size", c.training.batch_size, kFromOne,
          "examples, or tokens, of a micro-batch");
  v.field("training.batch_by", c.training.batch_by, kAny,
          "what batch_size counts: examples or tokens");
  v.field("training.share_segments", c.training.share_segments, kAny,
          "batches of examples with common segments, each encoded once: true, false, or auto (if "
          "more than half of the tokens are repeats)");
  v.field("training.accumulation", c.training.accumulation, Limits{.min = 1, .max = 1e6},
          "micro-batches of an optimiser step");
  v.field("training.max_tokens_per_device", c.training.max_tokens_per_device, kFromZero,
          "a device computes larger parts of a micro-batch one after the other; 0: no limit");
  v.field("training.recompute", c.training.recompute, kAny,
          "compute each layer again in backward instead of keeping what it needs: less memory, a "
          "third more products");
  v.field("training.optimizer", c.training.optimizer, kAny,
          "adamw, or adafactor (T5's), with which the defaults are learning_rate 1e-3, schedule "
          "constant, warmup, weight_decay and max_grad_norm 0");
  v.field("training.learning_rate", c.training.learning_rate, kRate, "of the encoder, at its peak");
  v.field("training.head_learning_rate_factor", c.training.head_learning_rate_factor, kRate,
          "the head's learning rate is this many times larger");
  v.field("training.lexical_bias_learning_rate", c.training.lexical_bias_learning_rate, kRate,
          "of the lexical bias (default 0.03)");
  v.field("training.layer_decay", c.training.layer_decay, Limits{.max = 1, .above = 0},
          "a layer's learning rate is this many times that of the one above it; below the head");
  v.field("training.elastic_independent_layers", c.training.elastic_independent_layers,
          Limits{.min = 0, .max = kMaxLayers},
          "one model for every P of a list, e.g. [0, 2, 4]: each step trains one of them, drawn "
          "from the seed; model.independent_layers is then what prediction uses (default: the "
          "largest)");
  v.field("training.freeze", c.training.freeze, kAny,
          "parts that are not trained, and have no dropout: embeddings, layer N, layers A-B (from "
          "0), independent (the embeddings and the layers before the first of example scope)");
  v.field("training.lora.rank", c.training.lora.rank, kFromOne,
          "of low-rank adapters, which are trained with the head instead of the encoder (LoRA); "
          "default: none");
  v.field("training.lora.alpha", c.training.lora.alpha, kPositive,
          "an adapter's product counts alpha / rank times");
  v.field("training.lora.dropout", c.training.lora.dropout, kBelowOne, "of an adapter's input");
  v.field("training.lora.targets", c.training.lora.targets, kAny,
          "the modules that get adapters: ends of their names in the pretrained model");
  v.field("training.distill.teacher", c.training.distill.teacher, kAny,
          "a checkpoint or run of lait-train for the same task, whose outputs are learned beside "
          "the labels; default: none");
  v.field("training.distill.temperature", c.training.distill.temperature, kPositive,
          "by which the logits of teacher and student are divided (default 2)");
  v.field("training.distill.weight", c.training.distill.weight, Limits{.max = 1, .above = 0},
          "of the teacher's part of the loss; 1 - weight is the label's");
  v.field("training.distill.init", c.training.distill.init, kAny,
          "the weights to start from: pretrained (model.path's), or teacher");
  v.field("training.distill.recombine", c.training.distill.recombine, Limits{.min = 0, .max = 1000},
          "for each training example, so many new pairs of its first text and others' second texts "
          "with which it shares rare words, labelled by the teacher");
  v.field("training.distill.data", c.training.distill.data, kAny,
          "file or list of files with more examples, labelled by the teacher; labels in them are "
          "not read");
  v.field("training.weight_decay", c.training.weight_decay, kRate, "not on biases and norms");
  v.field("training.beta1", c.training.beta1, kBelowOne, "AdamW's (default 0.9)");
  v.field("training.beta2", c.training.beta2, kBelowOne, "AdamW's (default 0.999)");
  v.field("training.epsilon", c.training.epsilon, kPositive, "AdamW's (default 1e-8)");
  v.field("training.schedule", c.training.schedule, kAny,
          "of the learning rate after the warm-up: linear, constant, cosine, inverse_sqrt");
  v.field("training.warmup", c.training.warmup, kShare,
          "share of the steps in which the learning rate rises (default 0.06)");
  v.field("training.warmup_steps", c.training.warmup_steps, kFromZero, "instead: steps");
  v.field("training.max_grad_norm", c.training.max_grad_norm, kRate,
          "limit of the gradient's global norm; 0: none");
  v.field("training.label_smoothing", c.training.label_smoothing, kBelowOne,
          "of the cross entropy");
  v.field("training.class_weights", c.training.class_weights, kPositive,
          "of the classes in the loss: balanced (by their counts in the training data), or {label: "
          "weight, …}, 1 for the others");
  v.field("training.ema", c.training.ema, Limits{.above = 0, .below = 1},
          "decay of a moving average of the weights, which is validated and saved as the best "
          "model, e.g. 0.999");
  v.field("training.shard_optimizer", c.training.shard_optimizer, kAny,
          "of several processes, each keeps the optimiser's state of a part of the parameters "
          "(ZeRO-1)");
  v.field(
      "training.max_skipped_steps", c.training.max_skipped_steps, kFromZero,
      "steps in a row that are left out because the gradient is not finite, before the run ends");
  v.field("training.precision", c.training.precision, kAny,
          "auto: bf16 where its matrix multiplication is faster, else fp32");
  v.field("training.tf32", c.training.tf32, kAny, "fp32 products on GPUs: faster, in TF32");
  v.field("training.device", c.training.device, kAny, "auto, cpu or cuda");
  v.field("training.threads", c.training.threads, Limits{.min = 0, .max = 4096},
          "auto (or 0): one for each core that the process may use");
  v.field("training.seed", c.training.seed, Limits{.min = 0}, "of everything random");
  v.field("training.log_every", c.training.log_every, kFromOne, "steps");
  v.field("training.evaluate_every", c.training.evaluate_every, kFromZero, "steps; 0: every epoch");
  v.field("training.checkpoint_every", c.training.checkpoint_every, kFromZero,
          "steps; 0: every epoch");
  v.field("training.select_by", c.training.select_by, kAny,
          "validation metric that selects the best model; default: the task's first");
  v.field("training.early_stopping.patience", c.training.early_stopping.patience, kFromOne,
          "evaluations without an improvement after which training ends; default: never");
  v.field("training.early_stopping.min_change", c.training.early_stopping.min_change, kRate,
          "what is better by no more than this is no improvement");
  v.field("distributed.timeout", c.distributed.timeout, Limits{.min = 1, .max = 1e6},
          "seconds that a process waits for the others before it gives up");
  v.field("output.dir", c.output.dir, kAny, "the run directory");
  v.field("output.keep", c.output.keep, kFromOne, "number of newest checkpoints to keep");
  v.field("output.hf_code", c.output.hf_code, kAny,
          "writes modeling_lait.py beside models that transformers cannot run without it");
  v.field("cache.dir", c.cache.dir, kAny,
          "folder of a segment store: what frozen embeddings and independent layers make of a "
          "segment is computed once and then read from it; needs training.freeze: [independent]");
  v.field("cache.exact", c.cache.exact, kAny,
          "use only what a CPU or GPU and a LibTorch like these computed: the same bits");
  v.field("cache.max_bytes", c.cache.max_bytes, Limits{.min = 0, .max = 1e15},
          "drop the store's oldest files beyond this; 0: no limit");
}

}  // namespace lait
