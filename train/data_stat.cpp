#include "train/data_stat.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "eval/flops.h"
#include "eval/table.h"
#include "lait/base/error.h"
#include "lait/base/files.h"
#include "lait/config/read.h"
#include "lait/data/dataset.h"
#include "lait/data/example_reader.h"
#include "lait/model/head.h"
#include "lait/model/hf_config.h"
#include "train/sampler.h"

namespace lait {
namespace {

using Json = nlohmann::ordered_json;

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

struct Lengths {
  int64_t examples = 0, segments = 0, tokens = 0, long_examples = 0;
  std::vector<int64_t> distinct;  // tokens of each distinct segment, ascending

  int64_t distinct_tokens() const {
    return std::accumulate(distinct.begin(), distinct.end(), int64_t{0});
  }
  int64_t median() const { return distinct[distinct.size() / 2]; }
};

Lengths lengths_of(const Dataset& dataset, int64_t max_tokens) {
  Lengths out{.examples = dataset.size(), .distinct = {}};
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const auto sequences = dataset.example(i).sequences;
    out.segments += std::ssize(sequences);
    out.tokens += dataset.example_length(i);
    out.long_examples += std::ranges::any_of(
        sequences, [&](const int32_t sequence) { return dataset.length(sequence) > max_tokens; });
  }
  for (int32_t s = 0; s < dataset.num_sequences(); ++s) out.distinct.push_back(dataset.length(s));
  std::ranges::sort(out.distinct);
  return out;
}

void print(const Lengths& lengths, const std::string& name, const LabelledData& data,
           int64_t max_tokens) {
  const auto& [examples, segments, tokens, long_examples, distinct] = lengths;
  fmt::print("{}: {} examples{}, {} segments, {} distinct ({:.1f} %)\n", name, examples,
             left_out(data.counts), segments, distinct.size(),
             percent(static_cast<double>(distinct.size()), static_cast<double>(segments)));
  fmt::print("  tokens of a distinct segment: median {}, 95 % {}, longest {}\n", lengths.median(),
             distinct[distinct.size() * 95 / 100], distinct.back());
  if (max_tokens > 0) {
    fmt::print("  {} of {} examples have a segment longer than data.max_segment_tokens, {}\n",
               long_examples, examples, max_tokens);
  }
  fmt::print(
      "  {:.1f} % of the tokens are repeats\n",
      100 - percent(static_cast<double>(lengths.distinct_tokens()), static_cast<double>(tokens)));
}

Json to_json(const Lengths& lengths) {
  return {{"examples", lengths.examples},
          {"segments", lengths.segments},
          {"distinct_segments", lengths.distinct.size()},
          {"tokens", lengths.tokens},
          {"distinct_tokens", lengths.distinct_tokens()},
          {"median_tokens", lengths.median()},
          {"longest_tokens", lengths.distinct.back()}};
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

// What sharing segments in a batch, or a cache over the split, saves at a P.
struct Savings {
  int64_t p = 0;
  double flops = 0;                     // of an example alone
  double in_batch = 0, with_cache = 0;  // in percent
};

std::vector<Savings> savings_of(const Dataset& dataset, const HfConfig& hf, const Reads& reads,
                                TrainingConfig training) {
  training.share_segments = ShareSegments::kOn;
  std::vector<std::vector<int64_t>> batches = epoch_batches(dataset, training, /*epoch=*/0);
  if (std::ssize(batches) > kMostBatches) batches.resize(kMostBatches);
  const int64_t stride = std::max<int64_t>(1, dataset.size() / kMostExamples),
                layers = hf.num_hidden_layers;
  const LayerCosts costs = hf.family->costs(hf).layer;
  std::vector<Savings> out;
  for (int64_t p = 0; p <= layers; ++p) {
    const PackPlan plan{.schedule = split_schedule(p, layers), .reads = reads};
    double alone = 0, cached = 0, in_batches = 0;
    int64_t examples = 0;
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
    }
    out.push_back({.p = p,
                   .flops = alone,
                   .in_batch = 100 - percent(in_batches, apart),
                   .with_cache = 100 - percent(cached, alone)});
  }
  return out;
}

void print(const std::vector<Savings>& savings, const TrainingConfig& training) {
  Table table{.header = {"P", "MFLOPs an example", "saved in a batch", "saved with a cache"},
              .rows = {},
              .num_text_columns = 0};
  for (const Savings& row : savings) {
    table.rows.push_back({std::to_string(row.p), fmt::format("{:.0f}", row.flops / 1e6),
                          fmt::format("{:.1f} %", row.in_batch),
                          fmt::format("{:.1f} %", row.with_cache)});
  }
  fmt::print(
      "  would sharing and caching help? FLOPs of the encoder's forward pass, {} layers, without "
      "sharing;\n  saved in batches of {} {} that encode each distinct segment once, and with a "
      "cache of all segments:\n{}",
      savings.size() - 1, training.batch_size,
      training.batch_by == BatchBy::kTokens ? "tokens" : "examples", format_plain(table));
}

Json to_json(const std::vector<Savings>& savings) {
  Json out = Json::array();
  for (const Savings& row : savings) {
    out.push_back({{"independent_layers", row.p},
                   {"encoder_flops", row.flops},
                   {"percent_saved_in_batch", row.in_batch},
                   {"percent_saved_with_cache", row.with_cache}});
  }
  return out;
}

}  // namespace

int data_statistics(const std::string& name, const std::vector<Override>& overrides,
                    const std::filesystem::path& json_file) {
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
  Json json;
  const auto cut_to = [&](const LabelledData& data, int64_t tokens) {
    return Dataset(data.examples, *tokenizer, standalone(hf, *tokenizer, task, tokens));
  };
  for (const std::string split : {"train", "validation", "test"}) {
    const LabelledData data = read_files(task, config.data.files_of(split), reading);
    if (data.examples.empty()) continue;
    const int64_t limit = config.data.max_segment_tokens;
    const Lengths lengths = lengths_of(cut_to(data, kWhole), limit);
    print(lengths, split, data, limit);
    json[split] = to_json(lengths);
    if (split != "train") continue;
    const Reads reads = head.reads(config.model.pooling.value_or(hf.family->default_pooling()));
    const auto savings = savings_of(cut_to(data, limit > 0 ? limit : longest_by_default(hf)), hf,
                                    reads, config.training);
    print(savings, config.training);
    json[split]["savings"] = to_json(savings);
  }
  if (json.empty())
    throw UserError(name +
                    ": expected files in data.train, data.validation or data.test, got none");
  const std::string text = json.dump(1) + "\n";
  if (!json_file.empty()) write_files({{json_file, text}});
  return 0;
}

}  // namespace lait
