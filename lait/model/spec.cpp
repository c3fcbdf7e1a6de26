#include "lait/model/spec.h"

#include <algorithm>
#include <cmath>

#include "kernels/lexical_bias.h"
#include "lait/base/error.h"
#include "lait/config/enum_names.h"
#include "lait/config/read.h"
#include "lait/data/task.h"
#include "lait/model/family.h"
#include "lait/model/head.h"

namespace lait {

namespace {

// T5 writes scores in steps of 0.2.
constexpr int kTextSteps = 5;

// Throws UserError "where: …" if the head reads rows that a one-sided stage does not compute.
void check_reads(const ModelSpec& spec, const std::string& where) {
  const HeadInfo& head = find_head(spec.head);
  if (!reads_kept_rows(spec.schedule, head.reads(spec.pooling))) return;
  const bool pools = head.pools;
  throw UserError(
      where + ": stages with updates: first compute the first segment's rows only, and " +
      (pools ? "model.pooling: " + to_string(spec.pooling)
             : "model.head: " + to_string(spec.head)) +
      " reads the final states of others; use " +
      (pools ? "cls, or cls_segments with independent layers" : "stages without updates: first"));
}

// Throws UserError if rows of such a model have no words (kernels/lexical_bias.h).
void check_words(const ModelSpec& spec, const HfConfig& config) {
  if (!spec.lexical_bias) return;
  if (spec.format == SegmentFormat::kPair) {
    throw UserError(
        "model.lexical_bias: expected segment_format: standalone, got pair, the stock layout, "
        "which has no such bias; set model.segment_format: standalone, or leave it out");
  }
  if (config.vocab_size > kernels::kMaxWordTokens) {
    throw UserError("model.lexical_bias: expected a vocabulary of at most " +
                    std::to_string(kernels::kMaxWordTokens) + " tokens, got " +
                    std::to_string(config.vocab_size) + "; leave it out");
  }
}

// Throws UserError if no pair of rows could match.
void check_lexical_bias(const ModelSpec& spec, const HfConfig& config) {
  if (!spec.lexical_bias || takes_lexical_bias(spec, config)) return;
  throw UserError(
      "model.lexical_bias: " +
      (segment_layers(spec.schedule) == config.num_hidden_layers
           ? "expected layers in which segments see each other, got " + describe(spec.schedule)
           : "the one layer in which segments see each other computes the example's first row "
             "alone, which is a special token's and matches nothing") +
      "; set fewer model.independent_layers, or leave it out");
}

bool reads_first_row(const ModelSpec& spec) {
  const Reads::Rows rows = find_head(spec.head).reads(spec.pooling).rows;
  return rows == Reads::Rows::kFirst || rows == Reads::Rows::kFirstAndTexts;
}

}  // namespace

bool takes_lexical_bias(const ModelSpec& spec, const HfConfig& config) {
  const bool first_row = find_head(spec.head).reads(spec.pooling).rows == Reads::Rows::kFirst;
  return config.num_hidden_layers - segment_layers(spec.schedule) > (first_row ? 1 : 0);
}

LabelKind ModelSpec::label_kind() const {
  const HeadInfo& info = find_head(head);
  const bool numbers = info.labels.size() > 1 && labels.empty() && !task.empty() &&
                       find_task(task).label_kind() == LabelKind::kNumber;
  return numbers ? LabelKind::kNumber : info.labels.front();
}

std::vector<double> text_values(const ModelSpec& spec) {
  if (spec.label_kind() != LabelKind::kNumber) return {};
  const Task& task = find_task(spec.task);
  const double low = task.lowest_score(), high = task.highest_score();
  if (!std::isfinite(low) || !std::isfinite(high)) {
    throw UserError("model.head: " + to_string(spec.head) +
                    " writes numbers of a range, and task " + task.name() +
                    " has none; use regression");
  }
  std::vector<double> values;
  const auto first = static_cast<int64_t>(std::ceil(low * kTextSteps)),
             last = static_cast<int64_t>(std::floor(high * kTextSteps));
  for (int64_t i = first; i <= last; ++i) values.push_back(static_cast<double>(i) / kTextSteps);
  return values;
}

std::vector<std::string> label_texts(const ModelSpec& spec) {
  std::vector<std::string> texts;
  for (const double value : text_values(spec)) {
    const auto tenths = static_cast<int64_t>(std::llround(value * 10));
    texts.push_back(std::to_string(tenths / 10) + "." + std::to_string(tenths % 10));
  }
  if (!texts.empty()) return texts;
  texts = find_task(spec.task).prompts().labels;
  return texts.size() == spec.labels.size() && !texts.empty() ? texts : spec.labels;
}

std::vector<int32_t> target_tokens(const std::string& text, const Tokenizer& tokenizer) {
  std::vector<int32_t> tokens;
  tokenizer.encode(text, tokens);
  tokens.push_back(tokenizer.special_tokens().sep);
  return tokens;
}

int64_t nearest_value(const std::vector<double>& values, double value) {
  return std::ranges::min_element(values, {}, [&](double v) { return std::abs(v - value); }) -
         values.begin();
}

int64_t longest_by_default(const HfConfig& config) {
  return config.default_max_tokens > 0 ? config.default_max_tokens : config.max_tokens;
}

void ModelSpec::check(const HfConfig& config, const std::string& where) const {
  const auto checks = [&] {
    with_context("model.schedule", [&] { check_schedule(schedule, config.num_hidden_layers); });
    check_reads(*this, "model.schedule");
    for (const int64_t p : elastic) at(p, config, "training.elastic_independent_layers");
    resolve_segment_format(format, schedule);
    check_words(*this, config);
    const std::string problem = config.family->pair_problem(config);
    if (format == SegmentFormat::kPair && !problem.empty())
      throw UserError("model.segment_format: " + problem + "; use standalone");
    if (find_head(head).needs_decoder && !config.family->has_decoder())
      throw UserError("model.head: " + to_string(head) + " needs a decoder, and " +
                      config.family->model_type() + " has none; use classifier or regression");
    if (find_head(head).needs_decoder) label_texts(*this);
    if (reads_first_row(*this) && config.family->layout(config, {}).prefix.empty()) {
      throw UserError((find_head(head).pools ? "model.pooling: " + to_string(pooling)
                                             : "model.head: " + to_string(head)) +
                      " reads an example's first token, and " + config.family->model_type() +
                      " has none like [CLS]; use " +
                      (find_head(head).pools ? "segments or mean" : "another model"));
    }
    if (max_segment_tokens > config.max_tokens) {
      throw UserError("data.max_segment_tokens: expected at most the model's " +
                      std::to_string(config.max_tokens) + " positions, got " +
                      std::to_string(max_segment_tokens));
    }
  };
  if (where.empty()) return checks();
  with_context(where, checks);
}

std::vector<Schedule> ModelSpec::schedules() const {
  if (elastic.empty()) return {schedule};
  std::vector<Schedule> out;
  for (const int64_t p : elastic) out.push_back(split_schedule(p, schedule));
  return out;
}

ModelSpec ModelSpec::at(int64_t independent_layers, const HfConfig& config,
                        const std::string& key) const {
  ModelSpec spec = *this;
  spec.schedule = with_context(key, [&] {
    check_schedule(schedule, config.num_hidden_layers);
    return split_schedule(independent_layers, schedule);
  });
  if (format == SegmentFormat::kPair) {
    throw UserError(key +
                    " needs a checkpoint of segment_format standalone, got pair (the segments of a "
                    "pair are one sequence); leave it out");
  }
  with_context(key, [&] {
    check_pooling(spec.pooling, spec.schedule, /*several_segments=*/true, "give fewer layers");
  });
  check_reads(spec, key);
  return spec;
}

TokenizeOptions ModelSpec::tokenize_options(const HfConfig& config,
                                            const Tokenizer& tokenizer) const {
  const SpecialTokens special = tokenizer.special_tokens();
  SegmentLayout layout = config.family->layout(config, special);
  layout.no_words = {special.cls, special.sep, special.pad, special.unk, special.mask};
  return {.layout = std::move(layout),
          .format = format,
          .max_tokens = max_segment_tokens,
          .on_overflow = on_overflow,
          .window_overlap = window_overlap,
          .prompts = find_task(task).prompts().parts};
}

SegmentFormat resolve_segment_format(SegmentFormat format, const Schedule& schedule) {
  const bool stock = is_stock(schedule);
  if (format == SegmentFormat::kPair && !stock) {
    throw UserError(
        "model.segment_format: pair is the stock layout, for independent_layers: 0 only; use auto "
        "or standalone");
  }
  if (format != SegmentFormat::kAuto) return format;
  return stock ? SegmentFormat::kPair : SegmentFormat::kStandalone;
}

ModelSpec resolve_spec(Config& config, const HfConfig& hf) {
  const Task& task = find_task(config.task);
  ModelConfig& model = config.model;
  const HeadKind usual = head_for(task.label_kind(), *hf.family);
  if (!model.head) model.head = usual;
  const HeadInfo& head = find_head(*model.head);
  const bool spans = task.label_kind() == LabelKind::kSpans;
  if (spans != takes(head, LabelKind::kSpans) ||
      (!task.open_labels() && !takes(head, task.label_kind()))) {
    throw UserError("model.head: task " + task.name() + " has " +
                    (spans                                    ? "spans of a passage"
                     : task.label_kind() == LabelKind::kClass ? "classes"
                                                              : "scores") +
                    ", so the head must be " + to_string(usual));
  }
  if (!head.pools && model.pooling) {
    throw UserError("model.pooling: the head " + to_string(*model.head) +
                    " reads rows of its own, so nothing is pooled; leave it out");
  }
  if (!model.pooling) model.pooling = hf.family->default_pooling();
  if (!spans && config.data.window_overlap)
    throw UserError("data.window_overlap: task " + task.name() + " has no windows; leave it out");
  if (config.output.hf_code == Switch::kOn && !head.pools) {
    throw UserError("output.hf_code: modeling_lait.py does not compute the head " +
                    to_string(*model.head) + "; leave it out");
  }
  if (config.output.hf_code == Switch::kOn && !hf.family->has_hf_code()) {
    throw UserError("output.hf_code: modeling_lait.py does not compute " + hf.family->model_type() +
                    " models; leave it out");
  }
  if (config.output.hf_code == Switch::kOn && model.lexical_bias == Switch::kOn) {
    throw UserError(
        "output.hf_code: modeling_lait.py does not compute model.lexical_bias; leave one of them "
        "out");
  }
  ModelSpec spec;
  spec.elastic = config.training.elastic_independent_layers;
  const bool is_elastic = !spec.elastic.empty();
  if (is_elastic && model.schedule.empty() && !model.independent_layers) {
    const int64_t largest = *std::ranges::max_element(spec.elastic);
    with_context("training.elastic_independent_layers",
                 [&] { split_schedule(largest, hf.num_hidden_layers); });
    model.independent_layers = largest;
  }
  spec.schedule = resolve_schedule(model, hf.num_hidden_layers);
  spec.format = is_elastic ? SegmentFormat::kStandalone
                           : resolve_segment_format(model.segment_format, spec.schedule);
  spec.pooling = *model.pooling;
  spec.head = *model.head;
  spec.lexical_bias = model.lexical_bias == Switch::kOn;
  spec.max_segment_tokens =
      config.data.max_segment_tokens > 0 ? config.data.max_segment_tokens : longest_by_default(hf);
  spec.on_overflow = config.data.on_overflow;
  spec.task = task.name();
  if (spans) {
    if (!config.data.window_overlap) config.data.window_overlap = kDefaultWindowOverlap;
    spec.window_overlap = config.data.window_overlap;
  }
  spec.labels = task.labels();
  config.data.max_segment_tokens = spec.max_segment_tokens;
  spec.num_segments = resolve_num_segments(config.data, task);
  spec.reading = read_options(config.data);
  check_options(spec.reading, task, spec.label_kind());
  spec.check(hf, "");
  check_lexical_bias(spec, hf);
  return spec;
}

}  // namespace lait
