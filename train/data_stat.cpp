#include "train/data_stat.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "eval/flops.h"
#include "eval/table.h"
#include "lait/base/error.h"
#include "lait/config/read.h"
#include "lait/data/dataset.h"
#include "lait/data/example_reader.h"
#include "lait/model/head.h"
#include "lait/model/hf_config.h"
#include "train/sampler.h"

namespace lait {
namespace {

// FLOPs are counted of at most so many examples, and batches.
constexpr int64_t kMostExamples = 2000, kMostBatches = 50;
// Tokens that no text has.
constexpr int64_t kWhole = int64_t{1} << 30;

double percent(double part, double whole) { return whole > 0 ? 100 * part / whole : 0; }

TokenizeOptions standalone(const HfConfig& hf, const Tokenizer& tokenizer, const Task& task,
                           int64_t max_tokens) {
  return {.layout = hf.family->layout(hf, tokenizer.special_tokens()),
          .format = SegmentFormat::kStandalone,
          .max_tokens = max_tokens,
          .on_overflow = OnOverflow::kTruncate,
          .prompts = task.prompts().parts};
}

void print_lengths(const std::string& name, const LabelledData& data, const Dataset& dataset,
                   int64_t max_tokens) {
  std::vector<int64_t> lengths;
  int64_t segments = 0, tokens = 0, long_examples = 0;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const auto sequences = dataset.example(i).sequences;
    segments += std::ssize(sequences);
    tokens += dataset.example_length(i);
    long_examples += std::ranges::any_of(
        sequences, [&](const int32_t sequence) { return dataset.length(sequence) > max_tokens; });
  }
  for (int32_t s = 0; s < dataset.num_sequences(); ++s) lengths.push_back(dataset.length(s));
  std::ranges::sort(lengths);
  const auto distinct = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  fmt::print("{}: {} examples{}, {} segments, {} distinct ({:.1f} %)\n", name, dataset.size(),
             left_out(data.counts), segments, dataset.num_sequences(),
             percent(static_cast<double>(dataset.num_sequences()), static_cast<double>(segments)));
  fmt::print("  tokens of a distinct segment: median {}, 95 % {}, longest {}\n",
             lengths[lengths.size() / 2], lengths[lengths.size() * 95 / 100], lengths.back());
  if (max_tokens > 0) {
    fmt::print("  {} of {} examples have a segment longer than data.max_segment_tokens, {}\n",
               long_examples, dataset.size(), max_tokens);
  }
  fmt::print("  {:.1f} % of the tokens are repeats\n",
             100 - percent(static_cast<double>(distinct), static_cast<double>(tokens)));
}

// What the steps before the join compute for a sequence, and the projections of the join.
double independent_flops(const PackPlan& plan, const LayerCosts& costs, int64_t length) {
  double sum = 0;
  for (const Step& step : steps(plan.schedule, Scope::kSegment)) {
    if (step.level == 0) {
      sum += count_flops({length, length, length, length * length}, costs).encoder;
    } else if (step.joins && step.level == 1) {
      // The last step projects the queries of the read rows only.
      sum += count_flops({step.last ? 0 : length, length, 0, 0}, costs).encoder;
    }
  }
  return sum;
}

// Would sharing segments in a batch, or a cache over the split, help?
void print_savings(const Dataset& dataset, const HfConfig& hf, const Reads& reads,
                   TrainingConfig training) {
  training.share_segments = ShareSegments::kOn;
  std::vector<std::vector<int64_t>> batches = epoch_batches(dataset, training, /*epoch=*/0);
  if (std::ssize(batches) > kMostBatches) batches.resize(kMostBatches);
  const int64_t stride = std::max<int64_t>(1, dataset.size() / kMostExamples),
                layers = hf.num_hidden_layers;
  const LayerCosts costs = hf.family->costs(hf).layer;
  Table table{.header = {"P", "MFLOPs an example", "saved in a batch", "saved with a cache"},
              .rows = {},
              .num_text_columns = 0};
  for (int64_t p = 0; p <= layers; ++p) {
    const PackPlan plan{.schedule = split_schedule(p, layers), .reads = reads};
    double alone = 0, cached = 0, in_batches = 0;
    int64_t examples = 0, batched = 0;
    for (int64_t i = 0; i < dataset.size(); i += stride) {
      const auto flops = [&](Execution execution) {
        return execution_flops(dataset, i, plan, costs, execution).encoder;
      };
      alone += flops(Execution::kLait);
      cached += flops(Execution::kLaitCached);
      ++examples;
    }
    alone /= static_cast<double>(examples);
    cached /= static_cast<double>(examples);
    for (int32_t s = 0; s < dataset.num_sequences(); ++s) {
      cached +=
          independent_flops(plan, costs, dataset.length(s)) / static_cast<double>(dataset.size());
    }
    // The examples of the batches may be longer than others, so they have a baseline of their own.
    double apart = 0;
    for (const auto& batch : batches) {
      in_batches += batch_flops(dataset, batch, plan, costs).encoder;
      for (const int64_t i : batch)
        apart += execution_flops(dataset, i, plan, costs, Execution::kLait).encoder;
      batched += std::ssize(batch);
    }
    table.rows.push_back({std::to_string(p), fmt::format("{:.0f}", alone / 1e6),
                          fmt::format("{:.1f} %", 100 - percent(in_batches, apart)),
                          fmt::format("{:.1f} %", 100 - percent(cached, alone))});
  }
  fmt::print(
      "  would sharing and caching help? FLOPs of the encoder's forward pass, {} layers, without "
      "sharing;\n  saved in batches of {} {} that encode each distinct segment once, and with a "
      "cache of all segments:\n{}",
      layers, training.batch_size, training.batch_by == BatchBy::kTokens ? "tokens" : "examples",
      format_plain(table));
}

}  // namespace

int data_statistics(const std::string& name, const std::vector<Override>& overrides) {
  const Config config = read_config(find_config(name), overrides, task_names());
  const Task& task = find_task(config.task);
  const std::filesystem::path model = find_model(config.model.path);
  const HfConfig hf = read_hf_config(model);
  const HeadInfo& head =
      find_head(config.model.head.value_or(head_for(task.label_kind(), *hf.family)));
  const ReadOptions reading = read_options(config.data);
  check_options(reading, task, label_kind(head, task));
  resolve_num_segments(config.data, task);
  const auto tokenizer = load_tokenizer(model);
  bool any = false;
  const auto cut_to = [&](const LabelledData& data, int64_t tokens) {
    return Dataset(data.examples, *tokenizer, standalone(hf, *tokenizer, task, tokens));
  };
  for (const std::string split : {"train", "validation", "test"}) {
    const LabelledData data = read_files(task, config.data.files_of(split), reading);
    if (data.examples.empty()) continue;
    const int64_t limit = config.data.max_segment_tokens;
    print_lengths(split, data, cut_to(data, kWhole), limit);
    any = true;
    if (split != "train") continue;
    const Reads reads = head.reads(config.model.pooling.value_or(hf.family->default_pooling()));
    print_savings(cut_to(data, limit > 0 ? limit : longest_by_default(hf)), hf, reads,
                  config.training);
  }
  if (!any)
    throw UserError(name +
                    ": expected files in data.train, data.validation or data.test, got none");
  return 0;
}

}  // namespace lait
